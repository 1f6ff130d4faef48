"""The exhaustive tests of ``common`` pass in bakes, once for each Django and database.

Together, the bakes of one Django must cover all code of ``common``.
"""

import shutil

import pytest

from tests.harness.answers import CHOICES
from tests.harness.project import SOURCE, TEMPLATE, Project

OVERLAY = TEMPLATE / "tests/common"
# Each database is paired with one kind of static files, so that two bakes test all of them.
VARIANTS = [
    {"database": "sqlite", "static_files": "whitenoise"},
    {"database": "postgresql", "static_files": "s3"},
]
COVERAGE = """\
[run]
branch = true
relative_files = true
source = common
omit = */tests/*

[report]
show_missing = true
skip_covered = true
fail_under = 100
exclude_also =
    if TYPE_CHECKING:
    @overload
"""


@pytest.mark.parametrize("django_version", CHOICES["django_version"])
def test_common_passes_its_exhaustive_tests_with_full_coverage(bake, tmp_path, django_version):
    data = str(tmp_path / "coverage")
    (tmp_path / "coveragerc").write_text(COVERAGE)
    config = f"--cov-config={tmp_path / 'coveragerc'}"
    for answers in VARIANTS:
        project = bake(django_version=django_version, **answers)
        shutil.copytree(OVERLAY, project.path / "common_tests")
        suite = ["pytest", "--ds=common_tests.settings", "--cov", config, "--cov-append"]
        project.uv(
            *suite,
            "--cov-report=",
            "--cov-fail-under=0",
            "common_tests",
            "common",
            COVERAGE_FILE=data,
        )
    # Report from the template's folder, because only it contains the files of both bakes.
    coverage = f"{project.env['UV_PROJECT_ENVIRONMENT']}/bin/coverage"
    source = Project(SOURCE, project.env)
    source.run(coverage, "report", f"--rcfile={tmp_path / 'coveragerc'}", COVERAGE_FILE=data)


def test_the_variants_contain_every_database_and_kind_of_static_files():
    for question in ("database", "static_files"):
        assert {answers[question] for answers in VARIANTS} == {*CHOICES[question]}
