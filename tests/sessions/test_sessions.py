"""Sessions on real servers: many writers at the same time, and faults."""

import json
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.answers import name_of
from tests.harness.project import PRODUCTION, TEMPLATE, Project
from tests.harness.servers import running_postgresql

BACKENDS = "django.contrib.sessions.backends"
BAKES = [
    {"database": "sqlite"},
    pytest.param({"database": "postgresql"}, marks=pytest.mark.long),
    pytest.param({"database": "sqlite", "django_version": "6.1"}, marks=pytest.mark.long),
    pytest.param({"database": "postgresql", "django_version": "6.1"}, marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=BAKES, ids=name_of)
def site(request, tmp_path_factory, write_into, environment_for, environment):
    """A bake with the scripts of these tests, whose database has the table of sessions."""
    folder = tmp_path_factory.mktemp("sessions")
    with ExitStack() as servers:
        variables = {**PRODUCTION, "DATABASE_POOL_SIZE": "16"}  # a connection for each thread
        if request.param["database"] == "postgresql":
            variables["DATABASE_URL"] = servers.enter_context(running_postgresql(environment))
        baked = write_into(folder / "bake", TEMPLATE, request.param)
        # As .env.example says, a cache in Redis needs the client.
        pyproject = baked.path / "pyproject.toml"
        gunicorn = '"gunicorn>=27,<28",'
        assert gunicorn in pyproject.read_text()
        pyproject.write_text(
            pyproject.read_text().replace(gunicorn, f'{gunicorn}\n  "redis>=5,<9",')
        )
        for script in Path(__file__).parent.glob("session_*.py"):
            shutil.copy(script, baked.path)
        project = Project(baked.path, {**environment_for(baked.path), **variables})
        project.manage("migrate", "sessions")
        yield project


@pytest.fixture
def race(site):
    """A function that runs a race and returns how many of how many changes were kept."""

    def race(*arguments, transaction_mode="IMMEDIATE", **env):
        sqlite = f"sqlite:///db.sqlite3?transaction_mode={transaction_mode}"
        env = {"DATABASE_URL": sqlite, **site.env, **env}
        output = site.uv("python", "session_race.py", *map(str, arguments), **env)
        kept, made = re.search(r"^(\d+) of (\d+) changes kept$", output, re.M).groups()
        return int(kept), int(made)

    return race


def test_requests_and_jobs_in_processes_lose_no_change(race):
    assert race("processes", 4, 250) == (1000, 1000)


def test_requests_and_jobs_in_threads_lose_no_change(race):
    # DEFERRED is SQLite's default: BEGIN takes no lock.
    assert race("threads", 12, 20, transaction_mode="DEFERRED") == (240, 240)


def test_jobs_lose_no_change_and_leave_no_stale_copy_on_cached_db(race, redis_url):
    edits = race("processes", 4, 50, f"{BACKENDS}.cached_db", CACHE_URL=redis_url)
    assert edits == (200, 200)


def test_django_s_engine_loses_changes(race):
    kept, made = race("processes", 4, 25, f"{BACKENDS}.db")
    assert kept < made == 100


@pytest.mark.long
@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_long_races_lose_no_change(race, kind):
    assert race(kind, 8, 500) == (4000, 4000)


@pytest.fixture(scope="module")
def failures(site):
    """The traceback of each fault; an empty string if nothing failed."""
    output = site.uv("python", "session_faults.py")
    return json.loads(output.splitlines()[-1])


@pytest.mark.parametrize(
    "fault",
    [
        "the_database_fails_inside",
        "the_database_fails_at_the_commit",
        "the_connection_is_lost_inside",
        "a_process_is_killed_in_an_edit",
        "another_holds_the_lock_for_too_long",
        "the_session_expires_during_an_edit",
        "a_request_that_reads_ends_after_a_job",
    ],
)
def test_no_change_is_lost_or_half_saved_when(failures, fault):
    assert failures[fault] == ""
