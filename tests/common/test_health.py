"""/livez, /healthz and /readyz."""

import logging
import time
from threading import Event, active_count
from unittest.mock import patch

import pytest
from django.core.checks import Error
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from common import health
from common.health import ProbesMiddleware
from common.testing import MiddlewareTestCase, TestCase

PATHS = ("/livez", "/healthz", "/readyz")


@pytest.fixture(autouse=True)
def forget_readiness():
    health.check_release.cache_clear()


def fail(execute, sql, params, many, context):
    raise OperationalError("connection refused")


class ProbesTests(TestCase):
    def test_response_is_ok_while_the_database_responds(self):
        for path in PATHS:
            response = self.client.get(path)
            assert (response.status_code, response.content) == (200, b"ok\n")
            assert "no-cache" in response["Cache-Control"]

    def test_healthz_is_one_query_and_livez_none(self):
        for path, queries in (("/healthz", 1), ("/livez", 0)):
            with self.assertNumQueries(queries):
                self.client.get(path)

    def test_healthz_is_unavailable_when_the_database_fails_and_the_log_tells_the_reason(self):
        self.client.cookies["sessionid"] = "of-a-visitor"
        with connection.execute_wrapper(fail), self.assertLogs("common.health", "ERROR") as logs:
            response = self.client.get("/healthz")
            assert self.client.get("/livez").status_code == 200
        assert (response.status_code, response.content) == (503, b"unavailable\n")
        assert "connection refused" in logs.output[0]

    def test_unsafe_methods_are_not_allowed(self):
        for path in PATHS:
            assert self.client.head(path).status_code == 200
            with self.assertLogs("django.request", "WARNING"):
                assert self.client.post(path).status_code == 405

    @override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["example.com"])
    def test_response_is_not_redirected_to_https_and_needs_no_allowed_host(self):
        for path in PATHS:
            assert self.client.get(path, headers={"host": "10.1.2.3"}).status_code == 200
        response = self.client.get("/", headers={"host": "example.com"})
        assert response.status_code == 301


class ReadinessTests(TestCase):
    def assert_not_ready(self, reason):
        with self.assertLogs("common.health", "ERROR") as logs:
            response = self.client.get("/readyz")
        assert (response.status_code, response.content) == (503, b"unavailable\n")
        assert reason in logs.output[0]

    def test_process_is_not_ready_while_the_database_fails(self):
        with patch.object(health, "check_database", side_effect=OperationalError("no connection")):
            self.assert_not_ready("no connection")
        assert self.client.get("/readyz").status_code == 200

    def test_process_is_not_ready_until_all_migrations_are_applied(self):
        applied = MigrationRecorder(connection).applied_migrations()
        first = {key: value for key, value in applied.items() if key[0] != "sessions"}
        with patch.object(MigrationRecorder, "applied_migrations", return_value=first):
            self.assert_not_ready("sessions.0001_initial")
        assert self.client.get("/readyz").status_code == 200

    def test_process_is_not_ready_without_the_manifest_of_static_files_except_in_development(self):
        error = [Error("staticfiles.json is missing: run collectstatic")]
        with patch.object(health, "check_static_manifest", return_value=error):
            self.assert_not_ready("run collectstatic")
            with override_settings(DEBUG=True):
                assert self.client.get("/readyz").status_code == 200

    def test_only_the_first_success_looks_at_migrations(self):
        self.client.get("/readyz")
        with patch.object(health, "MigrationExecutor", side_effect=AssertionError):
            assert self.client.get("/readyz").status_code == 200

    def test_probes_of_a_database_that_hangs_end_in_a_second_and_hold_one_thread(self):
        resumed = Event()
        self.client.get("/readyz")  # starts the thread
        threads = active_count()
        with patch.object(health, "check_database", side_effect=lambda: resumed.wait(60)) as check:
            try:
                start = time.monotonic()
                with self.assertLogs("common.health", logging.ERROR):
                    statuses = [self.client.get("/readyz").status_code for _ in range(3)]
                assert time.monotonic() - start < 5
            finally:
                resumed.set()
            assert statuses == [503] * 3
            assert active_count() == threads
            assert self.client.get("/readyz").status_code == 200
        # Probes that gave up while they waited for the thread check nothing later.
        assert check.call_count == 2


class ProbesMiddlewareTests(MiddlewareTestCase):
    middleware = ProbesMiddleware
    databases = {"default"}

    def test_probes_do_not_reach_the_view(self):
        for path in PATHS:
            response = self.assertShortCircuits(self.make_request(path), status_code=200)
            assert response.content == b"ok\n"

    def test_other_paths_reach_the_view(self):
        for path in ("/", "/healthz/", "/other/healthz", "/livez/x", "/readyz.html"):
            self.assertPassesThrough(self.make_request(path))
