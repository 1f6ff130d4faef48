"""How to test code that uses sessions: a request has one store, a job or another request a second."""

from datetime import timedelta

from asgiref.sync import async_to_sync
from django.db import DatabaseError, connection
from django.test import override_settings
from django.utils import timezone

from common.sessions import SessionGone, UpdateError, edit_session, live_sessions, session_store
from common.testing import TestCase

BACKENDS = "django.contrib.sessions.backends"


def load(key):
    """Return the store of a request that has loaded its session."""
    store = session_store(key)
    store.keys()
    return store


class SessionTests(TestCase):
    def setUp(self):
        store = session_store()
        store.update({"user": 1, "cart": {"items": []}})
        store.create()
        self.key = store.session_key

    def data(self):
        return dict(session_store(self.key).items())

    def test_two_requests_keep_what_each_changed(self):
        one, two = load(self.key), load(self.key)
        one["cart"]["items"].append(7)
        two["language"] = "en"
        del two["user"]
        two.save()
        with self.assertNumQueries(4):  # savepoint, locked read, update, release
            one.save()
        assert self.data() == {"cart": {"items": [7]}, "language": "en"}

    def test_a_request_under_way_does_not_undo_the_edit_of_a_job(self):
        request = load(self.key)
        with edit_session(self.key) as session:
            session["reminded"] = True
            session.set_expiry(60)
        request["user"] = 2
        request.save()
        assert (self.data()["user"], self.data()["reminded"]) == (2, True)
        assert request.model.objects.filter(expire_date__lt=timezone.now() + timedelta(minutes=1))

    def test_async_saves_merge_as_well(self):
        async def change():
            one, two = session_store(self.key), session_store(self.key)
            await one.aset("user", "changed")
            await two.aset("cart", "changed")
            await two.asave()
            await one.asave()

        async_to_sync(change)()
        assert self.data() == {"user": "changed", "cart": "changed"}

    def test_a_session_that_ended_is_gone_for_jobs_and_requests(self):
        request = load(self.key)
        session_store(self.key).flush()
        with self.assertRaises(UpdateError):
            request.save()
        with self.assertRaises(SessionGone), edit_session(self.key):
            self.fail("The block must not run.")

    def test_an_error_of_the_database_is_no_logout(self):
        def fail(execute, sql, params, many, context):
            raise DatabaseError("database is locked")

        request = load(self.key)
        with self.assertRaises(DatabaseError), connection.execute_wrapper(fail):
            request.save()

    def test_live_sessions_yields_those_that_have_not_expired(self):
        rows = session_store().model.objects
        rows.create(session_key="expired1", expire_date=timezone.now() - timedelta(days=1))
        assert [*live_sessions()] == [(self.key, self.data())]

    def test_django_s_engines_read_the_same_sessions_and_edits_ignore_a_stale_copy(self):
        engines = ["cached_db", "db", "cached_db"]
        for engine in engines:
            with override_settings(SESSION_ENGINE=f"{BACKENDS}.{engine}"):
                with edit_session(self.key) as session:
                    session["cart"]["items"].append(engine)
                assert self.data()["cart"]["items"][-1] == engine
        assert self.data()["cart"]["items"] == engines
