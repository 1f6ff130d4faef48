"""Measure the cost of suspended receivers: delete 5,000 rows with 1, with 20 and without receivers.

uv run --with 'django~=5.2.0' benchmarks/suspended_signals.py

For comparison, the benchmark also deletes rows with connected receivers that return early, as a
wrapper that reads the setting would do. Each figure is the minimum of several runs, in which the
variants take turns.
"""

import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.db import connection, models
from django.db.models.signals import post_delete, pre_delete

sys.path.insert(0, str(Path(__file__).parents[1] / "{{cookiecutter.project_slug}}"))
ROWS = 5000
ROUNDS = 15

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SUSPEND_SIGNALS=True,
)
django.setup()

from common.signals import suspending_receiver  # noqa: E402 -- the import needs configured settings


def model(name: str) -> type[models.Model]:
    meta = type("Meta", (), {"app_label": "benchmark"})
    return type(name, (models.Model,), {"__module__": __name__, "Meta": meta})


def seconds_to_delete(rows: type[models.Model]) -> float:
    rows.objects.bulk_create(rows() for _ in range(ROWS))
    start = time.perf_counter()
    rows.objects.all().delete()
    return time.perf_counter() - start


def connect_receivers(connect, rows: type[models.Model], count: int) -> None:
    for number in range(count):
        signal = (pre_delete, post_delete)[number % 2]
        connect(signal, sender=rows, weak=False)(lambda sender, **kwargs: None)


def early_returning_receiver(signal, **kwargs):
    return lambda function: signal.connect(function, **kwargs)


def main() -> None:
    variants = {
        "none": model("Plain"),
        "1 suspended": model("OneSuspended"),
        "20 suspended": model("TwentySuspended"),
        "1 that returns early": model("OneConnected"),
        "20 that return early": model("TwentyConnected"),
    }
    connect_receivers(suspending_receiver, variants["1 suspended"], 1)
    connect_receivers(suspending_receiver, variants["20 suspended"], 20)
    connect_receivers(early_returning_receiver, variants["1 that returns early"], 1)
    connect_receivers(early_returning_receiver, variants["20 that return early"], 20)
    with connection.schema_editor() as editor:
        for rows in variants.values():
            editor.create_model(rows)

    best = dict.fromkeys(variants, float("inf"))
    for _ in range(ROUNDS):
        for name, rows in variants.items():
            best[name] = min(best[name], seconds_to_delete(rows))
    for name, seconds in best.items():
        print(f"{name:22} {seconds * 1000:8.2f} ms {seconds / best['none']:8.2f} x none")


if __name__ == "__main__":
    main()
