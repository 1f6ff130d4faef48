"""A command for tests: enqueue a task of ``probe``. Copied into a bake."""

import json
import sys
import time
from datetime import timedelta
from importlib import import_module


def main():
    """Enqueue ``name`` with JSON arguments ``count`` times; print how many seconds each one took."""
    import django

    django.setup()
    from common.logs import request_id
    from django.db import transaction
    from django.utils import timezone

    tasks = import_module("probe.tasks")
    name, arguments, count, delay = sys.argv[1:]
    found = getattr(tasks, name)
    if float(delay):
        found = found.using(run_after=timezone.now() + timedelta(seconds=float(delay)))
    request_id.set("request-of-probe")
    seconds = []
    for _ in range(int(count)):
        started = time.monotonic()
        with transaction.atomic():
            result = found.enqueue(*json.loads(arguments))
        seconds.append(time.monotonic() - started)
    print("\n" + json.dumps([result.id, seconds]))


if __name__ == "__main__":
    main()
