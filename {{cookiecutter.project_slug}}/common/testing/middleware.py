"""Test a middleware without a client, a database or a URLconf, in sync and async mode.

After "Tips for writing unit tests for Django middleware". ``common/tests/test_middleware.py``
shows how to use it.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import RequestFactory, SimpleTestCase
from django.test.client import MULTIPART_CONTENT
from django.utils.datastructures import CaseInsensitiveMapping

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

        ``data`` is the query string of a GET or HEAD, otherwise the body: text, bytes, or a dict,
        which is sent as a form, or as JSON if the Content-Type in ``headers`` says so.
        ``session`` is what an earlier request has saved. ``user`` defaults to an AnonymousUser.
        """
        factory, method = RequestFactory(headers=headers), method.upper()
        if data is None or method in {"GET", "HEAD"}:
            request = factory.get(path, data, REQUEST_METHOD=method)
        else:
            default = MULTIPART_CONTENT if isinstance(data, dict) else "application/octet-stream"
            content_type = CaseInsensitiveMapping(headers or {}).get("Content-Type", default)
            request = factory.post(path, data, content_type, REQUEST_METHOD=method)
        request.session = MemorySession(session)
        request.user = AnonymousUser() if user is None else user
        request.auser = partial(_auser, request)
        return request

    def run_middleware(
        self, request: HttpRequest, *, view: View | None = None, mode: Mode | None = None
    ) -> MiddlewareHandler:
        """Run ``request`` through the middleware and ``view`` as Django's handler would.

        Return an object with ``response``, ``view_calls`` (the requests that reached the view)
        and ``mode``, which by default is "sync" if the middleware supports it. The default view
        returns an empty 200. Exceptions become responses of Django's own error views. Raise
        AssertionError if the result is no response, or if a coroutine is never awaited.
        """
        middleware = self._middleware()
        handler = MiddlewareHandler(middleware, view, mode or modes(middleware)[0])
        handler.run(request)
        return handler

    def assertPassesThrough(
        self, request: HttpRequest, *, view: View | None = None
    ) -> HttpResponseBase:
        """Assert that ``view`` gets this request once and that its response comes back.

        The middleware may add headers to the response. Return the response.
        """

        def check(run: MiddlewareHandler) -> None:
            run.expect(not run.crashes, f"raised {run.crashes}")
            once = run.view_calls == [run.request]
            run.expect(once, f"did not call the view once, with its request: {run.response!r}")
            unchanged = run.view_responses == [run.response]
            run.expect(unchanged, f"returned {run.response!r} and not the view's response")

        return self._assert_in_each_mode(request, view, check)

    def assertShortCircuits(
        self, request: HttpRequest, *, status_code: int | None = None
    ) -> HttpResponseBase:
        """Assert that the middleware responds, with ``status_code`` if given, without the view.

        An exception counts as a response if Django converts it to a 4xx. If Django converts it
        to a 500, the assertion fails, except with ``status_code=500``. Return the response.
        """

        def check(run: MiddlewareHandler) -> None:
            run.expect(not run.view_calls, "called the view")
            run.expect(not run.crashes or status_code == 500, f"raised {run.crashes}")
            expected = status_code in (None, run.response.status_code)
            run.expect(expected, f"returned {run.response!r}, not status {status_code}")

        return self._assert_in_each_mode(request, None, check)

    def assertNotUsed(self) -> None:
        """Assert that the middleware raises MiddlewareNotUsed when Django loads it."""
        for mode in modes(self._middleware()):
            run = MiddlewareHandler(self._middleware(), None, mode)
            run.load_middleware(is_async=mode == "async")
            run.expect(not run.is_used, "did not raise MiddlewareNotUsed")

    def _assert_in_each_mode(
        self, request: HttpRequest, view: View | None, check: Callable[[MiddlewareHandler], None]
    ) -> HttpResponseBase:
        first, *others = modes(self._middleware())
        requests = {first: request, **{mode: _copy_request(request) for mode in others}}
        runs: list[MiddlewareHandler] = []
        for mode, own_request in requests.items():
            runs.append(self.run_middleware(own_request, view=view, mode=mode))
            check(runs[-1])
        names = set().union(*(run.names_set for run in runs))
        for run in runs:
            missing = names - run.names_set
            run.expect(not missing, f"did not set request attributes {sorted(missing)}")
        return runs[0].response

    def _middleware(self) -> Callable[..., Any]:
        # Not self.middleware: Python would make a method of a function on the class body.
        return vars(self).get("middleware") or type(self).middleware


class MemorySession(SessionBase):
    """A session that is stored in itself, so that a copy of a request has a copy of it."""

    def __init__(self, data: Mapping[str, Any] | None) -> None:
        super().__init__(uuid4().hex if data else None)
        self._stored = {self.session_key: dict(data)} if data else {}

    def exists(self, session_key: str | None) -> bool:
        return session_key in self._stored

    def create(self) -> None:
        self._session_key = None
        self.save()
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        self._session_key = self.session_key or uuid4().hex
        self._stored[self.session_key] = copy.deepcopy(dict(self.items()))

    def delete(self, session_key: str | None = None) -> None:
        self._stored.pop(session_key or self.session_key, None)

    def load(self) -> dict[str, Any]:
        return copy.deepcopy(self._stored.get(self.session_key, {}))


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
