import pytest
from django.db import connection


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Start the private server, where there is one, before the workers start: so they share it."""
    connection.get_connection_params()
