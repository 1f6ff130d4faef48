"""Real servers for what bakes do in production: PostgreSQL, and an S3 API over HTTP."""

import itertools
import json
import subprocess
import sys
import urllib.request

import pytest
from moto.server import ThreadedMotoServer

from tests.project import PRODUCTION, SOURCE


@pytest.fixture
def postgresql(environment):
    """The URL of a private PostgreSQL server that is empty: the one that bakes start where they are told of none."""
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
        variables = dict(PRODUCTION)
        if answers.get("database") == "postgresql":
            variables["DATABASE_URL"] = request.getfixturevalue("postgresql")
        if answers.get("static_files") == "s3":
            variables |= request.getfixturevalue("bucket")
        return variables

    return settings
