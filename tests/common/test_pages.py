"""The error pages, and the variables that every template has."""

from unittest import mock

from django.conf import settings
from django.test import RequestFactory

from common.logs import request_id
from common.pages import project, server_error
from common.testing import SimpleTestCase


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
