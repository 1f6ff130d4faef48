"""The ASGI application: it passes requests to Django, and websockets to consumers."""

import logging
import multiprocessing
import re
import sys
import time
import uuid
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator, WebsocketDenier
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.exceptions import ImproperlyConfigured
from django.urls import re_path
from django.utils.module_loading import autodiscover_modules

from common.logs import clean, request_id
from common.realtime.bus import from_settings
from common.realtime.rooms import Clock, Rooms

logger = logging.getLogger(__name__)


def application(http: Any, routes: list[Any] | None = None) -> Any:
    """Return the application of ``http`` and of ``routes``, by default those of each ``sockets.py``."""
    if routes is None:
        autodiscover_modules("sockets")
        modules = [sys.modules.get(f"{config.name}.sockets") for config in apps.get_app_configs()]
        routes = [route for module in modules if module for route in module.websocket_urlpatterns]
    logging.getLogger("uvicorn.error").addFilter(without_trace)
    router = URLRouter([*routes, re_path("", WebsocketDenier.as_asgi())])
    sockets = SocketLog(AllowedHostsOriginValidator(AuthMiddlewareStack(router)))
    if settings.DEBUG:
        http = ASGIStaticFilesHandler(http)
    return ProtocolTypeRouter({"http": http, "websocket": sockets, "lifespan": lifespan})


def without_trace(record: logging.LogRecord) -> bool:
    """Log broken UTF-8 of a browser as a warning. uvicorn logs an error, with a traceback."""
    if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
        record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
    return True


class SocketLog:
    """Give each socket an id, as requests have, and write a line when it opens and when it ends."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        header = getattr(settings, "REQUEST_ID_HEADER", "").lower().encode()
        value = dict(scope["headers"]).get(header, b"").decode("latin-1")
        request_id.set(value if re.fullmatch("[A-Za-z0-9-]{8,64}", value) else uuid.uuid4().hex)
        fields = {"path": clean(scope["path"]), "code": 1006, "reason": "", "seconds": 0.0}
        started = time.monotonic()

        async def watched_send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.accept":
                logger.info("%(path)s opened", fields, extra={"fields": {"path": fields["path"]}})
            elif message["type"] == "websocket.close":
                fields["code"] = message.get("code", 1000)
                fields["reason"] = message.get("reason", "")
            await send(message)

        async def watched_receive() -> Any:
            message = await receive()
            if message["type"] == "websocket.disconnect" and fields["code"] == 1006:
                fields["code"] = message.get("code", 1006)
            return message

        try:
            # States bypass the layers between server and consumer, which cost time for each message.
            await self.app(scope | {"send_frame": send}, watched_receive, watched_send)
        finally:
            fields["seconds"] = round(time.monotonic() - started, 1)
            line = "%(path)s closed with %(code)s after %(seconds)ss %(reason)s"
            logger.info(line, fields, extra={"fields": fields})


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Make the rooms of this process, and stop them when the server has closed its sockets."""
    await receive()
    try:
        if multiprocessing.parent_process() and not settings.REALTIME_URL:
            raise ImproperlyConfigured("Several processes without REALTIME_URL share no rooms.")
        rooms = scope["state"]["rooms"] = Rooms(from_settings(), Clock())
    except ImproperlyConfigured as exc:
        await send({"type": "lifespan.startup.failed", "message": str(exc)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await rooms.stop()
    await send({"type": "lifespan.shutdown.complete"})
