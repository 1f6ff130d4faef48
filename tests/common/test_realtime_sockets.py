"""Sockets: what a browser may send, who is behind it, and what the log says."""

import asyncio
import logging
import re
from types import SimpleNamespace
from unittest import mock

import pytest
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core import signing
from django.core.checks import run_checks
from django.test import override_settings

from apps.users.models import User
from common.logs import request_id
from common.realtime import edge, hub
from common.realtime.bus import Bus, BusError
from common.realtime.consumers import SALT
from common.testing import SimpleTestCase, TestCase
from common.testing.realtime import ManualClock, open_sockets
from common_tests.realtime_rooms import CountingConsumer

ROOM = "/ws/tested/a/"
CHANNEL = "common_tests.realtime_rooms.Counting"
JOIN = {"seq": 1, "type": "join"}
ADD = {"seq": 2, "type": "add", "n": 1}


async def joined(open_socket, **message):
    """Return a socket that has joined, and what it got as an answer."""
    socket = await open_socket(ROOM)
    await socket.receive()
    await socket.send(JOIN | message)
    return socket, await socket.receive()


async def code_after(*messages):
    """Return the code with which the server closes a socket that sends these messages."""
    async with open_sockets(ManualClock()) as open_socket:
        socket, _ = await joined(open_socket)
        for message in messages:
            await socket.send(message)
        return await socket.closed()


class MessageTests(SimpleTestCase):
    async def test_a_socket_gets_the_state_then_its_player_then_each_frame(self):
        clock = ManualClock()
        async with open_sockets(clock) as open_socket:
            socket = await open_socket(ROOM)
            hello = {"rate": 10, "tick": 0, "state": {"players": {}, "steps": 0}}
            assert await socket.receive() == hello
            await socket.send(JOIN)
            player = (await socket.receive())["player"]
            await socket.send(ADD)
            await clock.advance(0.1)
            frame = await socket.receive()
            assert (frame["tick"], frame["patch"]["players"]) == (1, {player: 1})

    async def test_a_socket_may_ask_for_a_snapshot(self):
        async with open_sockets(ManualClock()) as open_socket:
            socket, _ = await joined(open_socket)
            await socket.send({"seq": 2, "type": "snapshot"})
            assert await socket.receive() == {"tick": 0, "state": {"players": {}, "steps": 0}}

    async def test_who_has_not_joined_only_watches(self):
        clock = ManualClock()
        async with open_sockets(clock) as open_socket:
            socket = await open_socket(ROOM)
            await socket.receive()
            await socket.send(ADD)
            await clock.advance(1)
            with pytest.raises(AssertionError, match="sent nothing"):
                await socket.receive()

    async def test_what_is_no_message_closes_the_socket(self):
        for text in (
            *("", "{", "null", "[1]", "7", '"seq"', '{"type":"join"}', '{"seq":NaN}', "[" * 200),
            *(
                f'{{"seq":{seq},"type":"add","n":1}}'
                for seq in ("true", "2.0", '"2"', "null", 2**53)
            ),
            '{"seq":2,"type":"add","n":1' + " " * 256 + "}",
            '{"seq":2,"type":"add","n":"é' + "é" * 128 + '"}',
        ):
            assert await code_after(text) == 1008, text

    async def test_messages_out_of_order_close_the_socket(self):
        assert await code_after(ADD | {"seq": 9}, ADD | {"seq": 9}) == 1008
        assert await code_after(ADD | {"seq": 9}, ADD | {"seq": 8}) == 1008

    async def test_what_the_consumer_rejects_closes_the_socket(self):
        assert await code_after(ADD | {"n": "1"}) == 1008
        assert await code_after({"seq": 2}) == 1008
        assert await code_after('{"seq":2,"type":"add","n":1e999}') == 1008

    async def test_bytes_close_the_socket(self):
        async with open_sockets() as open_socket:
            socket = await open_socket(ROOM)
            await socket.sent.put({"type": "websocket.receive", "bytes": b"{}"})
            assert await socket.closed() == 1008
            await socket.send(JOIN)  # is ignored

    async def test_too_many_messages_at_once_close_the_socket(self):
        messages = [ADD | {"seq": seq} for seq in range(2, CountingConsumer.burst + 2)]
        assert await code_after(*messages) == 1008
        async with open_sockets(ManualClock()) as open_socket:
            socket, _ = await joined(open_socket)
            for message in messages[:-2]:
                await socket.send(message)
            await socket.send({"seq": 99, "type": "snapshot"})
            assert "state" in await socket.receive()

    async def test_credit_for_messages_comes_back(self):
        consumer = CountingConsumer()
        now = SimpleNamespace(monotonic=lambda: 100.0)
        consumer.credit, consumer.credited, consumer.seq = 0.0, 99.5, 0
        with mock.patch("common.realtime.consumers.time", now):
            for seq in range(1, 6):
                consumer.parse(f'{{"seq":{seq}}}')
            with pytest.raises(ValueError, match="10 messages a second"):
                consumer.parse('{"seq":6}')

    def test_a_consumer_without_checks_is_an_error(self):
        from common.realtime.consumers import RoomConsumer

        with pytest.raises(NotImplementedError):
            RoomConsumer().clean({})


