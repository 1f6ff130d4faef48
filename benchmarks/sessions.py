"""Compare the session engine of the template with Django's cached_db: queries and microseconds.

uv run --with 'django~=5.2.0' benchmarks/sessions.py

A read loads the session; a write loads it, sets a value and saves it. A first read or write starts
with an empty cache. Database and cache are in memory, so that the figures measure the engines and
not a server. Each figure is the median of several runs, in which the engines take turns.
"""

import sys
import time
from importlib import import_module
from pathlib import Path
from statistics import median

import django
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

sys.path.insert(0, str(Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"))
sys.dont_write_bytecode = True
ENGINES = {"stock": "django.contrib.sessions.backends.cached_db", "ours": "common.sessions.engine"}
SESSIONS, ROUNDS = 100, 15

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
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


def seconds(action, engine, keys, cached):
    if not cached:
        cache.clear()
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


def main() -> None:
    call_command("migrate", verbosity=0)
    engines = {label: import_module(path).SessionStore for label, path in ENGINES.items()}
    keys = {label: list(new_keys(engine)) for label, engine in engines.items()}
    print(f"Django {django.__version__}{'queries':>18}{'microseconds':>22}{'ratio':>9}")
    print(f"{'':16}{'stock':>8}{'ours':>8}{'stock':>12}{'ours':>10}")
    for title, action, cached in [
        ("read", read, True),
        ("first read", read, False),
        ("write", write, True),
        ("first write", write, False),
    ]:
        queries, times = {}, {label: [] for label in engines}
        for label, engine in engines.items():
            seconds(action, engine, keys[label], cached)
            if not cached:
                cache.clear()
            with CaptureQueriesContext(connection) as captured:
                action(engine, keys[label][0])
            queries[label] = len(captured)
        for _ in range(ROUNDS):
            for label, engine in engines.items():
                times[label].append(seconds(action, engine, keys[label], cached))
        stock, ours = (median(times[label]) * 1e6 for label in engines)
        print(
            f"{title:16}{queries['stock']:8}{queries['ours']:8}{stock:12.0f}{ours:10.0f}{ours / stock:9.2f}"
        )


if __name__ == "__main__":
    main()
