"""How to test sockets: without a server, and time passes only when the test says so."""

from django.contrib.auth import get_user_model
from django.urls import path

from common.realtime.consumers import RoomConsumer
from common.realtime.rooms import Room
from common.testing import TestCase
from common.testing.realtime import ManualClock, open_sockets


class Counter(Room):
    rate = 10

    def initial(self):
        return {"count": 0, "players": {}}

    def players(self, state):
        return state["players"]

    def step(self, state, inputs, rng):
        names = {player: message["name"] for player, message in inputs if "name" in message}
        return {"count": state["count"] + 1, "players": state["players"] | names}


class CounterConsumer(RoomConsumer):
    room_class = Counter

    def clean(self, message):
        return {"name": self.scope["user"].get_username()}


class SocketTests(TestCase):
    async def test_others_see_a_user_who_joins_at_the_next_step(self):
        clock = ManualClock()
        user = await get_user_model().objects.acreate(username="ann")
        await self.async_client.aforce_login(user)
        routes = [path("ws/counter/<room>/", CounterConsumer.as_asgi())]
        async with open_sockets(clock, routes=routes) as open_socket:
            ann = await open_socket("/ws/counter/a/", client=self.async_client)
            other = await open_socket("/ws/counter/a/")
            assert (await other.receive())["state"] == {"count": 0, "players": {}}
            await ann.send({"seq": 1, "type": "join"})
            await clock.advance(0.1)
            patch = (await other.receive())["patch"]
            assert (patch["count"], [*patch["players"].values()]) == (1, ["ann"])
            await ann.send("no JSON")
            assert await ann.closed() == 1008

    # The second run fails if the first has closed the database connection of the tests.
    test_sockets_keep_the_connection_open = test_others_see_a_user_who_joins_at_the_next_step
