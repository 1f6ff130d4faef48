"""Respond to the probes of load balancers and orchestrators, such as ``GET /healthz``.

``/livez``: the process responds. ``/healthz``: so does the database. ``/readyz``: the process can serve
this release. Put the middleware before all others: probes use hosts that ALLOWED_HOSTS does not list
and plain HTTP, and must not depend on sessions.
"""

import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import cache
from threading import Lock, Thread
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common.checks import check_static_manifest

logger = logging.getLogger(__name__)

READY_TIMEOUT = 0.9  # seconds for the checks of /readyz, which responds within one second
_lock = Lock()
_readiness: Future[None] = Future()
_readiness.cancel()  # No check has run yet.


def query_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache  # Only success is remembered. Afterwards, a probe costs one query.
def check_release() -> None:
    """Raise ImproperlyConfigured if a migration or the manifest of static files is missing."""
    executor = MigrationExecutor(connection)
    if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise ImproperlyConfigured(f"{len(plan)} migrations are not applied, first {plan[0][0]}")
    for error in [] if settings.DEBUG else check_static_manifest():
        raise ImproperlyConfigured(error.msg)


def _check_readiness(result: Future[None]) -> None:
    try:
        query_database()
        check_release()
    except Exception as exc:
        result.set_exception(exc)
    else:
        result.set_result(None)
    finally:
        close_old_connections()


def _plain(text: str, status: int = 200) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain")


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """Return 200: the process responds. Use nothing else, because a restart would not repair it."""
    return _plain("ok")


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Return 200 if the database responds to a query, otherwise 503."""
    try:
        query_database()
    except Error:
        logger.exception("healthz: the database does not respond")
        return _plain("database unavailable", 503)
    return _plain("ok")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Return 200 if the process can serve requests, otherwise 503; log the reason.

    The checks run in a thread, because some databases that hang cannot be interrupted. All probes
    wait for the same thread, so however long a database hangs, it holds one thread and one connection.
    """
    global _readiness
    with _lock:
        if _readiness.done():
            _readiness = Future()
            # A daemon, because it must not delay the exit of the process.
            Thread(target=_check_readiness, args=(_readiness,), daemon=True).start()
        readiness = _readiness
    try:
        readiness.result(timeout=READY_TIMEOUT)
    except Exception as exc:
        logger.error("readyz: not ready: %r", exc)  # noqa: TRY400 -- no traceback for each probe
        return _plain("not ready", 503)
    return _plain("ok")


class ProbesMiddleware:
    """Respond to ``/livez``, ``/healthz`` and ``/readyz``; pass all other requests on."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.probes: dict[str, Callable[[HttpRequest], Any]] = {
            "/livez": livez,
            "/healthz": healthz,
            "/readyz": readyz,
        }
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.probes = {path: sync_to_async(probe) for path, probe in self.probes.items()}

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        handler = self.probes.get(request.path_info, self.get_response)
        response: HttpResponseBase | Awaitable[HttpResponseBase] = handler(request)
        return response
