"""The system check of ALLOWED_HOSTS. The other checks are tested beside what they check."""

import pytest
from django.core.checks import run_checks


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(["*"], True), (["a.example", "*"], True), ([".example.com"], False), ([], False)],
)
def test_only_deploy_checks_warn_of_a_wildcard_for_hosts(settings, hosts, expected):
    settings.ALLOWED_HOSTS = hosts
    assert "common.W002" not in [message.id for message in run_checks()]
    found = [m for m in run_checks(include_deployment_checks=True) if m.id == "common.W002"]
    assert bool(found) is expected
    assert all("List the hosts" in message.hint for message in found)
