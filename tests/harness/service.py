"""A bake in production under gunicorn, with views that take long, and clients that send slowly."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.project import GUNICORN, PRODUCTION, Project

VIEWS = '''
import hashlib
import threading
import time

from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

running, most, lock = 0, 0, threading.Lock()


def slow(request):
    """Take some seconds; respond with the largest number of such requests that ran together."""
    global running, most
    with lock:
        running += 1
        most = max(most, running)
    time.sleep(float(request.GET["seconds"]))
    with lock:
        running -= 1
    return HttpResponse(str(most))


@csrf_exempt
def upload(request):
    digest = hashlib.sha256()
    while data := request.read(100_000):
        digest.update(data)
    return HttpResponse(digest.hexdigest())


@csrf_exempt
def form(request):
    return HttpResponse(len(request.POST))


urlpatterns = [
    urls.path("slow", slow),
    urls.path("upload", upload),
    urls.path("form", form),
    *urlpatterns,
]
'''
# What clients send and then stop: nothing, half of the headers, half of a body.
UNFINISHED = {
    "idle": b"",
    "half of the headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Name: ",
    "half of a body": b"POST /form HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\na=",
}


def prepare(project: Project) -> None:
    """Add the views to ``project``, make its database and collect its static files."""
    with (project.path / "config/urls.py").open("a") as urls:
        urls.write(VIEWS)
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **PRODUCTION)


@dataclass
class Service:
    url: str
    process: subprocess.Popen[bytes]
    path: Path

    @property
    def log(self) -> str:
        return self.path.read_text()

    def worker(self) -> int:
        """Return the process id of the youngest worker."""
        return int(re.findall(r"Booting worker with pid: (\d+)", self.log)[-1])

    def kill_worker(self) -> None:
        os.kill(self.worker(), signal.SIGKILL)

    def connect(self, data: bytes = b"", timeout: float = 20) -> socket.socket:
        parts = urlsplit(self.url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=timeout)
        connection.sendall(data)
        return connection

    @contextmanager
    def clients(self, number: int, data: bytes) -> Iterator[list[socket.socket]]:
        """Keep ``number`` connections open during the block, each of which sent ``data``."""
        with ExitStack() as stack:
            yield [stack.enter_context(self.connect(data)) for _ in range(number)]


@contextmanager
def serve(project: Project, **env: str) -> Iterator[Service]:
    """Serve ``project`` as its README does. The process is gunicorn's own, not that of ``uv run``."""
    gunicorn = Path(project.env["UV_PROJECT_ENVIRONMENT"], "bin", GUNICORN[0])
    with project.started(str(gunicorn), *GUNICORN[1:], **{**PRODUCTION, **env}) as (url, process):
        port = url.rpartition(":")[2]
        yield Service(url, process, project.path.parent / f"server-{port}.log")
