"""What a bake promises, proved for every combination of answers: see ``--answers``.

Every combination is baked. Hooks, suites, servers and deployment run for a covering array of combinations. Static checks
judge a tree of files, so each other distinct tree is checked once, however many combinations write it.
"""

import ast
import fcntl
import hashlib
import html
import itertools
import json
import math
import re
import subprocess
import sys
import tomllib

import pytest

from tests.conftest import python_for
from tests.harness.answers import (
    CHOICES,
    NASTY,
    QUESTIONS,
    STRENGTHS,
    command_of,
    covering_array,
    every,
    name_of,
    nasty,
)
from tests.harness.pipelines import GITHUB, GITLAB
from tests.harness.project import (
    SOURCE,
    TEMPLATE,
    Project,
    assert_no_jinja_is_left,
    copy_template,
    page_without_assets,
)
from tests.harness.summary import COMMAND, TREE

HASHED_STYLESHEET = re.compile(r'href="\S+/css/site\.[0-9a-f]{12}\.css"')
CI_FILES = {"github": GITHUB, "gitlab": GITLAB}


def assert_one_ci_file(project, provider):
    """Assert that ``project`` has the file of ``provider`` alone, and that it is the same for all answers."""
    there = [name for name in CI_FILES.values() if (project.path / name).exists()]
    assert there == [CI_FILES[provider]]
    same = (SOURCE / CI_FILES[provider]).read_bytes()
    assert (project.path / CI_FILES[provider]).read_bytes() == same


def digest(project):
    """Return the digest of all files and their names, except the CI files, which Python tools do not read."""
    found = hashlib.sha256()
    for path in project.files():
        name = str(path.relative_to(project.path))
        if name not in CI_FILES.values():
            found.update(repr((name, path.read_bytes())).encode())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("answers", every(), ids=name_of)
def test_a_combination_is_baked(bake_only, answers, record_property):
    record_property(COMMAND, command_of(answers))
    project = bake_only(**answers)
    assert_no_jinja_is_left(project)
    assert_one_ci_file(project, answers["ci_provider"])


@pytest.fixture(scope="session")
def delivered_trees(tmp_path_factory, write_into):
    """The digests of the combinations that are delivered: their hooks include the static checks."""
    folder = tmp_path_factory.mktemp("delivered")
    rows = covering_array(STRENGTHS["all"])
    return {digest(write_into(folder / str(n), TEMPLATE, row)) for n, row in enumerate(rows)}


@pytest.mark.long
@pytest.mark.parametrize("answers", every(), ids=name_of)
def test_the_tree_of_a_combination_passes_static_checks(
    bake_only, static_checks, delivered_trees, answers, shared, record_property
):
    record_property(COMMAND, command_of(answers))
    project = bake_only(**answers)
    tree = digest(project)
    if tree in delivered_trees:
        return
    with (shared / "trees").open("a+") as checked:
        fcntl.flock(checked, fcntl.LOCK_EX)
        checked.seek(0)
        if f"{tree}\n" in checked.readlines():
            return  # The test of another combination checks the same tree.
        checked.write(f"{tree}\n")
    record_property(TREE, tree)
    static_checks(project)


def test_a_combination_is_delivered(bake, combination, production, record_property):
    record_property(COMMAND, command_of(combination))
    project = bake(**combination)
    project.run("uv", "lock")
    project.track()
    project.uv("pre-commit", "run", "--all-files")
    assert project.run("git", "diff", "--stat") == ""
    project.uv("pytest", "--cov", "--cov-report=term-missing")
    body = page_without_assets(project, production(combination))
    assert HASHED_STYLESHEET.search(body)
    for question in ("project_name", "description"):
        assert html.escape(QUESTIONS[question]) in body
    status = project.run("git", "status", "--porcelain", "--untracked-files=all")
    assert all(line.startswith("A  ") for line in status.splitlines()), status


SEEN = """
from django.conf import settings
from django.test import Client
page = Client().get("/no-such-page").content.decode()
print(ascii([settings.PROJECT_NAME, settings.PROJECT_DESCRIPTION, page]))
"""


