"""The tests that a bake ships notice an upgrade that breaks ``common``: each simulated upgrade fails at least one."""

import shutil
from pathlib import Path

import pytest

from tests.common.upgrades import CHANGES, changed_files
from tests.harness.answers import CHOICES
from tests.harness.project import TEMPLATE

UPGRADES = [
    pytest.param((version, static_files), change, id=f"{version}-{change}")
    for version in CHOICES["django_version"]
    for static_files in CHOICES["static_files"]
    for change in CHANGES[static_files]
]


@pytest.fixture(scope="session")
def green_bake(tmp_path_factory, bake_into):
    """A function that gives a bake whose shipped tests pass without an upgrade."""
    bakes = {}

    def green_bake(version, static_files):
        if (version, static_files) not in bakes:
            folder = tmp_path_factory.mktemp("upgrades") / "bake"
            answers = {"django_version": version, "static_files": static_files}
            bakes[version, static_files] = bake_into(folder, TEMPLATE, answers)
            bakes[version, static_files].uv("pytest", "common/tests")
        return bakes[version, static_files]

    return green_bake


@pytest.fixture
def upgraded(green_bake, tmp_path):
    """A function that gives a bake, and the environment variables that simulate a change of its packages."""

    def upgraded(answers, change):
        project = green_bake(*answers)
        [packages] = Path(project.env["UV_PROJECT_ENVIRONMENT"]).glob("lib/python*/site-packages")
        for name, text in changed_files(CHANGES[answers[1]][change], packages).items():
            path = tmp_path / "changed" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for module in ("harness/upgraded.py", "common/stock.py"):
            shutil.copy(TEMPLATE / "tests" / module, tmp_path)
        return project, {"PYTHONPATH": str(tmp_path)}

    return upgraded


@pytest.mark.long
@pytest.mark.parametrize(("answers", "change"), UPGRADES)
def test_a_shipped_test_fails_after_an_upgrade_that_breaks_common(upgraded, answers, change):
    project, variables = upgraded(answers, change)
    tests = "common/tests" if answers[1] == "whitenoise" else "common/tests/test_s3.py"
    command = f"pytest -x -p upgraded {tests}; echo status=$?"
    printed = project.uv("bash", "-c", command, **variables)
    assert "status=0" not in printed


@pytest.mark.long
@pytest.mark.parametrize(
    ("answers", "change"), [upgrade for upgrade in UPGRADES if upgrade.values[0][0] == "5.2"]
)
def test_django_itself_works_after_a_simulated_upgrade(upgraded, answers, change):
    """Show that a change breaks ``common`` and not Django. One version will do: the edits are the same."""
    project, variables = upgraded(answers, change)
    project.uv("python", "-c", "import upgraded, stock; stock.main()", **variables)


def test_many_upgrades_are_simulated():
    assert len(CHANGES["whitenoise"]) >= 24
