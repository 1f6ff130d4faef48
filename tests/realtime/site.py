"""Servers of a bake with realtime, clients of their sockets, and a reader of what Redis publishes."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped] # has no types
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.harness.project import Project
from tests.jobs.site import Process, end, wait_until

SETTINGS = """\
from config.settings.production import *
from config.settings.production import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "apps.counter"]
ROOT_URLCONF = "apps.counter.sockets"
"""
Opening = AbstractContextManager[ClientConnection]
ORIGIN = "http://127.0.0.1"


def install(project: Project) -> None:
    """Write the app with the rooms of these tests into a bake, and make its tables."""
    app = project.path / "apps/counter"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "settings.py").write_text(SETTINGS)
    shutil.copy(Path(__file__).with_name("counter.py"), app / "sockets.py")
    project.manage("migrate")


def merged(state: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON merge patch makes of a state."""
    new = {key: value for key, value in state.items() if patch.get(key, 0) is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            new[key] = merged(state.get(key, {}), value)
        elif value is not None:
            new[key] = value
    return new


class Client:
    """A client of a room. A thread reads its socket, and keeps the last state and the time of each tick."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.seq = 0
        self.state: dict[str, Any] = {}
        self.ticks: list[int] = []
        self.times: list[float] = []
        self.snapshots = 0
        self.player = self.token = ""
        self.reads = threading.Event()
        self.reads.set()
        self.thread = threading.Thread(target=self.collect, daemon=True)
        self.thread.start()

    def collect(self) -> None:
        with suppress(ConnectionClosed):
            for text in self.connection:
                self.reads.wait()
                self.take(json.loads(text))

    def take(self, message: dict[str, Any]) -> None:
        if "player" in message:
            self.token, self.player = message["token"], message["player"]
            return
        if "patch" in message:
            assert message["tick"] == self.ticks[-1] + 1
            self.state = merged(self.state, message["patch"])
        else:
            self.state = message["state"]
            self.snapshots += 1
        self.times.append(time.monotonic())
        self.ticks.append(message["tick"])

    def send(self, kind: str, **fields: Any) -> None:
        self.seq += 1
        self.connection.send(json.dumps({"seq": self.seq, "type": kind, **fields}))

    def join(self, **fields: Any) -> "Client":
        self.send("join", **fields)
        self.wait_for(lambda: self.player in self.state["players"])
        return self

    def wait_for(self, condition: Callable[[], object], seconds: float = 10) -> float:
        return wait_until(lambda: self.ticks and condition(), seconds)

    def wait_for_tick(self, tick: int) -> None:
        self.wait_for(lambda: self.ticks[-1] >= tick)

    def wait_for_ticks(self, count: int) -> None:
        self.wait_for_tick(self.ticks[-1] + count)

    @property
    def sum(self) -> int:
        return int(self.state["players"][self.player]["sum"])

    @property
    def missed(self) -> list[int]:
        """Return the ticks whose next tick is missing or came twice."""
        pairs = zip(self.ticks, self.ticks[1:], strict=False)
        return [tick for tick, following in pairs if following != tick + 1]

    @property
    def gap(self) -> float:
        """Return the longest time between two ticks, in seconds."""
        return max(b - a for a, b in zip(self.times, self.times[1:], strict=False))

    def closed(self, seconds: float = 20) -> int | None:
        """Wait until the socket is closed, and return the code: None if there was no close frame."""
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the socket is open"
        frame = self.connection.protocol.close_rcvd
        return frame.code if frame else None


@dataclass
class Server:
    process: Process
    port: int
    path: Path
    clients: ExitStack  # The test closes it at its end.

    @property
    def log(self) -> str:
        return self.path.read_text()

    @property
    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def sockets(self) -> int:
        connections = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(item.laddr.port == self.port and bool(item.raddr) for item in connections)

    def open(self, room: str, path: str = "/ws/counting/{}/", **options: Any) -> Opening:
        """Return a context manager that opens a socket and closes it."""
        url = f"ws://127.0.0.1:{self.port}{path.format(room)}"
        options = {"origin": ORIGIN, "compression": None, "max_size": None, **options}
        opening: Opening = connect(url, proxy=None, close_timeout=1, **options)
        return opening

    def connect(self, room: str, **options: Any) -> Client:
        """Open a socket, and wait for its first state."""
        client = Client(self.clients.enter_context(self.open(room, **options)))
        self.clients.callback(client.reads.set)
        client.wait_for(lambda: True)
        return client

    def code_of(self, room: str, *messages: str | bytes, **options: Any) -> int:
        """Send the messages over a socket of their own; return the code with which it is closed."""
        with self.open(room) as connection, suppress(ConnectionClosed):
            for message in messages:
                connection.send(message, **options)
            while connection.recv(timeout=10):
                pass
        return int(connection.protocol.close_rcvd.code)

    def get(self, path: str, cookie: str = "") -> tuple[Any, str]:
        """Return the JSON of a page, and the cookies that it sets."""
        headers = {"X-Forwarded-Proto": "https", "Cookie": cookie}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            cookies = response.headers.get_all("Set-Cookie") or []
            pairs = [cookie.partition(";")[0] for cookie in cookies]
            return json.load(response), "; ".join(pairs)

    def look(self) -> dict[str, int]:
        counts: dict[str, int] = self.get("counter/look/")[0]
        return counts

    def wait_until_empty(self) -> None:
        wait_until(lambda: self.look()["rooms"] == 0)

    def wait_for_line(self, text: str, start: int) -> None:
        wait_until(lambda: text in self.log[start:])


@dataclass
class Site:
    """Starts the servers of some tests. They stop when ``processes`` is closed."""

    project: Project
    folder: Path
    env: Mapping[str, str]
    processes: ExitStack = field(default_factory=ExitStack)
    clients: ExitStack = field(default_factory=ExitStack)
    servers: list[Server] = field(default_factory=list)

    @property
    def python(self) -> str:
        return str(Path(self.project.env["UV_PROJECT_ENVIRONMENT"], "bin/python"))

    def start(self, *command: str, **env: str) -> tuple[Process, Path]:
        log = self.folder / f"{time.monotonic_ns()}.log"
        with log.open("w") as file:
            process: Process = subprocess.Popen(
                [self.python, *command],
                cwd=self.project.path,
                env={**self.project.env, **self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self.processes.callback(end, process)
        return process, log

    def manage(self, *command: str, status: int = 0, **env: str) -> str:
        """Run ``manage.py`` and return its output."""
        project = Project(self.project.path, {**self.project.env, **self.env, **env})
        return project.run(self.python, "manage.py", *command, status=status)

    def server(self, **env: str) -> Server:
        """Start ``manage.py realtime`` and wait until it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process, log = self.start("manage.py", "realtime", "--port", str(port), **env)
        server = Server(process, port, log, self.clients)

        def answers() -> bool:
            assert process.poll() is None, server.log
            with suppress(OSError):
                return bool(server.look())
            return False

        wait_until(answers)
        self.servers.append(server)
        return server

    def pair(self) -> tuple[Server, Server]:
        """Return two running servers. Replace those that a test has stopped."""
        self.servers = [server for server in self.servers if server.process.poll() is None]
        while len(self.servers) < 2:
            self.server()
        return self.servers[0], self.servers[1]


class Watch:
    """Record what Redis publishes of a room: the tick and the owner of each frame, in order."""

    def __init__(self, port: int, room: str) -> None:
        self.frames: list[tuple[int, str]] = []
        self.connection = socket.create_connection(("127.0.0.1", port))
        channel = f"realtime:<apps.counter.sockets.Counting:{room}>"
        self.connection.sendall(f"SUBSCRIBE {channel}\r\n".encode())
        self.file = self.connection.makefile("rb")
        assert self.read()[0] == b"subscribe"
        threading.Thread(target=self.collect, daemon=True).start()

    def read(self) -> list[bytes]:
        """Read an array of Redis' protocol."""
        parts = []
        for _ in range(int(self.file.readline()[1:] or 0)):
            line = self.file.readline()
            is_bulk = line.startswith(b"$")
            parts.append(self.file.read(int(line[1:]) + 2)[:-2] if is_bulk else line)
        return parts

    def collect(self) -> None:
        with suppress(OSError, ValueError):
            while parts := self.read():
                message = json.loads(parts[2])
                if "tick" in message:
                    self.frames.append((message["tick"], message["owner"]))

    @property
    def owners(self) -> list[str]:
        """Return the owners in order. An owner that comes back is there twice."""
        owners: list[str] = []
        for _, owner in self.frames:
            if owners[-1:] != [owner]:
                owners.append(owner)
        return owners

    @property
    def ticks(self) -> list[int]:
        return [tick for tick, _ in self.frames]


def is_consecutive(ticks: list[int]) -> bool:
    return ticks == [*range(ticks[0], ticks[0] + len(ticks))]


def send(server: Server, number: int) -> None:
    os.kill(server.process.pid, number)
