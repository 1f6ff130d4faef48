"""Respond to the health checks of load balancers and orchestrators at ``GET /healthz``.

Put the middleware before all others: health checks use hosts that ALLOWED_HOSTS does not list and
plain HTTP, and must not depend on sessions.
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
    """Return 200 if the database responds to a query, otherwise 503."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        logger.exception("healthz: the database does not respond")
        return HttpResponse("database unavailable\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


class HealthzMiddleware:
    """Respond to ``/healthz``; pass all other requests on."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.healthz: Callable[[HttpRequest], Any] = healthz
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.healthz = sync_to_async(healthz)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        handler = self.healthz if request.path_info == "/healthz" else self.get_response
        response: HttpResponseBase | Awaitable[HttpResponseBase] = handler(request)
        return response
