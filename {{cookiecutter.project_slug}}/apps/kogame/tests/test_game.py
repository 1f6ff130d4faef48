"""How to test a game through its sockets: with several browsers, and a clock that the test moves."""

from unittest import mock

from asgiref.sync import async_to_sync
from django.urls import reverse

from apps.kogame import engine
from apps.kogame.models import Score
from apps.kogame.sockets import Kogame
from common.realtime.bus import Bus
from common.testing import TestCase
from common.testing.realtime import ManualClock, open_sockets

STEP = 1 / engine.RATE  # seconds


class GameTests(TestCase):
    def setUp(self):
        self.clock = ManualClock()
        self.enterContext(mock.patch.object(engine, "SIZE", [99, 99]))  # walls are far away

    async def join(self, open_socket, **message):
        """Return a new socket in the lobby, and what it got: the player and the token."""
        socket = await open_socket("/ws/kogame/lobby/")
        await socket.receive()  # the board
        await socket.send({"seq": 1, "type": "join", "name": "Ann"} | message)
        return socket, await socket.receive()

    async def test_a_turn_is_seen_by_the_others_at_the_next_step(self):
        async with open_sockets(self.clock) as open_socket:
            ann, me = await self.join(open_socket)
            spectator = await open_socket("/ws/kogame/lobby/")
            assert (await spectator.receive())["state"]["snakes"] == {}
            await self.clock.advance(STEP)
            snake = (await spectator.receive())["patch"]["snakes"][me["player"]]
            to = "left" if snake["dir"] in {"up", "down"} else "up"
            await ann.send({"seq": 2, "type": "turn", "to": to})
            await self.clock.advance(STEP)
            snake = (await spectator.receive())["patch"]["snakes"][me["player"]]
            assert (snake["dir"], snake["seq"]) == (to, 2)

    async def test_a_player_who_is_back_in_time_has_the_same_snake(self):
        async with open_sockets(self.clock) as open_socket:
            ann, me = await self.join(open_socket)
            await self.clock.advance(2)
            await ann.disconnect()
            await self.clock.advance(10)
            spectator = await open_socket("/ws/kogame/lobby/")
            waiting = (await spectator.receive())["state"]["snakes"][me["player"]]
            assert waiting["away"]
            _, again = await self.join(open_socket, token=me["token"])
            await self.clock.advance(STEP)
            assert again["player"] == me["player"]

    async def test_what_no_browser_of_ours_sends_closes_the_socket(self):
        for message in ({"type": "turn", "to": "back"}, {"type": "join", "name": " "}, {}):
            async with open_sockets(self.clock) as open_socket:
                ann, _ = await self.join(open_socket)
                await ann.send({"seq": 2} | message)
                assert await ann.closed() == 1008

    @async_to_sync
    async def end_game(self, **scores):
        deaths = [{"name": name, "score": score} for name, score in scores.items()]
        async with open_sockets(self.clock):  # keeps the connection of the database
            room = Kogame("lobby", Bus(), self.clock)
            room.stepped({}, {"deaths": deaths})
            await room.stop()

    def test_the_page_shows_the_best_scores(self):
        self.end_game(Ann=7, Ben=9, Cleo=0)
        # jinja: if cookiecutter.background_jobs
        from common.testing.jobs import run_jobs

        run_jobs()
        # jinja: endif
        assert [str(score) for score in Score.objects.all()] == ["Ben: 9", "Ann: 7"]
        for page in (reverse("kogame:lobby"), reverse("kogame:room", args=["den-7"])):
            self.assertContains(self.client.get(page), "Ben")
