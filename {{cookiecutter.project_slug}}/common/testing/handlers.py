"""Django's request handler round one middleware and one view, for MiddlewareTestCase.

Private: use ``MiddlewareTestCase.run_middleware`` and its assertions.
"""

import functools
import gc
import inspect
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.test import override_settings
from django.urls import ResolverMatch, get_resolver, get_urlconf, set_urlconf
from django.views import defaults

Mode = Literal["sync", "async"]

_NEVER_AWAITED = "was never awaited"


class _URLconf:
    """The project's URLs, where it has any, and Django's error views without its templates."""

    handler400 = staticmethod(override_settings(TEMPLATES=[])(defaults.bad_request))
    handler403 = staticmethod(override_settings(TEMPLATES=[])(defaults.permission_denied))
    handler404 = staticmethod(override_settings(TEMPLATES=[])(defaults.page_not_found))
    handler500 = staticmethod(override_settings(TEMPLATES=[])(defaults.server_error))

    @property
    def urlpatterns(self) -> Any:
        return get_resolver(settings.ROOT_URLCONF).url_patterns


_urlconf: Any = _URLconf()


class MiddlewareHandler(BaseHandler):
    """Runs one request. Afterwards, what happened is in its attributes."""

    _get_response: Callable[[HttpRequest], Any]
    _get_response_async: Callable[[HttpRequest], Any]
    adapt_method_mode: Callable[..., Any]

    def __init__(self, middleware: Callable[..., Any], view: Callable[..., Any], mode: Mode):
        self.middleware, self.view, self.mode = middleware, self._recording(view), mode
        self.view_calls: list[HttpRequest] = []
        self.view_responses: list[Any] = []
        self.crashes: list[BaseException | None] = []  # what Django turns into a 500
        self.problem: str | None = None  # what it would not survive
        self.response: Any = None

    def load_middleware(self, is_async: bool = False) -> None:
        """Do as Django does, for this one middleware. Raises its MiddlewareNotUsed."""
        can_async = "async" in modes(self.middleware)
        own_async = can_async and (is_async or "sync" not in modes(self.middleware))
        innermost = self._get_response_async if is_async else self._get_response
        get_response = convert_exception_to_response(innermost)
        instance = self.middleware(self.adapt_method_mode(own_async, get_response, is_async))
        if instance is None:
            raise ImproperlyConfigured(f"Middleware factory {self.middleware!r} returned None.")
        hooks = {"view": is_async, "template_response": is_async, "exception": False}
        for hook, hook_async in hooks.items():
            method = getattr(instance, f"process_{hook}", None)
            adapted = [self.adapt_method_mode(hook_async, method)] if method else []
            setattr(self, f"_{hook}_middleware", adapted)
        chain = convert_exception_to_response(instance)
        self._middleware_chain = self.adapt_method_mode(is_async, chain, own_async)

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        request.resolver_match = ResolverMatch(self.view, (), {})
        return request.resolver_match

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        return view  # no transaction: ATOMIC_REQUESTS needs a database

    def run(self, request: HttpRequest) -> None:
        """Load the middleware and run ``request``. Raises MiddlewareNotUsed."""
        outer = get_urlconf()
        set_urlconf(_urlconf)
        got_request_exception.connect(self._crashed)
        try:
            with _never_awaited() as coroutines:
                self.load_middleware(is_async=self.mode == "async")
                if self.mode == "sync":
                    self.response = self._middleware_chain(request)
                else:
                    self.response = async_to_sync(self._run_async)(request)
        finally:
            got_request_exception.disconnect(self._crashed)
            set_urlconf(outer)
        if coroutines:
            self.problem = f"lost an await: {', '.join(coroutines)}"

    async def _run_async(self, request: HttpRequest) -> Any:
        try:
            response = self._middleware_chain(request)
            if inspect.isawaitable(response):
                return await response
        except Exception as exc:
            self.crashes.append(exc)
            self.problem = (
                f"let out {exc!r}, which Django would have converted to a response: "
                "call markcoroutinefunction(self) in __init__"
            )
        else:
            self.problem = f"returned {response!r}, which cannot be awaited"
        return None

    def _crashed(self, **kwargs: Any) -> None:
        self.crashes.append(sys.exc_info()[1])

    def _recording(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self.view_calls.append(request)
            self.view_responses.append(response := view(request, *args, **kwargs))
            return response

        @functools.wraps(view)
        async def async_view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            self.view_calls.append(request)
            self.view_responses.append(response := await view(request, *args, **kwargs))
            return response

        return async_view if iscoroutinefunction(view) else sync_view


def modes(middleware: Callable[..., Any]) -> list[Mode]:
    """Return the modes that ``middleware`` is capable of, sync first, by Django's defaults."""
    capable: list[Mode] = []
    if getattr(middleware, "sync_capable", True):
        capable.append("sync")
    if getattr(middleware, "async_capable", False):
        capable.append("async")
    if not capable:
        raise ImproperlyConfigured(
            f"{middleware!r} must have at least one of sync_capable and async_capable set to True."
        )
    return capable


@contextmanager
def _never_awaited() -> Iterator[list[str]]:
    """Name the coroutines that the block made and nobody awaited, once it is left."""
    found: list[str] = []
    gc.freeze()  # from here on, get_objects() has only what the block makes
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", f"coroutine .*{_NEVER_AWAITED}", RuntimeWarning)
            yield found
            for made in gc.get_objects():
                # By type(): isinstance() would evaluate lazy objects.
                is_coroutine = type(made) is types.CoroutineType
                if is_coroutine and inspect.getcoroutinestate(made) == inspect.CORO_CREATED:
                    found.append(f"coroutine {made.__qualname__!r} {_NEVER_AWAITED}")
                    made.close()
    finally:
        gc.unfreeze()
    for warning in caught:
        if _NEVER_AWAITED in str(warning.message):
            found.append(str(warning.message).splitlines()[0])
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
