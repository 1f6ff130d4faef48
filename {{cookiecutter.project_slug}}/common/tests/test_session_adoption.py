"""That the engine takes the place of Django's: its sessions, its queries, its async methods."""

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from common.sessions import session_store
from common.tests.sessions import PREFIX, SessionTestCase, cache, queries

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

        actions = [
            self.loaded,
            write,
            lambda: cache.clear() or self.loaded(),
            lambda: self.make(a=1),
        ]
        ours = [count(action) for action in actions]
        with stock():
            theirs = [count(action) for action in actions]
        assert ours == [theirs[0], theirs[1] + 1, *theirs[2:]]


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
            await session_store(old).adelete()
            await store.aflush()
            assert not await store.aexists(self.key)

        async_to_sync(run)()
        assert (self.row(), self.copy()) == (None, None)
        store = session_store()
        store["a"] = 1
        async_to_sync(store.asave)()
        self.key = store.session_key
        assert self.row() == {"a": 1}
