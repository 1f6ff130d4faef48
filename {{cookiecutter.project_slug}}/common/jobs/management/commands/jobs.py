"""List, retry and delete background jobs: ``manage.py jobs failed|retry|prune``."""

import json
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.jobs.models import Job


class Command(BaseCommand):
    help = "Lists failed jobs, retries them, or deletes jobs that have ended."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("failed", help="List the jobs that failed, with their last errors.")
        retry = commands.add_parser("retry", help="Run failed jobs again.")
        retry.add_argument("ids", nargs="*", metavar="ID")
        retry.add_argument("--all", action="store_true", help="Retry every failed job.")
        prune = commands.add_parser("prune", help="Delete jobs that ended some time ago.")
        prune.add_argument("--days", type=int, default=30, help="How long ago; by default 30 days.")
        prune.add_argument("--failed", action="store_true", help="Delete failed jobs, too.")

    def handle(self, *, command: str, **options: Any) -> None:
        getattr(self, command)(**options)

    def failed(self, **options: Any) -> None:
        for job in Job.objects.filter(status="FAILED").order_by("id").iterator():
            errors = json.loads(job.errors)
            last = errors[-1]["traceback"].strip().splitlines()[-1] if errors else ""
            self.stdout.write(
                f"{job.id} {job.task} {job.arguments} failed at {job.finished_at} "
                f"request={job.request_id or '-'}\n    {last}"
            )

    def retry(self, *, ids: list[str], all: bool, **options: Any) -> None:
        if all == bool(ids):
            raise CommandError("Name jobs by their ids, or use --all.")
        jobs = Job.objects.filter(**({} if all else {"pk__in": ids}))
        missing = {*ids} - {*jobs.filter(status="FAILED").values_list("pk", flat=True)}
        if missing:
            raise CommandError(
                f"Nothing was changed, because these are no failed jobs: {', '.join(sorted(missing))}"
            )
        self.stdout.write(f"{Job.retry(jobs)} jobs will run again.")

    def prune(self, *, days: int, failed: bool, **options: Any) -> None:
        ended = ["SUCCESSFUL", "FAILED"] if failed else ["SUCCESSFUL"]
        before = timezone.now() - timedelta(days=days)
        count, _ = Job.objects.filter(status__in=ended, finished_at__lt=before).delete()
        self.stdout.write(f"{count} jobs were deleted.")
