"""What the tests of sessions share: a cache that fails, and the row and the copy of one session."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from common.sessions import session_store
from common.testing import SimpleTestCase

PREFIX = "django.contrib.sessions.cached_db"


class Cache(LocMemCache):
    """Fails while ``down``, and writes while ``read_only``. Calls ``before_add`` and ``after_add``, once; notes how copies are written."""

    down = read_only = False
    before_add = after_add = None
    writes = []  # (seconds that the copy may live, whether in a transaction)

    def make_and_validate_key(self, key, version=None):
        if Cache.down:
            raise ConnectionError("The cache is down.")
        return super().make_and_validate_key(key, version)

    def add(self, key, value, timeout=None, version=None):
        before, after = Cache.before_add, Cache.after_add
        Cache.before_add = Cache.after_add = None
        if before:
            before()
        added = super().add(key, value, timeout, version)
        if after:
            after()
        return added

    def set(self, key, value, timeout=None, version=None):
        if Cache.read_only:
            raise ConnectionError("The cache cannot be written.")
        if not key.endswith(":dropped"):
            Cache.writes.append((timeout, connection.in_atomic_block))
        super().set(key, value, timeout, version)


class DateSerializer:
    """Knows dates, which Django's own does not."""

    def dumps(self, data):
        return json.dumps(data, default=date.isoformat).encode()

    def loads(self, data):
        return json.loads(data)


SETTINGS = {
    "SESSION_ENGINE": "common.sessions.engine",
    "SESSION_CACHE_ALIAS": "default",
    "CACHES": {"default": {"BACKEND": f"{__name__}.Cache", "LOCATION": __name__}},
}


class Sessions:
    """One session, ``self.key``, of the keys "a" and "b"."""

    # Without it, a SimpleTestCase that runs alone has the developer's database: pytest-django makes none for it.
    pytestmark = pytest.mark.django_db
    databases = {"default"}

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(override_settings(**SETTINGS))
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.clean)
        self.model = session_store().model
        self.key = self.make(a=1, b=2)

    def clean(self):
        Cache.down = Cache.read_only = False
        Cache.before_add = Cache.after_add = None
        Cache.writes = []
        cache.clear()
        self.model.objects.all().delete()

    def make(self, **data):
        store = session_store()
        store.update(data)
        store.create()
        return store.session_key

    def rows(self):
        return self.model.objects.filter(pk=self.key)

    def expire_date(self):
        return self.rows().get().expire_date

    def row(self):
        """What the row has; None without one."""
        row = self.rows().first()
        return row and session_store().decode(row.session_data)

    def copy(self):
        return cache.get(PREFIX + self.key)

    def change_row(self, **data):
        """What a job does, seen from elsewhere: the row changes, and this process does not hear of it."""
        self.rows().update(session_data=session_store().encode(data))

    def loaded(self):
        """A store that has loaded the session."""
        store = session_store(self.key)
        store.keys()
        return store


class SessionTestCase(Sessions, SimpleTestCase):
    """Outside of transactions, as requests and jobs are; all that is left behind are sessions."""


def in_thread(function):
    """Call it on another connection."""

    def call():
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@contextmanager
def queries(number):
    with CaptureQueriesContext(connection) as captured:
        yield
    assert len(captured) == number, captured.captured_queries


@contextmanager
def after_select(function):
    """Call ``function`` once, when the row has been read and not yet used."""
    calls = [function]

    def wrapper(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if calls and sql.startswith("SELECT"):
            calls.pop()()
        return result

    with connection.execute_wrapper(wrapper):
        yield
    assert not calls


@contextmanager
def threads_can_wait(path):
    """Have a database where threads wait for each other: in memory, SQLite's would fail at once.

    Nothing is locked at BEGIN there, unlike with this service's settings.
    """
    if connection.vendor != "sqlite":
        yield
        return
    options = {"timeout": 20, "init_command": "PRAGMA journal_mode = WAL"}
    default, config = connections["default"], connections.settings["default"]
    connections.settings["default"] = config | {"NAME": path, "OPTIONS": options}
    connections["default"] = connections.create_connection("default")
    try:
        with connection.schema_editor() as editor:
            editor.create_model(session_store().model)
        yield
    finally:
        connection.close()
        connections.settings["default"], connections["default"] = config, default
