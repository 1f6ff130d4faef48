"""Defaults of an organisation: they make new services, and updates neither read nor change them."""

import json
import re
import sys

import pytest

from tests.harness.project import TEMPLATE
from tests.updates.conftest import NEXT, Repository, edit

DOCUMENT = (TEMPLATE / "docs/updating.md").read_text()
COOKIECUTTER = (sys.executable, "-m", "cookiecutter")


@pytest.fixture
def home(tmp_path, environment):
    """Return a home folder, in which commands run as they do for a user."""
    (tmp_path / "home").mkdir()
    variables = {k: v for k, v in environment.items() if k != "COOKIECUTTER_CONFIG"}
    return Repository(tmp_path / "home", {**variables, "HOME": str(tmp_path / "home")})


def answers(folder):
    record = json.loads((folder / "my-service/.cruft.json").read_text())
    return record["context"]["cookiecutter"]


@pytest.mark.parametrize("option", [[], ["--config-file", "ours.yaml"]])
def test_an_organisation_has_defaults(home, option):
    example = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    (home.path / (option[-1] if option else ".cookiecutterrc")).write_text(example)
    home.run(*COOKIECUTTER, str(TEMPLATE), "--no-input", *option, "ci_provider=gitlab")
    made = answers(home.path)
    assert (made["database"], made["django_version"]) == ("postgresql", "6.1")
    assert (made["static_files"], made["ci_provider"]) == ("whitenoise", "gitlab")


def test_a_default_that_is_no_choice_is_a_warning_and_ends_the_defaults(home):
    (home.path / ".cookiecutterrc").write_text(
        "default_context: {static_files: s3, ci_provider: jenkins, database: postgresql}"
    )
    output = home.run(*COOKIECUTTER, str(TEMPLATE), "--no-input")
    assert "Invalid default received: jenkins provided for choice variable ci_provider" in output
    assert "the choices are ['github', 'gitlab']" in output
    made = answers(home.path)
    assert (made["static_files"], made["ci_provider"], made["database"]) == (
        "s3",
        "github",
        "sqlite",
    )


def test_a_default_that_the_template_refuses_is_one_line(home):
    (home.path / ".cookiecutterrc").write_text("default_context: {project_slug: No Slug}")
    output = home.run(*COOKIECUTTER, str(TEMPLATE), "--no-input", status=1)
    assert output.startswith("project_slug: 'No Slug': use lower-case letters")
    assert output.count("\n") == 1


def test_a_replay_makes_the_same_service(home):
    home.run(
        *COOKIECUTTER, str(TEMPLATE), "--no-input", "--output-dir", "one", "database=postgresql"
    )
    [kept] = (home.path / ".cookiecutter_replay").iterdir()
    home.run("cp", str(kept), "ours.json")
    home.run(*COOKIECUTTER, str(TEMPLATE), "--replay", "--output-dir", "two")
    home.run(*COOKIECUTTER, str(TEMPLATE), "--replay-file", "ours.json", "--output-dir", "three")
    assert answers(home.path / "one")["database"] == "postgresql"
    for folder in ("two", "three"):
        assert home.run("diff", "--recursive", "one", folder) == ""
    output = home.run(*COOKIECUTTER, str(TEMPLATE), "--replay", "database=sqlite", status=1)
    assert "You can not use both replay and no_input or extra_context" in output


def test_the_first_update_completes_a_replay_of_an_older_release(template, home, update):
    home.run(*COOKIECUTTER, str(template.path), "--no-input", "--output-dir", "one")
    edit(template.file("common/health.py"), '"""', '"""A word of a release.\n\n')
    template.release(NEXT)
    home.run(*COOKIECUTTER, str(template.path), "--replay", "--output-dir", "two")
    service = Repository(home.path / "two/my-service", home.env)
    service.run("git", "init", "--quiet")
    service.commit()
    update(service)
    assert service.run("git", "diff", "HEAD", "--name-only") == ".cruft.json\n"
    assert "There is nothing newer." in (service.commit() and update(service, "--check"))


def test_update_template_neither_reads_nor_changes_the_files_of_cookiecutter(
    template, home, make, update
):
    home.run(*COOKIECUTTER, str(template.path), "--no-input", "description=Another.")
    defaults = "default_context: {description: Ours., colour: blue}"
    (home.path / ".cookiecutterrc").write_text(defaults)
    questions = template.path / "cookiecutter.json"
    edit(questions, '"example_app": true,', '"example_app": true,\n"colour": ["red", "blue"],')
    template.release(NEXT)
    service = Repository(make(description="Recorded.").path, home.env)
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    output = update(service)
    assert "colour: a new question, answered with its default" in output
    made = answers(service.path.parent)
    assert (made["description"], made["colour"]) == ("Recorded.", "red")
    assert before == {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
