"""Run jobs on Celery: ``celery -A common.jobs.celery worker``, with ``CELERY_BROKER_URL`` set.

Tasks stay as they are, and the row stays the job: a message only names a row, which its worker takes
if nobody has. So the broker may lose, repeat or delay messages. Each Celery worker also sends again
what is due, and enqueues periodic tasks: run no beat. A worker runs the jobs of the queue "default",
or those that ``-Q`` names. Needs ``uv sync --extra celery``.
"""

import logging
import os
import socket
import threading
import time
from typing import Any

from celery import Celery, signals
from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
logger = logging.getLogger("common.jobs")
PAUSE = 5.0  # seconds without messages after the broker did not answer: requests must not wait
# With the default retries of kombu, a dead broker would delay each request by six seconds.
TRANSPORT = {"max_retries": 0, "socket_connect_timeout": 1, "socket_timeout": 2}

app = Celery("jobs", set_as_current=False)
app.paused_until = 0.0
app.config_from_object("django.conf:settings", namespace="CELERY")
app.add_defaults(  # Settings CELERY_… win.
    {
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": TRANSPORT,
        "task_acks_late": True,
        "task_default_queue": "default",
        "task_ignore_result": True,
        "worker_prefetch_multiplier": 1,
    }
)
# A child process must not inherit connections of the sweep: SQLite would believe that it has their locks.
sweeping = threading.Lock()
end = sweeping.release
os.register_at_fork(before=sweeping.acquire, after_in_parent=end, after_in_child=end)


@app.task(name="common.jobs.deliver")  # type: ignore[untyped-decorator] # Celery has no types
def deliver(job_id: str) -> None:
    """Run the job, unless it has run, or runs elsewhere."""
    from common.jobs.backend import default_backend, leased, run
    from common.jobs.models import Job

    lease, worker = default_backend().lease, f"{socket.gethostname()[:40]}-{os.getpid()}-celery"
    if job := Job.claim(worker, lease, id=job_id):
        with leased(job, lease):
            run(job)


def send(job_id: str, queue: str) -> bool:
    """Send the message; return False if the broker does not answer. Then a sweep will send it."""
    if time.monotonic() < app.paused_until:
        return False
    try:
        deliver.apply_async([job_id], queue=queue, retry=False)
    except Exception:  # Each kind of broker has its own errors.
        app.paused_until = time.monotonic() + PAUSE
        logger.warning("The broker does not answer. Messages are sent later.", exc_info=True)
        return False
    return True


def sweep(periods: dict[str, Any]) -> None:
    """Send messages for jobs that are due and whose latest message seems to be lost."""
    from common.jobs.backend import default_backend, enqueue_periodic
    from common.jobs.models import Job

    enqueue_periodic(periods)
    lease = default_backend().lease
    for job in Job.objects.filter(due__lte=Now(), send_at__lte=Now()).order_by("send_at")[:1000]:
        if not send(job.id, job.queue):
            break
        # The longer a job is due, the later it is sent again: a long queue must not grow by this.
        again = Now() + max(lease, timezone.now() - (job.due or job.enqueued_at))
        Job.objects.filter(pk=job.pk, send_at=job.send_at).update(send_at=again)


def sweep_for_ever() -> None:
    periods: dict[str, Any] = {}
    while True:
        with sweeping:
            try:
                sweep(periods)
            except Exception:
                logger.warning("A sweep failed.", exc_info=True)
            connections.close_all()
        time.sleep(1)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def keep_logging(**kwargs: Any) -> None:
    """Keep LOGGING: without a receiver, Celery would set the level and formats of its own."""


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def prepare(**kwargs: Any) -> None:
    autodiscover_modules("tasks")
    for connection in connections.all():  # Processes that fork cannot share a pool.
        connection.settings_dict["OPTIONS"].pop("pool", None)


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def start_sweeping(**kwargs: Any) -> None:
    threading.Thread(target=sweep_for_ever, daemon=True).start()
