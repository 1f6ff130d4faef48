"""How the service behaves in operation."""

from django.contrib.auth import authenticate, get_user_model
from django.core.cache import cache
from django.test import RequestFactory, override_settings

from common.testing import TestCase


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