class PlayerTests(TestCase):
    async def test_a_token_brings_the_player_back(self):
        async with open_sockets(ManualClock()) as open_socket:
            socket, answer = await joined(open_socket)
            await socket.disconnect()
            _, again = await joined(open_socket, token=answer["token"])
            assert again["player"] == answer["player"]
            _, other = await joined(open_socket)
            assert other["player"] != answer["player"]

    async def test_a_second_join_is_an_input_of_the_same_player(self):
        async with open_sockets(ManualClock()) as open_socket:
            socket, answer = await joined(open_socket)
            await socket.send(JOIN | {"seq": 2})
            assert (await socket.receive())["player"] == answer["player"]

    async def test_another_token_makes_a_new_player(self):
        forged = (
            signing.dumps([f"{CHANNEL}:a", "ann"], salt="other"),
            signing.dumps([f"{CHANNEL}:b", "ann"], salt=SALT),
            "x",
            7,
            None,
        )
        async with open_sockets(ManualClock()) as open_socket:
            for token in forged:
                _, answer = await joined(open_socket, token=token)
                assert answer["player"] != "ann"
            with mock.patch.object(CountingConsumer, "max_age", -1):
                token = signing.dumps([f"{CHANNEL}:a", "ann"], salt=SALT)
                _, answer = await joined(open_socket, token=token)
            assert answer["player"] != "ann"

    async def test_a_player_with_two_sockets_stays_while_one_is_open(self):
        clock = ManualClock()
        async with open_sockets(clock) as open_socket:
            first, answer = await joined(open_socket)
            second, _ = await joined(open_socket, token=answer["token"])
            await clock.advance(2)
            await first.disconnect()
            await clock.advance(1)
            watching = await open_socket(ROOM)
            assert answer["player"] in (await watching.receive())["state"]["players"]
            await second.disconnect()
            await clock.advance(0.2)
            assert answer["player"] not in (await watching.receive()).get("state", {})

    async def test_the_session_tells_the_user_and_is_not_kept(self):
        user = await User.objects.acreate(username="ann")
        await self.async_client.aforce_login(user)
        seen = []

        def clean(consumer, message):
            seen.append((consumer.scope["user"], "session" in consumer.scope))
            return message

        async with open_sockets(ManualClock()) as open_socket:
            with mock.patch.object(CountingConsumer, "clean", clean):
                socket = await open_socket(ROOM, client=self.async_client)
                await socket.send(JOIN)
                await socket.receive()
                await socket.receive()
                await joined(open_socket)
        assert seen[0] == (user, False)
        assert seen[1][0].is_anonymous

    async def test_tests_keep_the_connection_of_the_database(self):
        await User.objects.acreate(username="ann")
        await self.async_client.aforce_login(await User.objects.aget())
        for _ in range(3):
            async with open_sockets(ManualClock()) as open_socket:
                await open_socket(ROOM, client=self.async_client)
            assert await User.objects.acount() == 1

    test_tests_keep_it_again = test_tests_keep_the_connection_of_the_database


