"""Measure what a session costs a request, with the template's engine beside Django's ``db`` and ``cached_db``.

uv run --with 'django~=5.2.0' --with 'psycopg[binary]' benchmarks/sessions.py

One request reads its session; another changes a value and saves it. Both databases are on this machine; the cache is in the
memory of the process, so that ``cached_db`` is as fast as it can be. Each time is the best of several rounds, in which the
engines take turns.
"""

import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext

sys.path.insert(0, str(Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"))
sys.dont_write_bytecode = True
ENGINES = {
    "db": "django.contrib.sessions.backends.db",
    "cached_db": "django.contrib.sessions.backends.cached_db",
    "ours": "common.sessions.engine",
}
SESSIONS, ROUNDS = 100, 21


class Router:
    """Send all queries to the database that is measured."""

    alias = "default"

    def db_for_read(self, model, **hints):
        return Router.alias

    db_for_write = db_for_read


def configure(folder: str) -> None:
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{folder}/db.sqlite3",
                "OPTIONS": {  # those of the service
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
                },
            },
            "postgresql": {"ENGINE": "common.postgresql", "NAME": "postgres"},
        },
        DATABASE_ROUTERS=[Router()],
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "OPTIONS": {"MAX_ENTRIES": 10 * SESSIONS},
            }
        },
        INSTALLED_APPS=["django.contrib.sessions"],
        SECRET_KEY="only-for-this-benchmark",
        USE_TZ=True,
    )
    django.setup()


def read(engine, key):
    engine(key).get("user")


def write(engine, key):
    session = engine(key)
    session["value"] = time.perf_counter()
    session.save()


def seconds(action, engine, keys):
    start = time.perf_counter()
    for key in keys:
        action(engine, key)
    return (time.perf_counter() - start) / len(keys)


def new_keys(engine):
    for _ in range(SESSIONS):
        session = engine()
        session["user"], session["cart"] = 1, {str(number): 1 for number in range(20)}
        session.create()
        yield session.session_key


def queries(action, engine, key):
    """Return the number of queries; BEGIN and COMMIT do not count."""
    with CaptureQueriesContext(connections[Router.alias]) as captured:
        action(engine, key)
    return sum(not query["sql"].startswith(("BEGIN", "COMMIT")) for query in captured)


def measure(alias: str) -> None:
    Router.alias = alias
    call_command("migrate", verbosity=0, database=alias)
    engines = {name: import_module(path).SessionStore for name, path in ENGINES.items()}
    keys = {name: list(new_keys(engine)) for name, engine in engines.items()}
    for action in (read, write):
        times = {name: [] for name in engines}
        for _ in range(ROUNDS):
            for name, engine in engines.items():
                times[name].append(seconds(action, engine, keys[name]))
        micros = {name: min(times[name]) * 1e6 for name in engines}
        counts = [queries(action, engine, keys[name][0]) for name, engine in engines.items()]
        print(
            f"| {connections[alias].vendor}, {action.__name__} | {' / '.join(map(str, counts))} "
            f"| {' / '.join(f'{value:.0f}' for value in micros.values())} "
            f"| {micros['ours'] / micros['db']:.2f} | {micros['ours'] / micros['cached_db']:.2f} |",
            flush=True,
        )


def main() -> None:
    print(f"Django {django.__version__}; values are of {' / '.join(ENGINES)}\n")
    print("| request | queries | microseconds | ours to db | ours to cached_db |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        configure(folder)
        for alias in settings.DATABASES:
            measure(alias)


if __name__ == "__main__":
    main()
