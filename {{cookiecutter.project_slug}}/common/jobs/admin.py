import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from common.jobs.models import Job


@admin.register(Job)
class JobAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # Django cannot subscript it
    list_display = ["task", "status", "attempts", "enqueued_at", "finished_at"]
    list_filter = ["status", "queue", "task"]
    search_fields = ["id", "request_id", "arguments"]
    ordering = ["-id"]
    show_full_result_count = False
    actions = ["retry"]
    exclude = ["errors"]
    readonly_fields = ["last_error"]

    def last_error(self, job: Job) -> str:
        return "\n".join(error["traceback"] for error in json.loads(job.errors)[-1:])

    @admin.action(description="Retry selected failed jobs", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        messages.success(request, f"{Job.retry(queryset)} of the selected jobs will run again.")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return super().has_change_permission(request)

    def never(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_add_permission = has_change_permission = has_delete_permission = never