class EdgeTests(SimpleTestCase):
    async def test_foreign_origins_and_unknown_paths_are_refused(self):
        async with open_sockets() as open_socket:
            for path, origin in (
                (ROOM, "http://evil.example"),
                (ROOM, ""),
                (ROOM, "null"),
                ("/ws/unknown/", "http://testserver"),
                ("/", "http://testserver"),
            ):
                with pytest.raises(ConnectionRefusedError):
                    await open_socket(path, origin=origin)

    async def test_the_log_has_a_line_when_a_socket_opens_and_one_when_it_ends(self):
        clock = ManualClock()
        with self.assertLogs("common.realtime.edge", logging.INFO) as logs:
            async with open_sockets(clock) as open_socket:
                socket, _ = await joined(open_socket)
                await clock.advance(3)
                await socket.disconnect(1001)
                bad = await open_socket(ROOM)
                await bad.send("no JSON")
                await bad.closed()
        lines = [re.sub(r"\d\.\ds", "n s", record.getMessage()) for record in logs.records]
        assert lines == [
            "/ws/tested/a/ opened",
            "/ws/tested/a/ closed with 1001 after n s ",
            "/ws/tested/a/ opened",
            "/ws/tested/a/ closed with 1008 after n s use JSON",
        ]

    @override_settings(REQUEST_ID_HEADER="X-Request-ID")
    async def test_a_socket_logs_with_the_id_of_its_request(self):
        async def app(scope, receive, send):
            seen.append(request_id.get())

        seen = []
        for value in (b"abc-12345678", b"bad id", None):
            headers = [(b"x-request-id", value)] if value else []
            scope = {"type": "websocket", "path": "/", "headers": headers}
            await asyncio.create_task(edge.SocketLog(app)(scope, None, None))
        assert seen[0] == "abc-12345678"
        assert all(len(value) == 32 for value in seen[1:])

    async def test_a_socket_is_told_to_come_later_while_the_bus_is_down(self):
        bus = Bus()
        down = mock.AsyncMock(side_effect=BusError("down"))
        async with open_sockets(ManualClock(), bus) as open_socket:
            socket, _ = await joined(open_socket)
            with mock.patch.object(bus, "subscribe", down):
                other = await open_socket("/ws/tested/b/")
                assert await other.closed() == 1013
                await other.send(JOIN)  # is ignored
            with mock.patch.object(bus, "publish", down):
                await socket.send(ADD)
                assert await socket.closed() == 1013

    async def test_a_socket_that_does_not_read_is_ended(self):
        clock = ManualClock()
        self.addCleanup(setattr, hub, "MAX_STALL", hub.MAX_STALL)
        async with open_sockets(clock) as open_socket:
            socket, _ = await joined(open_socket)
            await clock.advance(0.1)
            hub.MAX_STALL = -1
            socket.stall()
            await clock.advance(0.5)
            await asyncio.wait_for(socket.task, 1)
        assert not socket.task.cancelled()

    async def test_a_socket_that_does_not_read_ends_with_the_test(self):
        async with asyncio.timeout(5), open_sockets(ManualClock()) as open_socket:
            socket = await open_socket(ROOM)
            socket.stall()
            await socket.send({"seq": 1, "type": "join"})
        assert socket.task.done()

    def test_a_socket_is_ended_once(self):
        consumer = CountingConsumer()
        consumer.task, consumer.is_stalled = mock.Mock(), False
        consumer.abort()
        consumer.abort()
        consumer.task.cancel.assert_called_once_with()

    async def test_a_message_that_a_test_expects_on_a_closed_socket_is_an_error(self):
        async with open_sockets(ManualClock()) as open_socket:
            socket, _ = await joined(open_socket)
            await socket.send("no JSON")
            with pytest.raises(AssertionError, match="1008"):
                await socket.receive()

    async def test_a_socket_that_the_server_cancels_is_cancelled(self):
        async with open_sockets() as open_socket:
            socket = await open_socket(ROOM)
            socket.task.cancel()
            await asyncio.wait([socket.task])
            assert socket.task.cancelled()

    async def test_an_error_of_a_consumer_reaches_the_test(self):
        async with open_sockets() as open_socket:
            socket = await open_socket(ROOM)
            await socket.receive()
            with mock.patch.object(CountingConsumer, "clean", side_effect=RuntimeError("oops")):
                await socket.send(JOIN)
                with pytest.raises(RuntimeError, match="oops"):
                    await socket.receive()
            socket.task = asyncio.ensure_future(asyncio.sleep(0))  # its error has been seen

    def test_broken_utf_8_of_a_browser_is_no_error_of_the_server(self):
        logger = logging.getLogger("uvicorn.error")
        edge.application(None)
        with self.assertLogs(logger, logging.WARNING) as logs:
            for data in (b"\xff", b""):
                try:
                    data.decode() or {}["key"]
                except (KeyError, UnicodeDecodeError):
                    logger.exception("caught")
        levels = [(record.levelname, bool(record.exc_info)) for record in logs.records]
        assert levels == [("WARNING", False), ("ERROR", True)]


