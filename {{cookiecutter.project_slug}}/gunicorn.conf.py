"""How gunicorn serves the service: run ``gunicorn`` in this folder. It also reads WEB_CONCURRENCY and PORT."""

import os
import socket
import struct
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from config.settings.base import LOGGING

wsgi_app = "config.wsgi"
logconfig_dict = LOGGING  # The middleware of common.logs logs the requests.

# A client that is slow to send or to read keeps a thread, so there are many: 200 such clients do not stop
# the service. Threads that wait take no time, and 256 of them 10 MB.
threads = 256
forwarded_allow_ips = ""  # Django's settings tell which headers of a proxy to trust.
client_timeout = 20  # seconds until a client must send or read more
keepalive = 5  # seconds until the next request of a connection. An idle connection keeps no thread.
graceful_timeout = 25  # seconds for requests under way at SIGTERM. compose.yaml waits longer.

# The heartbeat of a worker. Disks can be slow or read-only. macOS has no /dev/shm.
shm = "/dev/shm"  # noqa: S108 -- gunicorn creates its files there securely
worker_tmp_dir = shm if os.path.isdir(shm) else None
control_socket_disable = True  # It needs a folder that the service may write to.


class Worker(ThreadWorker):
    """gunicorn's worker with threads. Bound the wait for a client; refuse connections after SIGTERM."""

    def run(self) -> None:
        timeout = struct.pack("ll", client_timeout, 0)
        for listener in self.sockets:  # Their connections inherit the options.
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
        super().run()

    def accept(self, listener: Any) -> None:
        if self.alive:  # After SIGTERM, the listener is closed.
            super().accept(listener)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        for listener in self.sockets:  # Refuse new connections, which would hang otherwise.
            listener.close()


worker_class = Worker
