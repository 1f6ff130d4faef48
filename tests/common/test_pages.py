"""The error pages, and the variables that every template has."""

import sqlite3
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError, ProgrammingError, connection
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path

from common.logs import request_id
from common.pages import PermissionsPolicyMiddleware, is_outage, project, server_error
from common.testing import MiddlewareTestCase, SimpleTestCase, TestCase


def outage(request):
    raise OperationalError("no connection")


def bad_statement(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM no_such_table")


class outage_in_middleware:  # noqa: N801 -- a middleware is named like a function
    def __init__(self, get_response):
        pass

    def __call__(self, request):
        raise OperationalError("no connection")


urlpatterns = [
    path("", lambda request: HttpResponse("ok")),
    path("outage", outage),
    path("bad-statement", bad_statement),
]
handler500 = "common.pages.server_error"


class CauseError(Exception):
    def __init__(self, **codes):
        vars(self).update(codes)


def error_with(error=OperationalError, **codes):
    exc = error()
    exc.__cause__ = CauseError(**codes)
    return exc


def sqlite_error(name):
    return error_with(sqlite_errorcode=getattr(sqlite3, name))


@pytest.mark.parametrize(
    "exc",
    [
        OperationalError("connection refused"),
        error_with(sqlstate=None),  # as of errors of the client and of psycopg's pool
        error_with(sqlstate="08006"),
        error_with(sqlstate="53100"),  # disk full
        error_with(sqlstate="53300"),  # too many connections
        error_with(sqlstate="57P01"),  # shutdown
        *map(sqlite_error, ["SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_BUSY", "SQLITE_IOERR_WRITE"]),
    ],
    ids=repr,
)
def test_error_of_a_database_that_cannot_work_is_an_outage(exc):
    assert is_outage(exc)


@pytest.mark.parametrize(
    "exc",
    [
        None,
        ValueError(),
        ProgrammingError("no such column"),
        error_with(ProgrammingError, sqlstate="42P01"),
        error_with(sqlstate="40P01"),  # deadlock
        error_with(sqlstate="55P03"),  # NOWAIT of the code's own
        sqlite_error("SQLITE_ERROR"),  # no such table
        sqlite_error("SQLITE_ERROR_MISSING_COLLSEQ"),
    ],
    ids=repr,
)
def test_any_other_exception_is_no_outage(exc):
    assert not is_outage(exc)


@override_settings(ROOT_URLCONF=__name__)
class OutageTests(TestCase):
    def assert_status(self, path, status, retry_after):
        self.client.raise_request_exception = False
        with self.assertLogs("django.request", "ERROR"):
            response = self.client.get(path)
        assert (response.status_code, response.get("Retry-After")) == (status, retry_after)
        return response.content.decode()

    async def test_outage_is_503_in_async_mode(self):
        self.async_client.raise_request_exception = False
        with self.assertLogs("django.request", "ERROR"):
            response = await self.async_client.get("/outage")
        assert (response.status_code, response["Retry-After"]) == (503, "2")

    def test_outage_is_503_with_a_page_of_its_own(self):
        assert "Service Unavailable" in self.assert_status("/outage", 503, "2")

    def test_outage_in_a_middleware_is_503(self):
        middleware = [f"{__name__}.outage_in_middleware", *settings.MIDDLEWARE]
        with override_settings(MIDDLEWARE=middleware):
            self.assert_status("/", 503, "2")

    def test_statement_that_is_wrong_is_500(self):
        assert "Internal Server Error" in self.assert_status("/bad-statement", 500, None)


class PageTests(SimpleTestCase):
    def test_page_that_does_not_exist_is_not_found(self):
        with self.assertLogs("django.request", "WARNING"):
            assert self.client.get("/no/<such>/page").status_code == 404

    def test_page_for_a_server_error_shows_the_id_of_the_request(self):
        token = request_id.set("4f3c2a1b")
        try:
            response = server_error(RequestFactory().get("/"))
        finally:
            request_id.reset(token)
        assert response.status_code == 500
        assert "<code>4f3c2a1b</code>" in response.content.decode()

    def test_page_for_a_server_error_outside_of_an_exception_is_500(self):
        assert server_error(RequestFactory().get("/")).status_code == 500

    def test_page_that_cannot_be_rendered_is_plain_text(self):
        path = "common.pages.render_to_string"
        with mock.patch(path, side_effect=ValueError), self.assertLogs("common.pages", "ERROR"):
            response = server_error(RequestFactory().get("/"))
        assert (response.status_code, response.content.decode()) == (500, "Internal Server Error\n")

    def test_templates_can_show_the_name_of_the_project(self):
        assert project(None) == {
            "project_name": settings.PROJECT_NAME,
            "project_description": settings.PROJECT_DESCRIPTION,
        }

    def test_errors_have_the_headers_of_all_pages(self):
        for host, status in [("testserver", 404), ("evil.example", 400)]:
            with self.subTest(host=host):
                response = self.client.get("/no/such/page", headers={"Host": host})
                assert response.status_code == status
                assert response.headers["Permissions-Policy"] == settings.PERMISSIONS_POLICY
                policy = response.headers["Content-Security-Policy"]
                directives = dict(part.split(maxsplit=1) for part in policy.split("; "))
                assert directives == {
                    "default-src": "'self'",
                    "form-action": "'self'",
                    "base-uri": "'none'",
                    "frame-ancestors": "'none'",
                    "object-src": "'none'",
                }


class PermissionsPolicyTests(MiddlewareTestCase):
    middleware = PermissionsPolicyMiddleware

    def test_response_has_the_policy_of_the_settings(self):
        response = self.assertPassesThrough(self.make_request())
        assert response.headers["Permissions-Policy"] == settings.PERMISSIONS_POLICY

    def test_policy_of_a_view_is_kept(self):
        def view(request):
            return HttpResponse(headers={"Permissions-Policy": "camera=(self)"})

        response = self.assertPassesThrough(self.make_request(), view=view)
        assert response.headers["Permissions-Policy"] == "camera=(self)"
