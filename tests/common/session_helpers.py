"""What the tests of sessions share: one session, its row, its cached copy, and threads."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from common.sessions import session_store
from common.testing import SimpleTestCase

BACKENDS = "django.contrib.sessions.backends."
PREFIX = "django.contrib.sessions.cached_db"  # of the keys in the cache


class DateSerializer:
    """Write dates, which Django's own serializer does not."""

    def dumps(self, data):
        return json.dumps(data, default=date.isoformat).encode()

    def loads(self, data):
        return json.loads(data)


def engine(name):
    """Switch to the engine of this name: one of Django's, or "ours"."""
    path = "common.sessions.engine" if name == "ours" else BACKENDS + name
    return override_settings(SESSION_ENGINE=path)


class Sessions:
    """Have one session, ``self.key``, with the data ``{"a": 1, "b": 2}``."""

    # pytest-django makes no test database for a SimpleTestCase without this mark.
    pytestmark = pytest.mark.django_db
    databases = {"default"}

    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(engine("ours"))
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.addCleanup(self.clean)
        self.model = session_store().model
        self.key = self.make(a=1, b=2)

    def clean(self):
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
        """Return the data of the row; None if there is no row."""
        row = self.rows().first()
        return row and session_store().decode(row.session_data)

    def copy(self):
        """Return the data that ``cached_db`` has cached; None if there are none."""
        return cache.get(PREFIX + self.key)

    def change_row(self, **data):
        """Replace the data of the row, as another process would."""
        self.rows().update(session_data=session_store().encode(data))

    def loaded(self):
        """Return a store that has loaded the session, as a request has."""
        store = session_store(self.key)
        store.keys()
        return store


class SessionTestCase(Sessions, SimpleTestCase):
    """Run outside of transactions, as requests and jobs do; ``clean`` removes what is left."""


class FaultError(Exception):
    """Raised by tests inside of a block."""


def refuse_updates(execute, sql, params, many, context):
    """Raise what SQLite raises after its timeout, when the row is written."""
    if "session_data" in sql and sql.startswith("UPDATE") and "RETURNING" not in sql:
        raise OperationalError("database is locked")
    return execute(sql, params, many, context)


def queries(action):
    """Return how many queries ``action`` takes."""
    with CaptureQueriesContext(connection) as captured:
        action()
    return len(captured)


def in_thread(function):
    """Call ``function`` on another connection and return its result."""

    def call():
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result(timeout=60)


@contextmanager
def threads_can_wait(path):
    """Replace SQLite's database in memory, whose threads do not wait for each other, by a file.

    BEGIN takes no lock there, unlike with the settings of the service.
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
