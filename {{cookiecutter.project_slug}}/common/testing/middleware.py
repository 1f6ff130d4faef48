"""Middleware tested without a client, a database or a URLconf, in sync and in async mode.

After "Tips for writing unit tests for Django middleware"::

    class StashMiddlewareTests(MiddlewareTestCase):
        middleware = StashMiddleware

        def test_new_session_has_an_empty_stash(self):
            request = self.make_request()
            self.assertPassesThrough(request)
            assert request.stash.items == {}
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from common.testing import requests
from common.testing.cases import SimpleTestCase
from common.testing.handlers import MiddlewareHandler, Mode, modes

__unittest = True  # hides these frames from unittest's tracebacks

View = Callable[..., Any]


@dataclass(frozen=True)
class MiddlewareRun:
    """What ``run_middleware`` returns: one request in one mode."""

    response: HttpResponseBase
    view_calls: list[HttpRequest]  # the requests that reached the view
    mode: Mode


class MiddlewareTestCase(SimpleTestCase):
    """Tests one middleware: a class, a function, or anything else that Django would take.

    Where the middleware is capable of both modes, each assertion runs it in both: first sync, on
    the very request, then async, on a deep copy made before. A view is thus called once in each.
    """

    middleware: Any = None

    def make_request(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        session: Mapping[str, Any] | None = None,
        user: Any = None,
    ) -> HttpRequest:
        """Return a real request. No middleware has run, yet it has a session and a user.

        ``data`` is the query of a GET or HEAD, otherwise the body: a dict is sent as multipart
        form, or as the Content-Type in ``headers`` says (urlencoded or JSON); text and bytes are
        sent as they are. ``session`` is what an earlier request saved: without it, there is no
        session key yet. ``user`` is an AnonymousUser unless given.
        """
        return requests.make_request(path, method, data, headers, session, user)

    def run_middleware(
        self, request: HttpRequest, *, view: View | None = None, mode: Mode | None = None
    ) -> MiddlewareRun:
        """Run ``request`` through the middleware round ``view``, as Django would.

        Exceptions become responses, by Django's own error views. ``mode`` is "sync" (as under
        WSGI) or "async" (as under ASGI), by default sync where the middleware can; in a mode
        that it is not capable of, Django adapts it. The default view returns an empty 200.
        Raises AssertionError where no response comes out, or an ``await`` was forgotten.
        """
        if mode not in (None, "sync", "async"):
            raise ValueError(f'mode={mode!r} must be "sync", "async" or None.')
        handler = self._run(request, view, mode or modes(self._middleware())[0])
        return MiddlewareRun(handler.response, handler.view_calls, handler.mode)

    def assertPassesThrough(
        self, request: HttpRequest, *, view: View | None = None
    ) -> HttpResponseBase:
        """Assert that ``view`` got this request, once, and that its response came back.

        Headers may be added to the response, which is returned.
        """

        def problem(handler: MiddlewareHandler, request: HttpRequest) -> str | None:
            calls, responses = handler.view_calls, handler.view_responses
            if handler.crashes and len(responses) < len(calls):
                return f"had nothing to pass on, the view raised {handler.crashes[0]!r}"
            if handler.crashes:
                return f"raised {handler.crashes[0]!r}"
            if len(calls) != 1:
                return f"called the view {len(calls)} time(s), not once: {handler.response!r}"
            if calls[0] is not request:
                return f"passed on another request, {calls[0]!r}"
            if responses != [handler.response]:
                return f"gave {handler.response!r} and not the view's response"
            return None

        return self._exercise(request, view, problem)

    def assertShortCircuits(
        self, request: HttpRequest, *, status_code: int | None = None
    ) -> HttpResponseBase:
        """Assert that the middleware answered by itself, with ``status_code`` if given.

        An exception that Django turns into a 4xx is an answer; one that it turns into a 500 is
        only with ``status_code=500``. Returns the response.
        """

        def problem(handler: MiddlewareHandler, request: HttpRequest) -> str | None:
            if handler.view_calls:
                return f"called the view {len(handler.view_calls)} time(s)"
            if handler.crashes and status_code != 500:
                return f"raised {handler.crashes[0]!r}"
            if status_code not in (None, handler.response.status_code):
                return f"gave {handler.response!r}, not status {status_code}"
            return None

        return self._exercise(request, None, problem)

    def assertNotUsed(self) -> None:
        """Assert that the middleware raises MiddlewareNotUsed when Django loads it."""
        for mode in modes(self._middleware()):
            handler = MiddlewareHandler(self._middleware(), _default_view, mode)
            try:
                handler.load_middleware(is_async=mode == "async")
            except MiddlewareNotUsed:
                continue
            raise self._failure(mode, "did not raise MiddlewareNotUsed")

    def _exercise(
        self,
        request: HttpRequest,
        view: View | None,
        problem: Callable[[MiddlewareHandler, HttpRequest], str | None],
    ) -> HttpResponseBase:
        first, *others = modes(self._middleware())
        runs = {first: request, **{mode: requests.copy_request(request) for mode in others}}
        responses: list[HttpResponseBase] = []
        names: dict[Mode, set[str]] = {}
        for mode, own in runs.items():
            before = dict(vars(own))
            handler = self._run(own, view, mode)
            if found := problem(handler, own):
                raise self._failure(mode, found) from next(iter(handler.crashes), None)
            responses.append(handler.response)
            names[mode] = requests.names_set(own, before)
        for mode, own_names in names.items():
            if missing := set().union(*names.values()) - own_names:
                raise self._failure(mode, f"did not set request attributes {sorted(missing)}")
        return responses[0]

    def _run(self, request: HttpRequest, view: View | None, mode: Mode) -> MiddlewareHandler:
        _refuse_event_loop()
        handler = MiddlewareHandler(self._middleware(), view or _default_view, mode)
        try:
            handler.run(request)
        except MiddlewareNotUsed as exc:
            raise self._failure(mode, f"raised {exc!r}: use assertNotUsed()") from exc
        response = handler.response
        if not handler.problem and not isinstance(response, HttpResponseBase):
            handler.problem = f"returned {response!r}, which is no response"
        if handler.problem:
            raise self._failure(mode, handler.problem) from next(iter(handler.crashes), None)
        self.addCleanup(_release, response)
        self.addCleanup(request.close)
        return handler

    def _middleware(self) -> Callable[..., Any]:
        middleware: Callable[..., Any] | None = self.middleware
        if inspect.ismethod(middleware) and middleware.__self__ is self:
            middleware = middleware.__func__  # a function on the class body is no method of ours
        if not callable(middleware):
            raise ImproperlyConfigured(
                f"{type(self).__name__}.middleware is {middleware!r}: set it to the middleware."
            )
        return middleware

    def _failure(self, mode: Mode, problem: str) -> AssertionError:
        middleware = self._middleware()
        name = getattr(middleware, "__name__", repr(middleware))
        return AssertionError(f"{name}, in {mode} mode, {problem}.")


def _default_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _release(response: Any) -> None:
    """Close the files of a response, without the request_finished signal of its close()."""
    for close in response._resource_closers:
        close()


def _refuse_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "MiddlewareTestCase runs from sync test methods: write `def test_…`, not `async def`. "
        "Async middleware is awaited all the same."
    )
