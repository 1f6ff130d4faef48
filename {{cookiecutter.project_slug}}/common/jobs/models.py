"""The rows of common.jobs, and the statement by which a worker takes one."""

import secrets
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models.functions import Now

# Lease a job that is due, and count the attempt. As this is one statement, two workers cannot take
# the same job. The clock is that of the database, because those of several hosts may differ.
CLAIM = """
    UPDATE common_jobs_job SET
        status = 'RUNNING', attempts = attempts + 1, worker_ids = worker_ids || ' ' || %(worker)s,
        due = {end}, send_at = {end}, last_attempted_at = {now}, started_at = COALESCE(started_at, {now})
    WHERE id = (
        SELECT id FROM common_jobs_job WHERE due <= {now} AND {condition}
        ORDER BY priority DESC, due, id LIMIT 1 {lock}
    )
    RETURNING *
"""
DIALECTS = {
    "postgresql": {
        "now": "statement_timestamp()",
        "end": "statement_timestamp() + make_interval(secs => %(lease)s)",
        "lock": "FOR UPDATE SKIP LOCKED",
    },
    "sqlite": {
        "now": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
        "end": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %(lease)s || ' seconds')",
        "lock": "",
    },
}


def new_id() -> str:
    """Return a random id. Ids that are made later are greater."""
    return f"{time.time_ns():016x}{secrets.token_hex(8)}"


class Job(models.Model):
    """A call of a task."""

    id = models.CharField(primary_key=True, max_length=32, default=new_id)
    task = models.CharField(max_length=255)
    arguments = models.TextField()  # JSON: [args, kwargs]
    queue = models.CharField(max_length=100)
    priority = models.SmallIntegerField()
    status = models.CharField(max_length=10)  # that of TaskResult
    # From when a worker may take the job: when it is ready, when its lease ends, or never again.
    due = models.DateTimeField(null=True)
    send_at = models.DateTimeField(null=True)  # from when a sweep sends it to Celery (again)
    run_after = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    worker_ids = models.TextField(default="")  # Each claim appends one.
    errors = models.TextField(default="[]")  # JSON: [{"exception_class_path": …, "traceback": …}]
    return_value = models.TextField(default="null")  # JSON
    request_id = models.CharField(max_length=64)
    enqueued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    last_attempted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["-priority", "due", "id"],
                name="common_jobs_due",
                condition=models.Q(due__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.id}"

    @classmethod
    def claim(
        cls, worker: str, lease: timedelta, *, queues: Iterable[str] = (), id: str = ""
    ) -> "Job | None":
        """Take the job ``id`` or, by default, the most urgent one of ``queues``, for ``lease``.

        Return None if no such job is due. Without queues, take jobs of all.
        """
        names = {f"queue{number}": queue for number, queue in enumerate(queues)}
        conditions = ["id = %(id)s"] if id else ["TRUE"]
        if names:
            conditions.append(f"queue IN ({', '.join(f'%({name})s' for name in names)})")
        sql = CLAIM.format(condition=" AND ".join(conditions), **DIALECTS[connection.vendor])
        params = {"worker": worker, "lease": lease.total_seconds(), "id": id, **names}
        return next(iter([*cls.objects.using(DEFAULT_DB_ALIAS).raw(sql, params)]), None)

    def update(self, **values: Any) -> bool:
        """Save ``values``, unless this attempt has lost its lease: then return False."""
        mine = Job.objects.filter(pk=self.pk, worker_ids=self.worker_ids, status="RUNNING")
        return mine.update(**values) == 1

    def give_back(self) -> None:
        """Let another worker take the job at once, and do not count this attempt."""
        self.update(status="READY", due=Now(), send_at=Now(), attempts=self.attempts - 1)

    @staticmethod
    def retry(jobs: "models.QuerySet[Job]") -> int:
        """Make those of ``jobs`` that failed run again, with all their attempts; return their number."""
        failed = jobs.filter(status="FAILED")
        return failed.update(status="READY", attempts=0, due=Now(), send_at=Now(), finished_at=None)


class Period(models.Model):
    """The beginning of the latest period for which a periodic task was enqueued."""

    task = models.CharField(primary_key=True, max_length=255)
    start = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.task} {self.start}"
