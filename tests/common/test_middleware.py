"""MiddlewareTestCase: its requests, runs and assertions, here of sync middleware."""

import json
import threading
from importlib import import_module
from io import BytesIO
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, SuspiciousOperation
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.template.response import TemplateResponse
from django.test import AsyncRequestFactory, override_settings
from django.urls import get_urlconf, path, reverse
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.csrf import csrf_exempt

from common.testing import MiddlewareTestCase

User = get_user_model()
base = import_module("django.contrib.sessions.backends.base")
urlpatterns = [path("elsewhere/", HttpResponse, name="elsewhere")]
handler404 = handler500 = "not.the.default"


def passing(get_response):
    return lambda request: get_response(request)


def answering(status):
    return lambda get_response: lambda request: HttpResponse(status=status)


def raising(exception):
    def middleware(request):
        raise exception

    return lambda get_response: middleware


def view_raising(exception):
    return raising(exception)(None)


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
        assert request.seen == ("view", {"mark": 1, "__wrapped__": view}, (), True)

    def test_csrf_exempt_view_is_exempt(self):
        self.middleware = CsrfViewMiddleware
        exempt = csrf_exempt(lambda request: HttpResponse())
        self.assertPassesThrough(self.make_request(method="POST"), view=exempt)
        self.assertShortCircuits(self.make_request(method="POST"), status_code=403)

    def test_process_exception_may_answer(self):
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
    def test_urls_of_the_project_reverse_while_its_error_views_stay_out(self):
        self.middleware = lambda get_response: lambda request: HttpResponse(reverse("elsewhere"))
        assert self.assertShortCircuits(self.make_request()).content == b"/elsewhere/"
        self.middleware = raising(Http404())
        assert b"<h1>Not Found</h1>" in self.assertShortCircuits(self.make_request()).content
        assert get_urlconf() is None

    @override_settings(ROOT_URLCONF="no.such.module", TEMPLATES=[])
    def test_no_urlconf_and_no_template_is_needed(self):
        self.middleware = raising(ValueError())
        assert b"Server Error" in self.run_middleware(self.make_request()).response.content

    def test_atomic_requests_opens_no_transaction(self):
        database = connections.settings["default"]
        self.addCleanup(database.update, ATOMIC_REQUESTS=database["ATOMIC_REQUESTS"])
        database["ATOMIC_REQUESTS"] = True
        self.middleware = passing
        self.assertPassesThrough(self.make_request())

    def test_files_stay_open_until_the_test_ends(self):
        request = self.make_request(method="POST", data={"up": SimpleUploadedFile("a", b"b")})
        files = BytesIO(b"content"), request.FILES["up"]
        self.middleware = passing
        self.run_middleware(request, view=lambda request: FileResponse(files[0]))
        assert not any(file.closed for file in files)
        self.doCleanups()
        assert all(file.closed for file in files)

    def test_middleware_that_is_not_set_is_named(self):
        for self.middleware in (None, "dotted.path"):
            message = f"RunTests.middleware is {self.middleware!r}"
            with pytest.raises(ImproperlyConfigured, match=message):
                self.run_middleware(self.make_request())


class AssertionTests(MiddlewareTestCase):
    def test_pass_through_returns_the_very_response(self):
        response = HttpResponse()
        self.middleware = passing
        assert self.assertPassesThrough(self.make_request(), view=lambda _: response) is response

    def test_pass_through_fails_unless_request_and_response_go_through_once(self):
        for self.middleware, problem in (
            (
                answering(302),
                r"called the view 0 time\(s\), not once: <HttpResponse status_code=302",
            ),
            (
                lambda call: lambda request: [call(request), call(request)][1],
                r"2 time\(s\), not once",
            ),
            (lambda call: lambda _: call(HttpRequest()), "another request, <HttpRequest>"),
            (lambda call: lambda request: [call(request), HttpResponse()][1], "not the view's"),
        ):
            with pytest.raises(AssertionError, match=f"<lambda>, in sync mode, .*{problem}"):
                self.assertPassesThrough(self.make_request())

    def test_pass_through_fails_with_the_traceback_of_a_crash(self):
        crash = ValueError("boom")
        self.middleware = raising(crash)
        with pytest.raises(AssertionError, match=r"mode, raised ValueError\('boom'\)") as caught:
            self.assertPassesThrough(self.make_request())
        assert caught.value.__cause__ is crash
        self.middleware = passing
        with pytest.raises(AssertionError, match=r"the view raised ValueError\('boom'\)"):
            self.assertPassesThrough(self.make_request(), view=view_raising(crash))

    def test_short_circuit_returns_the_response(self):
        self.middleware = answering(204)
        assert self.assertShortCircuits(self.make_request()).status_code == 204
        assert self.assertShortCircuits(self.make_request(), status_code=204).status_code == 204
        with pytest.raises(
            AssertionError, match="gave <HttpResponse status_code=204.*, not status 4"
        ):
            self.assertShortCircuits(self.make_request(), status_code=403)

    def test_short_circuit_fails_where_the_view_was_called(self):
        self.middleware = passing
        with pytest.raises(
            AssertionError, match=r"passing, in sync mode, called the view 1 time\(s\)"
        ):
            self.assertShortCircuits(self.make_request())

    def test_crash_is_a_short_circuit_only_where_a_500_is_asked_for(self):
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


