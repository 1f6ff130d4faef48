"""MiddlewareTestCase: sync and async mode, and what must be equal in both."""

import threading
from functools import partial
from itertools import product

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.middleware.common import CommonMiddleware
from django.views import View

from common.testing import MiddlewareTestCase
from common_tests.middleware_helpers import (
    AsyncClass,
    in_both,
    nothing,
    only_async,
    passing,
    setting,
)

User = get_user_model()


def respond(request):
    return HttpResponse(status=204)


class AsyncView(View):
    async def get(self, request):
        return HttpResponse("seen")


class FunctionOnTheClassTests(MiddlewareTestCase):
    middleware = passing

    def test_function_on_the_class_body_is_not_called_as_a_method(self):
        self.assertPassesThrough(self.make_request())

    async def test_async_test_method_fails_with_the_reason(self):
        request = self.make_request()
        assert await request.auser() is request.user
        with pytest.raises(AssertionError, match="same thread as an async event loop"):
            self.run_middleware(request, mode="async")
        await sync_to_async(self.assertPassesThrough)(request)


class ModeTests(MiddlewareTestCase):
    def test_default_is_sync_if_the_middleware_supports_it(self):
        modes = {passing: "sync", in_both(nothing): "sync", AsyncClass: "async"}
        for self.middleware, mode in modes.items():
            assert self.run_middleware(self.make_request()).mode == mode

    def test_django_adapts_every_middleware_and_view_to_every_mode(self):
        views = AsyncView.as_view(), lambda request: HttpResponse("seen")
        middlewares = passing, in_both(nothing), AsyncClass, partial(passing)
        for self.middleware, view, mode in product(middlewares, views, ("sync", "async")):
            run = self.run_middleware(self.make_request(), view=view, mode=mode)
            assert (run.response.content, run.mode, len(run.view_calls)) == (b"seen", mode, 1)

    def test_django_refuses_a_factory_that_returns_none(self):
        self.middleware = nothing
        with pytest.raises(ImproperlyConfigured, match="nothing .*returned None"):
            self.run_middleware(self.make_request())

    def test_middleware_of_django_passes_in_both_modes(self):
        for self.middleware in (AuthenticationMiddleware, CommonMiddleware, MessageMiddleware):
            self.assertPassesThrough(self.make_request())
        self.middleware = LoginRequiredMiddleware
        self.assertShortCircuits(self.make_request(), status_code=302)
        self.assertPassesThrough(self.make_request(user=User()))

    def test_nothing_is_left_running(self):
        before = set(threading.enumerate())
        self.middleware = AsyncClass
        self.assertPassesThrough(self.make_request())
        for thread in set(threading.enumerate()) - before:
            thread.join(timeout=10)
            assert not thread.is_alive()


class BothModesTests(MiddlewareTestCase):
    def test_each_assertion_runs_both_and_names_the_mode_that_fails(self):
        modes = {in_both(respond, nothing): "sync", in_both(nothing, respond): "async"}
        for self.middleware, mode in modes.items():
            with pytest.raises(AssertionError, match=f"in {mode} mode, did not call the view once"):
                self.assertPassesThrough(self.make_request())
        with pytest.raises(AssertionError, match="in sync mode, called the view"):
            self.assertShortCircuits(self.make_request())
        self.middleware = in_both(respond)
        self.assertShortCircuits(self.make_request(), status_code=204)

    def test_attribute_set_in_one_mode_only_fails(self):
        self.middleware = in_both(setting(stash=1, other=1), setting(stash=2))
        with pytest.raises(AssertionError, match=r"in async mode, did not set .* \['other'\]"):
            self.assertPassesThrough(self.make_request())
        self.middleware = in_both(nothing, setting(user="replaced"))
        with pytest.raises(AssertionError, match=r"in sync mode, did not set .* \['user'\]"):
            self.assertPassesThrough(self.make_request())

    def test_attributes_that_django_sets_may_differ(self):
        self.middleware = in_both(lambda request: len(request.GET) + len(request.POST), nothing)
        self.assertPassesThrough(self.make_request())

    def test_request_carries_the_sync_result(self):
        request = self.make_request()
        self.middleware = in_both(setting(stash="sync"), setting(stash="async"))
        response = self.assertPassesThrough(request, view=lambda r: HttpResponse(r.stash))
        assert (request.stash, response.content) == ("sync", b"sync")
        self.middleware = only_async(self.async_stash)
        self.assertPassesThrough(request)
        assert request.stash == "async only"

    async def async_stash(self, get_response, request):
        request.stash = "async only"
        return await get_response(request)
