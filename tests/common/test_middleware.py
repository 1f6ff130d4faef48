"""MiddlewareTestCase: how it runs a middleware, and its assertions, here with sync middleware."""

from functools import partial
from types import SimpleNamespace

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.template.response import TemplateResponse
from django.test import override_settings
from django.urls import path, reverse
from django.views.decorators.csrf import csrf_exempt

from common.testing import MiddlewareTestCase
from common_tests.middleware_helpers import answering, passing, raising, view_raising

urlpatterns = [path("elsewhere/", HttpResponse, name="elsewhere")]
handler404 = handler500 = "not.the.default"


class WithHooks:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        request.seen = view.__name__, vars(view), args, request.resolver_match.func is view
        kwargs["extra"] = "from process_view"

    def process_exception(self, request, exception):
        return HttpResponse(f"caught {exception}")

    def process_template_response(self, request, response):
        response.context_data["name"] = "hook"
        return response


class RunTests(MiddlewareTestCase):
    def test_result_has_the_response_the_calls_and_the_mode(self):
        self.middleware = passing
        request = self.make_request()
        run = self.run_middleware(request)
        assert (run.response.status_code, run.view_calls, run.mode) == (200, [request], "sync")

    def test_process_view_gets_the_view_with_its_attributes(self):
        def view(request, extra):
            return HttpResponse(extra)

        view.mark = 1
        self.middleware = WithHooks
        request = self.make_request()
        assert self.run_middleware(request, view=view).response.content == b"from process_view"
        assert request.seen == ("view", {"mark": 1}, (), True)

    def test_csrf_exempt_view_is_exempt(self):
        self.middleware = CsrfViewMiddleware
        exempt = csrf_exempt(lambda request: HttpResponse())
        self.assertPassesThrough(self.make_request(method="POST"), view=exempt)
        self.assertShortCircuits(self.make_request(method="POST"), status_code=403)

    def test_process_exception_may_respond(self):
        def view(request, extra):
            raise ValueError(extra)

        self.middleware = WithHooks
        for mode in ("sync", "async"):
            run = self.run_middleware(self.make_request(), view=view, mode=mode)
            assert run.response.content == b"caught from process_view"

    def test_process_template_response_comes_before_rendering(self):
        def view(request, extra):
            template = SimpleNamespace(render=lambda context, request: context["name"])
            return TemplateResponse(request, template, {})

        self.middleware = WithHooks
        assert self.assertPassesThrough(self.make_request(), view=view).content == b"hook"

    def test_get_response_never_raises(self):
        self.middleware = passing
        for exception, status in ((Http404(), 404), (PermissionDenied(), 403), (OSError(), 500)):
            run = self.run_middleware(self.make_request(), view=view_raising(exception))
            assert (run.response.status_code, len(run.view_calls)) == (status, 1)

    @override_settings(ROOT_URLCONF=__name__)
    def test_urls_of_the_service_reverse_and_its_error_views_are_not_used(self):
        self.middleware = lambda get_response: lambda request: HttpResponse(reverse("elsewhere"))
        assert self.assertShortCircuits(self.make_request()).content == b"/elsewhere/"
        self.middleware = raising(Http404())
        assert b"<h1>Not Found</h1>" in self.assertShortCircuits(self.make_request()).content

    @override_settings(ROOT_URLCONF="no.such.module", TEMPLATES=[])
    def test_no_urlconf_and_no_template_is_needed(self):
        self.middleware = raising(ValueError())
        assert b"Server Error" in self.run_middleware(self.make_request()).response.content

    def test_atomic_requests_open_no_transaction(self):
        database = connections.settings["default"]
        self.addCleanup(database.update, ATOMIC_REQUESTS=database["ATOMIC_REQUESTS"])
        database["ATOMIC_REQUESTS"] = True
        self.middleware = passing
        self.assertPassesThrough(self.make_request())

    def test_middleware_that_is_not_set_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="'RunTests' has no attribute 'middleware'"):
            self.run_middleware(self.make_request())


class AssertionTests(MiddlewareTestCase):
    def test_pass_through_returns_the_very_response(self):
        response = HttpResponse()
        self.middleware = passing
        assert self.assertPassesThrough(self.make_request(), view=lambda _: response) is response

    def test_pass_through_fails_unless_the_same_request_and_response_pass_once(self):
        for self.middleware, problem in (
            (answering(302), "not call the view once, .*: <HttpResponse status_code=302"),
            (
                lambda call: lambda request: [call(request), call(request)][1],
                "not call the view once",
            ),
            (lambda call: lambda _: call(HttpRequest()), "not call the view .* with its request"),
            (
                lambda call: lambda request: [call(request), HttpResponse()][1],
                "not the view's response",
            ),
        ):
            with pytest.raises(AssertionError, match=f"<lambda>, in sync mode, .*{problem}"):
                self.assertPassesThrough(self.make_request())

    def test_pass_through_fails_with_the_traceback_of_a_crash(self):
        crash = ValueError("boom")
        self.middleware = raising(crash)
        with pytest.raises(AssertionError, match=r"mode, raised .*ValueError\('boom'\)") as caught:
            self.assertPassesThrough(self.make_request())
        assert caught.value.__cause__ is crash
        self.middleware = passing
        with pytest.raises(AssertionError, match=r"mode, raised .*ValueError\('boom'\)"):
            self.assertPassesThrough(self.make_request(), view=view_raising(crash))

    def test_short_circuit_returns_the_response(self):
        self.middleware = answering(204)
        assert self.assertShortCircuits(self.make_request()).status_code == 204
        assert self.assertShortCircuits(self.make_request(), status_code=204).status_code == 204
        with pytest.raises(
            AssertionError, match="returned <HttpResponse status_code=204.*, not status 4"
        ):
            self.assertShortCircuits(self.make_request(), status_code=403)

    def test_short_circuit_fails_if_the_view_was_called(self):
        self.middleware = passing
        with pytest.raises(AssertionError, match="passing, in sync mode, called the view"):
            self.assertShortCircuits(self.make_request())

    def test_crash_is_a_short_circuit_only_with_status_code_500(self):
        self.middleware = raising(ValueError("boom"))
        self.assertShortCircuits(self.make_request(), status_code=500)
        for status_code in (None, 403):
            with pytest.raises(AssertionError, match="boom") as caught:
                self.assertShortCircuits(self.make_request(), status_code=status_code)
            assert caught.value.__cause__.args == ("boom",)

    def test_exception_of_djangos_4xx_kinds_is_a_short_circuit(self):
        kinds = ((Http404, 404), (PermissionDenied, 403), (SuspiciousOperation, 400))
        for exception, status_code in kinds:
            self.middleware = raising(exception())
            self.assertShortCircuits(self.make_request(), status_code=status_code)


def answering_with(get_response, status):
    return answering(status)(get_response)


class PartialTests(MiddlewareTestCase):
    middleware = partial(answering_with, status=418)

    def test_partial_on_the_class_body_is_not_bound(self):
        self.assertShortCircuits(self.make_request(), status_code=418)
