import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import quote

import psycopg
import psycopg_pool
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection

from common.postgresql import server
from common.postgresql.base import sockets
from common.postgresql.server import remove_stale_pid_file
from common.postgresql.xdist import pytest_xdist_setupnodes

PROJECT = Path(__file__).parents[1]
# A process that connects to the server of a folder, prints one answer, and ends with its input.
USER = """
import sys
from django.conf import settings
from django.db import connection

default = {"ENGINE": "common.postgresql", "NAME": "postgres", "HOST": sys.argv[1]}
settings.configure(DATABASES={"default": default})
with connection.cursor() as cursor:
    for statement in sys.argv[2:]:
        cursor.execute(statement)
    print(cursor.fetchone()[0], flush=True)
sys.stdin.read()
"""
DATA = "SHOW data_directory"


class User(subprocess.Popen):
    def __init__(self, folder, *statements):
        super().__init__(
            [sys.executable, "-c", USER, str(folder), *statements],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.answer = self.stdout.readline().strip()


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="DATABASE_URL wins")
@pytest.mark.django_db
def test_dbshell_connects_to_the_private_server(capfd):
    call_command("dbshell", "--", "-c", "SHOW data_directory; SELECT 6 * 7 AS answer")
    assert re.search(r"postgresql-.*\s42\s", capfd.readouterr().out, re.DOTALL)


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="DATABASE_URL wins")
def test_workers_of_xdist_get_the_url_of_the_server_of_the_main_process(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    pytest_xdist_setupnodes()
    folder = quote(connection.get_connection_params()["host"])
    assert os.environ["DATABASE_URL"] == f"postgres://postgres@/postgres?host={folder}"


def test_workers_of_xdist_keep_a_database_that_settings_name(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    pytest_xdist_setupnodes()
    assert "DATABASE_URL" not in os.environ


def test_a_server_that_does_not_start_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "start", Mock(side_effect=OSError("no space left")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="no space left"), server.running(folder):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("left", ["{own}\n" + "\n" * 7, "{own}\ncut", "", "nonsense"])
def test_a_pid_file_that_a_crash_left_is_removed(tmp_path, left):
    file = tmp_path / "postmaster.pid"
    file.write_text(left.format(own=os.getpid()))
    remove_stale_pid_file(tmp_path)
    assert not file.exists()
    remove_stale_pid_file(tmp_path)


@pytest.fixture
def folder():
    """A folder that another user may enter: if root runs the tests, the server runs as another user."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path, "kept")


def running(data):
    return Path(data, "postmaster.pid").exists()


def wait_for(condition):
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="DATABASE_URL wins")
@pytest.mark.django_db
def test_the_suite_runs_on_a_private_server():
    with connection.cursor() as cursor:
        cursor.execute(DATA)
        (data,) = cursor.fetchone()
    assert running(data)
    assert Path(data).parent.name.startswith("postgresql-")


def test_processes_share_a_server_and_the_data_outlive_the_last_of_them(folder):
    table = "CREATE TABLE kept AS SELECT 41 + 1 AS answer"
    with User(folder, table, DATA) as first, User(folder, DATA) as second:
        assert first.answer == second.answer == str(folder / "data")
        first.kill()
        first.wait()
        with User(folder, "SELECT answer FROM kept") as third:
            assert third.answer == "42"
            third.communicate()
        assert running(folder / "data")
        second.communicate()
    assert not running(folder / "data")
    with User(folder, "SELECT answer FROM kept") as later:
        assert later.answer == "42"
        later.communicate()


def test_without_a_folder_a_killed_process_leaves_nothing():
    with User("", DATA) as user:
        assert running(user.answer)
        user.kill()
        user.wait()
    assert wait_for(lambda: not Path(user.answer).parent.exists())


def test_a_path_that_is_too_long_for_sockets_works(folder):
    deep = folder.with_name("deep" * 30)
    with User(deep, DATA) as user:
        assert user.answer == str(deep / "data")
        user.communicate()
    assert not running(user.answer)


def test_a_server_that_cannot_start_prints_the_reason(tmp_path, capfd):
    (tmp_path / "file").touch()
    with pytest.raises(OperationalError, match="or name a server in DATABASE_URL"):
        sockets(str(tmp_path / "file"))
    assert f"File exists: '{tmp_path}/file'" in capfd.readouterr().err


@pytest.fixture
def make_pool(monkeypatch, django_db_setup):
    """Return a function that opens a pool of two connections, as Django does with the settings of production."""
    from common.postgresql import pool

    with ExitStack() as stack:

        def make(**kwargs):
            made = psycopg_pool.ConnectionPool(
                kwargs=kwargs,
                connection_class=pool.Connection,
                min_size=2,
                open=False,
                timeout=4,
                reconnect_timeout=0,
                reconnect_failed=pool.fail_fast,
                check=psycopg_pool.ConnectionPool.check_connection,
            )
            settings_dict = {"OPTIONS": {"pool": {"timeout": 4}}}
            django = Mock(pool=made, settings_dict=settings_dict, close_pool=made.close)
            monkeypatch.setattr(pool, "connection", django)
            stack.callback(pool.close)
            made.open()
            return made

        yield make


def parameters():
    names = ("host", "port", "user", "password", "dbname")
    return {k: v for k, v in connection.get_connection_params().items() if k in names}


def test_pool_replaces_all_connections_that_the_server_has_ended(make_pool):
    pool = make_pool(**parameters())
    pool.wait(20)
    with pool.connection() as first, pool.connection() as second:
        pids = {first.info.backend_pid, second.info.backend_pid}
        assert first.execute("SELECT 6 * 7").fetchone() == (42,)
    with psycopg.connect(**parameters(), autocommit=True) as other:
        for pid in pids:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    with pool.connection() as first, pool.connection() as second:
        assert not {first.info.backend_pid, second.info.backend_pid} & pids
    assert pool.timeout == 4


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="the server may be on another machine")
def test_pool_does_not_wait_for_a_connection_that_hangs(make_pool):
    pool = make_pool(**parameters())
    pool.wait(20)
    with pool.connection() as first, pool.connection() as second:
        pids = [first.info.backend_pid, second.info.backend_pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        start = time.monotonic()
        with pool.connection() as working:
            assert working.info.backend_pid not in pids
        assert time.monotonic() - start < 3.5
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_waits_are_short_once_the_pool_cannot_connect_and_long_again_afterwards(make_pool):
    pool = make_pool(**parameters() | {"host": "/no/such/folder"})
    with pytest.raises(psycopg_pool.PoolTimeout):
        pool.getconn()
    start = time.monotonic()
    with pytest.raises(psycopg_pool.PoolTimeout):
        pool.getconn()
    assert time.monotonic() - start < 2
    pool.kwargs = parameters()
    for _ in range(50):
        with suppress(psycopg_pool.PoolTimeout), pool.connection():
            break
    assert pool.timeout == 4
