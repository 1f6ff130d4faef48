"""/healthz."""

from django.db import OperationalError, connection
from django.test import override_settings

from common.health import HealthzMiddleware
from common.testing import MiddlewareTestCase, TestCase


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
