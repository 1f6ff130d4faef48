"""Tasks of the tests. Runs in a bake, as ``apps/users/tasks.py``; effects are lines of the file RAN."""

import asyncio
import os
import signal
import time
from datetime import timedelta

from common.jobs import TaskContext, periodic, retry, task
from common.logs import request_id
from django.contrib.auth import get_user_model


def note(*words: object) -> None:
    with open(os.environ["RAN"], "a") as file:
        file.write(" ".join(map(str, words)) + "\n")


@task
def quick(name: str) -> None:
    note(name)


@task
def slow(name: str, seconds: float) -> None:
    """Sleep in short steps: a process that was frozen sleeps on, and does not wake at once."""
    note("begin", name, os.getpid())
    for _ in range(round(seconds * 20)):
        time.sleep(0.05)
    note("end", name, os.getpid())


@task
async def slow_async(name: str, seconds: float) -> None:
    note("begin", name, os.getpid())
    await asyncio.sleep(seconds)
    note("end", name, os.getpid())


@task
def timed() -> float:
    return time.time()


@task
def unique(name: str) -> None:
    get_user_model().objects.get_or_create(username=name)
    time.sleep(0.04)  # A worker that is killed now has had the effect, and not yet said so.


@task
@retry(times=2, delay=0.1)
def fail(name: str) -> None:
    note(name, request_id.get())
    if not os.path.exists(f"{os.environ['RAN']}.mended"):
        raise RuntimeError(f"no luck with {name}")


@task
@retry(times=1)
def poison() -> None:
    note("poison")
    os.kill(os.getpid(), signal.SIGKILL)


@task(takes_context=True)
async def wait_with_context(context: TaskContext, name: str) -> int:
    await asyncio.sleep(0.01)
    note(name, context.task_result.id)
    attempt: int = context.attempt
    return attempt


if period := os.environ.get("PERIOD"):

    @task
    @periodic(timedelta(seconds=int(period)))
    def tick() -> None:
        note("tick")

    @task
    @periodic(timedelta(seconds=int(period)))
    def needs_an_argument(name: str) -> None:
        note(name)
