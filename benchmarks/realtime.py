"""Measure rooms: how many clients a server carries, how late an input shows, and how long a takeover lasts.

uv run benchmarks/realtime.py [FOLDER]

FOLDER is a bake with realtime; by default, one is made. The environment and Redis are private. The server
has one processor; the clients and Redis have another. Each client should get 30 frames of 400 bytes a second.
A server carries a number of clients if they get 98 % of the frames, and 99 % of these within 100 ms. A number is
too high if two tries fail. The limit is the number that the package websockets carries without Django. Other
load on the machine lowers the numbers of clients, but hardly changes the processor time that a frame takes.
"""

import json
import os
import random
import re
import resource
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
sys.path.insert(0, str(TEMPLATE))
sys.dont_write_bytecode = True
import psutil  # noqa: E402

from benchmarks.carts import run  # noqa: E402
from benchmarks.jobs import bake, running  # noqa: E402
from tests.harness.servers import running_redis  # noqa: E402

RATE, SECONDS, INPUT_SECONDS = 30, 2.0, 6.0
FIRST, PLAYERS, TAKEOVERS = 200, 100, 3
SETTINGS = """
from config.settings.production import *

INSTALLED_APPS.append("bench")
if layer := os.environ.get("LAYER"):
    config = {"hosts": [os.environ["LAYER_URL"]]} if "redis" in layer else {}
    CHANNEL_LAYERS = {"default": {"BACKEND": layer, "CONFIG": config}}
"""
FRAMES = f"""
import asyncio, json, random, time

def changes(rng=random):
    return {{"at": time.monotonic(), "cells": [rng.randrange(1000, 10000) for _ in range(67)]}}

async def frames():
    due = time.monotonic()
    while True:
        due = max(due + 1 / {RATE}, time.monotonic() - 1 / {RATE})
        await asyncio.sleep(max(0, due - time.monotonic()))
        yield json.dumps({{"tick": 1000, "patch": changes()}}, separators=(",", ":"))
"""
SOCKETS = f"""
import asyncio
from channels.generic.websocket import AsyncWebsocketConsumer
from django.urls import path
from common.realtime.consumers import RoomConsumer
from common.realtime.rooms import Room
from bench.frames import changes, frames

class Fast(Room):
    rate = {RATE}

    def initial(self):
        return {{**changes(), "players": {{}}}}

    def players(self, state):
        return state["players"]

    def step(self, state, inputs, rng):
        players = dict(state["players"])
        for player, message in inputs:
            if message["type"] == "leave":
                players.pop(player, None)
            else:
                players[player] = message["seq"]
        return {{**changes(rng), "players": players}}

class Slow(Fast):
    rate = 12

class FastConsumer(RoomConsumer):
    room_class = Fast

    def clean(self, message):
        return message

class SlowConsumer(FastConsumer):
    room_class = Slow

class LayerConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("room", self.channel_name)
        await self.accept()

    async def receive(self, text_data):
        self.task = asyncio.create_task(self.run())

    async def run(self):
        async for text in frames():
            await self.channel_layer.group_send("room", {{"type": "frame", "text": text}})

    async def frame(self, event):
        await self.send(event["text"])

websocket_urlpatterns = [
    path("fast/<slug:room>/", FastConsumer.as_asgi()),
    path("slow/<slug:room>/", SlowConsumer.as_asgi()),
    path("layer/", LayerConsumer.as_asgi()),
]
"""
BROADCAST = """
import asyncio, sys
from websockets.asyncio.server import broadcast, serve
from bench.frames import frames

async def main():
    started = asyncio.Event()

    async def handle(client):
        async for _ in client:
            started.set()

    async with serve(handle, "127.0.0.1", int(sys.argv[1]), compression=None, backlog=2048) as server:
        await started.wait()
        async for text in frames():
            broadcast(server.connections, text)

asyncio.run(main())
"""
HANDSHAKE = (
    "GET /{} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT, PING, PONG = 0x81, 0x89, 0x8A


class Client:
    player = ""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.sendall(HANDSHAKE.format(path).encode())
        self.rest = b""
        self.seq = 0
        self.expected, self.sent = b"", 0.0  # the last input: what a frame shows of it, and when

    def finish_handshake(self) -> None:
        while b"\r\n\r\n" not in self.rest:
            if not (data := self.socket.recv(65536)):
                sys.exit(f"The server closed a socket: {self.rest!r}")
            self.rest += data
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head:
            sys.exit(f"The server refused a socket: {head!r}")
        self.socket.setblocking(False)

    def send(self, data: bytes, kind: int = TEXT) -> None:
        self.socket.send(bytes([kind, 0x80 | len(data), 0, 0, 0, 0]) + data)  # masked with zeros

    def send_input(self, kind: str) -> None:
        self.seq += 1
        self.send(json.dumps({"seq": self.seq, "type": kind}).encode())

    def received(self, data: bytes) -> Iterator[bytes]:
        """Yield the complete texts of the socket, and answer pings."""
        data = self.rest + data
        while (start := 4 if data[1:2] == b"\x7e" else 2) <= len(data):
            end = start + (int.from_bytes(data[2:4]) if start == 4 else data[1])
            if len(data) < end:
                break
            if data[0] == TEXT:
                yield data[start:end]
            elif data[0] == PING:
                self.send(data[start:end], PONG)
            data = data[end:]
        self.rest = data


class Clients:
    """Sockets of one thread. They read no more of a frame than they must: one processor has all of them."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.clients: dict[int, Client] = {}

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *args: object) -> None:
        for client in self.clients.values():
            client.socket.close()
        self.epoll.close()

    def open(self, port: int, path: str, count: int) -> list[Client]:
        opened: list[Client] = []
        while len(opened) < count:
            batch = [Client(port, path) for _ in range(min(50, count - len(opened)))]
            for client in batch:
                self.clients[client.socket.fileno()] = client
                client.finish_handshake()
                self.epoll.register(client.socket, select.EPOLLIN)
            opened += batch
        return opened

    def read(self, seconds: float) -> Iterator[tuple[Client, bytes]]:
        """Yield each text, and the client that got it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for number, _ in self.epoll.poll(left):
                client = self.clients[number]
                try:
                    data = client.socket.recv(16384)
                except ConnectionResetError:
                    data = b""
                if not data:
                    self.epoll.unregister(number)
                for text in client.received(data):
                    yield client, text

    def skip(self, seconds: float) -> None:
        for _ in self.read(seconds):
            pass

    def join(self, clients: list[Client]) -> None:
        """Make the clients players; raise an error if the server does not welcome all of them."""
        for client in clients:
            client.send_input("join")
        waiting = set(clients)
        for client, text in self.read(10):
            if text.startswith(b'{"player"'):
                client.player = json.loads(text)["player"]
                waiting.discard(client)
            if not waiting:
                return
        sys.exit(f"{len(waiting)} of {len(clients)} players were not welcomed.")

    def play(self, players: list[Client]) -> list[float]:
        """Return the seconds from each input to the frame that shows it."""
        found, end = [], time.monotonic() + INPUT_SECONDS
        due = {player: time.monotonic() + random.uniform(0, 0.4) for player in players}
        while time.monotonic() < end:
            for player in [player for player, at in due.items() if at < time.monotonic()]:
                del due[player]
                player.send_input("turn")
                player.expected, player.sent = (
                    f'"{player.player}":{player.seq}'.encode(),
                    time.monotonic(),
                )
            for client, text in self.read(0.002):
                if client.expected and client.expected in text:
                    found.append(time.monotonic() - client.sent)
                    client.expected = b""
                    due[client] = time.monotonic() + random.uniform(0.1, 0.4)
        return found


class Bench:
    def __init__(self, service: Path, home: Path, redis: str, processor: int) -> None:
        self.service, self.home, self.redis = service, home, redis
        self.python = ["taskset", "-c", str(processor), str(home / "venv/bin/python")]
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "DATABASE_URL": f"sqlite:///{home / 'db.sqlite3'}",
            "SECRET_KEY": "of-no-use",
            "ALLOWED_HOSTS": "localhost",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{home}:{service}",
        }

    @contextmanager
    def serving(self, *command: str, **env: str) -> Iterator[tuple[int, int]]:
        """Run a server during the block; yield its port and its process id."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = (*self.python, *(command or ("manage.py", "realtime", "--port")), str(port))
        log = self.home / "log"
        with running([*command], self.service, self.env | env, log) as process:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.05)
            else:
                sys.exit(f"{' '.join(command)} does not respond.\n{log.read_text()[-5000:]}")
            try:
                yield port, process.pid
            finally:
                process.kill()  # An overloaded server takes long to stop.

    def carries(self, count: int, path: str, *command: str, **env: str) -> float:
        """Return the microseconds of the processor that a frame takes; 0 if the clients are too many."""
        with self.serving(*command, **env) as (port, pid), Clients() as clients:
            clients.open(port, path, count)[0].send_input("join")
            clients.skip(1)
            frames, delays, before = 0, [], sum(psutil.Process(pid).cpu_times()[:2])
            for frames, (_, text) in enumerate(clients.read(SECONDS), 1):
                if frames % 17 == 0 and (sent := re.search(rb'"at":([^,]+)', text)):
                    delays.append(time.monotonic() - float(sent[1]))
            used = sum(psutil.Process(pid).cpu_times()[:2]) - before
            carried = frames > 0.98 * count * RATE * SECONDS and percentile(delays, 99) < 0.1
            return used / frames * 1e6 if carried else 0

    def most_carried(self, label: str, path: str, *command: str, **env: str) -> tuple[int, float]:
        """Return the most clients that the server carries, and the microseconds that a frame takes then."""
        low, used, high = 0, 0.0, 0
        while not high or high - low > max(high / 10, 20):
            count = (low + high) // 2 if high else 2 * low or FIRST
            print(f"\r{label}: {count} clients ... ", end="", flush=True)
            for _ in range(2):
                if took := self.carries(count, path, *command, **env):
                    low, used = count, took
                    break
            else:
                high = count
        return low, used

    def print_clients(self) -> None:
        limit = 0
        print(f"{'server':30}{'clients':>10}{'of the limit':>14}{'µs a frame':>12}")
        for label, path, command, env in [
            ("websockets, broadcast", "", ("-m", "bench.broadcast"), {}),
            ("ours", "fast/a/", (), {}),
            ("channel layer in memory", "layer/", (), {"LAYER": "channels.layers.InMemoryChannelLayer"}),
            (
                "channel layer on Redis", "layer/", (),
                {"LAYER": "channels_redis.core.RedisChannelLayer", "LAYER_URL": self.redis},
            ),
        ]:  # fmt: skip
            count, used = self.most_carried(label, path, *command, **env)
            limit = limit or count or sys.exit("The machine is too busy.")
            print(f"\r{label:30}{count:>10}{count / limit:>14.0%}{used:>12.1f}", flush=True)

    def print_latencies(self) -> None:
        print(
            f"\n{f'input of {PLAYERS} players':30}{'p50 steps':>10}{'p99 steps':>14}{'p99 ms':>12}"
        )
        for path, rate in [("slow/a/", 12), ("fast/a/", 30)]:
            for through, env in [("one server", {}), ("two servers", {"REALTIME_URL": self.redis})]:
                label = f"{through}, {rate} steps a second"
                print(f"{label} ... ", end="", flush=True)
                found = self.latencies(path, **env)
                p50, p99 = percentile(found, 50), percentile(found, 99)
                print(
                    f"\r{label:30}{p50 * rate:>10.2f}{p99 * rate:>14.2f}{p99 * 1000:>12.0f}",
                    flush=True,
                )

    def latencies(self, path: str, **env: str) -> list[float]:
        """Return the seconds from each input to its frame; with Redis, another server owns the room."""
        with ExitStack() as stack:
            ports = [stack.enter_context(self.serving(**env))[0] for _ in range(1 + bool(env))]
            clients = stack.enter_context(Clients())
            clients.join(clients.open(ports[0], path, 1))
            clients.skip(1)
            players = clients.open(ports[-1], path, PLAYERS)
            clients.join(players)
            return clients.play(players)

    def takeover(self) -> float:
        """Return the seconds from the kill of the owner to the next frame of another server."""
        print(".", end="", flush=True)
        env = {"REALTIME_URL": self.redis}
        with (
            self.serving(**env) as (first, process),
            self.serving(**env) as (second, _),
            Clients() as clients,
        ):
            clients.join(clients.open(first, "fast/takeover/", 1))
            clients.skip(0.5)
            clients.join(clients.open(second, "fast/takeover/", 1))
            clients.skip(1)
            os.kill(process, 9)
            clients.skip(0.1)  # reads what the owner has sent
            killed = time.monotonic() - 0.1
            for _ in clients.read(10):
                return time.monotonic() - killed
            sys.exit("No server took over within 10 s.")


def percentile(values: list[float], number: int) -> float:
    return statistics.quantiles(values, n=100)[number - 1]


def prepare(home: Path) -> Path:
    """Make an environment and the servers' code; return the folder of the bake."""
    service = bake(home, "realtime=true")
    env = {"UV_PROJECT_ENVIRONMENT": str(home / "venv"), "VIRTUAL_ENV": str(home / "venv")}
    run(service, "uv", "sync", "--quiet", **env)
    run(service, "uv", "pip", "install", "--quiet", "channels-redis==4.3.0", **env)
    (home / "bench").mkdir()
    for name, text in [
        ("__init__", ""), ("settings", SETTINGS), ("frames", FRAMES), ("sockets", SOCKETS),
        ("broadcast", BROADCAST),
    ]:  # fmt: skip
        (home / f"bench/{name}.py").write_text(text)
    return service


def main() -> None:
    first, *_, last = sorted(os.sched_getaffinity(0))
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        service = prepare(home)
        os.sched_setaffinity(0, {last})
        with running_redis(home / "redis") as redis:
            bench = Bench(service, home, redis, first)
            bench.print_clients()
            bench.print_latencies()
            print("\ntakeover after kill -9 ", end="", flush=True)
            seconds = statistics.median([bench.takeover() for _ in range(TAKEOVERS)])
            print(f" {seconds:.2f} s, median of {TAKEOVERS}")


if __name__ == "__main__":
    main()
