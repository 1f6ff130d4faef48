"""Configuration of the app ``common``."""

import atexit
import sqlite3
from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created


def hold_sqlite_open(connection: Any, **kwargs: Any) -> None:
    """Keep one more connection open until the process exits.

    When the last connection closes, SQLite deletes its write-ahead log. On a full disk it could not
    create the log again, and not even read.
    """
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        connection_created.disconnect(hold_sqlite_open)
        held = sqlite3.connect(connection.settings_dict["NAME"], check_same_thread=False)
        held.execute("PRAGMA schema_version").fetchone()  # opens the log
        atexit.register(held.close)


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        from common import checks  # noqa: F401 -- importing registers the checks

        connection_created.connect(hold_sqlite_open)
