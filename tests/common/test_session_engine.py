"""What the engine saves, and what it leaves as others have saved it. Its cache is in test_session_cache."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from importlib import import_module
from tempfile import TemporaryDirectory
from threading import Barrier

from django.conf import settings
from django.db import OperationalError, connection, connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from common.sessions import edit_session, session_store
from common_tests.session_helpers import SessionTestCase, threads_can_wait

# They are banned where they are imported, for good reasons; here they are what is compared with.
CreateError, UpdateError = (
    getattr(import_module("django.contrib.sessions.backends.base"), name)
    for name in ("CreateError", "UpdateError")
)


def refuse_updates(execute, sql, params, many, context):
    """What SQLite says after its timeout, when the row is written."""
    if "session_data" in sql and sql.startswith("UPDATE") and "RETURNING" not in sql:
        raise OperationalError("database is locked")
    return execute(sql, params, many, context)


def read(request):
    """Read the session, while a job changes it."""
    response = HttpResponse(request.session["a"])
    with edit_session(request.session.session_key) as session:
        session["a"] = "job"
    return response


def write(request):
    request.session["a"] = "request"
    if "logout" in request.GET:
        session_store(request.session.session_key).delete()
    return HttpResponse()


urlpatterns = [path("read", read), path("write", write)]


class MergeTests(SessionTestCase):
    def test_only_what_was_changed_is_written(self):
        one, two = self.loaded(), self.loaded()
        one["a"], two["b"], two["c"] = "one", "two", "two"
        two.save()
        one.save()
        assert self.row() == self.copy() == {"a": "one", "b": "two", "c": "two"}
        assert dict(one.items()) == self.row()

    def test_a_change_inside_of_a_value_counts_after_a_save_as_well(self):
        self.key = self.make(cart={"lines": [1]}, a=1)
        store = self.loaded()
        cart = store["cart"]
        store["a"] = 2
        store.save()
        cart["lines"].append(2)
        store.save()
        assert self.row() == {"cart": {"lines": [1, 2]}, "a": 2}

    def test_a_change_inside_of_a_value_counts(self):
        self.key = self.make(cart={"lines": [1]}, a=1)
        one, two = self.loaded(), self.loaded()
        one["cart"]["lines"].append(2)
        two["a"] = 2
        one.save()
        two.save()
        assert self.row() == {"cart": {"lines": [1, 2]}, "a": 2}

    def test_a_value_is_another_one_when_it_is_stored_as_another_one(self):
        store = self.loaded()
        store["a"] = True
        self.change_row(a=5, b=5)
        store.save()
        assert self.row()["a"] is True
        assert self.row()["b"] == 5

    def test_what_either_has_deleted_stays_deleted(self):
        one, two = self.loaded(), self.loaded()
        del one["a"], two["b"]
        one.save()
        two["c"] = 3
        two.save()
        assert self.row() == {"c": 3}

    def test_a_key_that_both_changed_is_that_of_the_later_save(self):
        one, two, three = self.loaded(), self.loaded(), self.loaded()
        one["a"], two["a"], one["b"] = "one", "two", "one"
        two.save()
        one.save()
        del three["a"], three["b"]
        three.save()
        assert self.row() == {}
        two["a"] = "later"
        two.save()
        assert self.row() == {"a": "later"}

    def test_clear_replaces_all_and_merging_goes_on_after_it(self):
        one, two = self.loaded(), self.loaded()
        two["c"] = 3
        two.save()
        one.clear()
        one["d"] = 4
        one.save()
        assert self.row() == {"d": 4}
        two["e"] = 5
        two.save()
        one["f"] = 6
        one.save()
        assert self.row() == {"d": 4, "e": 5, "f": 6}

    def test_a_new_key_takes_what_was_loaded_as_at_a_login_and_flush_takes_nothing(self):
        one, two, three = self.loaded(), self.loaded(), self.loaded()
        three["b"] = "lost"
        three.save()
        old, one["a"] = self.key, "one"
        one.cycle_key()
        assert not session_store().exists(old)
        self.key = one.session_key
        assert self.row() == self.copy() == {"a": "one", "b": 2}
        two = self.loaded()
        two["a"] = "two"
        two.save()
        one["b"] = "one"
        one.save()
        assert self.row() == {"a": "two", "b": "one"}
        one.flush()
        assert (self.row(), self.copy(), one.session_key) == (None, None, None)
        one["c"] = 3
        one.save()
        self.key = one.session_key
        assert self.row() == {"c": 3}

    def test_a_session_that_was_deleted_meanwhile_stays_so(self):
        store = self.loaded()
        self.rows().delete()
        store["a"] = 3
        with self.assertRaises(UpdateError):
            store.save()
        assert (self.row(), self.copy()) == (None, None)
        assert not self.model.objects.exists()

    def test_the_expiry_is_merged_as_well(self):
        one, two = self.loaded(), self.loaded()
        one.set_expiry(timedelta(hours=1))
        one.save()
        two["a"] = 3
        two.save()
        assert self.expire_date() == one.get_expiry_date()

    def test_what_was_saved_once_is_not_written_again(self):
        store = self.loaded()
        store["a"] = 3
        store.save()
        self.change_row(a="job", b=2)
        store["b"] = 4
        store.save()
        assert self.row() == {"a": "job", "b": 4}

    def test_a_save_that_failed_can_be_done_again(self):
        store = self.loaded()
        store["a"], store["c"] = 3, object()
        with self.assertRaises(TypeError):
            store.save()
        del store["c"]
        self.change_row(a=1, b="job")
        with connection.execute_wrapper(refuse_updates), self.assertRaises(OperationalError):
            store.save()
        assert (dict(store.items()), self.copy()) == ({"a": 3, "b": 2}, None)
        store.save()
        assert self.row() == self.copy() == {"a": 3, "b": "job"}

    def test_a_session_that_was_never_read_is_saved_as_it_is(self):
        session_store(self.key).save()
        assert self.row() == {"a": 1, "b": 2}

    def test_a_key_that_is_taken_is_not_taken_over(self):
        store = session_store()
        store["a"], store._session_key = "mine", self.key
        with self.assertRaises(CreateError):
            store.save(must_create=True)
        store._get_new_session_key = iter([self.key, "k" * 32]).__next__
        store.create()
        assert (store.session_key, self.row()) == ("k" * 32, {"a": 1, "b": 2})

    def test_what_another_serializer_knows_can_be_merged(self):
        with override_settings(SESSION_SERIALIZER="common_tests.session_helpers.DateSerializer"):
            one, two = self.loaded(), self.loaded()
            one["a"], two["b"] = date(2000, 1, 1), date(2000, 1, 2)
            one.save()
            two.save()
            assert self.row() == {"a": "2000-01-01", "b": "2000-01-02"}


class RaceTests(SessionTestCase):
    def test_twelve_threads_that_write_a_key_each_keep_twelve_keys(self):
        barrier = Barrier(12)

        def write(number):
            try:
                store = self.loaded()
                barrier.wait(60)
                store[f"key{number}"] = number
                store.save()
            finally:
                connections.close_all()

        with (
            TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            threads_can_wait(f"{folder}/db"),
            ThreadPoolExecutor(12) as pool,
        ):
            self.key = self.make()
            list(pool.map(write, range(12)))
            assert self.row() == {f"key{number}": number for number in range(12)}


@override_settings(ROOT_URLCONF=__name__, SESSION_SAVE_EVERY_REQUEST=True)
class RequestTests(SessionTestCase):
    def setUp(self):
        super().setUp()
        self.client.cookies[settings.SESSION_COOKIE_NAME] = self.key

    def test_a_request_that_only_reads_does_not_undo_a_job(self):
        assert self.client.get("/read").content == b"1"
        assert self.row() == {"a": "job", "b": 2}

    def test_only_a_session_that_is_gone_counts_as_a_logout(self):
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.get("/write?logout").status_code == 400

    def test_a_database_that_is_locked_is_no_logout(self):
        with (
            connection.execute_wrapper(refuse_updates),
            self.assertRaisesMessage(OperationalError, "database is locked"),
        ):
            self.client.get("/write")
