"""How gunicorn serves the service: run ``gunicorn`` in this folder. It also reads WEB_CONCURRENCY and PORT.

Clients may be slow or idle without a proxy in front: many threads wait for them, and few run the application.
"""

import os
import socket
import time
from contextlib import suppress
from threading import BoundedSemaphore
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

wsgi_app = "config.wsgi"
# Threads that wait for clients. A waiting thread costs little memory and no time.
threads = 256
# How many requests run at the same time in a process. More slow each other down: of 256 requests that arrive
# together, 8 threads serve three times as many a second as 256 threads.
running = os.environ.get("WEB_THREADS") or "8"
if not running.isdecimal() or int(running) < 1:
    raise SystemExit(f"WEB_THREADS={running!r}: use 1 or more")

# In seconds: for the next request on a connection, which meanwhile keeps no thread; for all headers of a request;
# for the next bytes of a body, or until the client reads more of the response; for the requests under way at SIGTERM.
# Docker and Kubernetes must wait longer than the last before they kill: see stop_grace_period in compose.yaml.
keepalive = 5
headers_timeout = 10
client_timeout = 20
graceful_timeout = 25

# A heartbeat on a disk can block a worker, and a container may have a read-only disk. macOS has no /dev/shm.
shm = "/dev/shm"  # noqa: S108 -- gunicorn creates its files there securely
worker_tmp_dir = shm if os.path.isdir(shm) else None
control_socket_disable = True  # It needs a folder that the service may write to.


class Reader:
    """Read a body. Another request runs while this one waits for its client."""

    def __init__(self, reader: Any, slots: BoundedSemaphore) -> None:
        self.reader, self.slots = reader, slots

    def read(self, size: int) -> Any:
        self.slots.release()
        try:
            return self.reader.read(size)
        finally:
            self.slots.acquire()


class Worker(ThreadWorker):
    def init_process(self) -> None:
        self.slots = BoundedSemaphore(int(running))
        self.deadlines: dict[Any, float] = {}  # of connections whose headers are incomplete
        super().init_process()

    def handle(self, conn: Any) -> Any:
        self.deadlines[conn] = time.monotonic() + headers_timeout
        try:
            return super().handle(conn)
        finally:
            self.deadlines.pop(conn, None)

    def notify(self) -> None:  # gunicorn calls this method once a second.
        super().notify()
        for conn, deadline in list(self.deadlines.items()):
            if deadline < time.monotonic():
                with suppress(OSError):  # The client has closed the connection.
                    conn.sock.shutdown(socket.SHUT_RDWR)

    def handle_request(self, req: Any, conn: Any) -> Any:
        self.deadlines.pop(conn, None)
        conn.sock.settimeout(client_timeout)
        if req.path in {"/healthz", "/livez", "/readyz"}:  # Answer probes even if all others wait.
            return super().handle_request(req, conn)
        reader = req.body.reader
        req.body.reader = Reader(reader, self.slots)
        try:
            with self.slots:
                return super().handle_request(req, conn)
        finally:
            req.body.reader = reader

    def handle_exit(self, sig: int, frame: Any) -> None:
        for (
            listener
        ) in self.sockets:  # Refuse new connections, which would otherwise hang until the exit.
            listener.close()
        super().handle_exit(sig, frame)


worker_class = Worker
