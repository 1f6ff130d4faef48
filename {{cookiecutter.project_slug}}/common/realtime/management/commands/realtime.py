import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import autoreload
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.supervisors import Multiprocess


class Protocol(WebSocketsSansIOProtocol):
    def handle_ping(self) -> None:
        """Answer only a client that reads: the answers to others would fill the memory."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # drops the answer


class Command(BaseCommand):
    help = "Serves websockets. It also serves pages, and in development static files."

    def add_arguments(self, parser: CommandParser) -> None:
        port = os.environ.get("PORT", "")  # as gunicorn does
        parser.add_argument("--host", default="0.0.0.0" if port else "127.0.0.1")  # noqa: S104
        parser.add_argument("--port", type=int, default=port or 8000)

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEBUG:
            autoreload.run_with_reloader(self.serve, **options)
        else:
            # When it has stopped, uvicorn sends itself the signal again, as if the process had crashed.
            signal.signal(signal.SIGTERM, lambda *args: sys.exit(0))
            self.serve(**options)

    def serve(self, *, host: str, port: int, **options: Any) -> None:
        config = uvicorn.Config(
            "config.asgi:application",
            host=host,
            port=port,
            workers=1 if settings.DEBUG else settings.REALTIME_WORKERS,
            lifespan="on",
            ws=Protocol,
            ws_max_size=1024,  # bytes; the limit of consumers is lower.
            ws_per_message_deflate=False,  # It would compress each state once for each client.
            timeout_graceful_shutdown=10,  # seconds
            proxy_headers=False,  # Django's settings tell which headers of a proxy to trust.
            server_header=False,
            access_log=False,
            log_config=settings.LOGGING,
            log_level="warning",  # INFO would log each socket a second time, with its query string.
        )
        listener = config.bind_socket()
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Milliseconds until the kernel drops a client that reads nothing. uvicorn cannot.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
        self.stdout.write(f"Listening at http://{host}:{port}/")
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            if config.workers > 1:
                Multiprocess(config, sockets=[listener]).run()
            else:
                server.run(sockets=[listener])
                if not server.started:
                    raise CommandError("The server has not started: see the log.")
