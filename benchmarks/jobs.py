"""Measure background jobs: ours on two databases and over Celery, beside django-tasks-db and plain Celery.

uv run benchmarks/jobs.py [FOLDER]

FOLDER is a bake with background_jobs; by default, one is made. The environment, the databases and the broker
are private. All processes have production settings, and each job writes a line. Jobs a second count from the
first line to the last, so the start of the workers does not count. Databases get the jobs of a run in
one transaction, when the workers are ready; Celery gets them before its workers start. The latency is from
the call of ``enqueue`` to the start of the task while a worker is idle.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
sys.path.insert(0, str(TEMPLATE))
sys.dont_write_bytecode = True
from benchmarks.carts import run  # noqa: E402
from tests.harness.servers import running_postgresql, running_redis  # noqa: E402

JOBS, LATENCIES, WORKERS = 1000, 50, (1, 2, 4)
SETTINGS = """
from config.settings.production import *

INSTALLED_APPS.append("bench")
if os.environ["ENGINE"] == "django-tasks-db":
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    if "postgres" in DATABASES["default"]["ENGINE"]:  # By default, it connects for each job.
        DATABASES["default"]["OPTIONS"].pop("pool")
        DATABASES["default"]["CONN_MAX_AGE"] = 600
"""
TASKS = """
import os, time

