"""MiddlewareTestCase in sync and async mode, and what it says of a forgotten await."""

import threading
import warnings
from functools import partial
from itertools import product

import pytest
from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware, LoginRequiredMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed, PermissionDenied
from django.http import HttpResponse
from django.middleware.common import CommonMiddleware
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.views import View

from common.testing import MiddlewareTestCase

User = get_user_model()


def passing(get_response):
    return lambda request: get_response(request)


def in_both(sync, asynchronous=None):
    """Make a middleware of what its modes do to the request, or answer."""

    @sync_and_async_middleware
    def middleware(get_response):
        async def in_async(request):
            return (asynchronous or sync)(request) or await get_response(request)

        def in_sync(request):
            return sync(request) or get_response(request)

        return in_async if iscoroutinefunction(get_response) else in_sync

    return middleware


def only_async(middleware):
    """Make an async-only middleware of ``await middleware(get_response, request)``."""
    return async_only_middleware(lambda get_response: partial(middleware, get_response))


def setting(**attributes):
    return lambda request: vars(request).update(attributes)


def nothing(request):
    return None


def answer(request):
    return HttpResponse(status=204)


def not_used(get_response):
    raise MiddlewareNotUsed("switched off")


class AsyncClass:
    async_capable = True
    sync_capable = False

    def __init__(self, get_response):
        self.get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request):
        return await self.get_response(request)


class AsyncView(View):
    async def get(self, request):
        return HttpResponse("seen")


class FunctionOnTheClassTests(MiddlewareTestCase):
    middleware = passing

    def test_function_is_no_method_of_the_case(self):
        self.assertPassesThrough(self.make_request())

    async def test_async_test_method_is_told_to_be_sync(self):
        request = self.make_request()
        assert await request.auser() is request.user
        with pytest.raises(RuntimeError, match="write `def test_…`, not `async def`"):
            self.run_middleware(request)
        await sync_to_async(self.assertPassesThrough)(request)


class ModeTests(MiddlewareTestCase):
    def test_default_is_sync_where_the_middleware_can(self):
        modes = {passing: "sync", in_both(nothing): "sync", AsyncClass: "async"}
        for self.middleware, mode in modes.items():
            assert self.run_middleware(self.make_request()).mode == mode

    def test_django_adapts_every_middleware_and_view_to_every_mode(self):
        views = AsyncView.as_view(), lambda request: HttpResponse("seen")
        middlewares = passing, in_both(nothing), AsyncClass, partial(passing)
        for self.middleware, view, mode in product(middlewares, views, ("sync", "async")):
            run = self.run_middleware(self.make_request(), view=view, mode=mode)
            assert (run.response.content, run.mode, len(run.view_calls)) == (b"seen", mode, 1)

    def test_unknown_mode_is_refused(self):
        self.middleware = passing
        with pytest.raises(ValueError, match='mode=\'wsgi\' must be "sync", "async" or None'):
            self.run_middleware(self.make_request(), mode="wsgi")

    def test_middleware_of_no_mode_and_factory_of_none_are_refused(self):
        self.middleware = type("Never", (), {"sync_capable": False})
        with pytest.raises(ImproperlyConfigured, match="at least one of sync_capable and"):
            self.run_middleware(self.make_request())
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
        modes = {in_both(answer, nothing): "sync", in_both(nothing, answer): "async"}
        for self.middleware, mode in modes.items():
            with pytest.raises(
                AssertionError, match=rf"in {mode} mode, called the view 0 time\(s\)"
            ):
                self.assertPassesThrough(self.make_request())
        with pytest.raises(AssertionError, match=r"in sync mode, called the view 1 time\(s\)"):
            self.assertShortCircuits(self.make_request())
        self.middleware = in_both(answer)
        self.assertShortCircuits(self.make_request(), status_code=204)

    def test_attribute_set_in_one_mode_only_fails(self):
        self.middleware = in_both(setting(stash=1, other=1), setting(stash=2))
        with pytest.raises(AssertionError, match=r"in async mode, did not set .* \['other'\]"):
            self.assertPassesThrough(self.make_request())
        self.middleware = in_both(nothing, setting(user="replaced"))
        with pytest.raises(AssertionError, match=r"in sync mode, did not set .* \['user'\]"):
            self.assertPassesThrough(self.make_request())

    def test_attributes_that_django_sets_on_use_may_differ(self):
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


