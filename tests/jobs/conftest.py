from contextlib import ExitStack

import pytest

from tests.harness.answers import name_of
from tests.harness.project import PRODUCTION, TEMPLATE, Project
from tests.harness.servers import running_database
from tests.jobs.site import Site, install

ANSWERS = {"background_jobs": True, "example_app": False}
SQLITE = {"database": "sqlite", "django_version": "5.2"}
POSTGRESQL = {"database": "postgresql", "django_version": "6.1"}
BAKES = [SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.long)]


@pytest.fixture(scope="session")
def servers():
    with ExitStack() as servers:
        yield servers


@pytest.fixture(scope="session")
def installed(tmp_path_factory, bake_into, servers):
    """A function from answers to a bake with the tasks of these tests, and to its database server, if any."""
    cache = {}

    def installed(answers):
        key = answers["database"]
        if key not in cache:
            folder = tmp_path_factory.mktemp("jobs")
            bake = bake_into(folder / "bake", TEMPLATE, {**ANSWERS, **answers})
            server = servers.enter_context(running_database()) if key == "postgresql" else None
            url = server.url if server else f"sqlite:///{folder / 'db'}"
            project = Project(bake.path, {**bake.env, **PRODUCTION, "DATABASE_URL": url})
            install(project)
            cache[key] = project, server
        return cache[key]

    return installed


@pytest.fixture(params=BAKES, ids=name_of)
def bake_and_server(request, installed):
    return installed(request.param)


@pytest.fixture
def site(bake_and_server, tmp_path):
    site = Site(bake_and_server[0], tmp_path, {"JOB_LEASE": "2"})
    with site.processes:
        yield site
