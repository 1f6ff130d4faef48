"""Jobs on real Celery workers with a real Redis, which die, freeze and forget."""

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.harness.answers import name_of
from tests.harness.project import PRODUCTION, TEMPLATE, Project
from tests.harness.servers import Redis, running_postgresql

BAKES = [
    {"database": "sqlite"},
    {"database": "postgresql", "django_version": "6.1"},
    pytest.param({"database": "postgresql"}, marks=pytest.mark.long),
    pytest.param({"database": "sqlite", "django_version": "6.1"}, marks=pytest.mark.long),
]
SETTINGS = """\
from config.settings.production import *
from config.settings.production import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "probe"]
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 0,
    "socket_connect_timeout": 1,
    "socket_timeout": 2,
    "visibility_timeout": 5,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
"""
CELERY = ["celery", "--app=common.jobs.celery", "worker", "--loglevel=INFO"]


@dataclass
class Site:
    project: Project
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def enqueue(self, name, *args, count=1, delay=0.0, **env):
        """Enqueue a task of ``probe``; return its id and the seconds of each call and commit."""
        arguments = [name, json.dumps(args), str(count), str(delay)]
        output = self.project.uv("python", "-m", "probe.enqueue", *arguments, **{**self.env, **env})
        return json.loads(output.splitlines()[-1])

    def notes(self, first=""):
        path = Path(self.env["PROBE"])
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.startswith(first)]

    def wait_for(self, first, count=1, seconds=40):
        end = time.monotonic() + seconds
        while len(self.notes(first)) < count:
            assert time.monotonic() < end, (first, self.notes(), self.logs())
            time.sleep(0.1)
        return self.notes(first)

    def logs(self):
        return "".join(path.read_text() for path in self.folder.glob("*.log"))

    @contextmanager
    def worker(self, *options, **env):
        """Run a Celery worker during the block; yield its process once it takes jobs."""
        path = self.folder / f"{time.monotonic_ns()}.log"
        venv = Path(self.project.env["UV_PROJECT_ENVIRONMENT"]) / "bin"
        name = f"--hostname=w{time.monotonic_ns()}"
        with (
            path.open("w") as log,
            subprocess.Popen(
                [venv / CELERY[0], *CELERY[1:], "--concurrency=2", name, *options],
                cwd=self.project.path,
                env={**self.project.env, **self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            try:
                end = time.monotonic() + 40
                while " ready." not in path.read_text():
                    assert process.poll() is None, path.read_text()
                    assert time.monotonic() < end, path.read_text()
                    time.sleep(0.1)
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module", params=BAKES, ids=name_of)
def baked(request, tmp_path_factory, write_into, environment_for, environment):
    """A bake with the tasks of this folder, whose packages include Celery."""
    with ExitStack() as servers:
        variables = {**PRODUCTION, "DJANGO_SETTINGS_MODULE": "probe.settings", "JOB_LEASE": "2"}
        if request.param["database"] == "postgresql":
            variables["DATABASE_URL"] = servers.enter_context(running_postgresql(environment))
        folder = tmp_path_factory.mktemp("jobs") / "bake"
        path = write_into(folder, TEMPLATE, {"background_jobs": True, **request.param}).path
        pyproject = path / "pyproject.toml"
        gunicorn = '"gunicorn>=27,<28",'
        text = pyproject.read_text()
        assert gunicorn in text
        pyproject.write_text(text.replace(gunicorn, f'{gunicorn}\n  "celery[redis]~=5.7",', 1))
        (path / "probe").mkdir()
        (path / "probe/settings.py").write_text(SETTINGS)
        shutil.copy(Path(__file__).with_name("celery_site.py"), path / "probe/tasks.py")
        shutil.copy(Path(__file__).with_name("celery_enqueue.py"), path / "probe/enqueue.py")
        project = Project(path, {**environment_for(path), **variables, "PROBE": os.devnull})
        project.manage("migrate")
        yield project


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path)
    with server.stack:
        server.url = server.start()
        yield server
        with suppress(ProcessLookupError):
            server.send(signal.SIGCONT)


@pytest.fixture
def site(baked, redis, tmp_path):
    site = Site(baked, tmp_path, {"PROBE": str(tmp_path / "notes"), "CELERY_BROKER_URL": redis.url})
    yield site
    # Jobs that a failed test left must not run in the next one.
    code = "from common.jobs.models import Job; Job.objects.all().delete()"
    baked.manage("shell", "-c", code)


def test_a_dead_broker_delays_no_commit_and_loses_no_job(site, redis):
    _, alive = site.enqueue("work", "alive", count=50)
    redis.kill()
    _, dead = site.enqueue("work", "dead", count=50)
    print("median seconds of a commit:", sorted(alive)[25], "and without Redis:", sorted(dead)[25])
    assert sorted(dead)[25] < 2 * sorted(alive)[25] + 0.01
    assert max(dead) < max(alive) + 1
    redis.start()
    with site.worker():
        site.wait_for("end dead", 50)
        site.wait_for("end alive", 50)


def test_a_frozen_broker_delays_one_commit(site, redis):
    redis.send(signal.SIGSTOP)
    _, seconds = site.enqueue("work", "a", count=20)
    print("seconds of commits while Redis is frozen:", sorted(seconds)[-3:])
    assert max(seconds) < 6
    assert sorted(seconds)[-2] < 1
    redis.send(signal.SIGCONT)
    with site.worker():
        site.wait_for("end a", 20)


def test_workers_outlive_a_broker_that_restarts_empty(site, redis):
    with site.worker("--queues=none") as idle:
        site.enqueue("work", "a", delay=0)
        redis.kill()
        redis.start()
        with site.worker():
            site.wait_for("end a")
        assert idle.poll() is None
    with site.worker() as process:
        redis.kill()
        site.enqueue("work", "b")
        redis.start()
        site.wait_for("end b", seconds=60)
        assert process.poll() is None


@pytest.mark.parametrize("is_whole", [False, True])
def test_a_job_whose_process_is_killed_runs_again(site, is_whole):
    with site.worker(), site.worker():
        site.enqueue("work", "a", 3.0)
        child = int(site.wait_for("start a")[0].split()[-1])
        killed = time.monotonic()
        with open(f"/proc/{child}/stat") as stat:
            parent = int(stat.read().rpartition(")")[2].split()[1])
        if is_whole:
            os.killpg(parent, signal.SIGKILL)
        else:
            os.kill(child, signal.SIGKILL)
        site.wait_for("start a", 2)
        print("seconds until the job ran again:", time.monotonic() - killed)
        site.wait_for("end a")
    assert len(site.notes("end a")) == 1


def test_a_job_of_many_messages_runs_once(site):
    id, _ = site.enqueue("work", "a", 2.0)
    resend = f"from common.jobs.celery import send; [send({id!r}, 'default') for _ in range(20)]"
    site.project.manage("shell", "-c", resend, **site.env)
    with site.worker(), site.worker():
        site.wait_for("end a")
        site.project.manage("shell", "-c", resend, **site.env)
        site.enqueue("work", "b")
        site.wait_for("end b")
        time.sleep(1)
    assert len(site.notes("start a")) == len(site.notes("end a")) == 1


@pytest.mark.long
def test_a_job_longer_than_the_visibility_timeout_runs_once(site):
    with site.worker(), site.worker():
        site.enqueue("work", "a", 25.0)
        site.wait_for("end a", seconds=60)
        time.sleep(3)
    assert len(site.notes("start a")) == 1


def test_two_workers_run_periodic_tasks_once_a_period(site):
    with site.worker(PROBE_PERIODIC="1"), site.worker(PROBE_PERIODIC="1"):
        before = len(site.wait_for("tick"))
        started = time.monotonic()
        site.wait_for("tick", before + 4)
        time.sleep(1)
        periods = (time.monotonic() - started) / 2
    assert before + 3 <= len(site.notes("tick")) <= before + periods + 2


def test_delays_retries_and_queues_work(site):
    with site.worker():
        site.enqueue("send_mail", "a")
        _, _ = site.enqueue("work", "later", delay=4.0)
        site.enqueue("fail_once", "a")
        site.wait_for("attempt a 2")
        assert not site.notes("end later")
        site.wait_for("end later")
        assert not site.notes("mail")
    with site.worker("--queues=mail"):
        site.wait_for("mail a")


def test_the_log_is_that_of_the_service_and_sigterm_finishes_the_job(site):
    with site.worker(LOG_FORMAT="json") as process:
        site.enqueue("work", "a", 3.0)
        site.wait_for("start a")
        process.terminate()
        assert process.wait(20) == 0
    assert len(site.notes("end a")) == 1
    lines = [json.loads(line) for line in site.logs().splitlines() if line.startswith("{")]
    assert len(lines) >= len(site.logs().splitlines()) - 40  # Celery prints a banner.
    [line] = [line for line in lines if line["logger"] == "probe"]
    assert (line["message"], line["request_id"]) == ("working", "request-of-probe")
