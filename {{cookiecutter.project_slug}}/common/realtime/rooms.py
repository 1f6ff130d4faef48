"""Rooms: each is a state that one process changes in steps, and that all processes send to browsers.

Each process with clients of a room has a ``Room`` object for it. One process owns the room: it takes the
steps, numbered by ticks, and commits the state after each step, a frame, to the bus. All processes send
it to their clients, and keep the inputs that no frame has taken yet. When frames stop, another process
becomes the owner, and continues from the last frame.
"""

import asyncio
import json
import logging
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any

from channels import db

from common.realtime.bus import Bus, BusError
from common.realtime.hub import Client, Hub, State, encode

logger = logging.getLogger(__name__)

Input = tuple[str, dict[str, Any]]  # a player's id, and a message
LEASE = 0.6  # seconds that a step may be late; then another process may own the room
PATIENCE = 0.2  # seconds that a step may be late; then the other processes try to own the room
POLL = 0.1  # seconds between their attempts
ABSENCE = 1.5  # seconds without a socket in any process; then the player has left
MAX_ROOMS = 1000  # in a process


class Clock:
    """Time in seconds. Tests replace it."""

    def time(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Room:
    """Subclass it: override ``rate`` and the first four methods only. States are JSON, without None."""

    rate: float = 12  # steps a second

    def initial(self) -> State:
        """Return the state before the first step."""
        raise NotImplementedError

    def step(self, state: State, inputs: list[Input], rng: random.Random) -> State:
        """Return the next state, as a new object. Use ``rng`` for all that is random.

        Each step has the input ``{"type": "leave"}`` of each player in the state who has no socket.
        If the method raises an error, the room logs it, keeps the state and drops the inputs.
        """
        raise NotImplementedError

    def players(self, state: State) -> Collection[str]:
        """Return the ids of the players in the state. The room runs while there are any."""
        raise NotImplementedError

    def stepped(self, old: State, new: State) -> None:
        """React to a step, in the owner only, or never if the owner dies. Do I/O in ``run_later``."""

    def __init__(self, name: str, bus: Bus, clock: Clock) -> None:
        self.name = name
        self.bus = bus
        self.clock = clock
        self.channel = f"{type(self).__module__}.{type(self).__name__}:{name}"
        self.lease = round(1000 * (LEASE + 1 / self.rate))  # milliseconds
        self.tick = 0
        self.owner = ""  # the process that made the last frame
        self.seed = secrets.token_hex(8)
        self.state = self.initial()
        self.frame_time = float("-inf")  # when the last frame came
        self.owned_since: float | None = None  # by this process
        self.is_failing = False
        self.waiting: dict[str, Input] = {}  # by id: inputs that no frame has taken
        self.sent = 0  # inputs of this process, for their ids
        self.sockets: Counter[str] = Counter()  # by player: sockets in this process
        self.announced: dict[str, tuple[float, list[str]]] = {}  # by process: when, and its players
        self.announce_time = float("-inf")  # when this process last announced its players
        self.hub = Hub(self.state)
        self.guests = 0  # the clients, and those that are about to enter
        self.opened: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None] | None = None
        self.later: set[asyncio.Task[None]] = set()
        self.ended: Callable[[Room], None] = lambda room: None

    def run_later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine while the room goes on. Its error is logged; ``stop`` waits for it."""
        task = asyncio.create_task(self.run_beside(work))
        self.later.add(task)
        task.add_done_callback(self.later.discard)
        task.add_done_callback(self.log_error)

    async def run_beside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Close old connections of the database first and last, as Django does for a request."""
        await db.aclose_old_connections()
        try:
            await work
        finally:
            await db.aclose_old_connections()

    def log_error(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()):
            logger.error("%s: %r", self.channel, exc, exc_info=exc)

    # What the sockets of this process call

    def welcome(self, client: Client) -> None:
        """Send the state and the rate, and from now on the frames."""
        client.offer(encode({"rate": self.rate, "tick": self.tick, "state": self.state}))
        client.needs_snapshot = False
        self.hub.clients.add(client)

    async def send(self, player: str, message: dict[str, Any]) -> None:
        """Pass an input to the owner."""
        self.sent += 1
        envelope = {"id": f"{self.bus.process}-{self.sent}", "input": [player, message]}
        await self.bus.publish(self.channel, encode(envelope))

    async def join(self, player: str) -> None:
        self.sockets[player] += 1
        await self.announce()

    async def part(self, player: str) -> None:
        self.sockets[player] -= 1
        self.sockets += Counter()  # drops the players without a socket
        with suppress(BusError):
            await self.announce()

    async def announce(self) -> None:
        """Tell the owner which players have a socket in this process."""
        self.announce_time = self.clock.time()
        if self.owned_since is None:
            envelope = {"process": self.bus.process, "players": list(self.sockets)}
            await self.bus.publish(self.channel, encode(envelope))

    # What the bus calls

    async def open(self) -> None:
        if frame := await self.bus.subscribe(self.channel, self.receive):
            self.show(json.loads(frame))

    def receive(self, text: str) -> None:
        message = json.loads(text)
        if "tick" in message:
            self.show(message)
        elif "process" in message:
            self.announced[message["process"]] = self.clock.time(), message["players"]
        else:
            player, data = message["input"]
            self.waiting[message["id"]] = player, data
            self.wake()

    def show(self, frame: dict[str, Any]) -> None:
        """Take over a frame, unless it is known, and send it to the clients here."""
        game = frame["owner"], frame["seed"]  # another seed: the bus had forgotten the room
        if frame["tick"] <= self.tick and game == (self.owner, self.seed):
            return
        if frame["tick"] > self.tick + 1:
            self.waiting.clear()  # The frames that were missed may have taken them.
        for key in frame["taken"]:
            self.waiting.pop(key, None)
        self.tick, self.owner = frame["tick"], frame["owner"]
        self.state, self.seed = frame["state"], frame["seed"]
        self.frame_time = self.clock.time()
        self.hub.publish(self.tick, self.state)
        self.wake()

    # The loop

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.players(self.state)

    def wake(self) -> None:
        if (self.task is None or self.task.done()) and not self.is_idle:
            self.task = asyncio.create_task(self.run())
            self.task.add_done_callback(self.log_error)
            self.task.add_done_callback(lambda task: self.ended(self))

    async def run(self) -> None:
        """Own the room, or wait to own it, until it is idle. Without guests, do not wait."""
        while self.guests and not self.is_idle:
            try:
                if self.clock.time() > self.announce_time + ABSENCE / 3:
                    await self.announce()
                if self.clock.time() > self.frame_time + 1 / self.rate + PATIENCE:
                    frame = await self.bus.claim(self.channel, self.lease)
                    if frame is not None:
                        await self.own(frame)
            except BusError:
                pass  # The bus logs it.
            except Exception:
                logger.exception("%s: the room goes on from step %s", self.channel, self.tick)
            await self.clock.sleep(POLL)

    async def own(self, frame: str) -> None:
        """Step until the room is idle or another process owns it, or until it fails and nobody is here."""
        if frame:
            self.show(json.loads(frame))
        period = 1 / self.rate
        due = self.owned_since = self.clock.time()
        try:
            while not self.is_idle and (self.guests or not self.is_failing):
                # If the loop is late by several steps, it skips all but one.
                due = max(due + period, self.clock.time())
                await self.clock.sleep(max(0, due - self.clock.time()))
                if not await self.commit():
                    return
            await self.bus.release(self.channel)
        finally:
            self.owned_since = None

    async def commit(self) -> bool:
        """Take a step. Return False, and keep the old state, if another process owns the room."""
        old = self.state
        frame = {"tick": self.tick + 1, "owner": self.bus.process, "seed": self.seed}
        frame |= {"taken": list(self.waiting), "state": old}
        try:
            text = encode(frame | {"state": self.next_state()})
            self.is_failing = False
        except Exception:
            if not self.is_failing:  # A step that always fails would fill the log.
                logger.exception("%s: step %s failed, and is left out", self.channel, frame["tick"])
            self.is_failing = True
            text = encode(frame)  # the old state, without the inputs
        if not await self.bus.commit(self.channel, self.lease, text):
            return False
        self.show(json.loads(text))
        self.stepped(old, self.state)
        return True

    def next_state(self) -> State:
        inputs = [*self.waiting.values(), *((player, {"type": "leave"}) for player in self.left())]
        rng = random.Random(f"{self.seed}:{self.tick + 1}")  # noqa: S311 -- can be replayed
        return self.step(self.state, inputs, rng)

    def left(self) -> list[str]:
        """Return the players of the state who have no socket in any process."""
        start = self.clock.time() - ABSENCE
        if self.owned_since is None or self.owned_since > start:
            return []  # The other processes may not have announced their players yet.
        present = set(self.sockets)
        for announce_time, players in self.announced.values():
            present.update(players if announce_time > start else [])
        return [player for player in self.players(self.state) if player not in present]

    async def stop(self) -> None:
        """Stop the loop, let another process go on, and wait for the work beside the loop."""
        self.bus.unsubscribe(self.channel, self.receive)  # A message would start the loop again.
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])
        with suppress(BusError):
            await self.bus.release(self.channel)
        if self.later:
            await asyncio.wait(self.later, timeout=5)


