"""Backends for Django's tests of its tasks: they let our backend do what Django's two do."""

import os
import time
from functools import wraps
from unittest import mock

from common.jobs import retry
from common.jobs.backend import JobsBackend, run
from common.jobs.models import Job, new_id


def allowed_in_async_tests(function):
    """Allow the queries of ``function`` in async tests, where DummyBackend reads a list."""

    @wraps(function)
    def call(*args, **kwargs):
        with mock.patch.dict(os.environ, DJANGO_ALLOW_ASYNC_UNSAFE="1"):
            return function(*args, **kwargs)

    return call


class RecordingBackend(JobsBackend):  # type: ignore[misc] # a bake has it
    """Has the attributes of DummyBackend that the tests use."""

    def __init__(self, alias, params):
        super().__init__(alias, params)
        self.first_id = new_id()  # Each DummyBackend starts empty, but rows outlive a backend.

    @property
    @allowed_in_async_tests
    def results(self):
        jobs = Job.objects.filter(id__gte=self.first_id).order_by("id")
        return [self.result(job, self.task(job)) for job in jobs]

    get_result = allowed_in_async_tests(JobsBackend.get_result)

    def clear(self):
        Job.objects.all().delete()


class RunningBackend(JobsBackend):  # type: ignore[misc] # a bake has it
    """Runs each job at once, as ImmediateBackend does, and without retries, which Django's lacks."""

    get_result = allowed_in_async_tests(JobsBackend.get_result)

    def enqueue(self, task, args, kwargs):
        task.func.__dict__.setdefault("retry", retry(times=0))
        result = super().enqueue(task, args, kwargs)
        # The clock of SQLite drops fractions of a millisecond: started_at would precede enqueued_at.
        time.sleep(0.002)
        run(Job.claim("worker", self.lease, id=result.id))
        result.refresh()
        return result
