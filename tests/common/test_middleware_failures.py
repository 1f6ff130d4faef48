"""MiddlewareTestCase: lost awaits, results that are no response, and middleware that is not used."""

import warnings
from functools import partial

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.exceptions import MiddlewareNotUsed, PermissionDenied
from django.http import HttpResponse
from django.utils.decorators import async_only_middleware, sync_and_async_middleware

from common.testing import MiddlewareTestCase
from common_tests.middleware_helpers import AsyncClass, in_both, nothing, only_async, passing


def not_used(get_response):
    raise MiddlewareNotUsed("switched off")


class AwaitTests(MiddlewareTestCase):
    def assert_fails(self, problem):
        for assertion in (self.run_middleware, self.assertPassesThrough, self.assertShortCircuits):
            with pytest.raises(AssertionError, match=problem):
                assertion(self.make_request())

    def test_coroutine_of_get_response_is_never_awaited(self):
        async def returned(get_response, request):
            return get_response(request)

        async def dropped(get_response, request):
            get_response(request)
            return HttpResponse()

        async def taken_for_a_response(get_response, request):
            response = get_response(request)
            response["X-Foo"] = "1"

        for self.middleware in map(only_async, (returned, dropped, taken_for_a_response)):
            for action in ("error", "ignore"):
                with warnings.catch_warnings(action=action):
                    self.assert_fails("async mode, lost an await: .*_get_response_async was never")

    def test_coroutine_of_a_middleware_that_then_raises_is_never_awaited(self):
        async def forbidden(get_response, request):
            token = request.session.aget("token")
            if token != "right":
                raise PermissionDenied

        self.middleware = only_async(forbidden)
        self.assert_fails("in async mode, lost an await: .*aget was never awaited")

    def test_coroutine_that_was_dropped_before_is_not_counted(self):
        async def earlier():
            return None

        with warnings.catch_warnings(action="ignore"):
            cycle = [earlier()]
            cycle.append(cycle)
            del cycle
            self.middleware = passing
            self.assertPassesThrough(self.make_request())

    def test_coroutine_in_a_reference_cycle_is_never_awaited(self):
        async def dropped(get_response, request):
            cycle = [get_response(request)]
            cycle.append(cycle)
            return HttpResponse()

        self.middleware = only_async(dropped)
        self.assert_fails("in async mode, lost an await: .*_get_response_async was never")

    def test_coroutine_of_a_sync_middleware_is_never_awaited(self):
        async def log():
            return None

        self.middleware = in_both(lambda request: (log(), None)[1])
        self.assert_fails("in sync mode, lost an await: .*log was never awaited")

    def test_coroutine_of_the_constructor_is_never_awaited(self):
        async def load():
            return None

        class Forgetful(AsyncClass):
            def __init__(self, get_response):
                super().__init__(get_response)
                load()

        self.middleware = Forgetful
        self.assert_fails("in async mode, lost an await: .*load was never awaited")

    def test_result_that_is_no_response(self):
        async def none(get_response, request):
            await get_response(request)

        for self.middleware, mode in ((only_async(none), "async"), (lambda _: nothing, "sync")):
            self.assert_fails(f"in {mode} mode, returned None, which is no response")

    def test_sync_result_in_async_mode(self):
        self.middleware = async_only_middleware(lambda get_response: lambda request: HttpResponse())
        self.assert_fails("in async mode, let out TypeError.*object HttpResponse can't be")

    def test_exception_of_a_class_that_is_not_marked(self):
        class Unmarked(AsyncClass):
            def __init__(self, get_response):
                pass

            async def __call__(self, request):
                raise PermissionDenied

        self.middleware = Unmarked
        self.assert_fails(
            r"let out PermissionDenied\(\); an async __call__ needs markcoroutinefunc"
        )

    def test_other_warnings_are_not_swallowed(self):
        self.middleware = in_both(lambda request: warnings.warn("old", DeprecationWarning, 1))
        with pytest.warns(DeprecationWarning, match="old") as caught:
            self.assertPassesThrough(self.make_request())
        assert len(caught) == 2


class NotUsedTests(MiddlewareTestCase):
    def test_middleware_that_is_not_used(self):
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

    def test_other_assertions_fail_and_name_assert_not_used(self):
        self.middleware = not_used
        for assertion in (self.run_middleware, self.assertPassesThrough, self.assertShortCircuits):
            with pytest.raises(AssertionError, match=r"raised MiddlewareNotUsed: use assertNot"):
                assertion(self.make_request())
