"""Jobs by the API of Django's tasks: results, signals, transactions and brokers."""

import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from common.jobs.backend import (
    TaskResultDoesNotExist,
    default_backend,
    task_enqueued,
    task_finished,
    task_started,
)
from common.jobs.models import Job
from common.logs import request_id
from common.testing import TestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import agive, attempt, fail, give, give_request_id


class ResultTests(TestCase):
    def test_a_new_result_is_ready_and_has_the_arguments(self):
        result = give.enqueue(1, 2, a=[None, {"b": 1.5}])
        assert (result.status, result.args) == ("READY", [1, 2])
        assert result.kwargs == {"a": [None, {"b": 1.5}]}
        assert (result.task, result.errors, result.worker_ids) == (give, [], [])
        assert result.enqueued_at
        assert not result.started_at
        with pytest.raises(ValueError, match="not finished"):
            _ = result.return_value

    def test_a_result_that_is_refreshed_after_the_run_has_the_outcome(self):
        result = give.enqueue(1, 2, a=3)
        assert run_jobs() == 1
        result.refresh()
        assert (result.status, result.return_value) == ("SUCCESSFUL", [1, 2, {"a": 3}])
        assert (result.worker_ids, result.attempts) == (["run_jobs"], 1)
        assert result.is_finished
        times = [result.started_at, result.last_attempted_at, result.finished_at]
        assert None not in times

    def test_get_result_returns_the_job_with_the_options_of_its_task(self):
        later = timezone.now() + timedelta(hours=1)
        task = give.using(priority=-7, queue_name="slow", run_after=later)
        result = give.get_result(task.enqueue(1).id)
        assert result.task == task
        with pytest.raises(TaskResultDoesNotExist):
            default_backend().get_result("none")

    async def test_results_can_be_awaited(self):
        result = await agive.aenqueue(1)
        found = await agive.aget_result(result.id)
        assert (found.status, found.args) == ("READY", [1])

    def test_async_tasks_run(self):
        result = agive.enqueue(2)
        run_jobs()
        assert agive.get_result(result.id).return_value == 2

    def test_the_context_counts_attempts(self):
        result = attempt.enqueue(number=5)
        Job.objects.update(worker_ids=" w1 w2")
        run_jobs()
        assert attempt.get_result(result.id).return_value == [3, 5]

    def test_a_job_logs_with_the_id_of_the_request_that_enqueued_it(self):
        token = request_id.set("abc")
        result = give_request_id.enqueue()
        request_id.reset(token)
        before = request_id.get()
        run_jobs()
        assert give_request_id.get_result(result.id).return_value == "abc"
        assert request_id.get() == before != "abc"


class SignalTests(TestCase):
    def connect(self, signal, receiver):
        signal.connect(receiver, weak=False)
        self.addCleanup(signal.disconnect, receiver)

    def test_each_signal_is_sent_with_the_result_of_that_moment(self):
        sent = []
        for signal in (task_enqueued, task_started, task_finished):
            self.connect(
                signal,
                lambda sender, task_result, **kwargs: sent.append(
                    (sender, task_result.status, task_result.args)
                ),
            )
        give.enqueue(1)
        run_jobs()
        backend = type(default_backend())
        statuses = ["READY", "RUNNING", "SUCCESSFUL"]
        assert sent == [(backend, status, [1]) for status in statuses]

    def test_receivers_of_finished_get_the_value_and_their_errors_change_nothing(self):
        values = []

        def receive(task_result, **kwargs):
            values.append(task_result.return_value)
            raise ValueError

        self.connect(task_finished, receive)
        result = give.enqueue(1)
        run_jobs()
        assert values == [1]
        assert give.get_result(result.id).status == "SUCCESSFUL"

    def test_finished_is_sent_for_the_last_failure_only(self):
        sent = []
        self.connect(task_finished, lambda task_result, **kwargs: sent.append(task_result))
        fail.enqueue()
        for expected in ([], ["FAILED"]):
            with pytest.raises(ValueError, match="x"):
                run_jobs(delayed=True)
            assert [result.status for result in sent] == expected
        assert [error.exception_class for error in sent[0].errors] == [ValueError] * 2
        assert "in fail" in sent[0].errors[1].traceback


class TransactionTests(TestCase):
    def test_a_job_exists_exactly_if_its_transaction_is_committed(self):
        with transaction.atomic():
            kept = give.enqueue(1)
        with transaction.atomic():
            give.enqueue(2)
            transaction.set_rollback(True)
        assert [job.id for job in Job.objects.all()] == [kept.id]

    def test_enqueue_is_one_insert_and_on_postgresql_a_notification(self):
        with self.assertNumQueries(2 if connection.vendor == "postgresql" else 1):
            give.enqueue(1)

    def test_a_broker_is_told_after_the_commit_and_only_of_jobs_that_are_due(self):
        sent = []
        celery = SimpleNamespace(send=lambda *args: sent.append(args))
        with (
            pytest.MonkeyPatch.context() as patch,
            override_settings(CELERY_BROKER_URL="redis://localhost"),
            self.captureOnCommitCallbacks(execute=True),
        ):
            patch.setitem(sys.modules, "common.jobs.celery", celery)
            result = give.using(queue_name="slow").enqueue(1)
            give.using(run_after=timezone.now()).enqueue(2)
            assert not sent
        assert sent == [(result.id, "slow")]
