"""That the engine takes the place of Django's: its sessions, its queries, its async methods."""

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from common.sessions import SessionGone, edit_session, session_store
from common_tests.session_helpers import PREFIX, Cache, SessionTestCase, cache, queries

CACHED_DB = "django.contrib.sessions.backends.cached_db"


def stock():
    return override_settings(SESSION_ENGINE=CACHED_DB)


class AdoptionTests(SessionTestCase):
    def test_names_salt_and_cache_prefix_are_django_s(self):
        ours = session_store()
        with stock():
            theirs = session_store()
        assert type(ours).__qualname__ == type(theirs).__qualname__
        assert (ours.key_salt, ours.cache_key_prefix) == (theirs.key_salt, PREFIX)

    def test_a_row_that_another_secret_key_has_signed_is_not_taken_for_an_empty_session(self):
        with override_settings(SECRET_KEY="new"):
            self.change_row(a=1, b=3)
        store = self.loaded()
        store["a"] = 3
        with self.assertLogs("django.security.SuspiciousSession"):
            store.save()
        assert self.row() == {"a": 3, "b": 2}  # as Django would

        with override_settings(SECRET_KEY="new"):
            self.change_row(a=1, b=3)
        with (
            self.assertLogs("django.security.SuspiciousSession"),
            self.assertRaisesMessage(SessionGone, "signed with another SECRET_KEY"),
            edit_session(self.key),
        ):
            raise NotImplementedError
        with override_settings(SECRET_KEY="new"):
            assert self.row() == {"a": 1, "b": 3}

    def test_to_look_at_what_others_have_added_does_not_take_it_away(self):
        store = self.loaded()
        with edit_session(self.key) as session:
            session["c"] = "job"
        assert store.load()["c"] == "job"
        store["a"] = 3
        store.save()
        assert self.row() == {"a": 3, "b": 2, "c": "job"}

    def test_either_reads_row_and_cached_copy_of_the_other(self):
        for writer, reader in (
            (settings.SESSION_ENGINE, CACHED_DB),
            (CACHED_DB, settings.SESSION_ENGINE),
        ):
            with override_settings(SESSION_ENGINE=writer):
                self.key = self.make(a=writer)
            with override_settings(SESSION_ENGINE=reader):
                with queries(0):
                    assert session_store(self.key)["a"] == writer
                cache.clear()
                store = self.loaded()
                assert store["a"] == writer
                store["b"] = reader
                store.save()
            with override_settings(SESSION_ENGINE=writer), queries(0):
                assert dict(session_store(self.key).items()) == {"a": writer, "b": reader}

    def test_queries_are_django_s_and_one_locked_read_on_a_write(self):
        def count(action):
            with CaptureQueriesContext(connection) as captured:
                action()
            return len(captured)

        def write():
            store = self.loaded()
            store["a"] = 3
            store.save()

        def edit():
            with edit_session(self.key) as session:
                session["a"] = 4

        def load():
            cache.clear()
            self.loaded()

        actions = [write, edit, self.loaded, load, lambda: session_store().create()]
        ours_write, ours_edit, *ours = map(count, actions)
        with stock():
            theirs_write, _, *theirs = map(count, actions)
        assert ours_write == ours_edit == theirs_write + 1
        assert ours == theirs


class AsyncTests(SessionTestCase):
    """Django's own would neither merge, nor keep the cache."""

    def test_asave_merges(self):
        async def save():
            one, two = session_store(self.key), session_store(self.key)
            await one.aset("a", "one")
            await two.aset("b", "two")
            await two.asave()
            await one.asave()

        async_to_sync(save)()
        assert self.row() == self.copy() == {"a": "one", "b": "two"}

    def test_the_others_are_those_of_sync_code(self):
        async def run():
            store = session_store()
            await store.aset("a", 1)
            await store.acreate()
            old = store.session_key
            assert await store.aexists(old)
            await store.acycle_key()
            assert await session_store(old).aload() == {}
            assert await session_store(store.session_key).aload() == {"a": 1}
            self.key = store.session_key
            await store.aflush()

        async_to_sync(run)()
        assert (self.row(), self.copy()) == (None, None)
        store = session_store()
        store["a"] = 1
        async_to_sync(store.asave)()
        self.key = store.session_key
        assert self.row() == {"a": 1}

    def test_adelete_goes_on_without_the_cache_and_aexists_looks_at_the_row(self):
        store = session_store()
        Cache.down = True
        with self.assertLogs("common.sessions.cache", "ERROR"):
            async_to_sync(store.adelete)(self.key)
        Cache.down = False
        assert (self.row(), self.copy()) == (None, {"a": 1, "b": 2})
        assert not async_to_sync(store.aexists)(self.key)
