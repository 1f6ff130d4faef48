"""What keeps the service up: logs, limits on logins, probes, and the responses during an outage."""

from unittest.mock import patch

from django.conf import settings
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import reverse

from common.health import check_release
from common.logs import RequestLogMiddleware
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
            middleware = RequestLogMiddleware(SessionMiddleware(AuthenticationMiddleware(view)))
            with self.assertLogs("common.request", "INFO") as logs, self.assertNumQueries(queries):
                response = middleware(request)
            assert logs.records[0].fields["user"] == logged
            assert logs.records[0].fields["request_id"] == response["X-Request-ID"]


@override_settings(AUTHENTICATION_BACKENDS=["common.logins.LimitingBackend"])
class LoginTests(TestCase):
    def log_in(self, password, address):
        request = RequestFactory(REMOTE_ADDR=address).post("/")
        return authenticate(request, username="ada", password=password)

    def test_after_five_failures_a_correct_password_is_accepted_only_from_other_addresses(self):
        self.addCleanup(cache.clear)
        user = get_user_model().objects.create_user("ada", password="correct")
        with self.assertLogs("common.logins", "WARNING") as logs:
            for _ in range(5):
                assert self.log_in("secret", "10.0.0.1") is None
            assert self.log_in("correct", "10.0.0.1") is None
        assert self.log_in("correct", "10.0.0.2") == user
        assert len(logs.output) == 6
        assert "Login failed: user 'ada', address '10.0.0.1'" in logs.output[0]
        assert "secret" not in str(logs.output)


class ProbesTests(TestCase):
    def test_outage_of_the_database_is_503_and_names_when_to_retry(self):
        self.client.raise_request_exception = False
        self.client.cookies["sessionid"] = "of-a-visitor"
        outage = patch.object(connection, "cursor", side_effect=OperationalError)
        with outage, self.assertLogs("django.request", "ERROR"):
            assert self.client.get(reverse("admin:index"))["Retry-After"] == "2"

    def test_process_is_not_ready_until_all_migrations_are_applied(self):
        check_release.cache_clear()
        plan = patch.object(MigrationExecutor, "migration_plan", return_value=["0002_next"])
        with plan, self.assertLogs("common.health", "ERROR"):
            assert self.client.get("/readyz").status_code == 503
        assert self.client.get("/readyz").status_code == 200
