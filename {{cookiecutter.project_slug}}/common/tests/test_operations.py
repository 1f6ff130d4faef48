"""What operators rely on: probes, and the responses during an outage."""

from unittest.mock import patch

from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from common.health import check_release
from common.testing import TestCase


class ProbesTests(TestCase):
    def test_outage_of_the_database_is_503_and_names_when_to_retry(self):
        self.client.raise_request_exception = False
        self.client.cookies["sessionid"] = "of-a-visitor"
        outage = patch.object(connection, "cursor", side_effect=OperationalError)
        with outage, self.assertLogs("django.request", "ERROR"):
            assert self.client.get("/admin/")["Retry-After"] == "2"

    def test_process_is_not_ready_until_all_migrations_are_applied(self):
        check_release.cache_clear()
        plan = patch.object(MigrationExecutor, "migration_plan", return_value=["0002_next"])
        with plan, self.assertLogs("common.health", "ERROR"):
            assert self.client.get("/readyz").status_code == 503
        assert self.client.get("/readyz").status_code == 200
