"""What can go wrong while a session is changed. Runs in a bake, and prints a line of JSON: what failed, by fault.

Each fault has a process of its own, forked before anything is connected.
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
    STOCK,
    ask,
    cache,
    copy_of,
    during,
    fork,
    new_session,
    row_of,
    seen,
    session_store,
    settings,
    stored,
    wire,
)

# The site has set Django up.
# isort: split
from common.sessions.cache import CachedCopy
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


def assert_soon_gone(key):
    """Assert that the copy of ``key``, which others may read, stays for five minutes at the most."""
    name = cache.make_key(session_store().cache_key_prefix + key)
    assert 0 < cache._cache.get_client().ttl(name) <= 5 * 60


def the_cache_stops_before_an_edit():
    key = new_session(a=1)
    wire.cut()
    assert seen(key) == {"a": 1}
    with edit_session(key) as session:
        session["b"] = 2
    assert row_of(key) == seen(key) == {"a": 1, "b": 2}
    wire.mend()
    assert copy_of(key) == {"a": 1}  # It is as old as before the fault.
    assert_soon_gone(key)
    assert seen(key) == {"a": 1, "b": 2}
    assert copy_of(key) is None


def the_cache_stops_during_an_edit():
    key = new_session(a=1)
    with edit_session(key) as session:
        wire.cut()
        session["b"] = 2
    assert row_of(key) == seen(key) == {"a": 1, "b": 2}
    wire.mend()
    assert copy_of(key) is None  # So nobody reads an old one.
    assert seen(key) == {"a": 1, "b": 2}


def the_cache_stops_during_a_request():
    key = new_session(a=1)
    during.append(wire.cut)
    assert ask(key, "write/b").status_code == 200
    assert ask(key, "write/c").json() == {"a": 1, "b": True}
    assert row_of(key) == {"a": 1, "b": True, "c": True}
    wire.mend()
    assert copy_of(key) == {"a": 1}
    assert_soon_gone(key)
    assert ask(key, "write/d").json() == {"a": 1, "b": True, "c": True}
    assert stored(key) == {"a": 1, "b": True, "c": True, "d": True}


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
    assert stored(key) == {"a": 1, "c": 3}


def put_and_disconnect(copy, *data, put=CachedCopy.put):
    put(copy, *data)
    connection.connection.close()


def the_database_fails_at_the_commit():
    key = new_session(a=1)
    with patch.object(CachedCopy, "put", put_and_disconnect):
        with raises(DatabaseError), edit_session(key) as session:
            session["b"] = 2
        connection.close()
        assert seen(key) == {"a": 1}
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
    """Give a process in the middle of an edit, the pipe to it, and the key of the session."""
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
    assert stored(key) == {"a": 1, "c": 3}


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
        settings.SESSION_ENGINE = STOCK
        assert ask(key, "write/c").status_code == 400  # as if the visitor had logged out
        settings.SESSION_ENGINE = "common.sessions.engine"
        assert seen(key) == {"a": 1}
        pipe.send("go on")
        pipe.recv()
    assert ask(key, "write/c").status_code == 200
    assert stored(key) == {"a": 1, "b": 2, "c": True}


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
    assert copy_of(key) is None
    with raises(SessionGone), edit_session(key):
        pass
    assert ask(key, "read").json() == {}


def job(key):
    with edit_session(key) as session:
        session["b"] = 2


def a_request_that_reads_ends_after_a_job():
    settings.SESSION_SAVE_EVERY_REQUEST = True
    for engine, kept in ((STOCK, {"a": 1}), ("common.sessions.engine", {"a": 1, "b": 2})):
        settings.SESSION_ENGINE = engine
        key = new_session(a=1)
        during.append(lambda key=key: job(key))
        assert ask(key, "read").json() == {"a": 1}
        assert stored(key) == kept, engine


FAULTS = [
    the_cache_stops_before_an_edit,
    the_cache_stops_during_an_edit,
    the_cache_stops_during_a_request,
    the_database_fails_inside,
    the_database_fails_at_the_commit,
    a_process_is_killed_in_an_edit,
    another_holds_the_lock_for_too_long,
    the_session_expires_during_an_edit,
    a_request_that_reads_ends_after_a_job,
]


def run(fault, end):
    try:
        wire.connect()
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
