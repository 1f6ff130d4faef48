"""Configuration of the app ``common``."""

import atexit
import sqlite3
from functools import cache
from typing import Any

from django.apps import AppConfig
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


@cache
def hold_open(path: str) -> None:
    """Keep a connection to the SQLite database at ``path`` until the process exits.

    When the last connection closes, SQLite deletes the write-ahead log. Without free space it could
    not create the log again, and then not even read.
    """
    held = sqlite3.connect(path, check_same_thread=False)
    held.execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the log
    atexit.register(held.close)


def on_connection(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():
        hold_open(str(connection.settings_dict["NAME"]))


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        from common import checks  # noqa: F401 -- importing registers the checks

        connection_created.connect(on_connection)
