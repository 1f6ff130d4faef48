"""The backend for ``TASKS``: it writes a row for each job, and runs jobs that a worker has taken."""

import inspect
import json
import logging
import re
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import cache, partial
from traceback import format_exception
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules, import_string

from common.jobs import retry, schedule
from common.jobs.models import Job, Period
from common.logs import request_id

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import TaskError
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
else:
    import django_tasks.checks  # noqa: F401 -- makes system checks call check()
    from django_tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import TaskError
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started

logger = logging.getLogger("common.jobs")
SCALARS = {str, int, float, bool, types.NoneType, list, Any, TaskContext}


class WorkerLost(Exception):  # noqa: N818 -- no error of the code
    """Each worker that ran the job ended before the job did: it crashed, or was killed."""


class Interrupted(BaseException):
    """A worker raises this in a task, to give the job back."""


class JobsBackend(BaseTaskBackend):
    """Keeps jobs in the default database. ``OPTIONS["lease"]`` is in seconds."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.lease = timedelta(seconds=self.options.get("lease", 15))

    def validate_task(self, task: Any) -> None:
        super().validate_task(task)
        check_annotations(task.func)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Report E003 if a module ``tasks`` has a task that is not valid."""
        try:
            autodiscover_modules("tasks")
        except ImproperlyConfigured as exc:
            return [Error(str(exc), id="common.E003")]
        return []

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Write the row of a job in the transaction of the caller, and wake a worker at its end.

        Raise TypeError if the arguments do not fit the task, and ValueError if JSON changes them.
        """
        self.validate_task(task)
        job = Job(
            task=task.module_path,
            arguments=to_json(task, args, kwargs),
            queue=task.queue_name,
            priority=task.priority,
            status="READY",
            due=task.run_after or Now(),
            send_at=task.run_after or Now() + self.lease,
            run_after=task.run_after,
            request_id=request_id.get(),
            enqueued_at=timezone.now(),
        )
        job.save(force_insert=True)
        if not task.run_after:
            wake(job)
        result = self.result(job, task)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        if job := Job.objects.filter(pk=result_id).first():
            return self.result(job, self.task(job))
        raise TaskResultDoesNotExist(result_id)

    def task(self, job: Job) -> Any:
        """Return the task of ``job``, with the options that it was enqueued with."""
        options = {"priority": job.priority, "queue_name": job.queue, "run_after": job.run_after}
        return import_string(job.task).using(backend=self.alias, **options)

    def result(self, job: Job, task: Any) -> Any:
        args, kwargs = json.loads(job.arguments)
        times = ("enqueued_at", "started_at", "last_attempted_at", "finished_at")
        result: Any = TaskResult(
            task=task,
            id=job.id,
            status=TaskResultStatus(job.status),
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[TaskError(**error) for error in json.loads(job.errors)],
            worker_ids=job.worker_ids.split(),
            **{name: getattr(job, name) for name in times},
        )
        object.__setattr__(result, "_return_value", json.loads(job.return_value))
        return result


@cache
def check_annotations(function: Any) -> None:
    """Raise ImproperlyConfigured for a parameter whose annotation is not of JSON."""
    path = f"{function.__module__}.{function.__qualname__}"
    try:
        hints = get_type_hints(function)
    except NameError as exc:
        raise ImproperlyConfigured(f"{path}: {exc}, so import it, at run time, too.") from exc
    for name, hint in hints.items():
        if not is_json(hint):
            raise ImproperlyConfigured(
                f"{path}: {name!r} is annotated "
                f"{hint!r}. Use str, int, float, bool, None, list, dict[str, ...] or Literal: pass the "
                "primary key of an object, and read its row in the task."
            )


def is_json(hint: Any) -> bool:
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType, list}:
        return all(map(is_json, args))
    if origin is dict:
        return args[0] is str and is_json(args[1])
    return origin is Literal or hint in SCALARS


def bind(task: Any, args: Any, kwargs: Any) -> inspect.BoundArguments:
    context = [None] if task.takes_context else []
    return inspect.signature(task.func).bind(*context, *args, **kwargs)


def to_json(task: Any, args: Any, kwargs: Any) -> str:
    """Return the arguments as JSON. ``enqueue`` describes the errors."""
    bound = bind(task, args, kwargs)
    for name, value in bound.arguments.items():
        is_variadic = bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        expected = [*value] if is_variadic else value
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()  # Surrogates raise UnicodeEncodeError.
            is_same = json.loads(text) == expected and "\\u0000" not in text.replace("\\\\", "")
        except (RecursionError, TypeError, ValueError):
            is_same = False
        if not is_same:
            raise ValueError(
                f"The argument {name}={value!r} of {task.module_path} would not arrive as it is: use "
                "values of JSON, without NaN, NUL characters, tuples, and keys that are not strings."
            )
    return json.dumps([args, kwargs])


def wake(job: Job) -> None:
    """Tell a worker of the job at the end of the transaction: by Celery, or by PostgreSQL."""
    if settings.CELERY_BROKER_URL:
        transaction.on_commit(partial(send, job.id, job.queue), robust=True)
    elif connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY common_jobs")


def send(job_id: str, queue: str) -> None:
    """Import Celery, which is optional, after the commit: an error must not stop ``enqueue``."""
    from common.jobs import celery

    celery.send(job_id, queue)


@register(deploy=True)
def check_broker(**kwargs: Any) -> list[CheckMessage]:
    """Report E004 without Celery 5.7, and W003 if the server of the broker is also that of a cache."""
    if not settings.CELERY_BROKER_URL:
        return []
    try:
        from celery import VERSION
    except ImportError:
        VERSION = (0, 0)  # noqa: N806
    if VERSION[:2] < (5, 7):
        fact, hint = "CELERY_BROKER_URL needs Celery 5.7 or newer.", "Run uv sync --extra celery."
        return [Error(fact, hint=hint, id="common.E004")]
    urls = re.findall(r"rediss?://[^\s;,'\"]+", f"{settings.CELERY_BROKER_URL} {settings.CACHES}")
    broker, *caches = [(urlsplit(url).hostname, urlsplit(url).port or 6379) for url in urls]
    if broker in caches:
        fact = "CELERY_BROKER_URL and CACHES use the same Redis server."
        hint = "Use another server, with maxmemory-policy noeviction: a cache evicts messages."
        return [Warning(fact, hint=hint, id="common.W003")]
    return []


held: dict[str, Job] = {}  # what this process runs


@contextmanager
def leased(job: Job, lease: timedelta) -> Iterator[None]:
    """Renew the lease of ``job`` during the block, three times in the time of a lease."""
    held[job.id] = job
    if all(thread.name != "leases" for thread in threading.enumerate()):  # One serves all jobs.
        threading.Thread(target=renew, args=[lease], name="leases", daemon=True).start()
    try:
        yield
    finally:
        held.pop(job.id, None)


def renew(lease: timedelta) -> None:
    pause = threading.Event()  # A test can replace time.sleep, and this thread outlives the test.
    while True:
        pause.wait(lease.total_seconds() / 3)
        for job in [*held.values()]:
            try:
                values = {"due": Now() + lease, "send_at": Now() + lease}
                if not job.update(**values) and held.pop(job.id, False):
                    logger.warning("%s has lost its lease: it may run twice.", job)
            except (DatabaseError, InterfaceError):
                logger.warning("The lease of %s could not be renewed.", job, exc_info=True)
            connection.close()


def call_task(task: Any, *args: Any, **kwargs: Any) -> Any:
    return task.call(*args, **kwargs)


def run(job: Job, call: Callable[..., Any] = call_task) -> BaseException | None:
    """Run a job that this process has taken, save the outcome, and return the error, if any."""
    return copy_context().run(_run, job, call)  # A language that a task activates ends with it.


def _run(job: Job, call: Callable[..., Any]) -> BaseException | None:
    request_id.set(job.request_id)
    backend, policy, task = default_backend(), retry(), None
    try:
        task = backend.task(job)
        policy = task.func.__dict__.get("retry", policy)
        if job.attempts > policy.times + 1:
            raise WorkerLost("Each worker that ran the job ended before the job did.")
        result = backend.result(job, task)
        task_started.send(type(backend), task_result=result)
        context: list[Any] = [TaskContext(task_result=result)] if task.takes_context else []
        job.return_value = json.dumps(call(task, *context, *result.args, **result.kwargs))
    except Interrupted:
        raise
    except BaseException as exc:
        name = f"{type(exc).__module__}.{type(exc).__qualname__}"
        trace = "".join(format_exception(exc)).encode(errors="backslashreplace").decode()
        error = {"exception_class_path": name, "traceback": trace}
        job.errors = json.dumps([*json.loads(job.errors), error])
        if job.attempts > policy.times:
            finish(job, backend, task, "FAILED")
        else:
            delay = timedelta(seconds=policy.seconds(job.attempts))
            logger.warning("%s failed and runs again in %s.", job, delay, exc_info=True)
            again = Now() + delay
            save(job, status="READY", due=again, send_at=again, errors=job.errors)
        return exc
    finish(job, backend, task, "SUCCESSFUL")
    return None


def finish(job: Job, backend: Any, task: Any, status: str) -> None:
    job.status, job.finished_at, job.due, job.send_at = status, timezone.now(), None, None
    names = ("status", "finished_at", "due", "send_at", "errors", "return_value")
    if save(job, **{name: getattr(job, name) for name in names}):
        if task:  # Django logs a failed job as an error.
            task_finished.send_robust(type(backend), task_result=backend.result(job, task))
        else:
            logger.error("%s has failed: this release has no such task.", job)


def save(job: Job, **values: Any) -> bool:
    """Save the outcome, however long the database is away: otherwise the job would run again."""
    while True:
        try:
            if not (connection.in_atomic_block or connection.get_autocommit()):
                transaction.rollback()  # The task has left a transaction open.
                transaction.set_autocommit(True)
            if not (is_mine := job.update(**values)):
                logger.warning("%s had lost its lease: this outcome is dropped.", job)
            held.pop(job.id, None)
            return is_mine
        except (InterfaceError, OperationalError):
            if connection.in_atomic_block:  # in a test
                raise
            logger.warning("The outcome of %s cannot be saved yet.", job, exc_info=True)
            connection.close()
            time.sleep(1)


def enqueue_periodic(latest: dict[str, datetime]) -> None:
    """Enqueue each periodic task whose period is not in ``latest``, unless another process has."""
    now = timezone.now()
    for path, policy in schedule.items():
        start = policy.start(now)
        if latest.get(path) == start:
            continue
        try:
            with transaction.atomic():
                Period.objects.get_or_create(task=path, defaults={"start": start})
                if Period.objects.filter(task=path, start__lt=start).update(start=start):
                    import_string(path).enqueue()
        except django.db.Error:
            raise
        except Exception:  # Other tasks must run all the same.
            logger.exception("The periodic task %s cannot be enqueued.", path)
        latest[path] = start


def default_backend() -> Any:
    return task_backends["default"]
