"""Periodic tasks are enqueued once a period."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import OperationalError
from django.utils import timezone

from common.jobs.backend import enqueue_periodic
from common.jobs.models import Job, Period
from common.testing import TestCase
from common_tests.job_tasks import DAILY, daily


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
