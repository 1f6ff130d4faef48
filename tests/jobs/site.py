"""A bake with jobs in production: its workers are processes, and a console enqueues and looks."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.project import Project

Process = subprocess.Popen[str]
CLEAR = "for model in (Job, Period, User): model.objects.all().delete()"
FIELDS = [
    "status",
    "attempts",
    "errors",
    "worker_ids",
    "return_value",
    "request_id",
    "task",
    "finished_at",
]


def wait_until(condition: Callable[[], object], seconds: float = 60) -> float:
    """Wait until ``condition`` holds and return the seconds that it took; fail after ``seconds``."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "this has not happened"
        time.sleep(0.02)
    return time.monotonic() - start


def install(project: Project) -> None:
    """Write the tasks and the console into a bake, and make its tables."""
    folder = Path(__file__).parent
    shutil.copy(folder / "job_tasks.py", project.path / "apps/users/tasks.py")
    shutil.copy(folder / "job_console.py", project.path)
    project.manage("migrate")


@dataclass
class Site:
    """The processes of one test, which all end with ``processes``."""

    project: Project
    folder: Path
    env: Mapping[str, str]
    processes: ExitStack = field(default_factory=ExitStack)
    logs: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.env = {**self.project.env, "RAN": str(self.folder / "ran"), **self.env}
        self.python = str(Path(self.env["UV_PROJECT_ENVIRONMENT"], "bin/python"))
        self.console = self.start("job_console.py", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.answer()
        self.ask(CLEAR)

    def errors_of(self, worker: Process, job: str) -> list[str]:
        """Wait for ERROR lines of ``job``, which follow its outcome, and return them."""

        def found() -> list[str]:
            return [
                line for line in self.log(worker).splitlines() if "ERROR" in line and job in line
            ]

        wait_until(found)
        return found()

    def start(self, *command: str, env: Mapping[str, str] | None = None, **options: Any) -> Process:
        log = self.folder / f"{len(self.logs)}.log"
        with log.open("w") as file:
            process: Process = subprocess.Popen(
                [self.python, *command],
                cwd=self.project.path,
                env={**self.env, **(env or {})},
                text=True,
                start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, **options},
            )
        self.logs[process.pid] = log
        self.processes.callback(end, process)
        return process

    def ask(self, code: str) -> Any:
        """Run ``code`` in a process of the bake, and return its variable ``result``."""
        self.console.stdin.write(json.dumps(code) + "\n")
        self.console.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        for line in self.console.stdout:
            if line.startswith("result "):
                return json.loads(line.removeprefix("result "))
        raise AssertionError(self.log(self.console))

    def log(self, process: Process) -> str:
        return self.logs[process.pid].read_text()

    def manage(self, *command: str, status: int = 0, **env: str) -> str:
        """Run ``manage.py`` and return its output."""
        command = (self.python, "manage.py", *command)
        project = Project(self.project.path, {**self.env, **env})
        return project.run(*command, status=status)

    def worker(self, *arguments: str, **env: str) -> Process:
        """Start ``manage.py worker`` and wait until it runs jobs."""
        worker = self.start("manage.py", "worker", *arguments, env=env)
        wait_until(lambda: " runs jobs of " in self.log(worker) or worker.poll() is not None)
        assert worker.poll() is None, self.log(worker)
        return worker

    def enqueue(self, task: str, *arguments: object, using: str = "") -> str:
        """Enqueue the task and return the id of the job."""
        listed = ", ".join(map(repr, arguments))
        return str(self.ask(f"result = tasks.{task}.using({using}).enqueue({listed}).id"))

    def job(self, job_id: str) -> dict[str, Any]:
        row = self.ask(f"result = Job.objects.values(*{FIELDS}).get(pk={job_id!r})")
        return {**row, "errors": json.loads(row["errors"])}

    def wait_for(self, *job_ids: str, status: str = "SUCCESSFUL", seconds: float = 60) -> float:
        """Wait until the jobs have the status; return the seconds that it took."""
        count = f"result = Job.objects.filter(pk__in={job_ids!r}, status={status!r}).count()"
        return wait_until(lambda: self.ask(count) == len(job_ids), seconds)

    @property
    def ran(self) -> list[list[str]]:
        """The words of each line that the tasks have noted."""
        path = Path(self.env["RAN"])
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self, job: str) -> int:
        """Wait until ``slow`` has begun with this name and return its process."""
        wait_until(lambda: [line for line in self.ran if line[:2] == ["begin", job]])
        return int(self.ran[-1][2])


def end(process: Process) -> None:
    """Kill the process and its children, which are in sessions of their own."""
    kill(children(process.pid))
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """Return the children of a process; none if it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
