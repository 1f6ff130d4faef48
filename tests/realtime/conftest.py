import signal
from contextlib import ExitStack, suppress
from uuid import uuid4

import pytest

from tests.harness.answers import name_of
from tests.harness.project import PRODUCTION, TEMPLATE, Project, with_extras
from tests.harness.servers import Redis, running_postgresql
from tests.realtime.site import Site, Watch, install

ANSWERS = {"realtime": True, "example_app": False}
SQLITE = {"database": "sqlite", "django_version": "5.2"}
POSTGRESQL = {"database": "postgresql", "django_version": "6.1"}
BAKES = [SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.long)]


@pytest.fixture(scope="session", params=BAKES, ids=name_of)
def counting(request, tmp_path_factory, bake_into, environment):
    """A bake with the rooms of these tests, and with the client of Redis."""
    folder = tmp_path_factory.mktemp("realtime")
    with ExitStack() as servers:
        env = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "apps.counter.settings"}
        env["DATABASE_URL"] = f"sqlite:///{folder / 'db'}"
        if request.param["database"] == "postgresql":
            env["DATABASE_URL"] = servers.enter_context(running_postgresql(environment))
        bake = bake_into(folder / "bake", TEMPLATE, {**ANSWERS, **request.param})
        bake = Project(bake.path, {**bake.env, **env})
        project = with_extras(bake, folder / "venv", "redis")
        install(project)
        yield project


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis"))
    with server.stack:
        server.url = server.start()
        yield server
        with suppress(ProcessLookupError):
            server.send(signal.SIGCONT)


@pytest.fixture(scope="session")
def running(counting, redis, tmp_path_factory):
    site = Site(counting, tmp_path_factory.mktemp("running"), {"REALTIME_URL": redis.url})
    with site.processes:
        yield site


@pytest.fixture
def pair(running):
    """Two servers that share their rooms, and that log no traceback."""
    pair = running.pair()
    logged = [len(server.log) for server in pair]
    with running.clients:
        yield pair
    for server, start in zip(pair, logged, strict=True):
        assert "Traceback" not in server.log[start:]


@pytest.fixture
def site(counting, tmp_path):
    """Servers of this test alone, without Redis."""
    site = Site(counting, tmp_path, {})
    with site.processes, site.clients:
        yield site


@pytest.fixture
def room():
    return uuid4().hex


@pytest.fixture
def watch(redis, room):
    watch = Watch(redis.port, room)
    with watch.connection:
        yield watch
