"""How a worker runs jobs, and saves what became of them."""

import json
import time
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models.functions import Now

from common.jobs import backend
from common.jobs.backend import Interrupted, WorkerLost, default_backend, run, save
from common.jobs.models import Job
from common.testing import TestCase, TransactionTestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import (
    attempt,
    claim,
    duplicate,
    fail,
    give,
    give_no_json,
    is_due_in,
    leave_a_transaction_open,
)


class RunTests(TestCase):
    def test_a_success_ends_the_job(self):
        give.enqueue([1])
        assert run(claim()) is None
        job = Job.objects.get()
        assert (job.status, job.return_value, job.errors) == ("SUCCESSFUL", "[1]", "[]")
        assert (job.due, job.send_at) == (None, None)
        assert str(job) == f"common_tests.job_tasks.give {job.id}"

    def test_an_error_makes_the_job_run_again_after_the_delay_of_its_policy(self):
        fail.enqueue()
        with (
            mock.patch("common.jobs.random.uniform", return_value=60) as uniform,
            self.assertLogs("common.jobs", "WARNING") as logs,
        ):
            assert isinstance(run(claim()), ValueError)
        uniform.assert_called_once_with(0, 10)
        assert "failed and runs again in 0:01:00" in logs.output[0]
        job = Job.objects.get()
        assert (job.status, job.finished_at) == ("READY", None)
        assert is_due_in(job, 60)
        (error,) = json.loads(job.errors)
        assert error["exception_class_path"] == "builtins.ValueError"

    def test_the_error_of_the_last_attempt_fails_the_job_and_is_logged(self):
        fail.enqueue()
        Job.objects.update(attempts=1)
        with self.assertLogs(level="ERROR"):
            run(claim())
        job = Job.objects.get()
        assert (job.status, job.due, len(json.loads(job.errors))) == ("FAILED", None, 1)
        assert job.finished_at

    def test_by_default_there_are_five_retries(self):
        give_no_json.enqueue()
        for _ in range(6):
            assert Job.objects.get().status == "READY"
            Job.objects.update(due=Now())
            assert isinstance(run(claim()), TypeError)
        assert Job.objects.get().status == "FAILED"

    def test_an_exit_is_an_error_of_the_job(self):
        fail.enqueue("SystemExit")
        assert isinstance(run(claim()), SystemExit)
        assert Job.objects.get().status == "READY"

    def test_a_job_that_is_interrupted_and_given_back_has_all_its_attempts(self):
        fail.enqueue("interrupt")
        interrupted = claim("w1")
        with pytest.raises(Interrupted):
            run(interrupted)
        interrupted.give_back()
        job = claim("w2")
        assert (job.attempts, job.worker_ids, job.errors) == (1, " w1 w2", "[]")

    def test_a_task_that_raises_keyboard_interrupt_has_failed(self):
        fail.enqueue("Ctrl-C")
        assert isinstance(run(claim()), KeyboardInterrupt)
        assert Job.objects.get().attempts == 1

    def test_a_language_that_a_task_activates_ends_with_it(self):
        results = [leave_a_transaction_open.enqueue() for _ in range(2)]
        for result in results:
            run(claim())
            assert default_backend().get_result(result.id).return_value == "en-us"

    def test_an_error_of_the_database_is_that_of_the_job_and_queries_go_on(self):
        duplicate.enqueue(1)
        with pytest.raises(IntegrityError):
            run_jobs()
        assert Job.objects.get().status == "READY"

    def test_a_job_that_kills_its_workers_fails_without_another_run(self):
        result = attempt.enqueue(1)
        Job.objects.update(attempts=6)
        with self.assertLogs(level="ERROR"):
            assert isinstance(run(claim()), WorkerLost)
        assert attempt.get_result(result.id).errors[0].exception_class is WorkerLost

    def test_a_task_that_this_release_lacks_is_retried_and_fails_with_a_clear_line(self):
        give.enqueue(1)
        Job.objects.update(task="common_tests.job_tasks.removed")
        assert isinstance(run(claim()), ImportError)
        Job.objects.update(due=Now(), attempts=5)
        with self.assertLogs("common.jobs", "ERROR") as logs:
            run(claim())
        assert "has failed: this release has no such task" in logs.output[0]
        assert Job.objects.get().status == "FAILED"

    def test_in_a_transaction_an_error_of_the_database_is_raised(self):
        job = Job()
        with (
            mock.patch.object(job, "update", side_effect=OperationalError),
            pytest.raises(OperationalError),
        ):
            save(job)


def test_an_outcome_is_saved_as_soon_as_the_database_answers(caplog):
    job = Job()
    with (
        mock.patch.object(job, "update", side_effect=[OperationalError, True]) as update,
        mock.patch.object(backend, "connection", mock.Mock(in_atomic_block=False)) as connection,
        mock.patch.object(time, "sleep") as sleep,
    ):
        assert save(job, status="READY")
    assert update.mock_calls == [mock.call(status="READY")] * 2
    connection.close.assert_called_once_with()
    sleep.assert_called_once_with(1)
    assert "cannot be saved yet" in caplog.text


class OpenTransactionTests(TransactionTestCase):
    def test_the_outcome_is_saved_all_the_same(self):
        result = leave_a_transaction_open.enqueue()
        assert run(claim()) is None
        assert connection.get_autocommit()
        connection.close()
        assert default_backend().get_result(result.id).status == "SUCCESSFUL"