class Rooms:
    """The rooms of this process."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self.bus = bus
        self.clock = clock
        self.rooms: dict[tuple[type[Room], str], Room] = {}

    async def enter(self, room_class: type[Room], name: str) -> Room:
        """Return the room; raise BusError if the bus does not answer, or for a room too many."""
        key = room_class, name
        if key not in self.rooms and len(self.rooms) >= MAX_ROOMS:
            raise BusError(f"this process has {MAX_ROOMS} rooms")
        room = self.rooms[key] = self.rooms.get(key) or room_class(name, self.bus, self.clock)
        room.ended = self.discard
        room.guests += 1
        if room.opened is None or (room.opened.done() and room.opened.exception()):
            room.opened = asyncio.ensure_future(room.open())
        try:
            await asyncio.shield(room.opened)
        except BaseException:
            self.leave(room)
            raise
        return room

    def leave(self, room: Room) -> None:
        room.guests -= 1
        self.discard(room)

    def discard(self, room: Room) -> None:
        """Forget a room that has no guests and whose loop has ended."""
        key = type(room), room.name
        is_over = not room.guests and (room.task is None or room.task.done())
        if is_over and self.rooms.get(key) is room:
            del self.rooms[key]
            self.bus.unsubscribe(room.channel, room.receive)

    async def stop(self) -> None:
        await asyncio.gather(*(room.stop() for room in self.rooms.values()))
        await self.bus.close()
