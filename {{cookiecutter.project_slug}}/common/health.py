"""Respond to the probes of load balancers and orchestrators.

``/livez``: the process responds. ``/healthz``: so does the database. ``/readyz``: this release can
serve requests. Put the middleware before all others: probes use hosts that ALLOWED_HOSTS does not
list and plain HTTP, and must not depend on sessions.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common.checks import check_static_manifest

logger = logging.getLogger(__name__)
executor = ThreadPoolExecutor(1)


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache  # Only success is remembered.
def check_release() -> None:
    """Raise RuntimeError if a migration or the manifest of static files is missing."""
    migrations = MigrationExecutor(connection)
    missing: list[Any] = migrations.migration_plan(migrations.loader.graph.leaf_nodes())
    if not settings.DEBUG:
        missing += check_static_manifest()
    if missing:
        raise RuntimeError(f"missing: {missing}")


def check_in_thread() -> None:
    with closing(connection):
        check_database()
        check_release()


def check_readiness() -> None:
    """Wait less than a second. A database that hangs keeps only one thread and one connection."""
    result = executor.submit(check_in_thread)
    try:
        result.result(timeout=0.9)
    finally:
        result.cancel()  # unless it has started


CHECKS = {"/livez": lambda: None, "/healthz": check_database, "/readyz": check_readiness}


@require_safe
@never_cache
def respond(request: HttpRequest) -> HttpResponse:
    """Return 200 if the check of the path succeeds, otherwise 503; only the log tells the reason."""
    try:
        CHECKS[request.path_info]()
    except Exception:
        logger.exception("%s: unavailable", request.path_info)
        return HttpResponse("unavailable\n", status=503, content_type="text/plain")
    return HttpResponse("ok\n", content_type="text/plain")


class ProbesMiddleware(MiddlewareMixin):
    """Respond to the paths of ``CHECKS``; pass all other requests on."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        return respond(request) if request.path_info in CHECKS else None