class RequestTests(MiddlewareTestCase):
    def test_plain_request_is_a_get_by_an_anonymous_visitor(self):
        request = self.make_request()
        assert (request.method, request.path, request.get_host()) == ("GET", "/", "testserver")
        assert request.user.is_anonymous
        assert (request.session.is_empty(), request.session.modified) == (True, False)
        assert (request.session.session_key, dict(request.session.items())) == (None, {})

    def test_data_of_get_and_head_is_the_query(self):
        for method in ("GET", "head"):
            request = self.make_request("/a/", method=method, data={"q": ["1", "2"]})
            assert (request.method, request.GET.getlist("q")) == (method.upper(), ["1", "2"])
        assert self.make_request("/a/?b=1").GET["b"] == "1"

    def test_data_of_a_post_is_a_form(self):
        for content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            headers = {"Content-Type": content_type}
            request = self.make_request(method="POST", data={"a": "1 &"}, headers=headers)
            assert (request.POST["a"], request.content_type) == ("1 &", content_type)
        assert self.make_request(method="POST", data={"a": "1"}).POST["a"] == "1"
        assert self.make_request(method="POST").body == b""

    def test_data_is_json_where_the_header_says_so_and_bytes_are_sent_as_they_are(self):
        headers = {"content-type": "application/json"}
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            request = self.make_request(method=method, data={"a": 1}, headers=headers)
            assert (request.method, json.loads(request.body)) == (method, {"a": 1})
            assert request.content_type == "application/json"
            assert self.make_request(method=method, data=b"\xff").body == b"\xff"

    def test_path_headers_and_user_arrive(self):
        user = User(username="ada")
        headers = {"X-Foo": "1", "Host": "localhost", "Cookie": "a=b"}
        request = self.make_request("/x%20y/", headers=headers, user=user)
        assert (request.path, request.headers["X-Foo"]) == ("/x y/", "1")
        assert (request.get_host(), request.COOKIES) == ("localhost", {"a": "b"})
        assert request.user is user

    def test_session_data_is_that_of_an_earlier_request(self):
        data = {"cart": {"books": 1}}
        session = self.make_request(session=data).session
        assert (session.exists(session.session_key), session.accessed) == (True, False)
        session["cart"]["books"] = 2
        assert (session["cart"], session.accessed) == ({"books": 2}, True)
        assert (session.load(), data) == ({"cart": {"books": 1}}, {"cart": {"books": 1}})
        assert not self.make_request(session=data).session.modified

    def test_session_can_be_saved_cycled_and_flushed(self):
        session = self.make_request().session
        session["a"] = [1]
        session.save()
        session["a"].append("not saved")
        assert (session.load(), session.modified) == ({"a": [1]}, True)
        first, session.modified = session.session_key, False
        with pytest.raises(base.CreateError):
            session.save(must_create=True)
        session.cycle_key()
        assert (session.exists(first), session.exists(session.session_key)) == (False, True)
        assert (session.modified, len(session["a"])) == (True, 2)
        session.delete()
        with pytest.raises(base.UpdateError):
            session.save()
        assert (session.load(), session.session_key) == ({}, None)


class CopyTests(MiddlewareTestCase):
    middleware = MiddlewareMixin  # passes, in both modes

    def test_each_mode_has_its_own_request(self):
        seen = []

        def view(request):
            request.log.append(1)
            request.session["n"] = request.session.get("n", 0) + 1
            request.META["SERVER_N"] = request.META.get("SERVER_N", "") + "1"
            request.user.username += "1"
            values = request.log, request.session["n"], request.META["SERVER_N"], request.POST["a"]
            seen.append((*values, request.user.username, request.again.lock))
            return HttpResponse()

        request = self.make_request(
            method="POST", data={"a": "b"}, session={"n": 1}, user=User(username="ada")
        )
        request.log = []
        request.held = request.again = SimpleNamespace(lock=threading.Lock())  # cannot be copied
        self.assertPassesThrough(request, view=view)
        assert seen == [([1], 2, "1", "b", "ada1", request.held.lock)] * 2

    def test_nothing_is_taken_for_a_copy_that_it_has_the_id_of(self):
        class Probe:
            def __deepcopy__(self, memo):
                made = [{} for _ in range(1000)]
                return [one for one in made if id(one) in memo]

        seen = []
        request = self.make_request()
        request.probe = Probe()
        self.assertPassesThrough(request, view=lambda r: HttpResponse(seen.append(r.probe)))
        assert seen == [request.probe, []]

    def test_copy_has_its_own_body_and_user(self):
        async def view(request):
            assert await request.auser() is request.user
            return HttpResponse(request.body + request.META["wsgi.input"].read())

        request = self.make_request(method="PUT", data=b"body")
        for _ in range(2):
            assert self.assertPassesThrough(request, view=view).content == b"bodybody"

    def test_any_request_will_do(self):
        self.assertPassesThrough(HttpRequest())
        request = AsyncRequestFactory().post("/", {"a": "b"})
        self.assertPassesThrough(request, view=lambda request: HttpResponse(request.POST["a"]))
