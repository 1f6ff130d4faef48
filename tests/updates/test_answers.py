"""Answers that change with an update."""

import json

import pytest

from tests.harness.answers import CHOICES
from tests.harness.project import find_python
from tests.updates.conftest import NEXT, Repository, edit, is_lived, live, proven

NEWEST = find_python(">=3.12")

SWITCHES = [(name, *pair) for name, (a, b) in CHOICES.items() for pair in [(a, b), (b, a)]]


@pytest.mark.long
@pytest.mark.parametrize(("name", "old", "new"), SWITCHES)
def test_a_pristine_service_equals_a_fresh_bake(make, update, name, old, new):
    service = make(**{name: old})
    update(service, f"--answer={name}={new}")
    assert service.staged() == make(**{name: new}).staged()


# Where the team changed lines next to those of the answer.
CONFLICTS = {("example_app", new): {"config/settings/base.py"} for new in (True, False)}


@pytest.mark.long
@pytest.mark.parametrize(("name", "old", "new"), SWITCHES)
def test_a_lived_service_keeps_what_its_team_did(make, update, name, old, new):
    service = make(**{name: old})
    live(service)
    conflicts = CONFLICTS.get((name, new), set())
    for clone in (service.clone(), service):
        update(clone, f"--answer={name}={new}", status=int(bool(conflicts)), UV_PYTHON=NEWEST)
        assert clone.unmerged() == conflicts
    assert is_lived(service, has_example=(name, new) == ("example_app", True))
    record = json.loads((service.path / ".cruft.json").read_text())
    assert record["context"]["cookiecutter"][name] == new


def upgraded_by_hand(service):
    """Do what a team does for Django 6.1 without the template."""
    pyproject = service.path / "pyproject.toml"
    edit(pyproject, "django~=5.2.0", "django~=6.1.0")
    edit(pyproject, 'requires-python = ">=3.11"', 'requires-python = ">=3.12"')
    service.run("uv", "lock", UV_PYTHON=NEWEST)
    service.commit("upgrade Django")


@pytest.mark.long
def test_django_upgraded_by_hand_and_then_by_the_answer(make, update, environment_for, production):
    service = make()
    upgraded_by_hand(service)
    update(service, "--answer=django_version=6.1", status=1, UV_PYTHON=NEWEST)
    assert service.unmerged() == {"pyproject.toml"}
    service.run("git", "checkout", "--ours", "--", "pyproject.toml")
    edit(service.path / "pyproject.toml", '  "django-csp~=4.0",\n', "")
    service.run("uv", "lock", UV_PYTHON=NEWEST)
    upgraded = Repository(service.path, environment_for(service.path))
    proven(upgraded, production({}))


REMOVED = {
    "question": "ci_provider",
    "choice": "gitlab",
    "since": "99.1.0",
    "reason": "Nobody has it.",
}


@pytest.fixture
def without_gitlab(template):
    """Return a function that makes a release without a choice, with this entry for it."""

    def without_gitlab(becomes):
        edit(template.path / "cookiecutter.json", '["github", "gitlab"]', '["github", "other"]')
        entries = [{**REMOVED, "becomes": becomes}]
        (template.path / "updater/removed.json").write_text(json.dumps(entries))
        template.release(NEXT)

    return without_gitlab


def test_a_removed_choice_becomes_another(without_gitlab, make, update):
    service = make(ci_provider="gitlab")
    without_gitlab("github")
    output = update(service)
    assert "- ci_provider: 'gitlab' is now 'github' (since 99.1.0: Nobody has it.)\n" in output
    assert (service.path / ".github/workflows/ci.yml").exists()
    assert not (service.path / ".gitlab-ci.yml").exists()


def test_a_removed_choice_that_the_team_must_replace(without_gitlab, make, update):
    service = make(ci_provider="gitlab")
    without_gitlab(None)
    output = update(service, status=1)
    assert output == (
        "ci_provider: 'gitlab' is not a choice (since 99.1.0: Nobody has it.)."
        " Choose one of 'github', 'other': --answer ci_provider=…\n"
    )
    assert service.run("git", "status", "--porcelain") == ""
    update(service, "--answer=ci_provider=github")


def test_a_new_question_is_told(template, make, update):
    edit(
        template.path / "cookiecutter.json",
        '"example_app": true,',
        '"example_app": true,\n"more": false,',
    )
    template.release(NEXT)
    output = update(make())
    assert "- more: a new question, answered with its default. Change it with --answer.\n" in output
