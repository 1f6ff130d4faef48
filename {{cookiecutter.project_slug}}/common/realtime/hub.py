"""The hub: sends each step of a room to all clients of this process, and encodes it once.

A slow client does not delay the others: it misses steps, and later gets a snapshot.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

State = dict[str, Any]  # of JSON's types: keys are str, no value is None
MAX_STALL = 5.0  # seconds that a socket may take for one message; then it is closed


def diff(old: State, new: State) -> State:
    """Return the JSON merge patch (RFC 7386) that turns ``old`` into ``new``."""
    patch: State = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            if changes := diff(before, value):
                patch[key] = changes
        elif value != before or isinstance(value, bool) != isinstance(before, bool):  # True == 1
            patch[key] = value
    return patch


class Client:
    """A socket. ``send`` takes a message of ASGI; ``abort`` ends a socket that does not read."""

    def __init__(
        self, send: Callable[[dict[str, Any]], Awaitable[None]], abort: Callable[[], None]
    ) -> None:
        self.send = send
        self.abort = abort
        self.needs_snapshot = True
        self.task: asyncio.Task[None] | None = None
        self.busy_since = 0.0

    def offer(self, text: str) -> bool:
        """Send the text, and return True; return False if the socket is still busy with another."""
        if self.task and not self.task.done():
            if time.monotonic() > self.busy_since + MAX_STALL:
                self.abort()
            return False
        self.busy_since = time.monotonic()
        self.task = start(self.send({"type": "websocket.send", "text": text}))
        return True

    def close(self) -> None:
        if self.task:
            self.task.cancel()


# From Python 3.12, a task starts at once. Most sends then end without an iteration of the event loop.
EAGER: dict[str, Any] = {"eager_start": True} if hasattr(asyncio, "eager_task_factory") else {}


def start(coroutine: Any) -> asyncio.Task[None]:
    """Run a coroutine as a task, and ignore its error."""
    task = asyncio.Task(coroutine, loop=asyncio.get_running_loop(), **EAGER)
    retrieve(task) if task.done() else task.add_done_callback(retrieve)
    return task


def retrieve(task: asyncio.Task[None]) -> None:
    """Take the error of a task, or asyncio would log it. The consumer notices a lost socket itself."""
    _ = task.cancelled() or task.exception()


class Hub:
    def __init__(self, state: State) -> None:
        self.clients: set[Client] = set()
        self.tick = 0
        self.state = state
        self.text = ""

    def publish(self, tick: int, state: State) -> None:
        """Send a patch to the clients that have the state before it, and a snapshot to the others."""
        patch = None
        if self.clients and tick == self.tick + 1:
            patch = encode({"tick": tick, "patch": diff(self.state, state)})
        self.tick, self.state, self.text = tick, state, ""
        for client in list(self.clients):
            if patch is None or client.needs_snapshot:
                self.send_snapshot(client)
            else:
                client.needs_snapshot = not client.offer(patch)

    def send_snapshot(self, client: Client) -> None:
        """Send the whole state now or, if the socket is busy, instead of the next patch."""
        self.text = self.text or encode({"tick": self.tick, "state": self.state})
        client.needs_snapshot = not client.offer(self.text)


def encode(message: Any) -> str:
    """Return JSON without spaces. NaN, which browsers reject, is a ValueError."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False)
