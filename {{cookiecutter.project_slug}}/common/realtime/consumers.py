"""The base class of consumers, which connect browsers with rooms.

Do not trust what a browser sends: a consumer accepts small JSON objects, in order and not too many. It
closes a socket that breaks a rule with 1008.
"""

import asyncio
import json
import secrets
import time
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.core import signing

from common.realtime.bus import BusError
from common.realtime.hub import Client, encode
from common.realtime.rooms import Room

MISUSE, TRY_AGAIN_LATER = 1008, 1013
SALT = "common.realtime.player"


class RoomConsumer(AsyncWebsocketConsumer):  # type: ignore[misc] # channels has no types
    """Connect a browser with the room that its path names as ``room``; subclasses set ``room_class``."""

    room_class: type[Room]
    max_size = 256  # bytes of a message
    rate, burst = 10, 20  # messages a second, and messages at once
    max_age = 86400  # seconds for which a player's token is valid

    def clean(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the input for ``Room.step``, or raise ValueError: the browser sees its text."""
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.room: Room | None = None
        self.player = ""
        self.seq = 0
        self.credit, self.credited = float(self.burst), time.monotonic()
        self.is_stalled = False
        self.task: Any = asyncio.current_task()
        self.client = Client(scope["send_frame"], self.abort)
        # Without the session: it is as old as the socket, and to save it would undo changes of views.
        scope = {key: value for key, value in scope.items() if key != "session"}
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            if not self.is_stalled:
                raise
        finally:
            await self.leave()

    def abort(self) -> None:
        """End a socket that does not read, without a close code: it would not read that either."""
        if not self.is_stalled:  # The hub calls this for each step until the socket has left.
            self.is_stalled = True
            self.task.cancel()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle a message. Unlike Channels, close no database connections: there are no queries."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        await self.accept()  # A browser sees the code of a close only after this.
        try:
            name = self.scope["url_route"]["kwargs"]["room"]
            self.room = await self.scope["state"]["rooms"].enter(self.room_class, name)
            self.room.welcome(self.client)
        except BusError:
            await self.close(TRY_AGAIN_LATER)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if self.room:
                await self.handle(self.room, self.parse(text_data))
        except ValueError as exc:
            await self.leave()
            reason = str(exc).encode(errors="replace")[:100]  # A close frame has 123 bytes for it.
            await self.close(MISUSE, reason.decode(errors="ignore"))
        except BusError:
            await self.leave()
            await self.close(TRY_AGAIN_LATER)

    def parse(self, text: str | None) -> dict[str, Any]:
        now = time.monotonic()
        self.credit = min(self.burst, self.credit + (now - self.credited) * self.rate) - 1
        self.credited = now
        if self.credit < 0:
            raise ValueError(f"more than {self.rate} messages a second")
        if text is None or len(text.encode()) > self.max_size:
            raise ValueError(f"use text of at most {self.max_size} bytes")
        try:
            message = json.loads(text, parse_constant=lambda name: 1 / 0)  # NaN is an error.
        except (ArithmeticError, RecursionError, ValueError) as exc:
            raise ValueError("use JSON") from exc
        if not isinstance(message, dict) or type(seq := message.get("seq")) is not int:
            raise ValueError('use an object with "seq", a whole number')
        if not self.seq < seq < 2**53:
            raise ValueError(f"seq {seq} does not follow {self.seq}")
        self.seq = seq
        return message

    async def handle(self, room: Room, message: dict[str, Any]) -> None:
        if message.get("type") == "snapshot":
            room.hub.send_snapshot(self.client)
        elif message.get("type") == "join":
            token = message.pop("token", None)
            data = self.clean(message)
            if not self.player:
                self.player = self.player_of(token, room) or secrets.token_hex(4)
                await room.join(self.player)
            await room.send(self.player, data)
            signed = signing.dumps([room.channel, self.player], salt=SALT)
            await self.send(encode({"player": self.player, "token": signed}))
        else:
            data = self.clean(message)
            if self.player:
                await room.send(self.player, data)

    def player_of(self, token: Any, room: Room) -> str | None:
        """Return the player whom the token names, or None if it is not a valid token of this room."""
        try:
            channel, player = signing.loads(str(token), salt=SALT, max_age=self.max_age)
        except signing.BadSignature:
            return None
        return str(player) if channel == room.channel else None

    async def leave(self) -> None:
        """Leave the room, once."""
        room, self.room = self.room, None
        self.client.close()
        if room:
            room.hub.clients.discard(self.client)
            if self.player:
                await room.part(self.player)
            self.scope["state"]["rooms"].leave(room)
