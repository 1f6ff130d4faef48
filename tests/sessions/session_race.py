"""Requests and jobs that change a session at the same time. Runs in a bake.

    python session_race.py processes|threads WORKERS EDITS [ENGINE]

Each makes EDITS changes, the even ones by a request and the odd ones by a job, and each change is a new key.
They all go from one session to the next, for a large one takes long. Prints how many changes are kept.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

from session_site import STOCK, ask, fork, new_session, row_of, settings, stored

# The site has set Django up.
# isort: split
from common.sessions import edit_session
from django.db import connections

SESSIONS = 10


def change(keys, worker, edits):
    mine: dict[str, set[str]] = {key: set() for key in keys}
    try:
        for number in range(edits):
            key = keys[number * SESSIONS // edits]
            name = f"{worker}-{number}"
            if number % 2:
                with edit_session(key) as session:
                    session[name] = True
            else:
                response = ask(key, f"write/{name}")
                assert response.status_code == 200, response
                # What this one has saved before, it finds again.
                assert settings.SESSION_ENGINE == STOCK or mine[key] <= response.json().keys()
            mine[key].add(name)
    finally:
        connections.close_all()


def main(kind, workers, edits, engine="common.sessions.engine"):
    settings.SESSION_ENGINE = engine
    with fork.Pool(1) as pool:
        keys = [pool.apply(new_session) for _ in range(SESSIONS)]
    tasks = [(keys, worker, int(edits)) for worker in range(int(workers))]
    if kind == "processes":
        with fork.Pool(len(tasks)) as pool:
            pool.starmap(change, tasks, chunksize=1)
    else:
        with ThreadPoolExecutor(len(tasks)) as pool:
            list(pool.map(change, *zip(*tasks, strict=True)))
    kept = sum(len((row_of if engine == STOCK else stored)(key)) for key in keys)
    print(f"{kept} of {len(tasks) * int(edits)} changes kept")


if __name__ == "__main__":
    main(*sys.argv[1:])
