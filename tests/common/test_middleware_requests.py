"""MiddlewareTestCase: the requests that it makes, and the copies of them for the second mode."""

import json
import threading
from types import SimpleNamespace

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory
from django.utils.deprecation import MiddlewareMixin

from common.testing import MiddlewareTestCase

User = get_user_model()


class RequestTests(MiddlewareTestCase):
    def test_default_is_a_get_request_of_an_anonymous_user(self):
        request = self.make_request()
        assert (request.method, request.path, request.get_host()) == ("GET", "/", "testserver")
        assert request.user.is_anonymous
        assert (request.session.is_empty(), request.session.modified) == (True, False)
        assert (request.session.session_key, dict(request.session.items())) == (None, {})

    def test_data_of_get_and_head_is_the_query_string(self):
        for method in ("GET", "head"):
            request = self.make_request("/a/", method=method, data={"q": ["1", "2"]})
            assert (request.method, request.GET.getlist("q")) == (method.upper(), ["1", "2"])
        assert self.make_request("/a/?b=1").GET["b"] == "1"

    def test_data_of_a_post_is_a_form(self):
        request = self.make_request(method="POST", data={"a": "1 &"})
        assert (request.POST["a"], request.content_type) == ("1 &", "multipart/form-data")
        assert self.make_request(method="POST").body == b""

    def test_data_is_json_if_the_header_says_so_and_bytes_are_sent_as_they_are(self):
        headers = {"content-type": "application/json"}
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            request = self.make_request(method=method, data={"a": 1}, headers=headers)
            assert (request.method, json.loads(request.body)) == (method, {"a": 1})
            assert request.content_type == "application/json"
            assert self.make_request(method=method, data=b"\xff").body == b"\xff"

    def test_path_headers_and_user_are_those_given(self):
        user = User(username="ada")
        headers = {"X-Foo": "1", "Host": "localhost", "Cookie": "a=b"}
        request = self.make_request("/x%20y/", headers=headers, user=user)
        assert (request.path, request.headers["X-Foo"]) == ("/x y/", "1")
        assert (request.get_host(), request.COOKIES) == ("localhost", {"a": "b"})
        assert request.user is user

    def test_session_data_counts_as_saved_by_an_earlier_request(self):
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
        session.cycle_key()
        assert (session.exists(first), session.exists(session.session_key)) == (False, True)
        assert (session.modified, len(session["a"])) == (True, 2)
        session.flush()
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

    def test_copy_has_its_own_body_and_user(self):
        bodies = []

        async def view(request):
            assert await request.auser() is request.user
            bodies.append(request.read())
            return HttpResponse()

        self.assertPassesThrough(self.make_request(method="PUT", data=b"body"), view=view)
        assert bodies == [b"body", b"body"]

    def test_requests_made_elsewhere_may_be_passed(self):
        self.assertPassesThrough(HttpRequest())
        request = AsyncRequestFactory().post("/", {"a": "b"})
        self.assertPassesThrough(request, view=lambda request: HttpResponse(request.POST["a"]))
