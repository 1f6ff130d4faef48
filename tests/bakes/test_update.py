"""cruft keeps a service up to date: it bakes the same bytes and applies template changes."""

import sys

import pytest

from tests.harness.project import COMMIT, SOURCE, Project, copy_template


@pytest.fixture
def template(tmp_path, environment):
    """Return a copy of the template in its own git repository."""
    project = Project(copy_template(tmp_path / "template"), environment)
    project.track()
    project.run(*COMMIT, "--all", "--message", "first")
    return project


@pytest.fixture
def service(template, tmp_path, environment):
    """Return a committed service that cruft has created from the template."""
    template.run(
        sys.executable, "-m", "cruft", "create", str(template.path), "--no-input",
        "--output-dir", str(tmp_path / "services"),
    )  # fmt: skip
    project = Project(tmp_path / "services/my-service", environment)
    project.track()
    project.run(*COMMIT, "--all", "--message", "first")
    return project


def test_cruft_writes_the_same_bytes_as_cookiecutter(service, bake):
    baked = bake()
    for path in baked.files():
        assert (service.path / path.relative_to(baked.path)).read_bytes() == path.read_bytes()
    assert len(service.files()) == len(baked.files()) + 1  # plus .cruft.json


def test_cruft_update_applies_template_changes_and_keeps_local_changes(template, service):
    ours = service.path / "config/urls.py"
    ours.write_text(ours.read_text() + "# ours\n")
    service.run(*COMMIT, "--all", "--message", "ours")
    theirs = template.path / SOURCE.name / "common/README.md"
    theirs.write_text(theirs.read_text() + "\nA line of the next release.\n")
    (template.path / SOURCE.name / "config/new.py").write_text(
        'NAME = "{{ cookiecutter.project_slug }}"\n'
    )
    template.run("git", "add", "--all")
    template.run(*COMMIT, "--all", "--message", "second")

    service.run(sys.executable, "-m", "cruft", "update", "--skip-apply-ask")

    assert (service.path / "common/README.md").read_text().endswith("A line of the next release.\n")
    assert (service.path / "config/new.py").read_text() == 'NAME = "my-service"\n'
    assert ours.read_text().endswith("# ours\n")
    assert not [*service.path.rglob("*.rej")]
    service.run(sys.executable, "-m", "cruft", "check")
