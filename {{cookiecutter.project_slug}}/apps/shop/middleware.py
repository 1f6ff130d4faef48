"""Set ``request.stash``: the products that a visitor has set aside, stored in the session.

An example of a middleware that makes an object from session data and saves it if a view changed it,
after "Tips for writing unit tests for Django middleware". See ``tests/test_middleware.py``.
"""

from collections.abc import Awaitable, Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

SESSION_KEY = "stashed_data"


class Stash(SimpleNamespace):
    """Any attributes, with values that the session can serialise as JSON."""


class StashRequest(HttpRequest):
    stash: Stash


class StashMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: StashRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.acall(request)
        stashed = request.session.get(SESSION_KEY, {})
        request.stash = Stash(**deepcopy(stashed))
        response: HttpResponseBase = self.get_response(request)
        if vars(request.stash) != stashed:
            request.session[SESSION_KEY] = vars(request.stash)
        return response

    async def acall(self, request: StashRequest) -> HttpResponseBase:
        stashed = await request.session.aget(SESSION_KEY, {})
        request.stash = Stash(**deepcopy(stashed))
        response: HttpResponseBase = await self.get_response(request)
        if vars(request.stash) != stashed:
            await request.session.aset(SESSION_KEY, vars(request.stash))
        return response
