"""How a worker takes jobs, keeps them, runs them, and saves what became of them."""

import json
import logging
import time
from datetime import timedelta
from unittest import mock

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.db.models.functions import Now
from django.utils import timezone

from common.jobs import backend
from common.jobs.backend import (
    Interrupted,
    WorkerLost,
    default_backend,
    enqueue_periodic,
    leased,
    run,
    save,
)
from common.jobs.models import Job, Period
from common.testing import TestCase, TransactionTestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import (
    DAILY,
    attempt,
    daily,
    duplicate,
    fail,
    give,
    give_no_json,
    leave_a_transaction_open,
)

LEASE = timedelta(seconds=15)


def claim(worker="w", lease=LEASE, **options):
    return Job.claim(worker, lease, **options)


def is_due_in(job, seconds):
    return abs(job.due - timezone.now() - timedelta(seconds=seconds)) < timedelta(seconds=5)


class ClaimTests(TestCase):
    def test_a_claim_takes_a_lease_and_counts_the_attempt(self):
        result = give.enqueue(1)
        job = claim("w1")
        assert (job.id, job.status, job.attempts) == (result.id, "RUNNING", 1)
        assert job.worker_ids == " w1"
        assert is_due_in(job, 15)
        assert job.send_at == job.due
        assert job.started_at == job.last_attempted_at
        assert claim() is None

    def test_the_most_urgent_job_is_first_and_then_the_one_that_was_due_first(self):
        tasks = [
            give,
            give.using(priority=1),
            give.using(priority=-1),
            give,
            give.using(priority=1),
        ]
        for number, task in enumerate(tasks):
            task.enqueue(number)
        Job.objects.update(due=Now())
        Job.objects.filter(arguments="[[3], {}]").update(due=Now() - timedelta(hours=1))
        taken = [json.loads(claim().arguments)[0][0] for _ in tasks]
        assert taken == [1, 4, 3, 0, 2]

    def test_a_worker_takes_only_jobs_of_its_queues(self):
        slow, other = (give.using(queue_name=name).enqueue(1) for name in ("slow", "o'ther"))
        assert claim(queues=["none"]) is None
        assert claim(queues=["none", "o'ther"]).id == other.id
        assert claim().id == slow.id

    def test_a_job_can_be_taken_by_its_id(self):
        _, second = give.enqueue(1), give.enqueue(2)
        assert claim(id=second.id).id == second.id
        assert claim(id=second.id) is None
        assert claim(id="none") is None

    def test_a_job_waits_for_its_time(self):
        give.using(run_after=timezone.now() + timedelta(minutes=1)).enqueue(1)
        assert claim() is None
        Job.objects.update(due=Now())
        assert claim()

    def test_after_its_lease_a_job_is_taken_again_and_the_first_worker_cannot_save(self):
        give.enqueue(1)
        first = claim("w1", timedelta())
        second = claim("w2")
        assert (second.id, second.attempts, second.worker_ids) == (first.id, 2, " w1 w2")
        assert second.started_at == first.started_at
        with self.assertLogs("common.jobs", "WARNING") as logs:
            run(first)
        assert "had lost its lease: this outcome is dropped" in logs.output[0]
        assert not first.update(due=Now())
        assert Job.objects.get().status == "RUNNING"
        run(second)
        assert Job.objects.get().status == "SUCCESSFUL"

    def test_a_job_that_was_given_back_or_has_ended_cannot_be_updated(self):
        give.enqueue(1)
        job = claim()
        Job.objects.update(status="READY")
        assert not job.update(due=Now())

    def test_later_ids_are_greater(self):
        ids = []
        for _ in range(3):
            ids.append(give.enqueue(1).id)
            time.sleep(0.001)
        assert ids == sorted(ids)


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


class Renewed:
    """A job whose renewals end as listed: True, False or an error."""

    def __init__(self, *outcomes):
        self.id = "renewed"
        self.update = mock.Mock(side_effect=outcomes)

    def wait(self, calls):
        deadline = time.monotonic() + 10
        while self.update.call_count < calls and time.monotonic() < deadline:
            time.sleep(0.005)
        assert self.update.call_count == calls


@pytest.fixture
def lease(caplog):
    """A lease of 30 ms, whose thread logs to ``caplog``."""
    caplog.set_level(logging.WARNING, "common.jobs")
    return timedelta(seconds=0.03)


def test_a_lease_is_renewed_until_it_is_lost_even_if_the_database_is_away_meanwhile(lease, caplog):
    job = Renewed(True, OperationalError, True, False)
    with leased(job, lease):
        job.wait(4)
        time.sleep(0.05)
    assert job.update.call_count == 4
    assert "could not be renewed" in caplog.text
    assert "has lost its lease: it may run twice" in caplog.text
    assert job.update.call_args.kwargs.keys() == {"due", "send_at"}


def test_a_lease_is_not_renewed_after_the_job(lease):
    job = Renewed(*[True] * 1000)
    with leased(job, lease):
        job.wait(1)
    time.sleep(0.02)
    count = job.update.call_count
    time.sleep(0.05)
    assert job.update.call_count == count


@mock.patch.dict("common.jobs.schedule", DAILY)
class PeriodicTests(TestCase):
    def outage(self):
        """Make the latest period one of a month ago."""
        enqueue_periodic({})
        Period.objects.update(start=timezone.now() - timedelta(days=30))

    def test_a_new_task_waits_for_its_next_period(self):
        periods = {}
        enqueue_periodic(periods)
        assert not Job.objects.exists()
        assert [*periods.values()] == [Period.objects.get().start]
        assert str(Period.objects.get()).startswith("common_tests.job_tasks.daily 2")

    def test_a_period_is_enqueued_once_by_all_workers_and_missed_ones_are_not(self):
        self.outage()
        workers = [{}, {}, {}]
        for periods in workers * 2:
            enqueue_periodic(periods)
        self.assertEnqueued(daily)
        assert workers[0] == workers[1] == workers[2]
        with self.assertNumQueries(0):
            enqueue_periodic(workers[0])

    def test_a_task_that_cannot_be_enqueued_is_logged_once_a_period(self):
        self.outage()
        periods = {}
        with (
            mock.patch.object(type(daily), "enqueue", side_effect=TypeError),
            self.assertLogs("common.jobs", "ERROR") as logs,
        ):
            enqueue_periodic(periods)
            enqueue_periodic(periods)
        assert [record.getMessage() for record in logs.records] == [
            "The periodic task common_tests.job_tasks.daily cannot be enqueued."
        ]

    def test_if_the_database_fails_the_period_stays_open(self):
        self.outage()
        with (
            mock.patch.object(type(daily), "enqueue", side_effect=OperationalError),
            pytest.raises(OperationalError),
        ):
            enqueue_periodic({})
        enqueue_periodic({})
        self.assertEnqueued(daily)
