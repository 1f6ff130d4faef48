"""Rooms that count, copied into a bake as ``apps.counter.sockets``, and views that look into a server."""

import asyncio

from common.realtime.consumers import RoomConsumer
from common.realtime.rooms import Room
from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.http import JsonResponse
from django.urls import include, path, re_path


class Counting(Room):  # type: ignore[misc] # a bake has its base class
    rate = 30

    def initial(self):
        return {"players": {}, "steps": 0, "size": 0, "text": ""}

    def players(self, state):
        return state["players"]

    def step(self, state, inputs, rng):
        players, size = dict(state["players"]), state["size"]
        for player, message in inputs:
            if message["type"] == "join":
                players.setdefault(player, {"sum": 0, "user": message["user"]})
            elif message["type"] == "leave":
                players.pop(player, None)
            elif message["type"] == "add" and player in players:
                players[player] = {**players[player], "sum": players[player]["sum"] + message["n"]}
            elif message["type"] == "grow":
                size = message["n"]
        steps = state["steps"] + 1
        return {"players": players, "steps": steps, "size": size, "text": "ab"[steps % 2] * size}


class CountingConsumer(RoomConsumer):  # type: ignore[misc]
    room_class = Counting

    def clean(self, message):
        if message.get("type") not in ("join", "add", "grow"):
            raise ValueError(f"{message.get('type')!r} is no type of message")
        if message["type"] != "join" and type(message.get("n")) is not int:
            raise ValueError(f"{message.get('n')!r} is no whole number")
        user = self.scope["user"].get_username() if message["type"] == "join" else ""
        return {"type": message["type"], "n": message.get("n", 0), "user": user}


async def look(request):
    rooms = request.scope["state"]["rooms"].rooms.values()
    counts = {
        "tasks": len(asyncio.all_tasks()),
        "rooms": len(rooms),
        "clients": sum(len(room.hub.clients) for room in rooms),
    }
    return JsonResponse(counts)


def log_in(request, name):
    user, _ = get_user_model().objects.get_or_create(username=name)
    login(request, user, settings.AUTHENTICATION_BACKENDS[-1])
    return JsonResponse({})


def put(request, name, value):
    request.session[name] = value
    return JsonResponse({})


def session(request):
    return JsonResponse(dict(request.session.items()))


websocket_urlpatterns = [
    re_path("^ws/counting/(?P<room>[a-z0-9-]{1,32})/$", CountingConsumer.as_asgi())
]
urlpatterns = [
    path("counter/look/", look),
    path("counter/login/<name>/", log_in),
    path("counter/put/<name>/<value>/", put),
    path("counter/session/", session),
    path("", include("config.urls")),
]
