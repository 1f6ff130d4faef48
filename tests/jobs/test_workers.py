"""Workers that are killed, frozen and stopped: no job is lost, and no outcome counts twice."""

import os
import random
import signal
import time

import pytest

from tests.jobs.site import children, is_running, kill, wait_until


def test_a_job_of_a_killed_worker_runs_again_after_its_lease(site, record_property):
    victim = site.worker()
    job = site.enqueue("slow", "x", 1.0)
    site.begun("x")
    victim.kill()
    site.worker()
    record_property("recovery", site.wait_for(job, seconds=15))
    assert [line[0] for line in site.ran] == ["begin", "begin", "end"]
    assert site.job(job)["attempts"] == 2


def test_the_outcome_of_a_worker_that_was_frozen_for_too_long_is_dropped(site):
    frozen = site.worker()
    job = site.enqueue("slow", "x", 1.0)
    site.begun("x")
    frozen.send_signal(signal.SIGSTOP)
    site.worker()
    site.wait_for(job)
    done = site.job(job)
    frozen.send_signal(signal.SIGCONT)
    wait_until(lambda: [line[0] for line in site.ran].count("end") == 2)
    wait_until(lambda: "this outcome is dropped" in site.log(frozen))
    assert site.job(job) == done
    later = site.enqueue("quick", "later")
    site.wait_for(later)
    frozen.terminate()
    assert frozen.wait(timeout=30) == 0


def test_a_job_that_takes_longer_than_its_lease_runs_once(site):
    for _ in range(2):
        site.worker()
    job = site.enqueue("slow", "x", 5.0)
    site.wait_for(job)
    assert [line[0] for line in site.ran] == ["begin", "end"]
    assert site.job(job)["attempts"] == 1


def test_sigterm_ends_an_idle_worker_soon(site):
    worker = site.worker()
    start = time.monotonic()
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert time.monotonic() - start < 3


def test_sigterm_lets_the_running_job_finish(site):
    worker = site.worker()
    job, later = site.enqueue("slow", "x", 1.5), site.enqueue("quick", "later")
    site.begun("x")
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    assert (site.job(job)["status"], site.job(later)["status"]) == ("SUCCESSFUL", "READY")


@pytest.mark.parametrize(
    ("task", "arguments"), [("slow", []), ("slow", ["--processes=3"]), ("slow_async", [])]
)
def test_a_second_sigterm_gives_the_job_back_at_once(site, task, arguments):
    env = {"JOB_LEASE": "600"}  # nobody waits for that
    worker = site.worker(*arguments, **env)
    job = site.enqueue(task, "x", 30.0)
    site.begun("x")
    worker.terminate()
    time.sleep(0.5)
    assert worker.poll() is None
    worker.terminate()
    assert worker.wait(timeout=20) == 0
    row = site.job(job)
    assert (row["status"], row["attempts"], row["errors"]) == ("READY", 0, [])
    site.worker(**env)
    wait_until(lambda: len(site.ran) == 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_finishes_the_jobs_of_all_processes(site, number):
    parent = site.worker("--processes=3")
    jobs = [site.enqueue("slow", f"{name}", 2.0) for name in range(3)]
    wait_until(lambda: len(site.ran) == 3)
    workers = children(parent.pid)
    assert len(workers) == 3
    parent.send_signal(number)
    assert parent.wait(timeout=30) == 0
    assert {site.job(job)["status"] for job in jobs} == {"SUCCESSFUL"}
    assert not any(map(is_running, workers))


def test_a_child_that_was_killed_is_replaced(site):
    parent = site.worker("--processes=2")
    wait_until(lambda: site.log(parent).count(" runs jobs of ") == 2)
    old = children(parent.pid)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: site.log(parent).count(" runs jobs of ") == 4)
    assert not {*children(parent.pid)} & {*old}
    site.wait_for(site.enqueue("quick", "x"))


def test_a_killed_parent_leaves_no_workers(site):
    parent = site.worker("--processes=2")
    wait_until(lambda: site.log(parent).count(" runs jobs of ") == 2)
    job = site.enqueue("slow", "x", 1.0)
    site.begun("x")
    workers = children(parent.pid)
    site.processes.callback(kill, workers)  # if this test fails
    parent.kill()
    wait_until(lambda: not any(map(is_running, workers)), 15)
    assert site.job(job)["status"] == "SUCCESSFUL"


def test_a_job_that_kills_its_workers_fails_after_its_attempts(site, record_property):
    parent = site.worker("--processes=2")
    job = site.enqueue("poison")
    record_property("poison", site.wait_for(job, status="FAILED"))
    row = site.job(job)
    assert site.ran == [["poison"]] * 2
    assert [error["exception_class_path"] for error in row["errors"]] == [
        "common.jobs.backend.WorkerLost"
    ]
    assert len(site.errors_of(parent, job)) == 1
    site.wait_for(site.enqueue("quick", "x"))


@pytest.mark.long
def test_of_1000_jobs_none_is_lost_while_workers_are_killed(site, record_property):
    chance, kills = random.Random(5), 0
    names = [f"name{number}" for number in range(1000)]
    site.ask(f"with atomic():\n  for name in {names!r}: tasks.unique.enqueue(name)")
    start = time.monotonic()
    workers = [site.worker() for _ in range(4)]
    done = "result = Job.objects.filter(status='SUCCESSFUL').count()"
    while site.ask(done) < 1000:
        assert time.monotonic() - start < 300
        time.sleep(chance.uniform(0.1, 0.6))
        number = chance.randrange(4)
        workers[number].kill()
        kills += 1
        workers[number] = site.start("manage.py", "worker")
    again = site.ask("result = Job.objects.filter(attempts__gt=1).count()")
    record_property(
        "killed", f"{kills} kills, {again} jobs again, {time.monotonic() - start:.0f} s"
    )
    assert again >= 3
    users = site.ask("result = [*User.objects.values_list('username', flat=True)]")
    assert sorted(users) == sorted(names)
    assert site.ask("result = Job.objects.count()") == 1000


# Signals come between the claim and the run. In a real process, no test could hit this moment.
SIGNALS_AFTER_CLAIM = """
import os, signal, django
django.setup()
from django.core.management import call_command
from common.jobs.models import Job
claim = Job.claim

def claim_with_signals(*args, **kwargs):
    job = claim(*args, **kwargs)
    for _ in range(COUNT):
        os.kill(os.getpid(), signal.SIGTERM)
    return job

Job.claim = claim_with_signals
call_command("worker")
"""


@pytest.mark.parametrize(
    ("count", "status", "attempts"), [(1, "SUCCESSFUL", 1), (2, "READY", 0), (3, "READY", 0)]
)
def test_signals_between_claim_and_run_lose_no_job(site, count, status, attempts):
    job = site.enqueue("quick", "x")
    worker = site.start("-c", SIGNALS_AFTER_CLAIM.replace("COUNT", str(count)))
    assert worker.wait(timeout=30) == 0
    row = site.job(job)
    assert (row["status"], row["attempts"]) == (status, attempts)
