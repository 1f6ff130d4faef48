"""The engine takes the place of Django's: it reads the same sessions, with the same queries."""

from asgiref.sync import async_to_sync
from django.core.cache import cache

from common.sessions import UpdateError, edit_session, session_store
from common_tests.session_helpers import SessionTestCase, engine, queries


class AdoptionTests(SessionTestCase):
    def test_the_salt_is_that_of_django_s_engines(self):
        ours = session_store()
        for name in ("db", "cached_db"):
            with engine(name):
                assert ours.key_salt == session_store().key_salt

    def test_a_switch_to_or_from_django_s_engines_keeps_the_sessions(self):
        for theirs in ("db", "cached_db"):
            for writer, reader in (("ours", theirs), (theirs, "ours")):
                with self.subTest(writer=writer, reader=reader):
                    with engine(writer):
                        self.key = self.make(a=writer)
                    with engine(reader):
                        store = self.loaded()
                        assert store["a"] == writer
                        store["b"] = reader
                        store.save()
                    cache.clear()  # as the README says: the copies of cached_db live for weeks
                    with engine(writer):
                        assert dict(self.loaded().items()) == {"a": writer, "b": reader}

    def test_the_engine_reads_the_row_and_no_cached_copy(self):
        with engine("cached_db"):
            self.key = self.make(a=1)
        self.change_row(a=2)
        assert self.copy() == {"a": 1}
        assert self.loaded()["a"] == 2

    def test_a_read_takes_the_queries_of_db_and_a_write_one_more(self):
        def write():
            store = self.loaded()
            store["a"] = 3
            store.save()

        def edit():
            with edit_session(self.key) as session:
                session["a"] = 4

        actions = (write, self.loaded, lambda: session_store().create())
        ours_write, *ours = map(queries, actions)
        with engine("db"):
            theirs_write, *theirs = map(queries, actions)
        assert ours_write == theirs_write + 1
        assert ours == theirs
        assert queries(edit) == ours_write - 1  # The locked read is the only one.


class AsyncTests(SessionTestCase):
    """Django's async methods would not call ``load`` and ``save``, and would not merge."""

    def test_asave_merges(self):
        async def save():
            one, two = session_store(self.key), session_store(self.key)
            await one.aset("a", "one")
            await two.aset("b", "two")
            await two.asave()
            await one.asave()

        async_to_sync(save)()
        assert self.row() == {"a": "one", "b": "two"}

    def test_asave_of_a_session_that_was_deleted_raises_update_error(self):
        async def save():
            store = session_store(self.key)
            await store.aset("a", 3)
            await session_store().adelete(self.key)
            await store.asave()

        with self.assertRaises(UpdateError):
            async_to_sync(save)()
        assert not self.model.objects.exists()

    def test_the_other_async_methods_do_what_the_sync_ones_do(self):
        async def run():
            store = session_store()
            await store.aset("a", 1)
            await store.acreate()
            old = store.session_key
            assert await store.aexists(old)
            await store.acycle_key()
            assert not await store.aexists(old)
            assert await session_store(old).aload() == {}
            assert await session_store(store.session_key).aload() == {"a": 1}
            self.key = store.session_key
            await store.aflush()

        async_to_sync(run)()
        assert self.row() is None

    def test_asave_of_a_new_session_creates_it(self):
        store = session_store()
        store["a"] = 1
        async_to_sync(store.asave)()
        self.key = store.session_key
        assert self.row() == {"a": 1}

    def test_a_key_that_acreate_saved_is_merged_later(self):
        async def run():
            store = session_store()
            await store.aset("a", 1)
            await store.acreate()
            self.key = store.session_key
            other = session_store(self.key)
            await other.aset("b", 2)
            await other.asave()
            await store.aset("c", 3)
            await store.asave()

        async_to_sync(run)()
        assert self.row() == {"a": 1, "b": 2, "c": 3}
