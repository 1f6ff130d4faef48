"""The deploy checks of CELERY_BROKER_URL, and how settings reject a URL of another kind."""

import importlib
import importlib.util
import sys
from types import SimpleNamespace

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from config.settings import base

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("common.jobs"), reason="needs background_jobs"
)


@pytest.fixture
def found(settings, monkeypatch):
    """A function that returns the messages about a broker, by id."""

    def found(broker, installed, cache="redis://cache:6379/0"):
        celery = SimpleNamespace(VERSION=installed) if installed else None  # None: not installed
        monkeypatch.setitem(sys.modules, "celery", celery)
        settings.CELERY_BROKER_URL = broker
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": cache}}
        messages = run_checks(include_deployment_checks=True)
        names = ("common.E004", "common.W003")
        return {message.id: message for message in messages if message.id in names}

    return found


@pytest.mark.parametrize("installed", [None, (5, 6, 2), (4, 10, 0)])
def test_a_broker_without_a_recent_celery_is_an_error(found, installed):
    error = found("redis://broker", installed)["common.E004"]
    assert "uv sync --extra celery" in error.hint


@pytest.mark.parametrize("installed", [(5, 7, 0), (5, 10, 0), (6, 0, 0)])
def test_a_recent_celery_with_a_server_of_its_own_is_fine(found, installed):
    assert found("redis://broker", installed) == {}
    assert found("redis://cache:6380/0", installed) == {}


def test_without_a_broker_nothing_is_checked(found):
    assert found("", None) == {}


@pytest.mark.parametrize(
    "cache", ["redis://:other@cache:6379/1", "rediss://cache,redis://a", "redis://a;redis://cache"]
)
def test_a_broker_on_the_server_of_the_cache_is_a_warning(found, cache):
    warning = found("redis://:secret@cache/0", (5, 7, 0), cache)["common.W003"]
    assert "noeviction" in warning.hint
    assert "secret" not in str(warning)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@",
        "amqp://u:s3cret@host",
        "redis://:s3cret@host:port/0",
        "s3cret",
        "redis://",
    ],
)
def test_settings_reject_another_broker_without_showing_its_password(monkeypatch, url):
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    expected = (
        "^CELERY_BROKER_URL is not the URL of a Redis server: use redis://:password@host:6379/0$"
    )
    with pytest.raises(ImproperlyConfigured, match=expected):
        importlib.reload(base)


@pytest.mark.parametrize("url", ["", "redis://host", "rediss://:p@[::1]:6379/0?ssl_cert_reqs=none"])
def test_settings_accept_redis(monkeypatch, url):
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    assert url == importlib.reload(base).CELERY_BROKER_URL
