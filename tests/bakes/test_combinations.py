"""What a bake promises, run for combinations of answers: see ``--answers``."""

import html
import itertools
import json
import math
import re
import subprocess
import sys

import pytest

from tests.harness.answers import CHOICES, QUESTIONS, SETS, command_of, every, pairwise
from tests.harness.summary import PROPERTY
from tests.conftest import python_for
from tests.harness.pipelines import GITHUB, GITLAB
from tests.harness.project import (
    SOURCE,
    TEMPLATE,
    Project,
    assert_no_jinja_is_left,
    copy_template,
    page_without_assets,
)

HASHED_STYLESHEET = re.compile(r'href="\S+/css/site\.[0-9a-f]{12}\.css"')


def assert_one_ci_file(project, provider):
    """Assert that ``project`` has the file of ``provider`` alone, and that it is the same for all answers."""
    files = {"github": GITHUB, "gitlab": GITLAB}
    assert [name for name in files.values() if (project.path / name).exists()] == [files[provider]]
    same = (SOURCE / files[provider]).read_bytes()
    assert (project.path / files[provider]).read_bytes() == same


def test_a_combination_keeps_its_promises(bake, combination, production, record_property):
    record_property(PROPERTY, command_of(combination))
    project = bake(**combination)
    assert_no_jinja_is_left(project)
    assert_one_ci_file(project, combination["ci_provider"])
    project.run("uv", "lock")
    project.track()
    project.uv("pre-commit", "run", "--all-files")  # ruff, mypy and the others
    assert project.run("git", "diff", "--stat") == ""
    project.manage("check")
    project.manage("makemigrations", "--check")
    project.uv("pytest", "--cov", "--cov-report=term-missing")
    body = page_without_assets(project, production(combination))
    assert HASHED_STYLESHEET.search(body)
    for question in ("project_name", "description"):
        assert html.escape(combination.get(question, QUESTIONS[question])) in body

    status = project.run("git", "status", "--porcelain", "--untracked-files=all")
    assert all(line.startswith("A  ") for line in status.splitlines()), status


def test_pairwise_brings_any_two_answers_together():
    sets = pairwise()
    assert sets[0] == every()[0]
    for (one, ones), (other, others) in itertools.combinations(CHOICES.items(), 2):
        assert {(s[one], s[other]) for s in sets} == {*itertools.product(ones, others)}


def test_every_combination_is_one_and_all_questions_are_in_it():
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    choices = {
        name for name, default in questions.items()
        if name[0] != "_" and not isinstance(default, str)
    }  # fmt: skip
    sets = {tuple(answers.items()) for answers in every()}
    assert all({name for name, _ in answers} == choices for answers in sets)
    assert len(sets) == math.prod(map(len, CHOICES.values()))
    for_all = [{name: answers[name] for name in CHOICES} for answers in SETS["all"]()]
    assert for_all == every()


@pytest.mark.parametrize(
    ("option", "sets"), [("--answers=all", "all"), ("--answers=pairwise", "pairwise")]
)
def test_the_option_chooses_the_sets(environment, option, sets):
    command = ["-m", "pytest", "-p", "no:cacheprovider", "-n0", "--collect-only", "-q", option]
    listed = Project(TEMPLATE, environment).run(
        sys.executable, *command, "tests/test_combinations.py"
    )
    assert listed.count("::test_a_combination_keeps_its_promises[") == len(SETS[sets]())


@pytest.mark.parametrize("number", [1, 2, 4, 6])
def test_the_command_of_a_combination_bakes_it_again(bake, environment, tmp_path, number):
    answers = SETS["all"]()[number]
    template = copy_template(tmp_path / "template")
    command = command_of(answers)
    assert command.startswith("uvx cookiecutter . ")
    again = command.replace("uvx cookiecutter", f"{sys.executable} -m cookiecutter", 1)
    Project(template, environment).run("bash", "-c", again)
    project = bake(**answers)
    for path in project.files():
        relative = path.relative_to(project.path.parent)
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


SUITE = """
import pytest
from tests.harness.summary import PROPERTY

@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped"])
def test_a_combination_keeps_its_promises(outcome, record_property):
    record_property(PROPERTY, f"uvx cookiecutter . {outcome}")
    assert outcome != "failed"
    if outcome == "skipped":
        pytest.skip("no such Python")

def test_something_else():
    pass
"""


@pytest.fixture
def last_lines(tmp_path, environment):
    """A function that runs a suite of combinations with pytest's options, and gives the last lines that it prints."""
    (tmp_path / "test_suite.py").write_text(SUITE)

    def last_lines(*options):
        command = ["pytest", "-p", "no:cacheprovider", "-p", "tests.harness.summary", *options]
        done = subprocess.run(
            [sys.executable, "-m", *command, str(tmp_path), f"--rootdir={tmp_path}", "-c/dev/null"],
            cwd=TEMPLATE,
            env=environment,
            capture_output=True,
            text=True,
        )
        return done.stdout.splitlines()[-2:]

    return last_lines


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_last_line_counts_and_the_one_before_reproduces(last_lines, workers):
    assert last_lines(workers) == [
        "failed: uvx cookiecutter . failed",
        "1 of 3 combinations passed, 1 failed, 1 skipped (no such Python)",
    ]


def test_combinations_that_did_not_run_are_counted(last_lines):
    assert last_lines("-n0", "-x")[-1] == "1 of 3 combinations passed, 1 failed, 1 not run"


def test_a_run_without_combinations_counts_none(last_lines):
    assert "1 passed, 3 deselected" in last_lines("-n0", "-k", "else")[-1]
