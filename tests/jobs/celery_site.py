"""Tasks that write what they do to a file. Copied into a bake as ``probe.tasks``."""

import logging
import os
import time
from datetime import timedelta
from pathlib import Path

from common.jobs import TaskContext, periodic, retry, task


def note(*words):
    with Path(os.environ["PROBE"]).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


@task
def work(name: str, seconds: float = 0.0) -> None:
    note("start", name, os.getpid())
    logging.getLogger("probe").info("working")
    time.sleep(seconds)
    note("end", name, os.getpid())


@task(queue_name="mail")
def send_mail(name: str) -> None:
    note("mail", name)


@task(takes_context=True)
@retry(times=2, delay=0.1)
def fail_once(context: TaskContext, name: str) -> None:
    note("attempt", name, context.attempt)
    if context.attempt == 1:
        raise ValueError(name)


if "PROBE_PERIODIC" in os.environ:

    @task
    @periodic(timedelta(seconds=2))
    def tick() -> None:
        note("tick")
