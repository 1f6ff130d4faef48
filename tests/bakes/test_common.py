"""The exhaustive tests of ``common``: in a bake, once for each Django and each database, with all of its code covered."""

import shutil

import pytest

from tests.harness.answers import CHOICES
from tests.harness.project import TEMPLATE, Project, with_extras

OVERLAY = TEMPLATE / "tests/common"
# The two databases share out the two kinds of static files, so that both are tested with each Django.
VARIANTS = [
    {"database": "sqlite", "static_files": "whitenoise", "background_jobs": True, "realtime": True},
    {"database": "postgresql", "static_files": "s3", "background_jobs": True, "realtime": True},
]
# tests/jobs/ and tests/realtime/ run the workers and servers, as processes. Each Django runs its own half of a condition on its version.
# Python 3.11 does not trace what a coroutine does after a timeout, so the answers to silence are left out.
COVERAGE = """\
[run]
branch = true
patch = subprocess
sigterm = true
relative_files = true
source = common
omit =
    */tests/*
    common/jobs/celery.py
    common/jobs/management/commands/worker.py
    common/realtime/management/commands/realtime.py

[report]
include_namespace_packages = true
show_missing = true
skip_covered = true
fail_under = 100
exclude_also =
    await pubsub.ping\\(\\)
    raise TimeoutError\\("no answer to a ping"\\)
    if TYPE_CHECKING:
    (?s:if TYPE_CHECKING or django.VERSION.*?\\nelse:)
    @overload
"""


@pytest.mark.parametrize("django_version", CHOICES["django_version"])
def test_common_keeps_its_contracts(bake, request, tmp_path, django_version):
    """Run the tests on one database; with --answers=all on each, and require that they cover all code."""
    config = tmp_path / "coveragerc"
    config.write_text(COVERAGE)
    is_covered = request.config.getoption("--answers") == "all"
    # Without it, the versions of Django share out the databases.
    redis = request.getfixturevalue("redis_server") if is_covered else ""
    variants = (
        VARIANTS if is_covered else [VARIANTS[CHOICES["django_version"].index(django_version)]]
    )
    runner = ["coverage", "run", f"--rcfile={config}", "-m"] if is_covered else []
    data = {"COVERAGE_FILE": str(tmp_path / "coverage"), "REALTIME_TEST_URL": redis}
    for answers in variants:
        project = bake(django_version=django_version, **answers)
        if redis:
            project = with_extras(project, tmp_path / f"venv-{answers['database']}", "redis")
        project = Project(project.path, {**project.env, **data})
        shutil.copytree(OVERLAY, project.path / "common_tests")
        shutil.copytree(project.path / "common", tmp_path / "both/common", dirs_exist_ok=True)
        suite = ["pytest", "--ds=common_tests.settings", "common_tests", "common"]
        project.uv(*runner, *suite)
    if is_covered:
        everything = Project(tmp_path / "both", project.env)
        for command in ("combine", "report"):
            coverage = f"{project.env['UV_PROJECT_ENVIRONMENT']}/bin/coverage"
            everything.run(coverage, command, f"--rcfile={config}")


def test_each_database_is_tested_with_either_option():
    assert len(VARIANTS) == len(CHOICES["django_version"])
    for question in ("database", "static_files"):
        assert {answers[question] for answers in VARIANTS} == {*CHOICES[question]}
