"""How to test code that uses sessions: a request has one store, a job or another request a second."""

from datetime import timedelta

from django.test import override_settings
from django.utils import timezone

from common.sessions import SessionGone, UpdateError, edit_session, live_sessions, session_store
from common.testing import TestCase


class SessionTests(TestCase):
    def setUp(self):
        self.request = session_store()  # the store of a request that has loaded its session
        self.request.update({"user": 1, "cart": {"items": []}})
        self.request.create()
        self.key = self.request.session_key

    def data(self):
        return dict(session_store(self.key).items())

    def test_two_requests_keep_what_each_changed(self):
        other = session_store(self.key)
        self.request["cart"]["items"].append(7)
        other["language"] = "en"
        del other["user"]
        other.save()
        with self.assertNumQueries(4):  # savepoint, locked read, update, release
            self.request.save()
        assert self.data() == {"cart": {"items": [7]}, "language": "en"}

    async def test_async_saves_merge_as_well(self):
        other = session_store(self.key)
        await other.aset("language", "en")
        await self.request.aset("user", 2)
        await other.asave()
        await self.request.asave()
        saved = dict(await session_store(self.key).aitems())
        assert (saved["user"], saved["language"]) == (2, "en")

    def test_a_request_under_way_does_not_undo_the_edit_of_a_job(self):
        with edit_session(self.key) as session:
            session["reminded"] = True
            session.set_expiry(60)
        self.request["user"] = 2
        self.request.save()
        assert (self.data()["user"], self.data()["reminded"]) == (2, True)
        expires_in = self.request.model.objects.get().expire_date - timezone.now()
        assert expires_in <= timedelta(seconds=60)

    def test_a_session_that_ended_is_gone_for_jobs_and_requests(self):
        session_store(self.key).flush()
        with self.assertRaises(UpdateError):
            self.request.save()
        with self.assertRaises(SessionGone), edit_session(self.key):
            self.fail("The block must not run.")

    def test_live_sessions_yields_those_that_have_not_expired(self):
        rows = session_store().model.objects
        rows.create(session_key="expired1", expire_date=timezone.now() - timedelta(days=1))
        assert [*live_sessions()] == [(self.key, self.data())]

    def test_django_s_engines_read_the_same_sessions_and_edits_ignore_a_stale_copy(self):
        engines = ["cached_db", "db", "cached_db"]
        for engine in engines:
            with override_settings(SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}"):
                with edit_session(self.key) as session:
                    session["cart"]["items"].append(engine)
                assert self.data()["cart"]["items"][-1] == engine
        assert self.data()["cart"]["items"] == engines