class AwaitTests(MiddlewareTestCase):
    def assert_fails(self, problem):
        for assertion in (self.run_middleware, self.assertPassesThrough, self.assertShortCircuits):
            with pytest.raises(AssertionError, match=problem):
                assertion(self.make_request())

    def test_coroutine_of_get_response_that_nobody_awaits(self):
        async def returned(get_response, request):
            return get_response(request)

        async def dropped(get_response, request):
            get_response(request)
            return HttpResponse()

        async def taken_for_a_response(get_response, request):
            response = get_response(request)
            response["X-Foo"] = "1"

        for self.middleware in map(only_async, (returned, dropped, taken_for_a_response)):
            self.assert_fails("in async mode, lost an await: coroutine '.*_get_response_async' was")

    def test_coroutine_that_is_kept_on_the_request(self):
        async def stash():
            return None

        self.middleware = in_both(lambda request: setting(stash=stash())(request))
        self.assert_fails("in sync mode, lost an await: coroutine '.*stash' was never awaited")

    def test_coroutine_of_the_constructor(self):
        async def settings():
            return None

        class Forgetful(AsyncClass):
            def __init__(self, get_response):
                super().__init__(get_response)
                self.settings = settings()

        self.middleware = Forgetful
        self.assert_fails("in async mode, lost an await: coroutine '.*settings' was never awaited")

    def test_result_that_is_no_response(self):
        async def none(get_response, request):
            await get_response(request)

        for self.middleware, mode in ((only_async(none), "async"), (lambda _: nothing, "sync")):
            self.assert_fails(f"in {mode} mode, returned None, which is no response")

    def test_sync_result_in_async_mode(self):
        self.middleware = async_only_middleware(lambda get_response: lambda request: HttpResponse())
        self.assert_fails("in async mode, returned <HttpResponse .*, which cannot be awaited")

    def test_exception_of_a_class_that_is_not_marked(self):
        class Unmarked(AsyncClass):
            def __init__(self, get_response):
                pass

            async def __call__(self, request):
                raise PermissionDenied

        self.middleware = Unmarked
        self.assert_fails(r"let out PermissionDenied\(\).*call markcoroutinefunction\(self\)")

    def test_other_warnings_go_their_way(self):
        self.middleware = in_both(lambda request: warnings.warn("old", DeprecationWarning, 1))
        with pytest.warns(DeprecationWarning, match="old") as caught:
            self.assertPassesThrough(self.make_request())
        assert len(caught) == 2


class NotUsedTests(MiddlewareTestCase):
    def test_middleware_that_is_not_used_passes(self):
        in_both_not_used = sync_and_async_middleware(partial(not_used))
        for self.middleware in (not_used, in_both_not_used):
            self.assertNotUsed()

    def test_middleware_that_is_used_fails_with_its_mode(self):
        @sync_and_async_middleware
        def in_async(get_response):
            return AsyncClass(get_response) if iscoroutinefunction(get_response) else not_used(0)

        modes = {passing: "sync", AsyncClass: "async", in_async: "async"}
        for self.middleware, mode in modes.items():
            with pytest.raises(AssertionError, match=f"in {mode} mode, did not raise Middleware"):
                self.assertNotUsed()

    def test_other_assertions_say_that_it_is_not_used(self):
        self.middleware = not_used
        for assertion in (self.run_middleware, self.assertPassesThrough, self.assertShortCircuits):
            with pytest.raises(AssertionError, match=r"raised MiddlewareNotUsed\('switched off'\)"):
                assertion(self.make_request())
