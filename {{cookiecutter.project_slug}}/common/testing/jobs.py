"""Test background jobs. Nothing runs unless the test calls ``run_jobs``.

    def test_an_order_is_confirmed_by_mail(self):
        place(order)
        self.assertEnqueued(confirm, order.pk)
        run_jobs()
        assert len(mail.outbox) == 1

The tests use the backend of production. So jobs are rows, which a rolled back transaction removes, and
arguments arrive as JSON leaves them.
"""

import json
from contextlib import nullcontext
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from common.jobs.backend import bind, call_task, default_backend, run
from common.jobs.models import Job

__unittest = __tracebackhide__ = True


def run_jobs(*, delayed: bool = False) -> int:
    """Run the jobs that are due, and those that they enqueue; return how many ran.

    The first error of a job ends the run and is raised. ``delayed=True`` also runs jobs that wait for
    their ``run_after`` or for another attempt.
    """
    count = 0
    while True:
        if delayed:
            Job.objects.filter(status="READY").update(due=Now())
        job = Job.claim("run_jobs", default_backend().lease)
        if job is None:
            return count
        if error := run(job, call_atomically):
            raise error
        count += 1


def call_atomically(task: Any, *args: Any, **kwargs: Any) -> Any:
    """Keep an error of the database from breaking the transaction of the test."""
    block: Any = transaction.atomic()
    block._from_testcase = connection.in_atomic_block  # Tasks may use atomic(durable=True).
    with block if connection.in_atomic_block else nullcontext():
        try:
            return call_task(task, *args, **kwargs)
        except DatabaseError:
            raise
        except BaseException as exc:
            error = exc
    raise error


def assertEnqueued(self: object, task: Any, *args: Any, **kwargs: Any) -> Any:
    """Assert that one job of ``task`` with these arguments waits; return its result.

    The queue, the priority and, if there is one, ``run_after`` of ``task`` count, too.
    """
    options = (task.module_path, task.queue_name, task.priority)
    waiting = [*Job.objects.filter(status="READY").order_by("id")]
    found = [
        job
        for job in waiting
        if (job.task, job.queue, job.priority) == options
        and task.run_after in {None, job.run_after}
        and bind(task, *json.loads(job.arguments)) == bind(task, args, kwargs)
    ]
    if len(found) != 1:
        lines = [f"\n  {job.task} {job.arguments} {job.queue} {job.priority}" for job in waiting]
        raise AssertionError(
            f"Expected 1 job of {task.module_path} with {args!r} {kwargs!r} in queue {task.queue_name} with "
            f"priority {task.priority}, found {len(found)}. These jobs wait:{''.join(lines) or ' none'}"
        )
    return default_backend().result(found[0], task)
