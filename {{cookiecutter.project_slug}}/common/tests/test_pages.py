"""The pages of every service: /healthz, the welcome, and what visitors see of errors."""

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.template.loader import render_to_string
from django.test import override_settings
from django.utils.html import escape

from common.testing import SimpleTestCase, TestCase


class HealthzTests(TestCase):
    def test_answers_when_the_database_does(self):
        with self.assertNumQueries(1):
            response = self.client.get("/healthz")
        assert response.status_code == 200
        assert response.content == b"ok\n"
        assert "no-cache" in response["Cache-Control"]

    def test_says_so_when_the_database_does_not_answer(self):
        def fail(execute, sql, params, many, context):
            raise OperationalError("connection refused")

        with connection.execute_wrapper(fail), self.assertLogs("common.health", "ERROR"):
            response = self.client.get("/healthz")
        assert response.status_code == 503

    def test_answers_safe_methods_only(self):
        assert self.client.head("/healthz").status_code == 200
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.post("/healthz").status_code == 405

    @override_settings(SECURE_SSL_REDIRECT=True, SECURE_REDIRECT_EXEMPT=[r"^healthz$"])
    def test_is_not_redirected_to_https(self):
        assert self.client.get("/healthz").status_code == 200
        assert self.client.get("/").status_code == 301


class ErrorPageTests(SimpleTestCase):
    def test_a_page_that_does_not_exist_says_which(self):
        with self.assertLogs("django.request", "WARNING"):
            response = self.client.get("/no/<such>/page")
        self.assertContains(response, "/no/&lt;such&gt;/page", status_code=404)
        self.assertContains(response, escape(settings.PROJECT_NAME), status_code=404)

    def test_a_server_error_page_needs_nothing(self):
        page = render_to_string("500.html")
        assert "Something went wrong" in page
        assert "http" not in page
        assert settings.STATIC_URL not in page


@pytest.mark.django_db
def test_the_first_page_carries_name_and_description(client):
    page = client.get("/").content.decode()
    assert f"<title>{escape(settings.PROJECT_NAME)}</title>" in page
    assert escape(settings.PROJECT_DESCRIPTION) in page
