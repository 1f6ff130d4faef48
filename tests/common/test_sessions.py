"""session_store and edit_session. What engine and cache make of it is in the tests of session_engine."""

from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.sessions import SessionGone, edit_session, session_store
from common.testing import TestCase
from common_tests.session_helpers import PREFIX, Cache, Sessions, SessionTestCase, cache, in_thread

DJANGO = "django.contrib.sessions.backends."


def engine(name):
    return override_settings(SESSION_ENGINE=name)


class FaultError(Exception):
    pass


class StoreTests(SessionTestCase):
    def test_the_engine_is_the_one_that_the_setting_names_now(self):
        for name in ("common.sessions.engine", *(DJANGO + name for name in ("db", "cache"))):
            with engine(name):
                assert type(session_store()) is import_module(name).SessionStore
        assert session_store(self.key)["a"] == 1
        assert session_store().session_key is None


class EditTests(SessionTestCase):
    def test_what_the_block_changes_is_in_row_and_cache(self):
        with edit_session(self.key) as session:
            session["a"] = [1]
            session["a"].append(2)
            del session["b"]
        assert self.row() == self.copy() == {"a": [1, 2]}

    def test_the_row_is_read_and_not_the_cached_copy(self):
        cache.set(PREFIX + self.key, {"a": "stale", "c": "stale"})
        with edit_session(self.key) as session:
            assert dict(session.items()) == {"a": 1, "b": 2}
            session["b"] = 3
        assert self.row() == self.copy() == {"a": 1, "b": 3}

    def test_the_row_is_locked_in_the_first_statement(self):
        with CaptureQueriesContext(connection) as queries, edit_session(self.key):
            assert connection.in_atomic_block
        first = next(query["sql"] for query in queries if not query["sql"].startswith("BEGIN"))
        locks = connection.features.has_select_for_update
        assert first.endswith("FOR UPDATE") if locks else first.startswith("UPDATE")

    def test_others_cannot_lock_the_row_meanwhile(self):
        if not connection.features.has_select_for_update_nowait:
            self.skipTest("Nothing to ask for a lock without waiting for it.")

        def locked():
            with transaction.atomic():
                return len(self.rows().select_for_update(nowait=True))

        with edit_session(self.key), self.assertRaises(OperationalError):
            in_thread(locked)
        with suppress(FaultError), edit_session(self.key):
            raise FaultError
        assert in_thread(locked) == 1

    def test_nothing_is_saved_when_the_block_raises(self):
        with self.assertRaises(FaultError), edit_session(self.key) as session:
            session["a"] = 3
            session.set_expiry(10)
            raise FaultError
        assert not connection.in_atomic_block
        assert self.row() == dict(session_store(self.key).items()) == {"a": 1, "b": 2}
        assert self.copy() is None

    def test_what_the_block_had_saved_by_itself_is_undone_when_it_raises(self):
        for name in ("common.sessions.engine", DJANGO + "cached_db"):
            with engine(name), self.assertRaises(FaultError), edit_session(self.key) as session:
                session["a"] = 3
                session.save()
                raise FaultError
            assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)

    def test_a_session_that_is_not_there_is_gone_and_not_made(self):
        malformed = None, "", "short", 12345678, b"k" * 32, "k" * 32 + "\0", "é" * 32, "\ud800" * 32
        for key in ("k" * 32, "k" * 99, *malformed):
            with (
                self.subTest(key=key),
                self.assertRaises(SessionGone) as raised,
                edit_session(key),
            ):
                raise FaultError
            assert ("malformed" in str(raised.exception)) == (key in malformed)
            assert not key or str(key) not in str(raised.exception)
        assert [row.pk for row in self.model.objects.all()] == [self.key]

    def test_an_expired_session_is_gone_whatever_the_cache_has(self):
        self.rows().update(expire_date=timezone.now())
        assert self.copy() == {"a": 1, "b": 2}
        with (
            self.assertRaisesRegex(SessionGone, "logged out, or it expired"),
            edit_session(self.key),
        ):
            raise FaultError
        assert self.copy() is None

    def test_engines_without_rows_are_refused(self):
        for name in ("signed_cookies", "cache", "file"):
            message = f"SESSION_ENGINE is '{DJANGO}{name}', which keeps no rows"
            with (
                engine(DJANGO + name),
                self.assertRaisesRegex(ImproperlyConfigured, message),
                edit_session(self.key),
            ):
                raise FaultError

    def test_django_s_own_engines_with_rows_can_be_edited(self):
        for number, name in enumerate(("db", "cached_db")):
            with engine(DJANGO + name):
                with edit_session(self.key) as session:
                    assert type(session) is type(session_store())
                    session["a"] = name
                assert session_store(self.key)["a"] == self.row()["a"] == name
            assert (self.copy() == self.row()) is bool(number)

    def test_an_edit_does_not_prolong_the_session(self):
        until = timezone.now() + timedelta(hours=1)
        self.rows().update(expire_date=until)
        with edit_session(self.key) as session:
            session["a"] = 3
            session.save()
        assert self.expire_date() == until

    def test_an_edit_may_set_the_expiry(self):
        with edit_session(self.key) as session:
            session.set_expiry(timedelta(hours=1))
            expected = session.get_expiry_date()
        assert self.expire_date() == expected
        with edit_session(self.key) as session:
            session.set_expiry(None)
        assert self.expire_date() > expected + timedelta(days=1)

    def test_a_session_that_expires_during_the_edit_stays_expired_and_uncached(self):
        until = self.expire_date()
        with edit_session(self.key) as session:
            session["a"] = 3
            now = mock.patch.object(timezone, "now", return_value=until + timedelta(seconds=1))
            self.addCleanup(now.stop)
            now.start()
        assert (self.row(), self.expire_date(), self.copy()) == ({"a": 3, "b": 2}, until, None)
        with self.assertRaises(SessionGone), edit_session(self.key):
            raise FaultError

    def test_the_block_may_clear_and_save(self):
        with edit_session(self.key) as session:
            del session["b"]
            session.save()
            assert self.row() == {"a": 1}
            session.clear()
            session["c"] = 3
            session.save()
            session["d"] = 4
        assert self.row() == self.copy() == {"c": 3, "d": 4}

    def test_the_block_may_flush(self):
        for name in ("common.sessions.engine", DJANGO + "db"):
            with engine(name):
                self.key = self.make(a=1)
                with edit_session(self.key) as session:
                    session.flush()
            assert (self.row(), self.copy(), session.session_key) == (None, None, None)
            assert session.is_empty()

    def test_the_block_may_give_the_session_another_key(self):
        for name in ("common.sessions.engine", DJANGO + "cached_db"):
            old = self.key = self.make(a=1, b=2)
            with engine(name), edit_session(old) as session:
                session["a"] = 3
                session.cycle_key()
                del session["b"]
            assert (self.row(), self.copy()) == (None, None)
            self.key = session.session_key
            assert self.row() == self.copy() == {"a": 3}

    def test_a_store_is_read_anew_after_its_block(self):
        with edit_session(self.key) as session:
            session["a"] = 3
        session_store(self.key).delete()
        assert session.get("a") is None


