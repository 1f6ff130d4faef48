"""Run background jobs: ``manage.py worker``. See ``common.jobs``."""

import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from argparse import SUPPRESS
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections, connection, connections
from django.utils.module_loading import autodiscover_modules

from common.jobs.backend import Interrupted, default_backend, enqueue_periodic, leased, run
from common.jobs.models import Job

logger = logging.getLogger("common.jobs")


class Command(BaseCommand):
    help = (
        "Runs jobs. SIGTERM or Ctrl-C ends it after the current job; a second one interrupts that."
    )
    is_working = False

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--queue", action="append", default=[], help="Run only its jobs; may be repeated.")
        add("--processes", type=int, default=1, help="How many jobs to run at a time.")
        add("--batch", action="store_true", help="Stop when no job is due.")
        add("--parent", type=int, help=SUPPRESS)

    def handle(
        self, *, queue: list[str], processes: int, batch: bool, parent: int | None, **options: Any
    ) -> None:
        self.signals = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.count_signal)
        if processes > 1 and not batch:
            self.supervise(processes, [f"--queue={name}" for name in queue])
        else:
            self.work(queue, batch, parent)

    def count_signal(self, number: int, frame: object) -> None:
        self.signals += 1
        if self.signals == 2 and self.is_working:  # once: nothing may interrupt the giving back
            raise Interrupted

    def work(self, queues: list[str], batch: bool, parent: int | None) -> None:
        autodiscover_modules("tasks")
        name = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
        logger.info("Worker %s runs jobs of %s.", name, ", ".join(queues) or "all queues")
        lease, wait = default_backend().lease, None
        periods: dict[str, Any] = {}
        while not self.signals and parent in {None, os.getppid()}:
            try:
                wait = wait or waiter()  # before the query, so that it notices all later jobs
                enqueue_periodic(periods)
                if job := Job.claim(name, lease, queues=queues):
                    self.perform(job, lease)
                elif batch:
                    break
                else:
                    wait()
            except Exception:  # Whatever it is, other jobs must run. The lease of this one ends.
                self.is_working = False
                logger.warning("The worker goes on after an error.", exc_info=True)
                connections.close_all()
                wait = None
                time.sleep(1)
        logger.info("Worker %s has stopped.", name)

    def perform(self, job: Job, lease: timedelta) -> None:
        try:
            self.is_working = True  # From here on, a second signal interrupts.
            if self.signals > 1:  # It came since the claim.
                raise Interrupted
            with leased(job, lease):
                error = run(job)
            self.is_working = False
        except Interrupted:
            job.give_back()
            logger.warning("%s was interrupted, and other workers can take it.", job)
            os._exit(0)  # An async task, which runs in another thread, would go on.
        else:
            if error:
                close_old_connections()

    def supervise(self, count: int, queues: list[str]) -> None:
        """Keep ``count`` workers running, in sessions of their own: Ctrl-C only reaches this process."""
        manage = str(Path(settings.BASE_DIR, "manage.py"))
        command = [sys.executable, manage, "worker", f"--parent={os.getpid()}", *queues]
        children: list[subprocess.Popen[bytes]] = []
        sent = 0
        while children or not self.signals:
            children = [child for child in children if child.poll() is None]
            while not self.signals and len(children) < count:  # at the start, or one has died
                children.append(subprocess.Popen(command, start_new_session=True))  # noqa: S603
            if sent < self.signals:
                sent += 1
                for child in children:
                    child.terminate()
            time.sleep(0.1)


def waiter() -> Callable[[], None]:
    """Return a function that returns when a job may be due, or after a second."""
    if connection.vendor == "postgresql":
        listener = connection.copy("jobs")  # for itself, and not of the pool
        listener.settings_dict["OPTIONS"].pop("pool", None)
        with listener.cursor() as cursor:
            cursor.execute("LISTEN common_jobs")

        def wait() -> None:
            with listener.wrap_database_errors:
                list(listener.connection.notifies(timeout=1, stop_after=1))

        return wait

    def version() -> object:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return cursor.fetchone()

    seen = version()

    def poll() -> None:
        nonlocal seen
        for _ in range(50):
            if (now := version()) != seen:
                break
            time.sleep(0.02)
        seen = now

    return poll
