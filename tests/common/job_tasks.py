"""Tasks, and what their tests share, for the tests of ``common.jobs``."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone, translation

from common.jobs import EPOCH, TaskContext, periodic, retry, schedule, task
from common.jobs.backend import Interrupted
from common.jobs.models import Job, Period
from common.logs import request_id

LEASE = timedelta(seconds=15)


def claim(worker="w", lease=LEASE, **options):
    return Job.claim(worker, lease, **options)


def is_due_in(job, seconds):
    return abs(job.due - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=5)


@task
def give(value: Any = None, *more: Any, **named: Any) -> Any:
    return [value, *more, named] if more or named else value


@task
async def agive(value: int) -> int:
    return value


@task(takes_context=True)
def attempt(context: TaskContext, number: int) -> list[int]:
    return [context.attempt, number]


@task
def give_request_id() -> str:
    return request_id.get()


@task
@retry(times=1, delay=10)
def fail(kind: str = "ValueError") -> None:
    raise {
        "ValueError": ValueError,
        "SystemExit": SystemExit,
        "interrupt": Interrupted,
        "Ctrl-C": KeyboardInterrupt,
    }[kind]("x")


@task
def give_no_json() -> Any:
    return object()


@task
def enqueue_another() -> None:
    give.enqueue("another")


@task
@periodic(timedelta(days=1), at=timedelta(hours=3))
def daily() -> None: ...


# Only the tests that need it have it in the schedule.
DAILY = {"common_tests.job_tasks.daily": schedule.pop("common_tests.job_tasks.daily")}


@task
def duplicate(pk: int) -> None:
    Period.objects.bulk_create([Period(task=str(pk), start=EPOCH)] * 2)


@task
def leave_a_transaction_open() -> str:
    language = translation.get_language()
    translation.activate("de")
    if not connection.in_atomic_block:
        connection.set_autocommit(False)
    return language
