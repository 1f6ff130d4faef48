"""Test a middleware without a client, a database or a URLconf, in sync and async mode.

After "Tips for writing unit tests for Django middleware"::

    class StashMiddlewareTests(MiddlewareTestCase):
        middleware = StashMiddleware

        def test_stash_of_a_new_session_is_empty(self):
            request = self.make_request()
            self.assertPassesThrough(request)
            assert request.stash == Stash()
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.core.signals import request_finished
from django.http import HttpHeaders, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory
from django.test.client import MULTIPART_CONTENT
from django.utils.http import urlencode

from common.testing.cases import SimpleTestCase
from common.testing.handlers import MiddlewareHandler, Mode, modes

__unittest = True  # unittest leaves the frames of this module out of tracebacks

View = Callable[..., Any]


class MiddlewareTestCase(SimpleTestCase):
    """Test one middleware: a class, a function, or any other factory that Django accepts.

    If the middleware supports both modes, each assertion runs both: first sync, with the request
    that you pass, then async, with a deep copy of it. So each assertion calls the view twice, and
    fails if the middleware sets different request attributes in the two modes.
    """

    middleware: Callable[..., Any]

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
        """Return a real request with a session and a user, as if their middleware had run.

        ``data`` is the query string of a GET or HEAD, otherwise the body: a dict is encoded as a
        multipart form, or as the Content-Type in ``headers`` says (urlencoded or JSON); text and
        bytes are sent as they are. ``session`` is what an earlier request has saved; without
        it, the session is empty and has no key. ``user`` defaults to an AnonymousUser.
        """
        meta: dict[str, Any] = dict(HttpHeaders.to_wsgi_names(headers or {}))
        meta["REQUEST_METHOD"] = method.upper()
        request: HttpRequest
        if data is None or method.upper() in {"GET", "HEAD"}:
            request = RequestFactory().get(path, data, **meta)
        else:
            default = MULTIPART_CONTENT if isinstance(data, dict) else "application/octet-stream"
            content_type = meta.pop("CONTENT_TYPE", default)
            if isinstance(data, dict) and content_type == "application/x-www-form-urlencoded":
                data = urlencode(data, doseq=True)
            request = RequestFactory().post(path, data, content_type, **meta)
        request.session = MemorySession(session)
        request.user = AnonymousUser() if user is None else user
        request.auser = partial(_auser, request)
        return request

    def run_middleware(
        self, request: HttpRequest, *, view: View | None = None, mode: Mode | None = None
    ) -> MiddlewareHandler:
        """Run ``request`` through the middleware and ``view`` as Django's handler would.

        Return an object with ``response``, ``view_calls`` (the requests that reached the view)
        and ``mode``. Exceptions become responses of Django's own error views. The default view
        returns an empty 200. ``mode`` is "sync" (WSGI) or "async" (ASGI); the default is sync if
        the middleware supports it. Django adapts a middleware that does not support ``mode``.
        Raise AssertionError if the result is no response, or if a coroutine is never awaited.
        """
        if mode not in (None, "sync", "async"):
            raise ValueError(f'mode={mode!r} must be "sync", "async" or None.')
        middleware = self._middleware()
        handler = MiddlewareHandler(middleware, view or _empty_view, mode or modes(middleware)[0])
        handler.run(request)
        self.addCleanup(_close, handler.response)
        self.addCleanup(request.close)
        return handler

    def assertPassesThrough(
        self, request: HttpRequest, *, view: View | None = None
    ) -> HttpResponseBase:
        """Assert that ``view`` gets this request once and that its response comes back.

        The middleware may add headers to the response. Return the response.
        """

        def problem(run: MiddlewareHandler) -> str | None:
            if run.crashes:
                return f"passed no response through, {run.crashes[0]!r} was raised"
            if len(run.view_calls) != 1:
                return f"called the view {len(run.view_calls)} time(s), not once: {run.response!r}"
            if run.view_calls[0] is not run.request:
                return f"passed on another request, {run.view_calls[0]!r}"
            if run.view_responses != [run.response]:
                return f"returned {run.response!r} and not the view's response"
            return None

        return self._assert_in_each_mode(request, view, problem)

    def assertShortCircuits(
        self, request: HttpRequest, *, status_code: int | None = None
    ) -> HttpResponseBase:
        """Assert that the middleware responds, with ``status_code`` if given, without the view.

        An exception that Django converts to a 4xx counts as a response. One that Django converts
        to a 500 fails the assertion, except with ``status_code=500``. Return the response.
        """

        def problem(run: MiddlewareHandler) -> str | None:
            if run.view_calls:
                return f"called the view {len(run.view_calls)} time(s)"
            if run.crashes and status_code != 500:
                return f"raised {run.crashes[0]!r}"
            if status_code not in (None, run.response.status_code):
                return f"returned {run.response!r}, not status {status_code}"
            return None

        return self._assert_in_each_mode(request, None, problem)

    def assertNotUsed(self) -> None:
        """Assert that the middleware raises MiddlewareNotUsed when Django loads it."""
        for mode in modes(self._middleware()):
            handler = MiddlewareHandler(self._middleware(), _empty_view, mode)
            handler.load_middleware(is_async=mode == "async")
            if not handler.not_used:
                raise handler.failure("did not raise MiddlewareNotUsed")

    def _assert_in_each_mode(
        self,
        request: HttpRequest,
        view: View | None,
        problem: Callable[[MiddlewareHandler], str | None],
    ) -> HttpResponseBase:
        first, *others = modes(self._middleware())
        requests = {first: request, **{mode: _copy_request(request) for mode in others}}
        runs: list[MiddlewareHandler] = []
        for mode, own_request in requests.items():
            runs.append(self.run_middleware(own_request, view=view, mode=mode))
            if found := problem(runs[-1]):
                raise runs[-1].failure(found)
        names = set().union(*(run.names_set for run in runs))
        for run in runs:
            if missing := names - run.names_set:
                raise run.failure(f"did not set request attributes {sorted(missing)}")
        return runs[0].response

    def _middleware(self) -> Callable[..., Any]:
        # Not self.middleware: Python would make a method of a function on the class body.
        return vars(self).get("middleware") or type(self).middleware


class MemorySession(SessionBase):
    """A session that is stored in itself, so that a copy of a request has a copy of it."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._stored: dict[str | None, dict[str, Any]] = {}
        if data:
            self._session_key = uuid4().hex
            self._stored[self.session_key] = copy.deepcopy(dict(data))

    def exists(self, session_key: str | None) -> bool:
        return session_key in self._stored

    def create(self) -> None:
        self._session_key = uuid4().hex
        self._stored[self.session_key] = {}
        self.save()
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        if self.session_key is None:
            return self.create()
        if self.exists(self.session_key) == must_create:
            raise CreateError if must_create else UpdateError
        self._stored[self.session_key] = copy.deepcopy(dict(self.items()))
        return None

    def delete(self, session_key: str | None = None) -> None:
        self._stored.pop(session_key or self.session_key, None)

    def load(self) -> dict[str, Any]:
        if not self.exists(self.session_key):
            self._session_key = None
            return {}
        return copy.deepcopy(self._stored[self.session_key])


def _empty_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _close(response: HttpResponseBase) -> None:
    with patch.object(request_finished, "send"):  # its receivers need a database
        response.close()


async def _auser(request: HttpRequest) -> Any:
    return request.user


def _copy_request(request: HttpRequest) -> HttpRequest:
    """Return a deep copy, its body included. Share attributes that cannot be copied."""
    clone = type(request).__new__(type(request))
    memo: dict[int, Any] = {id(request): clone}
    for value in vars(request).values():
        try:
            copy.deepcopy(value, {id(request): clone})
        except Exception:  # locks, sockets, open files
            memo[id(value)] = value
    # Not deepcopy(request): Django leaves the body and environ out of a request's state.
    vars(clone).update(copy.deepcopy(vars(request), memo))
    return clone
