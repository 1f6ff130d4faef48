"""Run one request through one middleware and one view with Django's own request handler.

Private: use ``MiddlewareTestCase.run_middleware`` and its assertions.
"""

import gc
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Literal
from unittest.mock import patch

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import urls
from django.core.handlers import base, exception
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import ResolverMatch, URLResolver

__unittest = True  # unittest leaves the frames of this module out of tracebacks

Mode = Literal["sync", "async"]

_SET_BY_DJANGO = {"_body", "_files", "_post", "_read_started", "_stream"}  # to read the body
_SET_BY_DJANGO |= {"_acached_user", "_cached_user", "auser"}  # to load the user, or to log in


class MiddlewareHandler(base.BaseHandler):
    """Django's handler with one middleware and one view, for one request in one mode.

    After ``run``, the attributes tell what happened: ``request``, ``response``, ``view_calls``
    (the requests that reached the view), ``view_responses``, ``crashes`` (the exceptions that
    become a 500) and ``names_set`` (the names of the attributes that were set on the request).
    """

    _middleware_chain: Callable[[HttpRequest], Any]

    def __init__(self, middleware: Callable[..., Any], view: Any, mode: Mode) -> None:
        self.middleware, self.mode = middleware, mode
        self.view: Callable[..., Any] = view or (lambda request: HttpResponse())
        self.is_used = False
        self.view_calls: list[HttpRequest] = []
        self.view_responses: list[Any] = []
        self.raised: list[Exception] = []
        self.crashes: list[Exception] = []

    def load_middleware(self, is_async: bool = False) -> None:
        """Load this middleware as Django would, which ignores a MiddlewareNotUsed."""

        def factory(get_response: Callable[[HttpRequest], Any]) -> Any:
            instance = self.middleware(get_response)
            self.is_used = True
            return instance

        for mode in ("sync", "async"):
            setattr(factory, f"{mode}_capable", mode in modes(self.middleware))
        with (
            override_settings(MIDDLEWARE=[repr(self.middleware)]),
            patch.object(base, "import_string", lambda name: factory),
        ):
            super().load_middleware(is_async)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        request.resolver_match = ResolverMatch(self.view, (), {})
        return request.resolver_match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``view`` with a record of its calls, and not atomic: there is no database."""
        sync_view = async_to_sync(view) if iscoroutinefunction(view) else view

        def recorded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self.view_calls.append(request)
            self.view_responses.append(sync_view(request, *args, **kwargs))
            return self.view_responses[-1]

        return recorded

    def run(self, request: HttpRequest) -> None:
        """Load the middleware and run ``request``. Raise AssertionError without a response."""
        self.request, before = request, dict(vars(request))
        lost: list[str] = []
        gc.collect(1)  # Find the coroutines that were dropped earlier now, and not in the block.
        with (
            patch.object(exception, "response_for_exception", self._response_for_exception),
            patch.object(URLResolver, "resolve_error_handler", _default_error_view),
            # Python calls this function to warn. A filter of warnings would not see them all.
            patch.object(
                warnings, "_warn_unawaited_coroutine", lambda coro: lost.append(coro.__qualname__)
            ),
        ):
            problem = self._respond(request)
            gc.collect(1)  # These objects are young. A full collection takes 50 ms.
        self.expect(not lost, f"lost an await: {', '.join(lost)} was never awaited")
        self.expect(not problem, problem)
        self.names_set = {
            name
            for name, value in vars(request).items()
            if before.get(name, before) is not value
            and name not in _SET_BY_DJANGO
            and not hasattr(type(request), name)  # cached properties
        }

    def expect(self, condition: bool, problem: str) -> None:
        """Fail unless ``condition``: name middleware and mode, show the traceback of a crash."""
        if not condition:
            name = getattr(self.middleware, "__name__", repr(self.middleware))
            error = AssertionError(f"{name}, in {self.mode} mode, {problem}.")
            raise error from next(iter(self.crashes), None)

    def _respond(self, request: HttpRequest) -> str:
        """Set ``response``, or return the problem."""

        async def respond() -> Any:
            return await self._middleware_chain(request)

        self.load_middleware(is_async=self.mode == "async")
        if not self.is_used:
            return "raised MiddlewareNotUsed: use assertNotUsed()"
        is_sync = self.mode == "sync"
        try:
            response = self._middleware_chain(request) if is_sync else async_to_sync(respond)()
        except Exception as exc:
            self.raised.append(exc)
            self.crashes.append(exc)
            return f"let out {exc!r}; an async __call__ needs markcoroutinefunction(self)"
        finally:
            for raised in self.raised:  # their frames may hold coroutines
                traceback.clear_frames(raised.__traceback__)
        if not isinstance(response, HttpResponseBase):
            return f"returned {response!r}, which is no response"
        self.response = response
        return ""

    def _response_for_exception(self, request: HttpRequest, exc: Exception) -> HttpResponseBase:
        self.raised.append(exc)
        response = response_for_exception(request, exc)
        if response.status_code == 500:
            self.crashes.append(exc)
        return response


def modes(middleware: Callable[..., Any]) -> list[Mode]:
    """Return the modes that ``middleware`` supports, sync first, with Django's defaults."""
    defaults: dict[Mode, bool] = {"sync": True, "async": False}
    return [mode for mode in defaults if getattr(middleware, f"{mode}_capable", defaults[mode])]


def _default_error_view(resolver: URLResolver, status_code: int) -> Callable[..., Any]:
    """Return Django's own error view, which does not find the service's templates."""
    view: Callable[..., Any] = getattr(urls, f"handler{status_code}")
    return override_settings(TEMPLATES=[])(view)
