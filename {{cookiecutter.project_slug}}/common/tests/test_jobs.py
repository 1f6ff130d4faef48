"""How to test code that enqueues jobs: no job runs unless the test calls ``run_jobs``."""

from datetime import timedelta

import pytest
from django.db import transaction

from common.jobs import TaskContext, backend, retry, task
from common.jobs.backend import default_backend, run
from common.jobs.models import Job
from common.testing import TestCase
from common.testing.jobs import run_jobs


@task(takes_context=True)
def add(context: TaskContext, numbers: list[int], more: int = 0) -> list[int]:
    return [context.attempt, sum(numbers) + more]


@task
@retry(times=1)
def fail() -> None:
    raise ValueError("always")


class JobTests(TestCase):
    def test_a_job_exists_only_if_its_transaction_is_committed(self):
        with transaction.atomic():
            add.enqueue([1])
            transaction.set_rollback(True)
        with transaction.atomic():
            add.using(priority=5).enqueue([2], more=3)
        self.assertEnqueued(add.using(priority=5), numbers=[2], more=3)
        assert Job.objects.count() == 1

    def test_arguments_that_json_changes_or_the_task_does_not_take_are_refused(self):
        for value in (float("nan"), (1,), [{1: 2}], "\0"):
            with pytest.raises(ValueError, match="numbers="):
                add.enqueue(value)
        with pytest.raises(TypeError):
            add.enqueue()

    def test_a_result_has_the_value_and_receivers_get_the_finished_job(self):
        finished = []
        signal = backend.task_finished
        signal.connect(receive := lambda task_result, **kwargs: finished.append(task_result))
        self.addCleanup(signal.disconnect, receive)
        result = add.enqueue([1, 2], more=3)
        assert (result.status, run_jobs()) == ("READY", 1)
        result.refresh()
        assert (result.status, result.return_value) == ("SUCCESSFUL", [1, 6])
        assert [done.id for done in finished] == [result.id]

    def test_a_job_fails_after_its_retries(self):
        result = fail.enqueue()
        for status in ("READY", "FAILED"):
            with pytest.raises(ValueError, match="always"):
                run_jobs(delayed=True)
            assert fail.get_result(result.id).status == status
        assert fail.get_result(result.id).errors[1].exception_class is ValueError

    def test_a_worker_that_lost_its_lease_cannot_save_its_outcome(self):
        add.enqueue([1])
        slow = Job.claim("slow", timedelta(0))
        next_one = Job.claim("next", default_backend().lease)
        assert (run(slow), Job.objects.get().status) == (None, "RUNNING")
        assert (run(next_one), Job.objects.get().status) == (None, "SUCCESSFUL")
