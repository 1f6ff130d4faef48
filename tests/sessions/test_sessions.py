"""Sessions on real servers: many change one at the same time, and things go wrong meanwhile."""

import json
import re
import shutil
from contextlib import ExitStack

import pytest

from tests.harness.answers import name_of
from tests.harness.project import PRODUCTION, TEMPLATE, Project
from tests.harness.servers import running_postgresql, with_prefix

STOCK = "django.contrib.sessions.backends.cached_db"
BAKES = [
    {"database": "sqlite"},
    pytest.param({"database": "postgresql"}, marks=pytest.mark.long),
    pytest.param({"database": "sqlite", "django_version": "6.1"}, marks=pytest.mark.long),
    pytest.param({"database": "postgresql", "django_version": "6.1"}, marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=BAKES, ids=name_of)
def site(request, tmp_path_factory, bake_into, environment):
    """A bake whose database has the table of sessions, with the scripts of these tests."""
    folder = tmp_path_factory.mktemp("sessions")
    with ExitStack() as servers:
        variables = {**PRODUCTION, "DATABASE_POOL_SIZE": "16"}  # a connection for each thread
        if request.param["database"] == "postgresql":
            variables["DATABASE_URL"] = servers.enter_context(running_postgresql(environment))
        baked = bake_into(folder / "bake", TEMPLATE, request.param)
        for script in TEMPLATE.glob("tests/session_*.py"):
            shutil.copy(script, baked.path)
        project = Project(baked.path, {**baked.env, **variables})
        project.manage("migrate", "sessions")
        yield project


@pytest.fixture
def race(site, redis_url):
    """A function that runs a race and gives how many of how many changes were kept."""

    def race(*arguments, cache=redis_url, transaction_mode="IMMEDIATE"):
        command = ["python", "session_race.py", *map(str, arguments)]
        sqlite = f"sqlite:///db.sqlite3?transaction_mode={transaction_mode}"
        database = site.env.get("DATABASE_URL", sqlite)
        output = site.uv(*command, CACHE_URL=cache, DATABASE_URL=database)
        kept, made = re.search(r"^(\d+) of (\d+) changes kept$", output, re.M).groups()
        return int(kept), int(made)

    return race


def test_requests_and_jobs_in_processes_lose_nothing(race):
    assert race("processes", 4, 250) == (1000, 1000)


def test_requests_and_jobs_in_threads_lose_nothing(race):
    # A transaction of SQLite, too, that takes no lock before it must.
    assert race("threads", 12, 20, transaction_mode="DEFERRED") == (240, 240)


def test_requests_and_jobs_lose_nothing_where_the_cache_is_in_memory(race):
    assert race("threads", 12, 20, cache="locmemcache://") == (240, 240)


def test_with_the_engine_of_django_changes_are_lost(race):
    kept, made = race("processes", 4, 25, STOCK)
    assert kept < made == 100


@pytest.mark.long
@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_long_races_lose_nothing(race, kind):
    assert race(kind, 8, 500) == (4000, 4000)


@pytest.fixture(scope="module")
def failures(site, redis_server):
    """What failed, by fault: text that is empty where nothing did."""
    url = with_prefix(redis_server)
    output = site.uv("python", "session_faults.py", CACHE_URL=url)
    return json.loads(output.splitlines()[-1])


@pytest.mark.parametrize(
    "fault",
    [
        "the_cache_stops_before_an_edit",
        "the_cache_stops_during_an_edit",
        "the_cache_stops_during_a_request",
        "the_database_fails_inside",
        "the_database_fails_at_the_commit",
        "a_process_is_killed_in_an_edit",
        "another_holds_the_lock_for_too_long",
        "the_session_expires_during_an_edit",
        "a_request_that_reads_ends_after_a_job",
    ],
)
def test_nothing_is_lost_nor_stale_when(failures, fault):
    assert failures[fault] == ""
