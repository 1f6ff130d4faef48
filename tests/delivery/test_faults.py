"""Faults of clients and of the server, under light load: nothing is lost, and the service recovers by itself.

The last lines of a run show what was measured as a table.
"""

import hashlib
import http.client
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.harness.load import fault_row, light_load, lines_of, status_of
from tests.harness.project import TEMPLATE
from tests.harness.service import UNFINISHED, prepare, serve

pytestmark = pytest.mark.long
HTTPS = b"Host: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
BIG = b"x" * 10_000_000


@pytest.fixture(scope="module")
def project(tmp_path_factory, bake_into):
    project = bake_into(tmp_path_factory.mktemp("faults") / "bake", TEMPLATE, {})
    prepare(project)
    return project


def ask(server, request):
    """Send the bytes of ``request``; return the status and the body of the response."""
    with server.connect() as client:
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # The server may answer before the end.
            client.sendall(request)
        response = http.client.HTTPResponse(client)
        response.begin()
        return response.status, response.read()


def upload(data, headers=b""):
    length = b"Content-Length: %d\r\n" % len(data)
    return b"POST /upload HTTP/1.1\r\n" + HTTPS + headers + length + b"\r\n" + data


@pytest.fixture
def under_load(project, record_property):
    """Return a function that runs a fault under light load and records its row of the table."""

    def under_load(fault, run):
        with serve(project) as server:
            before = lines_of(server.log)
            with light_load(f"{server.url}/") as load:
                time.sleep(0.5)
                answer = run(server)
                shown = answer[0] if isinstance(answer, tuple) else answer
                time.sleep(0.5)
            lines = lines_of(server.log) - before
        record_property("fault", fault_row(fault, shown, load, lines))
        return answer, load, lines

    return under_load


@pytest.mark.parametrize("fault", UNFINISHED)
def test_200_unfinished_requests(under_load, fault):
    def run(server):
        with server.clients(200, UNFINISHED[fault]) as clients:
            for _ in range(5):
                for client in clients if UNFINISHED[fault] else []:
                    client.sendall(b"x")
                time.sleep(1)
        return "-"

    _, load, lines = under_load(f"200 clients: {fault}", run)
    assert {*load.statuses} == {200}
    assert load.slowest < 5  # Before: 32 seconds.
    assert lines < 20


def test_a_killed_worker_is_replaced(under_load):
    def run(server):
        killed = server.worker()
        server.kill_worker()
        for _ in range(200):
            if server.worker() != killed and status_of(f"{server.url}/") == 200:
                return "-"
            time.sleep(0.1)
        raise AssertionError(server.log)

    _, load, lines = under_load("kill -9 of the worker", run)
    # The requests that the worker was answering get no response. All others wait for its successor.
    assert sum(number for status, number in load.statuses.items() if status != 200) <= 2
    assert load.slowest < 15
    assert lines < 10


def test_sigterm_with_a_request_of_8_seconds(project, record_property):
    with serve(project) as server, ThreadPoolExecutor() as pool:
        with light_load(f"{server.url}/") as load:
            answer = pool.submit(status_of, f"{server.url}/slow?seconds=8")
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)
            status = server.process.wait(timeout=30)
        lines = len(re.findall("signal|Worker|Shutting", server.log))
        assert (answer.result(), status) == (200, 0)
        assert "Traceback" not in server.log
    record_property("fault", fault_row("SIGTERM, request of 8 s", "200, exit 0", load, lines))
    assert {*load.statuses} <= {200, "ConnectionRefusedError"}
    assert load.slowest < 5


@pytest.mark.parametrize(
    ("fault", "request_", "statuses"),
    [
        (
            "header of 10 MB",
            b"GET / HTTP/1.1\r\n" + HTTPS + b"X-Big: " + BIG + b"\r\n\r\n",
            {400, 431},
        ),
        ("body of 10 MB, read in pieces", upload(BIG), {200}),
        (
            "form of 10 MB",
            upload(BIG, b"Content-Type: application/x-www-form-urlencoded\r\n").replace(
                b"/upload", b"/form", 1
            ),
            {400, 413},
        ),
        ("foreign Host", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400}),
        ("malformed Host", b"GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n", {400}),
        (
            "traversal under /static/",
            b"GET /static/../../manage.py HTTP/1.1\r\n" + HTTPS + b"\r\n",
            {404},
        ),
        (
            "encoded traversal under /static/",
            b"GET /static/%2e%2e/%2e%2e%2fetc/passwd HTTP/1.1\r\n" + HTTPS + b"\r\n",
            {404},
        ),
    ],
)
def test_a_request_that_is_too_big_or_malformed(under_load, fault, request_, statuses):
    (status, body), load, lines = under_load(fault, lambda server: ask(server, request_))
    assert status in statuses
    if status == 200:
        assert body.decode() == hashlib.sha256(BIG).hexdigest()
    assert b"root:" not in body
    assert b"DJANGO_SETTINGS" not in body
    assert {*load.statuses} == {200}
    assert load.slowest < 5
    assert lines < 60
