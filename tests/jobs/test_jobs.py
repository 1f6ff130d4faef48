"""What jobs promise while nothing is killed: order, retries, latency, periods, and an outage of the database."""

import statistics
import time
from contextlib import suppress

import pytest

from tests.jobs.conftest import POSTGRESQL
from tests.jobs.site import Site, wait_until


def test_a_worker_starts_a_new_job_at_once(site, record_property):
    site.worker()
    delays = []
    for _ in range(20):
        time.sleep(0.1)  # Then the worker is idle.
        start, job = site.ask("import time; result = time.time(), tasks.timed.enqueue().id")
        site.wait_for(job)
        delays.append(float(site.job(job)["return_value"]) - start)
    record_property("latency", f"{statistics.median(delays) * 1000:.1f} ms")
    assert statistics.median(delays) < 0.25


def test_a_job_exists_only_if_its_transaction_is_committed(site):
    site.ask("""
try:
    with atomic():
        tasks.quick.enqueue("never")
        raise LookupError
except LookupError:
    with atomic():
        tasks.quick.enqueue("committed")
""")
    site.manage("worker", "--batch")
    assert site.ran == [["committed"]]
    assert site.ask("result = Job.objects.count()") == 1


def test_jobs_run_by_priority_and_not_before_run_after(site):
    site.ask("from datetime import UTC, datetime, timedelta")
    soon = "run_after=datetime.now(UTC) + timedelta(seconds=2)"
    late = site.enqueue("quick", "late", using=f"{soon}, priority=9")
    for name, priority in [("low", -5), ("normal", 0), ("high", 5)]:
        site.enqueue("quick", name, using=f"priority={priority}")
    site.manage("worker", "--batch")
    assert site.ran == [["high"], ["normal"], ["low"]]
    site.worker()
    site.wait_for(late)


def test_a_worker_of_some_queues_leaves_other_jobs_alone(site):
    for queue in ("mail", "other", "reports"):
        site.enqueue("quick", queue, using=f"queue_name={queue!r}")
    site.manage("worker", "--batch", "--queue=mail", "--queue=reports")
    assert site.ran == [["mail"], ["reports"]]


def test_an_async_task_gets_its_context(site):
    job = site.enqueue("wait_with_context", "x")
    site.manage("worker", "--batch")
    assert site.ran == [["x", job]]
    assert site.job(job)["return_value"] == "1"


def test_a_job_whose_task_is_gone_is_tried_again_and_fails(site):
    first, last, good = (site.enqueue("quick", name) for name in ("first", "last", "good"))
    gone = f"Job.objects.filter(pk__in={(first, last)!r}).update(task='apps.users.tasks.gone')"
    site.ask(f"{gone}; Job.objects.filter(pk={last!r}).update(attempts=5)")
    log = site.manage("worker", "--batch")
    assert [site.job(job)["status"] for job in (first, last)] == ["READY", "FAILED"]
    assert [error["exception_class_path"] for error in site.job(first)["errors"]] == [
        "builtins.ImportError"
    ]
    assert [line for line in log.splitlines() if "ERROR" in line and last in line]
    assert site.job(good)["status"] == "SUCCESSFUL"


def test_a_failing_job_is_tried_again_fails_and_can_be_retried_and_pruned(site):
    worker = site.worker()
    site.ask("from common.logs import request_id; request_id.set('the-request')")
    job = site.enqueue("fail", "x")
    site.ask("request_id.set('')")
    site.wait_for(job, status="FAILED")
    assert site.ran == [["x", "the-request"]] * 3
    assert len(site.job(job)["errors"]) == 3
    errors = site.errors_of(worker, job)
    assert len(errors) == 1
    assert "the-request" in errors[0]
    listed = site.manage("jobs", "failed")
    assert job in listed
    assert "request=the-request\n    RuntimeError: no luck with x" in listed
    assert "no failed jobs: nonsense" in site.manage("jobs", "retry", job, "nonsense", status=1)
    assert site.job(job)["status"] == "FAILED"
    (site.folder / "ran.mended").touch()
    assert "1 jobs will run again." in site.manage("jobs", "retry", job)
    site.wait_for(job)
    assert "0 jobs were deleted." in site.manage("jobs", "prune")
    assert "1 jobs were deleted." in site.manage("jobs", "prune", "--days=0")


def test_three_workers_run_a_periodic_task_once_a_period(site):
    workers = [site.worker(PERIOD="2") for _ in range(3)]
    wait_until(lambda: len(site.ran) >= 3)
    for worker in workers:
        worker.terminate()
        assert worker.wait(timeout=30) == 0
    times = site.ask(
        "result = [job.enqueued_at.timestamp() for job in Job.objects.filter(task__endswith='tick')]"
    )
    slots = [int(moment) // 2 for moment in times]
    assert len(slots) == len({*slots}) >= 3
    assert site.ran == [["tick"]] * len(slots)
    # This task cannot be enqueued. The workers say so once a period, and go on.
    logs = [site.log(worker).count("needs_an_argument cannot be enqueued") for worker in workers]
    assert all(1 <= count <= len(slots) + 1 for count in logs)


def test_the_latest_of_many_missed_periods_is_made_up_for(site):
    year = {"PERIOD": str(365 * 24 * 3600)}
    site.manage("worker", "--batch", **year)
    assert site.ran == []
    site.ask("""
from datetime import timedelta
for period in Period.objects.all():
    period.start -= 3 * timedelta(days=365)
    period.save()
""")
    for _ in range(2):
        site.manage("worker", "--batch", **year)
    assert site.ran == [["tick"]]


@pytest.fixture
def postgresql(installed, tmp_path):
    """A site on PostgreSQL with leases of the default, and its server."""
    project, server = installed(POSTGRESQL)
    site = Site(project, tmp_path, {})
    with site.processes:
        yield site, server
        with suppress(Exception):
            server.start()


@pytest.mark.long
def test_an_idle_worker_survives_a_restart_of_the_database(postgresql, record_property):
    site, server = postgresql
    worker = site.worker()
    site.wait_for(site.enqueue("quick", "before"))
    server.stop()
    wait_until(lambda: "The worker goes on after an error." in site.log(worker))
    server.start()
    start = time.monotonic()
    site.wait_for(site.enqueue("quick", "after"), seconds=15)
    record_property("recovery", time.monotonic() - start)
    assert worker.poll() is None


@pytest.mark.long
@pytest.mark.parametrize("seconds", [1.0, 5.0], ids=["ends meanwhile", "ends later"])
def test_a_job_that_runs_while_the_database_restarts_is_run_once(postgresql, seconds):
    site, server = postgresql
    worker = site.worker(JOB_LEASE="6")  # renewed each 2 s
    job = site.enqueue("slow", "x", seconds)
    site.begun("x")
    server.stop()
    message = "cannot be saved yet" if seconds < 2 else "could not be renewed"
    wait_until(lambda: message in site.log(worker))
    server.start()
    site.wait_for(job, seconds=15)
    assert [line[0] for line in site.ran] == ["begin", "end"]
    assert site.job(job)["attempts"] == 1
    site.wait_for(site.enqueue("quick", "after"), seconds=15)
