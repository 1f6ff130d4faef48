"""``session_store`` and ``edit_session``. The copies of ``cached_db`` are in test_session_copies."""

from contextlib import suppress
from datetime import timedelta
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common.sessions import SessionGone, edit_session, session_store
from common.testing import TestCase
from common_tests.session_helpers import (
    BACKENDS,
    FaultError,
    Sessions,
    SessionTestCase,
    engine,
    in_thread,
)


class StoreTests(SessionTestCase):
    def test_the_store_is_of_the_engine_that_the_setting_names_now(self):
        assert type(session_store()) is import_module("common.sessions.engine").SessionStore
        for name in ("db", "cache"):
            with engine(name):
                assert type(session_store()) is import_module(BACKENDS + name).SessionStore
        assert session_store(self.key)["a"] == 1
        assert session_store().session_key is None

    def test_a_cookie_that_is_no_key_is_no_session(self):
        for cookie in (r'"a\000bcdefgh"', "é" * 32, "k" * 32):
            self.client.cookies.load("sessionid=" + cookie)
            assert self.client.get("/admin/login/").status_code == 200
        assert session_store("k" * 32 + "\0").session_key is None


class EditTests(SessionTestCase):
    def test_changes_of_the_block_are_saved(self):
        with edit_session(self.key) as session:
            session["a"] = [1]
            session["a"].append(2)
            del session["b"]
        assert self.row() == {"a": [1, 2]}

    def test_an_edit_is_kept_by_a_request_that_loaded_the_session_before(self):
        store = self.loaded()
        with edit_session(self.key) as session:
            session["a"] = "job"
        store["b"] = "request"
        store.save()
        assert self.row() == {"a": "job", "b": "request"}

    def test_the_first_statement_locks_the_row(self):
        with CaptureQueriesContext(connection) as queries, edit_session(self.key):
            assert connection.in_atomic_block
        first = next(query["sql"] for query in queries if not query["sql"].startswith("BEGIN"))
        if connection.vendor == "sqlite":
            assert first.startswith("UPDATE")
        else:
            assert first.endswith("FOR UPDATE")

    def test_another_connection_cannot_lock_the_row_before_the_end(self):
        if not connection.features.has_select_for_update_nowait:
            self.skipTest("SQLite cannot ask for a lock without waiting for it.")

        def locked():
            with transaction.atomic():
                return len(self.rows().select_for_update(nowait=True))

        with edit_session(self.key), self.assertRaises(OperationalError):
            in_thread(locked)
        with suppress(FaultError), edit_session(self.key):
            raise FaultError
        assert in_thread(locked) == 1

    def test_nothing_is_saved_if_the_block_raises(self):
        with self.assertRaises(FaultError), edit_session(self.key) as session:
            session["a"] = 3
            session.set_expiry(10)
            session.save()
            raise FaultError
        assert not connection.in_atomic_block
        assert self.row() == dict(session_store(self.key).items()) == {"a": 1, "b": 2}

    def test_a_key_without_a_session_raises_and_makes_none(self):
        malformed = None, "", "short", 12345678, b"k" * 32, "k" * 32 + "\0", "é" * 32, "\ud800" * 32
        for key in ("k" * 32, "k" * 99, *malformed):
            with (
                self.subTest(key=key),
                self.assertRaises(SessionGone) as raised,
                edit_session(key),
            ):
                raise FaultError
            assert "malformed" in str(raised.exception)
            assert not key or str(key) not in str(raised.exception)
        assert [row.pk for row in self.model.objects.all()] == [self.key]

    def test_an_expired_session_is_gone(self):
        self.rows().update(expire_date=timezone.now())
        with (
            self.assertRaisesRegex(SessionGone, "it ended or expired"),
            edit_session(self.key),
        ):
            raise FaultError

    def test_engines_without_rows_are_refused(self):
        for name in ("signed_cookies", "cache", "file"):
            message = f"SESSION_ENGINE is '{BACKENDS}{name}', which keeps no rows"
            with (
                engine(name),
                self.assertRaisesRegex(ImproperlyConfigured, message),
                edit_session(self.key),
            ):
                raise FaultError

    def test_a_session_of_django_s_db_engine_can_be_edited(self):
        with engine("db"):
            with edit_session(self.key) as session:
                assert type(session) is type(session_store())
                session["a"] = 3
            assert session_store(self.key)["a"] == self.row()["a"] == 3


class ExpiryTests(SessionTestCase):
    def test_an_edit_does_not_prolong_the_session(self):
        until = timezone.now() + timedelta(hours=1)
        self.rows().update(expire_date=until)
        with edit_session(self.key) as session:
            session["a"] = 3
            session.save()
        assert self.expire_date() == until

    def test_set_expiry_in_the_block_sets_the_expiry(self):
        with edit_session(self.key) as session:
            session.set_expiry(timedelta(hours=1))
            expected = session.get_expiry_date()
        assert self.expire_date() == expected
        with edit_session(self.key) as session:
            session.set_expiry(None)
        assert self.expire_date() > expected + timedelta(days=1)


class MethodsTests(SessionTestCase):
    """Methods of the store that a block may call, on each engine that can be edited."""

    def test_a_block_that_clears_and_saves_is_saved_at_the_end(self):
        for name in ("ours", "db"):
            self.key = self.make(a=1, b=2)
            with engine(name), edit_session(self.key) as session:
                del session["b"]
                session.save()
                assert self.row() == {"a": 1}
                session.clear()
                session["c"] = 3
                session.save()
                session["d"] = 4
            assert self.row() == {"c": 3, "d": 4}

    def test_flush_ends_the_session(self):
        for name in ("ours", "db"):
            self.key = self.make(a=1)
            with engine(name), edit_session(self.key) as session:
                session.flush()
            assert (self.row(), session.session_key) == (None, None)
            assert session.is_empty()

    def test_cycle_key_gives_the_session_another_key(self):
        for name in ("ours", "db"):
            self.key = self.make(a=1, b=2)
            with engine(name), edit_session(self.key) as session:
                session["a"] = 3
                session.cycle_key()
                del session["b"]
            assert self.row() is None
            self.key = session.session_key
            assert self.row() == {"a": 3}

    def test_the_store_reads_the_row_again_after_the_block(self):
        with edit_session(self.key) as session:
            session["a"] = 3
        self.change_row(a=4)
        assert session["a"] == 4


class OuterTransactionTests(Sessions, TestCase):
    def test_edits_in_a_transaction_are_seen_before_the_commit(self):
        for value in (3, 4):
            with edit_session(self.key) as session:
                session["a"] = value
            assert session_store(self.key)["a"] == value
