"""That no cached copy stays which is older than its row, in whatever order readers and writers come."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from common.sessions import cache as session_cache
from common.sessions.cache import MAX_AGE
from common.sessions import edit_session, session_store
from common.testing import TestCase
from common_tests.session_helpers import (
    PREFIX,
    Cache,
    Sessions,
    SessionTestCase,
    after_select,
    cache,
    queries,
)


class ProtocolTests(SessionTestCase):
    def save(self, **data):
        store = self.loaded()
        store.update(data)
        store.save()

    def delete(self):
        session_store(self.key).delete()

    def test_a_load_fills_the_cache_and_the_next_one_takes_no_query(self):
        cache.clear()
        with queries(1):
            self.loaded()
        with queries(0):
            assert dict(self.loaded().items()) == self.copy() == {"a": 1, "b": 2}

    def test_a_reader_does_not_put_back_what_a_save_has_replaced(self):
        cache.clear()
        with after_select(lambda: self.save(a=3)):
            assert self.loaded()["a"] == 1
        assert self.copy() == self.row() == {"a": 3, "b": 2}

    def test_a_reader_does_not_put_back_what_was_deleted_before_it_adds(self):
        cache.clear()
        Cache.before_add = self.fail
        with after_select(self.delete):
            self.loaded()
        assert Cache.before_add
        assert self.copy() is None

    def test_a_reader_takes_back_what_was_deleted_while_it_adds(self):
        cache.clear()
        Cache.before_add = self.delete
        self.loaded()
        assert Cache.before_add is None
        assert (self.row(), self.copy()) == (None, None)

    def test_a_copy_is_written_under_the_lock_of_the_row(self):
        Cache.writes.clear()
        self.save(a=3)
        with edit_session(self.key) as session:
            session["a"] = 4
        assert [in_transaction for _, in_transaction in Cache.writes] == [True, True]

    def test_a_copy_lives_no_longer_than_max_age_nor_than_its_session(self):
        self.save(a=3)
        self.rows().update(expire_date=timezone.now() + timedelta(seconds=60))
        with edit_session(self.key):
            pass
        limits = [MAX_AGE, MAX_AGE, 60]
        for (seconds, _), limit in zip(Cache.writes, limits, strict=True):
            assert limit / 2 < seconds <= limit

    def test_a_read_copy_lives_no_longer_either(self):
        cache.clear()
        with mock.patch.object(Cache, "add") as add:
            self.loaded()
        assert add.call_args.args == (PREFIX + self.key, {"a": 1, "b": 2}, MAX_AGE)

    def test_a_session_that_has_expired_has_no_copy(self):
        store = self.loaded()
        store.set_expiry(timezone.now() - timedelta(seconds=1))
        store.save()
        assert self.copy() is None
        assert all(seconds > 0 for seconds, _ in Cache.writes)
        assert self.loaded().session_key is None

    def test_a_key_is_free_where_only_a_copy_is_left(self):
        self.rows().delete()
        assert self.copy()
        assert not session_store().exists(self.key)

    def test_to_delete_nothing_is_no_error(self):
        session_store("k" * 32).delete()
        Cache.down = True
        with queries(0), self.assertNoLogs("common.sessions.cache"):
            session_store().delete()
        assert self.row()


class OuterTransactionTests(Sessions, TestCase):
    def test_a_save_drops_the_copy_and_writes_it_on_commit(self):
        cache.set(PREFIX + self.key, {"a": 1, "b": 2})
        with self.captureOnCommitCallbacks(execute=True):
            store = self.loaded()
            store["a"] = 3
            store.save()
            assert self.copy() is None
            self.loaded()
            assert self.copy() is None
        assert self.copy() == {"a": 3, "b": 2}

    def test_a_delete_drops_the_copy_once_more_on_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            session_store(self.key).delete()
            cache.set(PREFIX + self.key, {"a": 1})
        assert self.copy() is None


class OutageTests(SessionTestCase):
    def setUp(self):
        super().setUp()
        session_cache._undropped.clear()
        self.addCleanup(session_cache._undropped.clear)

    def outage(self, kind="down"):
        self.enterContext(self.assertLogs("common.sessions.cache", "ERROR"))
        setattr(Cache, kind, True)

    def test_requests_and_jobs_go_on_without_the_cache_and_read_nothing_stale_when_it_is_back(self):
        self.outage()
        store = self.loaded()
        assert store["a"] == 1
        store["a"] = "request"
        store.save()
        with edit_session(self.key) as session:
            session["b"] = "job"
        assert self.row() == dict(self.loaded().items()) == {"a": "request", "b": "job"}
        Cache.down = False
        assert self.copy() == {"a": 1, "b": 2}
        assert dict(self.loaded().items()) == {"a": "request", "b": "job"}
        assert self.copy() is None
        cache.set(PREFIX + self.key, {"a": "another process"})
        assert self.loaded()["a"] == "another process"

    def test_a_cache_that_can_only_be_read_serves_nothing_stale(self):
        self.outage("read_only")
        with edit_session(self.key) as session:
            session["a"] = 3
        assert self.copy() == {"a": 1, "b": 2}
        assert self.loaded()["a"] == 3

    def test_what_is_deleted_without_the_cache_stays_so(self):
        keys = self.key, self.make(a=1)
        self.outage()
        for key in keys:
            session_store(key).delete()
        Cache.down = False
        assert [session_store(key).load() for key in keys] == [{}, {}]

    def test_the_next_write_makes_a_copy_trusted_again(self):
        self.outage()
        with edit_session(self.key) as session:
            session["a"] = 3
        Cache.down = False
        store = session_store(self.key)
        store.clear()
        store.save()
        with queries(0):
            assert dict(self.loaded().items()) == self.copy() == {}

    def test_a_cache_that_fails_during_an_edit_does_not_serve_the_old_copy(self):
        with edit_session(self.key) as session:
            session["a"] = 3
            self.outage()
        Cache.down = False
        assert self.copy() is None
        assert self.loaded()["a"] == 3

    def test_a_reader_that_cannot_look_at_the_marker_again_does_not_bring_a_session_back(self):
        cache.delete(PREFIX + self.key)
        Cache.before_add = session_store(self.key).delete
        Cache.after_add = self.outage
        assert self.loaded()["a"] == 1
        Cache.down = False
        assert session_store(self.key).load() == {}

    def test_a_request_asks_a_cache_that_is_out_of_reach_once_to_read_and_twice_to_write(self):
        Cache.down = True
        with self.assertLogs("common.sessions.cache", "ERROR") as logs:
            store = self.loaded()
            assert len(logs.records) == 1
            store["a"] = 3
            store.save()
        assert len(logs.records) == 3

    def test_what_was_not_dropped_is_forgotten_when_all_copies_are_gone(self):
        other = self.make(a=1)
        self.outage()
        session_store(self.key).delete()
        later = session_cache.monotonic() + MAX_AGE + 1
        with mock.patch.object(session_cache, "monotonic", return_value=later):
            assert not session_cache._is_undropped(PREFIX + self.key)
            session_store(other).delete()
        assert list(session_cache._undropped) == [PREFIX + other]