class LifespanTests(SimpleTestCase):
    async def run_lifespan(self):
        receive = mock.AsyncMock(return_value={})
        sent, scope = [], {"type": "lifespan", "state": {}}

        async def send(message):
            sent.append(message)

        await edge.application(None)(scope, receive, send)
        return sent, scope["state"]

    async def test_the_rooms_live_as_long_as_the_server(self):
        sent, state = await self.run_lifespan()
        names = [message["type"] for message in sent]
        assert names == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        assert state["rooms"].rooms == {}

    async def test_one_of_several_processes_needs_a_shared_bus(self):
        with mock.patch("multiprocessing.parent_process", return_value=1):
            sent, _ = await self.run_lifespan()
            assert sent[0]["type"] == "lifespan.startup.failed"
            assert "REALTIME_URL" in sent[0]["message"]
            with (
                override_settings(REALTIME_URL="redis://127.0.0.1:1/0"),
                mock.patch.object(edge, "from_settings", Bus),
            ):
                sent, _ = await self.run_lifespan()
            assert sent[0]["type"] == "lifespan.startup.complete"

    async def test_in_development_pages_find_their_assets(self):
        with override_settings(DEBUG=True):
            http = edge.application(None).application_mapping["http"]
        assert isinstance(http, ASGIStaticFilesHandler)

    async def test_a_bus_without_its_client_says_what_to_install(self):
        with (
            override_settings(REALTIME_URL="redis://127.0.0.1:1/0"),
            mock.patch.dict("sys.modules", {"redis.asyncio": None}),
        ):
            sent, _ = await self.run_lifespan()
        assert "uv sync --extra redis" in sent[0]["message"]


class CheckTests(SimpleTestCase):
    def test_several_workers_need_a_shared_bus(self):
        for workers, url, is_wrong in ((1, "", 0), (2, "redis://x", 0), (2, "", 1), (0, "", 1)):
            with override_settings(REALTIME_WORKERS=workers, REALTIME_URL=url):
                errors = run_checks(tags=["realtime"])
                assert [error.id for error in errors] == ["common.E005"] * is_wrong
                assert all(f"REALTIME_WORKERS is {workers}" in error.msg for error in errors)
