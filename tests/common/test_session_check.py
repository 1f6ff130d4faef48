"""common.E003: where sessions are cached, all processes must share the cache."""

from unittest import mock

from django.core.checks import run_checks
from django.test import override_settings

from common import checks
from common.testing import SimpleTestCase


class DeployCheckTests(SimpleTestCase):
    def errors(self, deploy=True, **settings):
        with override_settings(**settings):
            found = run_checks(include_deployment_checks=deploy)
        return [error for error in found if error.id == "common.E003"]

    def cache(self, backend):
        return {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "none"}}

    def test_a_cache_in_the_memory_of_each_process_is_refused_under_an_engine_that_caches(self):
        caches = self.cache("locmem.LocMemCache")
        for name in ("common.sessions.engine", "django.contrib.sessions.backends.cache"):
            [error] = self.errors(SESSION_ENGINE=name, CACHES=caches)
            assert error.is_serious()
            assert error.msg.startswith(f"SESSION_ENGINE is '{name}', which caches sessions")
            assert "the cache 'default' is in the memory of each process" in error.msg
            assert "Set CACHE_URL" in error.hint

    def test_the_cache_is_that_of_sessions(self):
        caches = self.cache("db.DatabaseCache")
        caches["sessions"] = self.cache("locmem.LocMemCache")["default"]
        engine = "common.sessions.engine"
        assert self.errors(SESSION_ENGINE=engine, CACHES=caches) == []
        [error] = self.errors(SESSION_ENGINE=engine, CACHES=caches, SESSION_CACHE_ALIAS="sessions")
        assert "the cache 'sessions'" in error.msg

    def test_what_is_not_there_is_named(self):
        for name, value in {"ENGINE": "no.engine", "CACHE_ALIAS": "nowhere"}.items():
            [error] = self.errors(**{f"SESSION_{name}": value})
            assert value.partition(".")[0] in error.msg
            assert "Correct SESSION_ENGINE" in error.hint

    def test_a_service_without_sessions_is_left_alone(self):
        with mock.patch.object(checks.apps, "is_installed", return_value=False):
            assert checks.check_session_cache() == []

    def test_other_engines_and_development_are_left_alone(self):
        caches = self.cache("locmem.LocMemCache")
        assert (
            self.errors(SESSION_ENGINE="django.contrib.sessions.backends.db", CACHES=caches) == []
        )
        assert (
            self.errors(deploy=False, SESSION_ENGINE="common.sessions.engine", CACHES=caches) == []
        )
