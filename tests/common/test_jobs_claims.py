"""How a worker takes jobs, and keeps them while it runs them."""

import json
import logging
import time
from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.utils import timezone

from common.jobs.backend import leased, run
from common.jobs.models import Job
from common.testing import TestCase
from common_tests.job_tasks import claim, give, is_due_in


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
