"""Logs: one line for each request, its id in every line, and one format for all lines on stdout.

Put ``RequestLogMiddleware`` into ``MIDDLEWARE`` below the health probes and above the rest.
``logger.info("paid", extra={"fields": {"order": 7}})`` adds fields to a line of LOG_FORMAT=json.
"""

import json
import logging
import re
import sys
import time
import traceback
import uuid
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.deprecation import MiddlewareMixin
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject

# The id of the request, or empty. A job stores it, and sets it again in the process that runs it.
request_id: ContextVar[str] = ContextVar("request_id", default="")
logger = logging.getLogger("common.request")
# What precedes secrets: in requests that gunicorn rejects, queries, URLs, and resets of passwords.
SECRETS = re.compile(
    r"(Invalid HTTP [\w ]+: ).+|(\?)\S+|(://)[^\s/]+(?=@)|(/)[\w-]+-[0-9a-f]{32}(?![\w.])"
)


def clean(text: str) -> str:
    """Return ``text`` as one line: without secrets, and with its control characters escaped."""
    text = SECRETS.sub(lambda match: f"{match[match.lastindex or 0]}***", text)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class StdoutHandler(logging.StreamHandler[Any]):
    """Writes records as text, with tracebacks indented below them, or as JSON, one object a line.

    Of the same failure (logger, type and stack), it writes one a second, with the number dropped.
    """

    def __init__(self, form: str) -> None:
        super().__init__(sys.stdout)
        self.is_json = form == "json"
        self.failures: dict[tuple[str, str, str], tuple[float, int]] = {}  # time, dropped

    def emit(self, record: logging.LogRecord) -> None:
        kind, exc, trace = record.exc_info or (None, None, None)
        rejected = record.name.startswith("django.") and getattr(record, "status_code", 500) < 500
        if exc and (rejected or isinstance(exc, (UnreadablePostError, BlockingIOError))):
            # A visitor can cause this. Later handlers, as for mail, get the lower level.
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        elif kind:
            failure = (record.name, kind.__name__, str(traceback.extract_tb(trace)))
            now = time.monotonic()
            written, dropped = self.failures.get(failure, (now - 1, 0))
            if now < written + 1:
                self.failures[failure] = written, dropped + 1
                return
            self.failures[failure] = now, 0
            if dropped:
                record.msg, record.args = f"{record.getMessage()} (and {dropped} before it)", None
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- as in logging
        """Name the record that cannot be written. logging would print its arguments, secrets too."""
        with suppress(OSError):  # A request must not fail because the disk of the log is full.
            sys.stderr.write(f"{record.levelname} {record.name}: a record cannot be written\n")

    def format(self, record: logging.LogRecord) -> str:
        # Django logs some responses after the middleware, and passes the request.
        meta = getattr(getattr(record, "request", None), "META", {})
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": clean(record.getMessage()),
            "request_id": request_id.get() or meta.get("REQUEST_ID", ""),
        }
        fields = fields | getattr(record, "fields", {}) | fields
        trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        lines = [clean(line) for line in trace.splitlines()]
        if self.is_json:
            exception = {"exception": "\n".join(lines)} if lines else {}
            return json.dumps(fields | exception, default=str)
        line = "{time} {level} {logger}: {message} [{request_id}]".format_map(fields)
        return "\n    ".join([line.removesuffix(" []"), *lines])


def config(format: str, level: str) -> dict[str, Any]:
    """Return LOGGING for Django and gunicorn: all loggers pass their records on to stdout."""
    if format not in {"text", "json"}:
        raise ImproperlyConfigured(f"LOG_FORMAT={format!r}: use text or json")
    if level.upper() not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"LOG_LEVEL={level!r}: use DEBUG, INFO, WARNING or ERROR")
    passed_on = {"level": "NOTSET", "handlers": [], "propagate": True}  # which is not their default
    silent = {"level": "CRITICAL"}  # would log each request again, gunicorn with its query string
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stdout": {"()": "common.logs.StdoutHandler", "form": format}},
        "root": {"handlers": ["stdout"], "level": level.upper()},
        "loggers": {
            "django": passed_on,
            "django.server": silent,
            "gunicorn.access": silent,
            "gunicorn.error": passed_on,
            "gunicorn.http.wsgi": silent,  # warns of each HEAD request
            "psycopg.pool": silent,  # repeats the error that a request gets
        },
    }


class RequestLogMiddleware(MiddlewareMixin):
    """Bind the id of each request, send it as X-Request-ID, and write one line for the request."""

    def process_request(self, request: HttpRequest) -> None:
        value = request.headers.get(getattr(settings, "REQUEST_ID_HEADER", ""), "")
        if not re.fullmatch("[A-Za-z0-9-]{8,64}", value):
            value = uuid.uuid4().hex
        # No header can set these keys. Error mails list them.
        request.META |= {"REQUEST_ID": value, "REQUEST_START": time.perf_counter()}
        request_id.set(value)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response["X-Request-ID"] = request.META["REQUEST_ID"]
        size = response.get("Content-Length") if response.streaming else len(response.content)
        fields = {
            "request_id": request.META["REQUEST_ID"],
            "method": request.method,
            "path": clean(escape_uri_path(request.path)),
            "status": response.status_code,
            "ms": round((time.perf_counter() - request.META["REQUEST_START"]) * 1000, 1),
            "bytes": size and int(size),
            "user": user_id(request),
        }
        shown = {name: "-" if value is None else value for name, value in fields.items()}
        line = "%(method)s %(path)s %(status)s %(ms)sms bytes=%(bytes)s user=%(user)s"
        logger.info(line, shown, extra={"fields": fields})
        request_id.set("")
        return response


def user_id(request: HttpRequest) -> Any:
    """Return the id of the user if the request has loaded it: this must not cause a query."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject):
        return getattr(request.session, "_session_cache", {}).get(SESSION_KEY)
    pk = getattr(user, "pk", None)  # after a login, for one
    return None if pk is None else str(pk)
