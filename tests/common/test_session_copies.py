"""``edit_session`` on stock ``cached_db``: the site never goes on with a stale cached copy."""

from contextlib import contextmanager, suppress
from datetime import timedelta
from unittest import mock

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.sessions import SessionGone, edit_session, session_store
from common.testing import TestCase
from common_tests.session_helpers import (
    PREFIX,
    FaultError,
    Sessions,
    SessionTestCase,
    engine,
    queries,
)


class OnCachedDB(Sessions):
    def setUp(self):
        self.enterContext(engine("cached_db"))
        super().setUp()
        assert self.copy() == {"a": 1, "b": 2}

    @contextmanager
    def copy_made_before_the_commit(self):
        """Have a request write the copy of the old row before the first commit of the block."""
        commit, copies = connection._commit, [{"a": 1, "b": 2}]

        def fill_and_commit():
            if copies:
                cache.set(PREFIX + self.key, copies.pop())
            commit()

        with mock.patch.object(connection, "_commit", fill_and_commit):
            yield
        assert not copies


class CopyTests(OnCachedDB, SessionTestCase):
    def test_the_site_reads_an_edit_from_a_new_copy(self):
        with edit_session(self.key) as session:
            session["a"] = 3
        assert self.row() == self.copy() == {"a": 3, "b": 2}
        assert queries(self.loaded) == 0

    def test_an_edit_reads_the_row_and_not_the_copy(self):
        cache.set(PREFIX + self.key, {"a": "stale", "c": "stale"})
        with edit_session(self.key) as session:
            assert dict(session.items()) == {"a": 1, "b": 2}
            session["b"] = 3
        assert self.row() == self.copy() == {"a": 1, "b": 3}

    def test_a_copy_that_a_request_makes_before_the_commit_is_replaced(self):
        with self.copy_made_before_the_commit(), edit_session(self.key) as session:
            session["a"] = 3
        assert self.copy() == {"a": 3, "b": 2}

    def test_the_copy_is_written_under_a_lock_of_the_row(self):
        with CaptureQueriesContext(connection) as captured, edit_session(self.key):
            pass
        statements = [query["sql"] for query in captured]
        assert sum("RETURNING" in sql or "FOR UPDATE" in sql for sql in statements) == 2

    def test_the_copy_lives_as_long_as_the_session(self):
        self.rows().update(expire_date=timezone.now() + timedelta(minutes=1))
        with (
            mock.patch.object(LocMemCache, "set", autospec=True) as set_copy,
            edit_session(self.key) as session,
        ):
            session["a"] = 3
        [call] = set_copy.call_args_list
        assert 50 < call.args[3] <= 60  # seconds

    def test_an_expired_session_is_gone_although_it_has_a_copy(self):
        self.rows().update(expire_date=timezone.now())
        with self.assertRaises(SessionGone), edit_session(self.key):
            raise FaultError

    def test_a_session_that_expires_during_the_edit_stays_expired_and_has_no_copy(self):
        until = timezone.now() + timedelta(seconds=60)
        self.rows().update(expire_date=until)
        with mock.patch.object(timezone, "now") as now:
            now.return_value = until - timedelta(seconds=1)
            with edit_session(self.key) as session:
                session["a"] = 3
                now.return_value = until + timedelta(seconds=1)
        assert (self.expire_date(), self.copy()) == (until, None)

    def test_a_block_that_saves_and_raises_leaves_no_copy_of_what_it_saved(self):
        with self.assertRaises(FaultError), edit_session(self.key) as session:
            session["a"] = 3
            session.save()
            raise FaultError
        assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)

    def test_a_commit_that_fails_leaves_no_copy_of_the_edit(self):
        with (
            self.assertRaises(OperationalError),
            mock.patch.object(connection, "_commit", side_effect=OperationalError),
            edit_session(self.key) as session,
        ):
            session["a"] = 3
        assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)

    def test_a_session_that_the_block_flushed_has_no_copy(self):
        with self.copy_made_before_the_commit(), edit_session(self.key) as session:
            session.flush()
        assert (self.row(), self.copy(), session.session_key) == (None, None, None)

    def test_a_session_with_another_key_has_a_copy_under_that_key_only(self):
        with edit_session(self.key) as session:
            session["a"] = 3
            session.cycle_key()
            del session["b"]
        assert (self.row(), self.copy()) == (None, None)
        self.key = session.session_key
        assert self.row() == self.copy() == {"a": 3}

    def test_a_dead_cache_fails_an_edit_and_nothing_is_saved(self):
        dead = mock.patch.object(LocMemCache, "delete", side_effect=ConnectionError)
        with self.assertRaises(ConnectionError), dead, edit_session(self.key) as session:
            session["a"] = 3
        assert self.row() == self.copy() == {"a": 1, "b": 2}

    def test_a_cache_that_dies_after_the_commit_is_logged_and_has_no_stale_copy(self):
        dead = mock.patch.object(LocMemCache, "set", side_effect=ConnectionError)
        logs = self.assertLogs("django.db.backends.base", "ERROR")
        with logs, dead, edit_session(self.key) as session:
            session["a"] = 3
        assert (self.row(), self.copy()) == ({"a": 3, "b": 2}, None)


class OuterTransactionTests(OnCachedDB, TestCase):
    def test_the_copy_is_dropped_at_once_and_written_at_the_commit(self):
        with self.captureOnCommitCallbacks(execute=True):
            with edit_session(self.key) as session:
                session["a"] = 3
            assert self.copy() is None
            assert session_store(self.key)["a"] == 3
            self.change_row(a=4)
        assert self.row() == self.copy() == {"a": 4}

    def test_a_session_that_is_deleted_before_the_commit_has_no_copy(self):
        with self.captureOnCommitCallbacks(execute=True):
            with edit_session(self.key) as session:
                session["a"] = 3
            self.rows().delete()
            cache.set(PREFIX + self.key, {"a": 3})
        assert self.copy() is None

    def test_reads_see_each_edit_where_nothing_is_committed(self):
        for value in (3, 4):
            with edit_session(self.key) as session:
                session["a"] = value
            assert session_store(self.key)["a"] == value


class RollbackTests(OnCachedDB, SessionTestCase):
    def test_an_outer_transaction_that_is_rolled_back_leaves_no_copy_of_the_edit(self):
        with suppress(FaultError), transaction.atomic():
            with edit_session(self.key) as session:
                session["a"] = 3
            raise FaultError
        assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)
        assert session_store(self.key)["a"] == 1
