"""Test rooms and sockets without a server, in the event loop of the test, and with a clock of its own.

    async def test_a_player_is_seen_at_the_next_step(self):
        clock = ManualClock()
        async with open_sockets(clock) as open_socket:
            ann = await open_socket("/ws/kogame/lobby/")
            await ann.send({"seq": 1, "type": "join", "name": "Ann"})
            await clock.advance(1)

Write ``async def`` methods of ``common.testing.TestCase``: the queries of sockets then see the data of the test.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest import mock

from django.test import AsyncClient, Client

from common.realtime.bus import Bus
from common.realtime.edge import application
from common.realtime.hub import State
from common.realtime.rooms import Clock, Input, Room, Rooms

__all__ = ["ManualClock", "Socket", "open_sockets", "play"]


class ManualClock(Clock):
    """A clock that stands still until ``advance(seconds)``. Rooms then take the steps of that time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        sleeper = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now + seconds, sleeper))
        await sleeper

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds + 1e-9
        await settle()
        while due := min((due for due, _ in self.sleepers if due <= end), default=None):
            self.now = max(due, self.now)
            ready = [sleeper for due, sleeper in self.sleepers if due <= self.now]
            self.sleepers = [item for item in self.sleepers if item[0] > self.now]
            for sleeper in ready:
                if not sleeper.done():
                    sleeper.set_result(None)
            await settle()
        self.now = end


async def settle() -> None:
    """Let all tasks run until they wait for the clock or for a message."""
    for _ in range(20):
        await asyncio.sleep(0)


def play(room_class: type[Room], *steps: list[Input], seed: str = "") -> list[State]:
    """Return the initial state, and the state after each step. ``steps`` are the inputs of each."""
    room = room_class("test", Bus(), Clock())
    states = [room.state]
    for tick, inputs in enumerate(steps, start=1):
        rng = random.Random(f"{seed}:{tick}")  # noqa: S311 -- as a room does
        states.append(room.step(states[-1], inputs, rng))
    return states


class Socket:
    """A browser's end of a websocket."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.can_read = asyncio.Event()
        self.can_read.set()
        self.sent.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(scope, self.sent.get, self.take))

    async def take(self, message: dict[str, Any]) -> None:
        await self.can_read.wait()
        self.received.put_nowait(message)

    def stall(self) -> None:
        """Read nothing from now on."""
        self.can_read.clear()

    async def send(self, data: Any) -> None:
        """Send a text or, as JSON, anything else."""
        text = data if isinstance(data, str) else json.dumps(data)
        await self.sent.put({"type": "websocket.receive", "text": text})

    async def receive(self) -> Any:
        """Return the next message; AssertionError if none comes in a second or the socket closes."""
        message = await self.next()
        if message["type"] != "websocket.send":
            raise AssertionError(f"the server sent {message}")
        return json.loads(message["text"])

    async def closed(self) -> int:
        """Return the code with which the server closes the socket; skip messages before that."""
        while (message := await self.next())["type"] != "websocket.close":
            pass
        return int(message.get("code", 1000))

    async def next(self) -> dict[str, Any]:
        getter = asyncio.ensure_future(self.received.get())
        await asyncio.wait([getter, self.task], timeout=1, return_when="FIRST_COMPLETED")
        if getter.done():
            return getter.result()
        getter.cancel()
        if self.task.done():
            self.task.result()  # raises an error of the consumer
        raise AssertionError("the server sent nothing")

    async def disconnect(self, code: int = 1001) -> None:
        self.can_read.set()  # A send that waits would wait for ever.
        await self.sent.put({"type": "websocket.disconnect", "code": code})
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()  # raises an error of the consumer


@asynccontextmanager
async def open_sockets(
    clock: Clock | None = None, bus: Bus | None = None, routes: list[Any] | None = None
) -> AsyncIterator[Callable[..., Awaitable[Socket]]]:
    """Give ``open_socket(path, *, client=None, origin="http://testserver")``; close all sockets at the end.

    The socket has the cookies, and so the user, of ``client``, a test client. ``routes`` replaces the routes
    of the service. ``open_socket`` raises ConnectionRefusedError for an unknown path or a foreign origin.
    """
    rooms = Rooms(bus or Bus(), clock or Clock())
    app = application(None, routes)
    sockets = []

    async def open_socket(
        path: str, *, client: Client | AsyncClient | None = None, origin: str = "http://testserver"
    ) -> Socket:
        cookies = client.cookies.output(header="", sep=";").strip() if client else ""
        headers = [(b"origin", origin.encode()), (b"cookie", cookies.encode())]
        scope = {"type": "websocket", "path": path, "headers": headers, "state": {"rooms": rooms}}
        socket = Socket(app, scope)
        sockets.append(socket)
        message = await socket.next()
        if message["type"] != "websocket.accept":
            raise ConnectionRefusedError(f"no app of INSTALLED_APPS serves {path!r} to {origin!r}")
        return socket

    # Channels closes old connections before and after each query: also the connection of the test.
    with mock.patch("channels.db.close_old_connections"):
        try:
            yield open_socket
        finally:
            for socket in sockets:
                await socket.disconnect()
            await rooms.stop()
