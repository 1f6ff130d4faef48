"""The answer to "are you healthy?", for load balancers and orchestrators: ``GET /healthz``.

A middleware that comes before all others: probes name hosts of their own, speak plain HTTP, and must
not depend on sessions.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, 503 when it does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        logger.exception("healthz: the database does not answer")
        return HttpResponse("database unavailable\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


class HealthzMiddleware:
    """Answers ``/healthz`` and passes on everything else."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.healthz: Callable[[HttpRequest], Any] = healthz
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.healthz = sync_to_async(healthz)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        answer = self.healthz if request.path_info == "/healthz" else self.get_response
        response: HttpResponseBase | Awaitable[HttpResponseBase] = answer(request)
        return response
