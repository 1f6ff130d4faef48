"""Django's own tests have the same outcomes on our pieces as on those of Django."""

import fcntl
import json
import tarfile
from pathlib import Path

import pytest

from tests.harness.project import TEMPLATE
from tests.peers.by_design import BY_DESIGN

RUNNER = Path(__file__).with_name("run_django_tests.py")
VERSIONS = json.loads((TEMPLATE / "cookiecutter.json").read_text())["django_version"]
# The backport of tasks for Django 5.2 is distributed without its tests.
CASES = [
    (version, suite)
    for version in VERSIONS
    for suite in BY_DESIGN
    if (version, suite) != ("5.2", "jobs")
]
NOT_RUN = ("not run", "")


def fetch_django_tests(project):
    """Return the ``tests`` folder of the version of Django that ``project`` has.

    pip takes the source distribution from the package index of the user, once for each run.
    """
    version = project.uv("python", "-c", "import django; print(django.__version__)").split()[-1]
    folder = Path(project.env["TMPDIR"]) / f"django-{version}-tests"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "full").exists():
            # pip asks setuptools for the metadata; isolated, it would build setuptools as well.
            project.uv(
                "--no-project", "--isolated", "--with", "pip", "--with", "setuptools",
                "python", "-m", "pip", "download", "--dest", str(folder), "--no-deps",
                "--no-binary", ":all:", "--no-build-isolation", f"django=={version}",
                UV_OFFLINE="0",
            )  # fmt: skip
            [archive] = folder.glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            (folder / "full").touch()
    [tests] = folder.glob("*/tests")
    return tests


@pytest.mark.long
@pytest.mark.parametrize(("django_version", "suite"), CASES)
def test_outcomes_of_django_tests_differ_only_by_design(django_version, suite, bake, tmp_path):
    answers = {"database": "sqlite", "static_files": "whitenoise"}
    if suite == "jobs":
        answers["background_jobs"] = "true"
    project = bake(django_version=django_version, **answers)
    tests = fetch_django_tests(project)
    outcomes = {}
    for pieces in ("stock", "ours"):
        file = tmp_path / f"{pieces}.json"
        command = ["python", str(RUNNER), str(tests), suite, pieces, str(file)]
        project.uv(*command, PYTHONPATH=str(project.path), timeout=200)
        outcomes[pieces] = json.loads(file.read_text())
    stock, ours = outcomes["stock"], outcomes["ours"]
    assert [outcome for outcome, _ in stock.values()].count("passed") >= 40
    different = {}
    for test in stock.keys() | ours.keys():
        expected, _ = stock.get(test, NOT_RUN)
        actual, traceback = ours.get(test, NOT_RUN)
        if actual != expected:
            different[test] = f"{test}: {expected} on stock, {actual} on ours\n{traceback}"
    unexpected = different.keys() - BY_DESIGN[suite]
    assert not unexpected, "\n".join(different[test] for test in sorted(unexpected))
    no_longer_different = BY_DESIGN[suite].keys() - different
    assert not no_longer_different, "remove these from by_design.py"