@pytest.mark.parametrize(
    "answers",
    [*nasty()[:4], *(pytest.param(row, marks=pytest.mark.long) for row in nasty()[4:])],
    ids=name_of,
)
def test_nasty_text_is_only_text(bake, answers, record_property):
    record_property(COMMAND, command_of(answers))
    name, description = str(answers["project_name"]), str(answers["description"])
    project = bake(**answers)
    assert_no_jinja_is_left(project)
    project.run("uv", "lock")
    project.track()
    project.uv("pre-commit", "run", "--all-files", SKIP="mypy,migrations")
    assert project.run("git", "diff", "--stat") == ""
    metadata = tomllib.loads((project.path / "pyproject.toml").read_text())["project"]
    assert metadata["description"] == description
    shell = ["shell", "--no-imports", "-c", SEEN, "--settings=config.settings.test"]
    seen = ast.literal_eval(project.manage(*shell).splitlines()[-1])
    assert seen[:2] == [name, description]
    assert html.escape(name) in seen[2]


@pytest.mark.parametrize("strength", STRENGTHS.values())
def test_a_covering_array_has_all_tuples_of_answers(strength):
    rows = covering_array(strength)
    assert rows[0] == every()[0]
    for questions in itertools.combinations(CHOICES, strength):
        wanted = {*itertools.product(*(CHOICES[question] for question in questions))}
        assert {tuple(row[question] for question in questions) for row in rows} == wanted


def test_a_covering_array_is_small_and_always_the_same(monkeypatch):
    sizes = {}
    for number in (5, 7):
        monkeypatch.setattr(
            "tests.harness.answers.CHOICES", {str(n): [True, False] for n in range(number)}
        )
        covering_array.cache_clear()
        rows = covering_array(3)
        covering_array.cache_clear()
        assert rows == covering_array(3)
        sizes[number] = len(rows)
    covering_array.cache_clear()
    assert sizes[5] <= sizes[7] <= 12


def test_every_combination_is_one_and_all_questions_are_in_it():
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    choices = {
        name for name, default in questions.items()
        if name[0] != "_" and not isinstance(default, str)
    }  # fmt: skip
    sets = {tuple(answers.items()) for answers in every()}
    assert all({name for name, _ in answers} == choices for answers in sets)
    assert len(sets) == math.prod(map(len, CHOICES.values()))


@pytest.mark.parametrize("option", STRENGTHS)
def test_the_option_chooses_the_combinations(environment, option):
    command = ["-m", "pytest", "-p", "no:cacheprovider", "-n0", "--collect-only", "-q"]
    listed = Project(TEMPLATE, environment).run(
        sys.executable, *command, f"--answers={option}", "tests/bakes/test_combinations.py"
    )
    for test, number in {
        "test_a_combination_is_baked": len(every()),
        "test_the_tree_of_a_combination_passes_static_checks": (
            len(every()) if option == "all" else 0
        ),
        "test_a_combination_is_delivered": len(covering_array(STRENGTHS[option])),
        "test_nasty_text_is_only_text": len(NASTY) if option == "all" else 4,
    }.items():
        assert listed.count(f"::{test}[") == number


@pytest.mark.parametrize("answers", [every()[2], nasty()[0], nasty()[3]], ids=name_of)
def test_the_command_of_a_combination_bakes_it_again(bake_only, environment, tmp_path, answers):
    template = copy_template(tmp_path / "template")
    command = command_of(answers)
    assert command.startswith("uvx cookiecutter . ")
    again = command.replace("uvx cookiecutter", f"{sys.executable} -m cookiecutter", 1)
    Project(template, environment).run("bash", "-c", again)
    project = bake_only(**answers)
    for path in project.files():
        relative = path.relative_to(project.path.parent)
        if path.name == ".cruft.json":  # It names another template.
            continue
        assert (tmp_path / relative).read_bytes() == path.read_bytes()


def test_a_python_that_is_missing_skips_a_combination(monkeypatch):
    monkeypatch.delenv("REQUIRE_NEWER_PYTHON", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"uv finds no Python >=3\.99"):
        python_for(">=3.99")


def test_a_python_that_is_missing_fails_it_where_one_is_required(monkeypatch):
    monkeypatch.setenv("REQUIRE_NEWER_PYTHON", "1")
    with pytest.raises(AssertionError, match=r"uv finds no Python >=3\.99"):
        python_for(">=3.99")


def test_a_new_question_is_part_of_every_combination(tmp_path, environment):
    template = copy_template(tmp_path / "template")
    context = template / "cookiecutter.json"
    context.write_text(context.read_text().replace("{", '{"cache": ["none", "redis", "file"],', 1))
    code = "from tests.harness.answers import every; print(len(every()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=template, env=environment, capture_output=True, text=True
    )
    assert int(done.stdout) == 3 * len(every())
