"""Run one request through one middleware and one view with Django's own request handler.

Private: use ``MiddlewareTestCase.run_middleware`` and its assertions.
"""

import functools
import gc
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from unittest.mock import patch

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import UserSettingsHolder, settings, urls
from django.core.exceptions import MiddlewareNotUsed
from django.core.handlers import base, exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import override_settings
from django.urls import ResolverMatch, URLResolver

__unittest = True  # unittest leaves the frames of this module out of tracebacks

Mode = Literal["sync", "async"]

_SET_BY_DJANGO = (
    {"_body", "_files", "_post", "_read_started", "_stream"}  # when the body is read
    | {"_acached_user", "_cached_user"}  # when the user is loaded
    | {"auser", "resolver_match"}  # in async mode only; by each run
)


class MiddlewareHandler(base.BaseHandler):
    """Django's handler with one middleware and one view, for one request in one mode.

    After ``run``, the attributes tell what happened: ``request``, ``response``, ``view_calls``
    (the requests that reached the view), ``view_responses``, ``crashes`` (the exceptions that
    become a 500) and ``names_set`` (the names of the attributes that were set on the request).
    """

    request: HttpRequest
    response: HttpResponseBase
    names_set: set[str]
    _middleware_chain: Callable[[HttpRequest], Any]

    def __init__(self, middleware: Callable[..., Any], view: Callable[..., Any], mode: Mode):
        self.middleware, self.view, self.mode = middleware, self._recorded(view), mode
        self.name: str = getattr(middleware, "__name__", repr(middleware))
        self.not_used: MiddlewareNotUsed | None = None
        self.view_calls: list[HttpRequest] = []
        self.view_responses: list[Any] = []
        self.raised: list[Exception] = []
        self.crashes: list[Exception] = []

    def load_middleware(self, is_async: bool = False) -> None:
        """Load this middleware as Django would. Keep a MiddlewareNotUsed in ``not_used``."""

        def factory(get_response: Callable[[HttpRequest], Any]) -> Any:
            try:
                return self.middleware(get_response)
            except MiddlewareNotUsed as exc:
                self.not_used = exc
                raise

        for capability, default in {"sync_capable": True, "async_capable": False}.items():
            setattr(factory, capability, getattr(self.middleware, capability, default))
        # Not override_settings: the middleware may read the service's own MIDDLEWARE.
        own_settings = UserSettingsHolder(settings)
        own_settings.MIDDLEWARE = [self.name]
        with patch.multiple(base, settings=own_settings, import_string=lambda name: factory):
            super().load_middleware(is_async)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        request.resolver_match = ResolverMatch(self.view, (), {})
        return request.resolver_match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        return view  # ATOMIC_REQUESTS would need a database

    def run(self, request: HttpRequest) -> None:
        """Load the middleware and run ``request``. Raise AssertionError without a response."""
        self.request, before = request, dict(vars(request))
        convert = functools.partial(self._convert_exception, exception.response_for_exception)
        with (
            patch.object(exception, "response_for_exception", convert),
            patch.object(URLResolver, "resolve_error_handler", _default_error_view),
            _never_awaited() as coroutines,
        ):
            problem = self._respond(request)
        if coroutines:
            problem = f"lost an await: {', '.join(coroutines)}"
        if problem:
            raise self.failure(problem)
        self.names_set = {
            name
            for name, value in vars(request).items()
            if (name not in before or before[name] is not value)
            and name not in _SET_BY_DJANGO
            and not hasattr(type(request), name)  # cached properties
        }

    def failure(self, problem: str) -> AssertionError:
        """Return an error that names middleware and mode and shows the traceback of a crash."""
        error = AssertionError(f"{self.name}, in {self.mode} mode, {problem}.")
        error.__cause__ = next(iter(self.crashes), None)
        return error

    def _respond(self, request: HttpRequest) -> str | None:
        self.load_middleware(is_async=self.mode == "async")
        if self.not_used:
            return f"raised {self.not_used!r}: use assertNotUsed()"
        try:
            if self.mode == "sync":
                response = self._middleware_chain(request)
            else:
                response = async_to_sync(self._respond_async)(request)
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
        return None

    async def _respond_async(self, request: HttpRequest) -> Any:
        return await self._middleware_chain(request)

    def _convert_exception(
        self, convert: Callable[..., HttpResponseBase], request: HttpRequest, exc: Exception
    ) -> HttpResponseBase:
        self.raised.append(exc)
        response = convert(request, exc)
        if response.status_code == 500:
            self.crashes.append(exc)
        return response

    def _recorded(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)  # also copies attributes such as csrf_exempt
        def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self.view_calls.append(request)
            self.view_responses.append(view(request, *args, **kwargs))
            return self.view_responses[-1]

        @functools.wraps(view)
        async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self.view_calls.append(request)
            self.view_responses.append(await view(request, *args, **kwargs))
            return self.view_responses[-1]

        return async_view if iscoroutinefunction(view) else sync_view


def modes(middleware: Callable[..., Any]) -> list[Mode]:
    """Return the modes that ``middleware`` supports, sync first, with Django's defaults."""
    capable: dict[Mode, bool] = {
        "sync": getattr(middleware, "sync_capable", True),
        "async": getattr(middleware, "async_capable", False),
    }
    # Without any mode, Django raises an error when it loads the middleware.
    return [mode for mode in capable if capable[mode]] or ["sync"]


def _default_error_view(resolver: URLResolver, status_code: int) -> Callable[..., Any]:
    """Return Django's own error view, which does not find the service's templates."""
    view: Callable[..., Any] = getattr(urls, f"handler{status_code}")
    return override_settings(TEMPLATES=[])(view)


@contextmanager
def _never_awaited() -> Iterator[list[str]]:
    """Yield a list that, after the block, names the coroutines that it dropped."""
    found: list[str] = []
    gc.collect(1)  # Find the coroutines that were dropped earlier now, and not in the block.
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", "coroutine .* was never awaited", RuntimeWarning)
        yield found
        gc.collect(1)  # These objects are young. A full collection takes 50 ms.
    for warning in caught:
        text = str(warning.message)
        if "was never awaited" in text:
            found.append(text.splitlines()[0])
        else:
            category, filename, line = warning.category, warning.filename, warning.lineno
            warnings.warn_explicit(warning.message, category, filename, line)
