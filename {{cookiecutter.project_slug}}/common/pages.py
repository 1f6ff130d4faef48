"""The error pages, and the variables that every template has.

``config/urls.py`` names the views as its handlers. They need no session and no database, so they
also work while those do not.
"""

import logging
import sqlite3
import sys
from functools import partial
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from common.logs import request_id

logger = logging.getLogger(__name__)


def project(request: HttpRequest) -> dict[str, str]:
    """Give templates ``project_name`` and ``project_description``: a context processor."""
    return {
        "project_name": settings.PROJECT_NAME,
        "project_description": settings.PROJECT_DESCRIPTION,
    }


def error(request: HttpRequest, *_: Any, status: HTTPStatus, **__: Any) -> HttpResponse:
    """Return the page of ``status``, from ``error.html``, or plain text if that cannot be rendered.

    Ignore what Django passes to some handlers: the exception, or the reason of a CSRF failure.
    """
    variables = {"request": request, "status": status, "request_id": request_id.get()}
    try:
        page = render_to_string("error.html", project(request) | variables)
    except Exception:
        logger.exception("error.html cannot be rendered")
        return HttpResponse(f"{status.phrase}\n", status=status, content_type="text/plain")
    return HttpResponse(page, status=status)


class PermissionsPolicyMiddleware(MiddlewareMixin):
    """Send ``PERMISSIONS_POLICY``, unless the view has set the header."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


bad_request = partial(error, status=HTTPStatus.BAD_REQUEST)
forbidden = partial(error, status=HTTPStatus.FORBIDDEN)
not_found = partial(error, status=HTTPStatus.NOT_FOUND)


def is_outage(exc: BaseException | None) -> bool:
    """Return True if the database cannot work at present, False for an incorrect statement."""
    cause = getattr(exc, "__cause__", None)
    # Without an SQLSTATE, the client has no connection. Classes: connection, resources, shutdown.
    is_state = (getattr(cause, "sqlstate", None) or "08").startswith(("08", "53", "57"))
    # The low byte is the primary code. That of a full disk or a lock is not SQLITE_ERROR.
    is_statement = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_ERROR
    return isinstance(exc, OperationalError) and is_state and not is_statement


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 503 in an outage of the database, otherwise 500. Django is handling the exception."""
    if not is_outage(sys.exception()):
        return error(request, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    response = error(request, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = "2"  # seconds
    return response
