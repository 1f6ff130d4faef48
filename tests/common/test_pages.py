"""The error pages, and the variables that every template has."""

from unittest import mock

from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from common.logs import request_id
from common.pages import PermissionsPolicyMiddleware, project, server_error
from common.testing import MiddlewareTestCase, SimpleTestCase


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
