"""Rooms and sockets that the tests of ``common.realtime`` use, as an app would have them."""

from django.urls import path

from common.realtime.consumers import RoomConsumer
from common.realtime.rooms import Room


class Counting(Room):
    """Each player has a number; "add" adds to it, "fail" breaks the step, "stay" outlives its player."""

    rate = 10

    def initial(self):
        return {"players": {}, "steps": 0}

    def players(self, state):
        return state["players"]

    def step(self, state, inputs, rng):
        players = dict(state["players"])
        for player, message in inputs:
            if message["type"] == "join":
                players.setdefault(player, 0)
            elif message["type"] == "leave":
                players.pop(player, None)
            elif message["type"] == "add":
                players[player] += message["n"]
            else:
                raise RuntimeError(f"no step for {message}")
        return {"players": players, "steps": state["steps"] + 1, "luck": rng.random()}


class CountingConsumer(RoomConsumer):
    room_class = Counting

    def clean(self, message):
        if message.get("type") == "add" and type(message.get("n")) not in {int, float}:
            raise ValueError("use a number")
        if message.get("type") not in {"join", "add", "fail"}:
            raise ValueError("unknown type")
        return message


class UserConsumer(CountingConsumer):
    def clean(self, message):
        return message | {"type": "join", "user": self.scope["user"].get_username()}


websocket_urlpatterns = [
    path("ws/tested/<slug:room>/", CountingConsumer.as_asgi()),
    path("ws/tested-user/<slug:room>/", UserConsumer.as_asgi()),
]
