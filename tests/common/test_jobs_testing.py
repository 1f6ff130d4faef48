"""``run_jobs`` and ``assertEnqueued``, passing and failing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from common.jobs.models import Job
from common.testing import TestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import attempt, enqueue_another, fail, give


class RunJobsTests(TestCase):
    def test_nothing_runs_until_it_is_called_and_then_also_what_jobs_enqueue(self):
        enqueue_another.enqueue()
        assert Job.objects.get().status == "READY"
        assert run_jobs() == 2
        assert run_jobs() == 0
        assert {job.status for job in Job.objects.all()} == {"SUCCESSFUL"}

    def test_the_first_error_is_raised_and_later_jobs_wait(self):
        fail.enqueue()
        give.enqueue(1)
        with pytest.raises(ValueError, match="x") as caught:
            run_jobs()
        assert caught.traceback[-1].name == "fail"
        self.assertEnqueued(give, 1)
        assert run_jobs() == 1

    def test_delayed_jobs_run_on_demand(self):
        give.using(run_after=timezone.now() + timedelta(days=1)).enqueue(1)
        assert run_jobs() == 0
        assert run_jobs(delayed=True) == 1


class AssertEnqueuedTests(TestCase):
    def test_it_returns_the_result_of_the_job(self):
        result = give.enqueue(1)
        assert self.assertEnqueued(give, 1).id == result.id

    def test_arguments_are_compared_however_they_were_passed(self):
        attempt.enqueue(1)
        self.assertEnqueued(attempt, number=1)
        give.enqueue(1, 2, a=3)
        self.assertEnqueued(give, 1, 2, a=3)

    def test_queue_priority_and_time_are_those_of_the_task(self):
        later = timezone.now() + timedelta(hours=1)
        give.using(queue_name="slow", priority=3, run_after=later).enqueue(1)
        slow = give.using(queue_name="slow", priority=3)
        self.assertEnqueued(slow, 1)
        self.assertEnqueued(slow.using(run_after=later), 1)
        for other in (
            slow.using(queue_name="default"),
            slow.using(priority=0),
            slow.using(run_after=timezone.now()),
        ):
            with pytest.raises(AssertionError, match="found 0"):
                self.assertEnqueued(other, 1)

    def test_a_failure_lists_what_waits(self):
        give.using(queue_name="slow", priority=3).enqueue("a")
        with pytest.raises(AssertionError) as caught:
            self.assertEnqueued(give, "b", a=1)
        assert str(caught.value) == (
            "Expected 1 job of common_tests.job_tasks.give with ('b',) {'a': 1} in queue default with "
            'priority 0, found 0. These jobs wait:\n  common_tests.job_tasks.give [["a"], {}] slow 3'
        )

    def test_another_task_two_equal_jobs_and_jobs_that_ran_fail(self):
        with pytest.raises(AssertionError, match="found 0. These jobs wait: none$"):
            self.assertEnqueued(give, 1)
        give.enqueue(1)
        with pytest.raises(
            AssertionError, match="job of common_tests.job_tasks.attempt .* found 0"
        ):
            self.assertEnqueued(attempt, 1)
        give.enqueue(1)
        with pytest.raises(AssertionError, match="job of common_tests.job_tasks.give .* found 2"):
            self.assertEnqueued(give, 1)
        run_jobs()
        with pytest.raises(AssertionError, match="found 0"):
            self.assertEnqueued(give, 1)

    def test_arguments_that_do_not_fit_the_task_are_an_error(self):
        attempt.enqueue(1)
        with pytest.raises(TypeError, match="number"):
            self.assertEnqueued(attempt, nmber=1)
