"""Logs: one line for each request, and its id in every line."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
