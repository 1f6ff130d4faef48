"""Realtime: rooms, whose state browsers share over websockets.

Subclass ``rooms.Room`` and ``consumers.RoomConsumer`` in ``sockets.py`` of an app. The README of the service
shows how, and lists the messages. ``manage.py realtime`` serves the sockets. With ``REALTIME_URL``, a Redis
server, several processes share the rooms, and a room outlives its process. Do not use a channel layer: it
carries a tenth of the clients and drops messages silently.
"""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


class RealtimeConfig(AppConfig):
    name = "common.realtime"
    label = "common_realtime"


@register("realtime")
def check_realtime_workers(**kwargs: Any) -> list[CheckMessage]:
    """Report E005 if several processes would each have rooms of their own."""
    if settings.REALTIME_WORKERS == 1 or (settings.REALTIME_WORKERS > 1 and settings.REALTIME_URL):
        return []
    error = Error(
        f"REALTIME_WORKERS is {settings.REALTIME_WORKERS}. It must be 1 or, with REALTIME_URL, more: "
        "otherwise each process has rooms of its own.",
        hint="Set REALTIME_URL to a Redis server, redis://:password@host:6379/0, or REALTIME_WORKERS to 1.",
        id="common.E005",
    )
    return [error]