file = os.open(os.environ["LINES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def write_line(enqueued: float, seconds: float) -> None:
    os.write(file, f"{os.getpid()} {enqueued} {time.time()}\\n".encode())
    time.sleep(seconds)

if os.environ["ENGINE"] == "Celery":
    from celery import Celery

    app = Celery("bench", broker=os.environ["BROKER"], set_as_current=False)
    app.conf.task_ignore_result = True
    enqueue = app.task(name="line")(write_line).delay
else:
    from django.tasks import task

    write_line = task(write_line)
    enqueue = write_line.enqueue
"""
# Prints the seconds that it takes to enqueue jobs.
ENQUEUE = """
import sys, time, django
from contextlib import nullcontext
django.setup()
from django.db import transaction
from bench.tasks import enqueue

count, together, seconds = int(sys.argv[1]), sys.argv[2] == "together", float(sys.argv[3])
start = time.perf_counter()
with transaction.atomic() if together else nullcontext():
    for _ in range(count):
        enqueue(time.time(), seconds)
print(time.perf_counter() - start)
"""
# Pauses, so that the worker is idle before each job.
TRICKLE = """
import random, sys, time, django
django.setup()
from bench.tasks import enqueue

for _ in range(int(sys.argv[1])):
    time.sleep(random.uniform(0.05, 0.35))
    enqueue(time.time(), 0.0)
"""


@contextmanager
def running(
    command: list[str], folder: Path, env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    # In a group of its own: Ctrl-C reaches only this program, which then stops the group.
    with (
        log.open("a") as output,
        subprocess.Popen(
            command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


class Bench:
    """An engine on a database, and the processes that use it."""

    def __init__(self, service: Path, home: Path, engine: str, **env: str) -> None:
        self.service, self.engine, self.python = service, engine, str(home / "venv/bin/python")
        self.lines, self.log = home / "lines", home / "log"
        self.env = {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "SECRET_KEY": "of-no-use",
            "ALLOWED_HOSTS": "localhost",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{home}:{service}",
            "ENGINE": engine,
            "LINES": str(self.lines),
            **env,
        }
        self.run("manage.py", "migrate", "--verbosity=0")

    def run(self, *command: str) -> str:
        return run(self.service, self.python, *command, **self.env)

    def enqueue(self, count: int, how: str, seconds: float = 0.0) -> float:
        return float(self.run("-c", ENQUEUE, str(count), how, str(seconds)))

    def read(self) -> list[list[float]]:
        """Return the process, the time of the call of ``enqueue`` and that of the start of each job."""
        text = self.lines.read_text() if self.lines.exists() else ""
        return [[float(part) for part in line.split()] for line in text.splitlines()]

    def wait(self, count: int) -> list[list[float]]:
        for _ in range(3000):
            if len(lines := self.read()) >= count:
                return lines
            time.sleep(0.1)
        sys.exit(
            f"{self.engine}: only {len(lines)} of {count} jobs ran.\n{self.log.read_text()[-5000:]}"
        )

    @contextmanager
    def working(self, count: int, *options: str) -> Iterator[None]:
        """Run ``count`` workers during the block."""
        celery = ["worker", f"--concurrency={count}", "--loglevel=WARNING"]
        commands = {
            "ours": [["manage.py", "worker"]] * count,
            "ours, Celery": [["-m", "celery", "-A", "common.jobs.celery", *celery]],
            "django-tasks-db": [["manage.py", "db_worker", "--no-reload", *options]] * count,
            "Celery": [["-m", "celery", "-A", "bench.tasks", *celery]],
        }[self.engine]
        env = {**os.environ, **self.env}
        with ExitStack() as stack:
            for command in commands:
                stack.enter_context(running([self.python, *command], self.service, env, self.log))
            yield
        self.lines.unlink(missing_ok=True)

    def warm_up(self, count: int) -> int:
        """Run jobs until ``count`` workers have run one; return the number of the jobs."""
        while len({process for process, *_ in self.read()}) < count:
            before = len(self.read())
            self.enqueue(count, "together", 0.2)
            self.wait(before + count)
        return len(self.read())

    def enqueued_per_second(self) -> float:
        rate = JOBS / self.enqueue(JOBS, "alone")
        with self.working(1):
            self.wait(JOBS)
        return rate

    def jobs_per_second(self, count: int) -> float:
        is_celery, before = "Celery" in self.engine, 0
        if is_celery:
            self.enqueue(JOBS, "alone")
        with self.working(count, "--interval=0.02"):
            if not is_celery:
                before = self.warm_up(count)
                self.enqueue(JOBS, "together")
            started = sorted(start for *_, start in self.wait(before + JOBS)[before:])
        return (len(started) - 1) / (started[-1] - started[0])

    def latencies(self) -> list[float]:
        """Return the sorted milliseconds from the call of ``enqueue`` to the start of the task."""
        with self.working(1):
            before = self.warm_up(1)
            self.run("-c", TRICKLE, str(LATENCIES))
            lines = self.wait(before + LATENCIES)[before:]
        return sorted((start - enqueued) * 1000 for _, enqueued, start in lines)

    def print_row(self, label: str) -> None:
        print(f"{label:28}", end="", flush=True)
        print(f"{self.enqueued_per_second():10.0f}", end="", flush=True)
        for count in WORKERS:
            print(f"{self.jobs_per_second(count):10.0f}", end="", flush=True)
        latencies = self.latencies()
        p99 = statistics.quantiles(latencies, n=100, method="inclusive")[98]
        print(f"{statistics.median(latencies):10.0f}{p99:10.0f}", flush=True)


def bake(home: Path, *answers: str) -> Path:
    """Return the folder of the command line, or that of a new bake with Django 6.1 and these answers."""
    if sys.argv[1:]:
        return Path(sys.argv[1]).resolve()
    print("baking ...", flush=True)
    config = home / "cookiecutter.yaml"
    config.write_text(f"replay_dir: {home / 'replay'}\n")
    env = {"COOKIECUTTER_CONFIG": str(config), "VIRTUAL_ENV": "", "TMPDIR": str(home)}
    command = (sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input")
    run(home, *command, "django_version=6.1", *answers, **env)
    return home / "my-service"


def prepare(home: Path) -> Path:
    """Make an environment with all engines, and the tasks; return the folder of the bake."""
    service = bake(home, "database=postgresql", "background_jobs=true")
    env = {"UV_PROJECT_ENVIRONMENT": str(home / "venv"), "VIRTUAL_ENV": str(home / "venv")}
    run(service, "uv", "sync", "--quiet", "--extra=celery", **env)
    run(service, "uv", "pip", "install", "--quiet", "django-tasks-db==0.13.0", **env)
    (home / "bench").mkdir()
    for name, text in [("__init__", ""), ("settings", SETTINGS), ("tasks", TASKS)]:
        (home / f"bench/{name}.py").write_text(text)
    return service


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        running_postgresql({**os.environ}) as postgresql,
        running_redis(Path(name, "redis")) as redis,
    ):
        home = Path(name)
        service = prepare(home)
        sqlite = f"sqlite:///{home / 'db.sqlite3'}"
        workers = "".join(f"{f'{count} workers':>10}" for count in WORKERS)
        print(f"{'jobs a second':28}{'enqueued':>10}{workers}{'p50 ms':>10}{'p99 ms':>10}")
        for label, engine, url in [
            ("ours, SQLite", "ours", sqlite),
            ("django-tasks-db, SQLite", "django-tasks-db", sqlite),
            ("ours, PostgreSQL", "ours", postgresql),
            ("django-tasks-db, PostgreSQL", "django-tasks-db", postgresql),
            ("ours, Celery, PostgreSQL", "ours, Celery", postgresql),
            ("Celery", "Celery", postgresql),
        ]:
            celery = {"CELERY_BROKER_URL": redis} if engine == "ours, Celery" else {}
            bench = Bench(service, home, engine, DATABASE_URL=url, BROKER=redis, **celery)
            bench.print_row(label)


if __name__ == "__main__":
    main()
