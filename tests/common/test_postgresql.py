import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from common.postgresql.base import sockets
from common.postgresql.server import forget_a_dead_server

PROJECT = Path(__file__).parents[2]
# A process that uses the server of a folder, or its own: it prints one answer, and ends with its input.
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
def test_dbshell_reaches_it(capfd):
    call_command("dbshell", "--", "-c", "SHOW data_directory; SELECT 6 * 7 AS answer")
    assert re.search(r"postgresql-.*\s42\s", capfd.readouterr().out, re.DOTALL)


@pytest.mark.parametrize("left", ["{own}\n" + "\n" * 7, "{own}\ncut", "", "nonsense"])
def test_what_a_crash_leaves_is_not_taken_for_a_server(tmp_path, left):
    file = tmp_path / "postmaster.pid"
    file.write_text(left.format(own=os.getpid()))
    forget_a_dead_server(tmp_path)
    assert not file.exists()
    forget_a_dead_server(tmp_path)


@pytest.fixture
def folder():
    """A folder that another user may enter: for root, the server runs as one."""
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


def test_processes_share_a_server_and_its_data_which_outlive_the_last(folder):
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


def test_without_a_folder_nothing_is_left_however_the_process_ends():
    with User("", DATA) as user:
        assert running(user.answer)
        user.kill()
        user.wait()
    assert wait_for(lambda: not Path(user.answer).parent.exists())


def test_a_path_that_is_too_long_for_sockets_will_do(folder):
    deep = folder.with_name("deep" * 30)
    with User(deep, DATA) as user:
        assert user.answer == str(deep / "data")
        user.communicate()
    assert not running(user.answer)


def test_a_server_that_cannot_start_says_why(tmp_path, capfd):
    (tmp_path / "file").touch()
    with pytest.raises(OperationalError, match="or name a server in DATABASE_URL"):
        sockets(str(tmp_path / "file"))
    assert f"File exists: '{tmp_path}/file'" in capfd.readouterr().err
