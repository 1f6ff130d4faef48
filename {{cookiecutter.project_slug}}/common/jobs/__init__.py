"""Background jobs: Django's tasks, kept as rows of the database until a worker has run them.

    # apps/shop/tasks.py
    @task
    def send_invoice(order_pk: int) -> None: ...

    send_invoice.enqueue(order.pk)  # in the transaction that saves the order

``enqueue`` writes a row, so the job exists exactly if that transaction is committed. ``manage.py
worker`` or, with ``CELERY_BROKER_URL``, Celery runs it, at least once: a task must do no harm when it
runs again. Pass keys and not objects, and read the rows in the task.
"""

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import django
from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import TaskContext, task
else:
    from django_tasks import TaskContext, task

__all__ = ["TaskContext", "periodic", "retry", "task"]

Function = TypeVar("Function", bound=Callable[..., object])
EPOCH = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday


def check_function(function: Function) -> Function:
    if inspect.isfunction(function):
        return function
    raise ImproperlyConfigured(f"{function!r} is no function: put @retry and @periodic under @task")


@dataclass(frozen=True)
class retry:  # noqa: N801 -- a decorator
    """Set how often a task is tried again after an error; put it under ``@task``.

    The delay before retry n is random, from 0 to ``delay * 2 ** (n - 1)``, but at most ``max_delay``
    seconds. So retries of many jobs do not come at the same moment. A task without it has the
    defaults.
    """

    times: int = 5
    delay: float = 2.0  # seconds
    max_delay: float = 3600.0

    def __post_init__(self) -> None:
        if not (
            0 <= self.times == int(self.times) and self.delay >= 0 and 0 <= self.max_delay < 1e9
        ):
            raise ImproperlyConfigured(f"{self!r}: use a whole number of times, and seconds")

    def __call__(self, function: Function) -> Function:
        check_function(function).__dict__["retry"] = self
        return function

    def seconds(self, attempt: int) -> float:
        """Return the delay after the failed ``attempt``, which counts from 1."""
        longest = min(self.max_delay, self.delay * 2.0 ** min(attempt - 1, 60))
        return random.uniform(0, longest)  # noqa: S311 -- no secret


@dataclass(frozen=True)
class periodic:  # noqa: N801 -- a decorator
    """Enqueue a task without arguments once in each period, however many workers run.

    ``@task`` above, ``@periodic(timedelta(days=1), at=timedelta(hours=3))`` below: daily at 3:00 UTC.
    Periods of a week begin on Monday. A new task begins with its next period. After an outage of all
    workers, the latest period that was missed is made up for, and earlier ones are not.
    """

    every: timedelta
    at: timedelta = timedelta()

    def __post_init__(self) -> None:
        if self.every < timedelta(seconds=1):
            raise ImproperlyConfigured(f"every={self.every!r}: use timedelta(seconds=1) or more")

    def __call__(self, function: Function) -> Function:
        schedule[f"{function.__module__}.{check_function(function).__qualname__}"] = self
        return function

    def start(self, now: datetime) -> datetime:
        """Return when the period that contains ``now`` began."""
        return now - (now - EPOCH - self.at) % self.every


schedule: dict[str, periodic] = {}


class JobsConfig(AppConfig):
    name = "common.jobs"
    label = "common_jobs"

    def ready(self) -> None:
        from common.jobs import backend  # noqa: F401 -- importing registers a check
