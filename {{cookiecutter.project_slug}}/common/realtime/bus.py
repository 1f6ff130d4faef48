"""The bus: which process owns a room, and how messages reach the others.

``Bus`` serves one process. ``RedisBus`` serves several: the owner holds a lease in Redis, and each frame is
one atomic call that renews the lease, stores the frame and publishes it, or says that the lease is lost.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from common.realtime.hub import start

logger = logging.getLogger(__name__)

Handler = Callable[[str], None]
KEPT = 3600  # seconds for which Redis keeps the last frame of a room
TIMEOUT = 0.5  # seconds until a command of Redis fails
SILENCE = 0.4  # seconds. Twice that, unnoticed, and players of other processes would count as gone.

# Keys: the lease and the last frame. Arguments: this process, milliseconds, and for COMMIT the frame and KEPT.
CLAIM = """
local owner = redis.call("GET", KEYS[1])
if owner and owner ~= ARGV[1] then return false end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return redis.call("GET", KEYS[2]) or ""
"""
COMMIT = """
local owner = redis.call("GET", KEYS[1])
if owner ~= ARGV[1] and (owner or redis.call("EXISTS", KEYS[2]) == 1) then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
redis.call("SET", KEYS[2], ARGV[3], "EX", ARGV[4])
redis.call("PUBLISH", KEYS[2], ARGV[3])
return 1
"""
RELEASE = """
if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end
"""


class BusError(Exception):
    """The bus does not answer, or this process has too many rooms."""


class Bus:
    """The bus of one process, which owns every room."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self.handlers: dict[str, Handler] = {}

    async def subscribe(self, channel: str, handler: Handler) -> str:
        """Pass the messages of the channel to ``handler``. Return the last frame, or ""."""
        self.handlers[channel] = handler
        return ""

    def unsubscribe(self, channel: str, handler: Handler) -> None:
        """Stop passing messages to ``handler``, unless another one has taken its place."""
        if self.handlers.get(channel) == handler:
            del self.handlers[channel]

    async def publish(self, channel: str, message: str) -> None:
        if channel in self.handlers:
            self.handlers[channel](message)

    async def claim(self, channel: str, lease: int) -> str | None:
        """Own the room for ``lease`` ms, and return its last frame, or "". Return None if another does."""
        return ""

    async def commit(self, channel: str, lease: int, frame: str) -> bool:
        """Publish a frame, and return True; return False if this process no longer owns the room.

        A bus that has forgotten the room keeps its owner. Another process might begin it anew.
        """
        return True

    async def release(self, channel: str) -> None:
        """Let another process own the room."""

    async def close(self) -> None:
        """Close the connections."""


