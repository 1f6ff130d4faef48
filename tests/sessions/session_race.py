"""Requests and jobs that change the same sessions at the same time. Runs in a bake.

    python session_race.py processes|threads WORKERS CHANGES [ENGINE]

Each worker adds CHANGES keys, in turn by a request and by a job; on ``cached_db``, whose requests do not merge, by jobs.
All workers go through the same ten sessions, because a large session is slow. Prints how many keys are in the sessions.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from session_site import CACHED_DB, OURS, ask, copy_of, fork, new_session, row_of, seen, settings

# The import above has set Django up.
# isort: split
from common.sessions import edit_session
from django.db import connections

SESSIONS = 10


def change(keys, worker, changes):
    mine: dict[str, set[str]] = {key: set() for key in keys}
    try:
        for number in range(changes):
            key = keys[number * SESSIONS // changes]
            name = f"{worker}-{number}"
            if number % 2 or settings.SESSION_ENGINE == CACHED_DB:
                with edit_session(key) as session:
                    session[name] = True
            else:
                response = ask(key, f"write/{name}")
                assert response.status_code == 200, response
                if (
                    settings.SESSION_ENGINE == OURS
                ):  # The worker finds all that it has saved before.
                    assert mine[key] <= response.json().keys()
            mine[key].add(name)
    finally:
        connections.close_all()


def main(kind, workers, changes, engine=OURS):
    settings.SESSION_ENGINE = engine
    with fork.Pool(1) as pool:
        keys = [pool.apply(new_session) for _ in range(SESSIONS)]
    tasks = [(keys, worker, int(changes)) for worker in range(int(workers))]
    if kind == "processes":
        with fork.Pool(len(tasks)) as pool:
            pool.starmap(change, tasks, chunksize=1)
    else:
        with ThreadPoolExecutor(len(tasks)) as pool:
            list(pool.map(change, *zip(*tasks, strict=True)))
    for key in keys:
        assert seen(key) == row_of(key)
        assert engine != CACHED_DB or copy_of(key) == row_of(key)
    kept = sum(len(row_of(key)) for key in keys)
    print(f"{kept} of {len(tasks) * int(changes)} changes kept")


if __name__ == "__main__":
    main(*sys.argv[1:])