class OuterTransactionTests(Sessions, TestCase):
    def test_the_cached_copy_is_dropped_and_written_on_commit(self):
        cache.set(PREFIX + self.key, {"a": 1, "b": 2})
        with self.captureOnCommitCallbacks(execute=True):
            with edit_session(self.key) as session:
                session["a"] = 3
            assert self.copy() is None
            assert session_store(self.key)["a"] == 3
            assert self.copy() is None
            self.change_row(a=4)
        assert self.row() == self.copy() == {"a": 4}

    def test_nothing_is_written_on_commit_for_a_session_that_was_deleted_since(self):
        with self.captureOnCommitCallbacks(execute=True):
            with edit_session(self.key) as session:
                session["a"] = 3
            self.rows().delete()
            cache.set(PREFIX + self.key, {"a": 3})
        assert self.copy() is None

    def test_reads_come_from_the_row_where_nothing_is_ever_committed(self):
        for value in (3, 4):
            with edit_session(self.key) as session:
                session["a"] = value
            self.change_row(a=-value)
            assert session_store(self.key)["a"] == -value


class RollbackTests(SessionTestCase):
    def test_an_outer_transaction_that_is_rolled_back_leaves_the_row_and_no_copy(self):
        with suppress(FaultError), transaction.atomic():
            with edit_session(self.key) as session:
                session["a"] = 3
            raise FaultError
        assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)
        assert session_store(self.key)["a"] == 1

    def test_a_commit_that_fails_leaves_the_row_and_no_copy(self):
        failure = mock.patch.object(connection, "_commit", side_effect=OperationalError)
        with self.assertRaises(OperationalError), edit_session(self.key) as session:
            session["a"] = 3
            failure.start()
            self.addCleanup(failure.stop)
        failure.stop()
        assert Cache.writes
        assert (self.row(), self.copy()) == ({"a": 1, "b": 2}, None)
