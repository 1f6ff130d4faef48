"""/healthz, and the error pages."""

from django.conf import settings
from django.db import OperationalError, connection
from django.template.loader import render_to_string
from django.test import override_settings

from common.context_processors import project
from common.health import HealthzMiddleware
from common.testing import MiddlewareTestCase, SimpleTestCase, TestCase


def fail(execute, sql, params, many, context):
    raise OperationalError("connection refused")


class HealthzTests(TestCase):
    def test_response_is_ok_while_the_database_responds(self):
        with self.assertNumQueries(1):
            response = self.client.get("/healthz")
        assert response.status_code == 200
        assert response.content == b"ok\n"
        assert "no-cache" in response["Cache-Control"]

    def test_response_is_unavailable_when_the_database_fails(self):
        self.client.cookies["sessionid"] = "of-a-visitor"
        with connection.execute_wrapper(fail), self.assertLogs("common.health", "ERROR"):
            response = self.client.get("/healthz")
        assert response.status_code == 503

    def test_unsafe_methods_are_not_allowed(self):
        assert self.client.head("/healthz").status_code == 200
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.post("/healthz").status_code == 405

    @override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["example.com"])
    def test_response_is_not_redirected_to_https_and_needs_no_allowed_host(self):
        assert self.client.get("/healthz", headers={"host": "10.1.2.3"}).status_code == 200
        response = self.client.get("/", headers={"host": "example.com"})
        assert response.status_code == 301


class HealthzMiddlewareTests(MiddlewareTestCase):
    middleware = HealthzMiddleware
    databases = {"default"}

    def test_healthz_does_not_reach_the_view(self):
        response = self.assertShortCircuits(self.make_request("/healthz"), status_code=200)
        assert response.content == b"ok\n"

    def test_other_paths_reach_the_view(self):
        for path in ("/", "/healthz/", "/other/healthz"):
            self.assertPassesThrough(self.make_request(path))


class PageTests(SimpleTestCase):
    def test_page_that_does_not_exist_is_not_found(self):
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.get("/no/<such>/page").status_code == 404

    def test_page_for_a_server_error_needs_no_context(self):
        assert "<html" in render_to_string("500.html")

    def test_templates_can_show_the_name_of_the_project(self):
        assert project(None) == {
            "project_name": settings.PROJECT_NAME,
            "project_description": settings.PROJECT_DESCRIPTION,
        }
