"""Faults while a session is changed. Runs in a bake; prints a line of JSON: the traceback of each fault, or "".

Each fault runs in a process of its own, which is forked before anything is connected.
"""

import json
import os
import signal
import time
import traceback
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from session_site import (
    DB,
    OURS,
    ask,
    during,
    fork,
    new_session,
    row_of,
    seen,
    session_store,
    settings,
)

# The import above has set Django up.
# isort: split
from common.sessions import SessionGone, edit_session
from django.db import DatabaseError, OperationalError, connection
from django.utils import timezone


@contextmanager
def raises(kind):
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def fail_in_the_database():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")


def the_database_fails_inside():
    key = new_session(a=1)
    with raises(DatabaseError), edit_session(key) as session:
        session["b"] = 2
        fail_in_the_database()
    assert row_of(key) == seen(key) == {"a": 1}
    during.append(fail_in_the_database)
    assert ask(key, "write/b").status_code == 500
    assert row_of(key) == seen(key) == {"a": 1}
    with edit_session(key) as session:
        session["c"] = 3
    assert seen(key) == {"a": 1, "c": 3}


def lose_the_connection():
    connection.connection.close()


def the_database_fails_at_the_commit():
    key = new_session(a=1)
    with patch.object(connection, "_commit", side_effect=OperationalError):
        with raises(OperationalError), edit_session(key) as session:
            session["b"] = 2
        assert seen(key) == {"a": 1}
        assert ask(key, "write/b").status_code == 500
    assert row_of(key) == seen(key) == {"a": 1}


def the_connection_is_lost_inside():
    key = new_session(a=1)
    with raises(DatabaseError), edit_session(key) as session:
        session["b"] = 2
        lose_the_connection()
    connection.close()
    during.append(lose_the_connection)
    assert ask(key, "write/b").status_code == 500
    connection.close()
    assert row_of(key) == seen(key) == {"a": 1}


def edit_slowly(pipe):
    key = new_session(a=1)
    with edit_session(key) as session:
        session["b"] = 2
        pipe.send(key)
        pipe.recv()
    pipe.send("saved")


@contextmanager
def slow_job():
    """Give a process that is in the middle of an edit, the pipe to it, and the key of the session."""
    pipe, end = fork.Pipe()
    job = fork.Process(target=edit_slowly, args=[end])
    job.start()
    try:
        yield job, pipe, pipe.recv()
    finally:
        job.kill()
        job.join()


def a_process_is_killed_in_an_edit():
    with slow_job() as (job, _, key):
        os.kill(job.pid, signal.SIGKILL)
    assert row_of(key) == seen(key) == {"a": 1}
    with edit_session(key) as session:
        session["c"] = 3
    assert row_of(key) == {"a": 1, "c": 3}


def another_holds_the_lock_for_too_long():
    options = connection.settings_dict["OPTIONS"]
    options |= {"timeout": 0.1} if connection.vendor == "sqlite" else {}
    if connection.vendor == "postgresql":
        options["options"] = "-c lock_timeout=100ms"
    with slow_job() as (_, pipe, key):
        response = ask(key, "write/c")
        assert (response.status_code, dict(response.cookies)) == (500, {})
        with raises(OperationalError), edit_session(key) as session:
            session["c"] = 3
        settings.SESSION_ENGINE = DB
        assert (
            ask(key, "write/c").status_code == 400
        )  # Django answers as if the visitor had logged out.
        settings.SESSION_ENGINE = OURS
        assert seen(key) == {"a": 1}
        pipe.send("go on")
        pipe.recv()
    assert ask(key, "write/c").status_code == 200
    assert row_of(key) == {"a": 1, "b": 2, "c": True}


def the_session_expires_during_an_edit():
    key = new_session(a=1)
    rows = session_store().model.objects.filter(pk=key)
    expires = timezone.now() + timedelta(seconds=0.3)
    rows.update(expire_date=expires)
    with edit_session(key) as session:
        session["b"] = 2
        while timezone.now() <= expires:
            time.sleep(0.01)
    assert rows.get().expire_date == expires
    with raises(SessionGone), edit_session(key):
        pass
    assert ask(key, "read").json() == {}


def job(key):
    with edit_session(key) as session:
        session["b"] = 2


def a_request_that_reads_ends_after_a_job():
    settings.SESSION_SAVE_EVERY_REQUEST = True
    for engine, kept in ((DB, {"a": 1}), (OURS, {"a": 1, "b": 2})):
        settings.SESSION_ENGINE = engine
        key = new_session(a=1)
        during.append(lambda key=key: job(key))
        assert ask(key, "read").json() == {"a": 1}
        assert row_of(key) == kept, engine


FAULTS = [
    the_database_fails_inside,
    the_database_fails_at_the_commit,
    the_connection_is_lost_inside,
    a_process_is_killed_in_an_edit,
    another_holds_the_lock_for_too_long,
    the_session_expires_during_an_edit,
    a_request_that_reads_ends_after_a_job,
]


def run(fault, end):
    try:
        fault()
        end.send("")
    except BaseException:
        end.send(traceback.format_exc())


def outcome(fault):
    pipe, end = fork.Pipe()
    process = fork.Process(target=run, args=[fault, end])
    process.start()
    failure = pipe.recv() if pipe.poll(60) else "takes more than a minute"
    process.kill()
    process.join()
    return failure


if __name__ == "__main__":
    print(json.dumps({fault.__name__: outcome(fault) for fault in FAULTS}))
