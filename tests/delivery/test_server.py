"""The server of a bake: slow clients do not stop it, and it stops without losing a request."""

import hashlib
import http.client
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import yaml

from tests.harness.load import status_of
from tests.harness.project import SOURCE, TEMPLATE
from tests.harness.service import UNFINISHED, prepare, serve

pytestmark = pytest.mark.long
SECONDS = 5  # Before, one such client stopped the service for 32 seconds.


@pytest.fixture(scope="module")
def project(tmp_path_factory, bake_into):
    project = bake_into(tmp_path_factory.mktemp("server") / "bake", TEMPLATE, {})
    prepare(project)
    return project


@pytest.fixture(scope="module")
def server(project):
    with serve(project) as server:
        yield server


def body_of(server, path, timeout=30):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=timeout)
    connection.request("GET", path, headers={"X-Forwarded-Proto": "https"})
    body = connection.getresponse().read()
    connection.close()
    return body


@pytest.mark.parametrize("data", UNFINISHED.values(), ids=UNFINISHED)
def test_200_clients_that_send_nothing_or_half_a_request_do_not_stop_the_service(server, data):
    with server.clients(200, data) as clients:
        for _ in range(2):
            assert status_of(f"{server.url}/healthz", timeout=SECONDS) == 200
            assert status_of(f"{server.url}/", timeout=SECONDS) == 200
            for client in clients if data else []:
                client.sendall(b"x")


def test_headers_that_stop_arriving_end_the_connection(server):
    with server.connect(UNFINISHED["half of the headers"], timeout=60) as client:
        assert client.recv(1000) == b""


def test_a_body_that_stops_arriving_ends_the_request(server):
    with server.connect(UNFINISHED["half of a body"], timeout=60) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 ")


def test_a_large_body_in_pieces_arrives_whole_and_its_connection_stays_usable(server):
    body = os.urandom(3_000_000)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    for _ in range(2):
        connection.putrequest("POST", "/upload")
        connection.putheader("X-Forwarded-Proto", "https")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        for start in range(0, len(body), 1_000_000):
            connection.send(body[start : start + 1_000_000])
            time.sleep(0.1)
        response = connection.getresponse()
        assert response.read().decode() == hashlib.sha256(body).hexdigest()
        assert response.headers["Connection"] != "close"
    connection.close()


def test_sigterm_finishes_requests_and_refuses_new_ones_at_once(project):
    with serve(project) as server, ThreadPoolExecutor() as pool, server.clients(3, b""):
        answer = pool.submit(status_of, f"{server.url}/slow?seconds=3")
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.8)
        assert not answer.done()
        start = time.monotonic()
        assert [status_of(f"{server.url}/healthz") for _ in range(5)] == [
            "ConnectionRefusedError"
        ] * 5
        assert time.monotonic() - start < 1
        assert answer.result() == 200
        assert server.process.wait(timeout=20) == 0


def test_compose_waits_longer_for_the_end_of_requests_than_gunicorn():
    web = yaml.safe_load((SOURCE / "compose.yaml").read_text())["services"]["web"]
    found = re.search(r"^graceful_timeout = (\d+)", (SOURCE / "gunicorn.conf.py").read_text(), re.M)
    assert int(web["stop_grace_period"].removesuffix("s")) > int(found[1])