class RedisBus(Bus):
    def __init__(self, url: str) -> None:
        super().__init__()
        try:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ModuleNotFoundError as exc:
            raise ImproperlyConfigured("REALTIME_URL needs: uv sync --extra redis") from exc
        # The library's own retries take seconds, in which no room moves.
        options: dict[str, Any] = {
            "decode_responses": True,
            "retry": Retry(NoBackoff(), 0),
            "socket_connect_timeout": TIMEOUT,
        }
        # The default pool has errors instead of a queue: many rooms or browsers would get them at once.
        pool = BlockingConnectionPool.from_url(
            url, max_connections=20, timeout=2 * TIMEOUT, socket_timeout=TIMEOUT, **options
        )
        self.redis = Redis.from_pool(pool)
        self.listener = Redis.from_url(url, socket_timeout=None, socket_keepalive=True, **options)
        self.errors = (RedisError, OSError, TimeoutError)
        scripts = {"claim": CLAIM, "commit": COMMIT, "release": RELEASE}
        self.scripts = {name: self.redis.register_script(text) for name, text in scripts.items()}
        self.is_down = False
        self.pubsub: Any = None
        self.confirmed: dict[str, asyncio.Future[None]] = {}
        self.task: asyncio.Task[None] | None = None

    async def subscribe(self, channel: str, handler: Handler) -> str:
        key = frame_key(channel)
        self.handlers[key] = handler
        confirmed = self.confirmed[key] = asyncio.get_running_loop().create_future()
        self.task = self.task or asyncio.create_task(self.listen())
        if self.pubsub:
            await self.call(self.pubsub.subscribe(key))
        # Read the frame after the confirmation: a frame published between the two would be lost.
        await self.call(asyncio.wait_for(confirmed, TIMEOUT))
        return await self.call(self.redis.get(key)) or ""

    def unsubscribe(self, channel: str, handler: Handler) -> None:
        super().unsubscribe(frame_key(channel), handler)
        if self.pubsub and frame_key(channel) not in self.handlers:
            start(self.call(self.pubsub.unsubscribe(frame_key(channel))))

    async def publish(self, channel: str, message: str) -> None:
        await self.call(self.redis.publish(frame_key(channel), message))

    async def claim(self, channel: str, lease: int) -> str | None:
        frame: str | None = await self.run("claim", channel, lease)
        return frame

    async def commit(self, channel: str, lease: int, frame: str) -> bool:
        return bool(await self.run("commit", channel, lease, frame, KEPT))

    async def release(self, channel: str) -> None:
        await self.run("release", channel)

    async def close(self) -> None:
        if self.task:
            self.task.cancel()
            await asyncio.wait([self.task])
        await self.redis.aclose()
        await self.listener.aclose()

    async def run(self, script: str, channel: str, *args: Any) -> Any:
        keys = [f"{frame_key(channel)}:owner", frame_key(channel)]
        return await self.call(self.scripts[script](keys, [self.process, *args]))

    async def call(self, command: Awaitable[Any]) -> Any:
        try:
            result = await command
        except self.errors as exc:
            self.log(str(exc) or repr(exc))
            raise BusError(repr(exc)) from exc
        self.log("")
        return result

    def log(self, failure: str) -> None:
        """Write one line when Redis fails, and one when it answers again."""
        if bool(failure) != self.is_down:
            self.is_down = bool(failure)
            logger.warning("Redis: %s", failure or "answers again")

    async def listen(self) -> None:
        """Subscribe once for all rooms of this process, and again whenever the connection is lost."""
        while True:
            try:
                async with self.listener.pubsub() as pubsub:
                    await pubsub.connect()
                    self.pubsub = pubsub  # Rooms that open from here on subscribe by themselves.
                    await pubsub.subscribe(self.process, *self.handlers)
                    silences = 0
                    while silences < 2:  # Of a connection that is lost, only the silence may tell.
                        if message := await pubsub.get_message(timeout=SILENCE):
                            self.handle(message)
                        else:
                            await pubsub.ping()
                        silences = 0 if message else silences + 1
                    raise TimeoutError("no answer to a ping")
            except Exception as exc:
                self.log(str(exc) or repr(exc))
            finally:
                self.pubsub = None
            with suppress(*self.errors):
                # The idle connections are lost, too. The next call would find out by an error.
                await self.redis.connection_pool.disconnect(inuse_connections=False)
            await asyncio.sleep(0.1)

    def handle(self, message: dict[str, Any]) -> None:
        channel = message["channel"]
        if message["type"] == "message" and channel in self.handlers:
            try:
                self.handlers[channel](message["data"])
            except Exception:
                logger.exception("%s: a message cannot be handled", channel)
        elif message["type"] == "subscribe":
            self.log("")
            confirmed = self.confirmed.pop(channel, None)
            if confirmed and not confirmed.done():
                confirmed.set_result(None)


def frame_key(channel: str) -> str:
    """Return the key of the last frame, which is also the name of the channel in Redis."""
    return f"realtime:<{channel}>"


def from_settings() -> Bus:
    return RedisBus(settings.REALTIME_URL) if settings.REALTIME_URL else Bus()
