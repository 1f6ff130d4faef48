"""What keeps the service observable and up: the log of requests."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import RequestFactory

from common.logs import request_log
from common.testing import TestCase


class RequestLogTests(TestCase):
    def test_user_of_a_request_is_logged_only_if_the_request_has_loaded_it(self):
        self.client.force_login(user := get_user_model().objects.create_user("ada"))
        request = RequestFactory().get("/")
        request.COOKIES = {settings.SESSION_COOKIE_NAME: self.client.session.session_key}
        for view, queries, logged in [
            (lambda request: HttpResponse(), 0, None),
            (lambda request: HttpResponse(request.user.username), 2, str(user.pk)),
        ]:
            middleware = request_log(SessionMiddleware(AuthenticationMiddleware(view)))
            with self.assertLogs("common.request", "INFO") as logs, self.assertNumQueries(queries):
                response = middleware(request)
            assert logs.records[0].fields["user"] == logged
            assert logs.records[0].fields["request_id"] == response["X-Request-ID"]
