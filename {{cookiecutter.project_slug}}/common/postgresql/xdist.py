"""A pytest plugin: start one private server, which all workers of pytest-xdist share."""

import os
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    if settings.DATABASES["default"]["ENGINE"] == "common.postgresql":
        host = quote(connection.get_connection_params()["host"])
        os.environ["DATABASE_URL"] = f"postgres://postgres@/postgres?host={host}"
