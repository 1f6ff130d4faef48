"""Invalid answers are rejected with a message; all others reach the bake unchanged."""

import ast
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from cookiecutter.exceptions import FailedHookException
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.harness.answers import NASTY, name_of
from tests.harness.project import TEMPLATE

SLUG_RULE = (
    "use lower-case letters, digits, '-' and '_', starting with a letter"
    " and ending with a letter or digit, at most 50"
)
BAD_SLUGS = [
    "My Proj", "a/b", "../up", "/tmp/absolute", "", " ", ".", "..", "A", "é", "a b", "a.b", "1a", "-a", "_a", "a-",
    "a_", "a" * 51, "a\n", "a\x00", "ａ", "٣", "a٣a", "a\\b", "$HOME", "~",
]  # fmt: skip
BAD_TEXTS = [
    "", " ", "\u00a0\u3000", "x" * 201, "a\nb", "a\rb", "a\tb", "a\x00b", "a\x7fb", "a\x85b", "a\u2028b", "a\u2029b",
    "a\ud800b", "a\ue000b", "a\U0010ffffb", "a\u0378b",
    *(f"a{chr(code)}b" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
]  # fmt: skip
# cookiecutter renders answers with these strings as templates, before this template sees them.
SYNTAX = re.compile(r"\{\{|<%%|<##|# jinja:")
BLANKS: list[Any] = ["Zs"]
REJECTED: list[Any] = ["Cc", "Cs", "Co", "Cn", "Zl", "Zp"]
BIDI = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
accepted_text = st.text(
    st.characters(exclude_categories=REJECTED, exclude_characters=BIDI), min_size=1, max_size=200
).filter(lambda text: text.strip() and not SYNTAX.search(text))
rejected_text = st.one_of(
    st.text(st.characters(categories=BLANKS), max_size=200),
    st.builds(
        lambda before, bad, after: before + bad + after,
        st.text(st.characters(codec="ascii", categories=["L"]), max_size=99),
        st.characters(categories=REJECTED) | st.sampled_from(BIDI),
        st.text(st.characters(codec="ascii", categories=["L"]), max_size=99),
    ),
    accepted_text.map(lambda text: text + "x" * 200),
)
accepted_slug = st.from_regex(r"[a-z]([a-z0-9_-]{0,48}[a-z0-9])?", fullmatch=True)
rejected_slug = st.text(max_size=60).filter(
    lambda slug: (
        not re.fullmatch(r"[a-z]([a-z0-9_-]{0,48}[a-z0-9])?", slug) and not SYNTAX.search(slug)
    )
)


def problems(bake, tmp_path, **answers):
    """Return the lines of the error for ``answers``; assert that the bake has written no file."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FailedHookException) as error:
        bake(**answers)
    made = set(tmp_path.rglob("*")) - set(before)
    assert all(path.is_dir() and not any(path.iterdir()) for path in made), made
    return str(error.value).splitlines()


def assert_contains_answers(project, name, description):
    with (project.path / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["description"] == description
    assigned = {
        ast.unparse(node.targets[0]): node.value.value
        for node in ast.parse((project.path / "config/settings/base.py").read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert assigned["PROJECT_NAME"] == name
    assert assigned["PROJECT_DESCRIPTION"] == description
    readme = (project.path / "README.md").read_text()
    assert name in readme
    assert description in readme
    formatted = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--no-cache", "."],
        cwd=project.path,
        capture_output=True,
        text=True,
    )
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr


@pytest.mark.parametrize("slug", BAD_SLUGS, ids=ascii)
def test_an_invalid_slug_is_rejected(bake, tmp_path, slug):
    assert problems(bake, tmp_path, project_slug=slug) == [f"project_slug: {slug!r}: {SLUG_RULE}"]


@pytest.mark.parametrize("question", ["project_name", "description"])
@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_invalid_text_is_rejected(bake, tmp_path, question, text):
    seen = text.replace("\r", "\n")  # Jinja renders the answers and converts newlines.
    assert problems(bake, tmp_path, **{question: text})[0].startswith(f"{question}: {seen!r}: use ")


def test_the_error_has_one_line_for_each_problem(bake, tmp_path):
    lines = problems(
        bake, tmp_path, project_name="a\nb" + "x" * 200, project_slug="My Proj", description=""
    )
    assert lines == [
        f"project_name: {'a' + chr(10) + 'b' + 'x' * 200!r}: use at most 200 characters, not 203",
        f"project_name: {'a' + chr(10) + 'b' + 'x' * 200!r}: use one line of printable text, without U+000A",
        f"project_slug: 'My Proj': {SLUG_RULE}",
        "description: '': use at least one character that is not a blank",
    ]


def rejected_by_the_command(environment, folder, answer):
    """Return the output of a bake that rejects ``answer``; assert that it has written no file."""
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", answer]
    bake = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert bake.returncode == 1
    assert not [*folder.iterdir()]
    return (bake.stdout + bake.stderr).strip()


@pytest.mark.parametrize("slug", ["My Proj", "a/b", "../up", "/tmp/absolute", " "])
def test_the_command_rejects_an_invalid_slug_without_traceback_or_files(
    environment, tmp_path, slug
):
    printed = rejected_by_the_command(environment, tmp_path, f"project_slug={slug}")
    assert printed == f"project_slug: {slug!r}: {SLUG_RULE}"


def test_cookiecutter_rejects_an_invalid_boolean(environment, tmp_path):
    printed = rejected_by_the_command(environment, tmp_path, "example_app=perhaps")
    assert printed.endswith(
        "perhaps provided for variable example_app could not be converted to a boolean."
    )


def test_cookiecutter_rejects_an_unknown_choice(environment, tmp_path):
    printed = rejected_by_the_command(environment, tmp_path, "database=oracle")
    assert "ValueError: oracle provided for choice variable database" in printed
    assert "['sqlite', 'postgresql']" in printed


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("🎉", "service"),
        ("2nd Shop", "nd-shop"),
        ("404", "service"),
        ("x" * 200, "x" * 50),
        ("x" * 49 + " y", "x" * 49),
        ("Café Zürich", "cafe-zurich"),
        ("--", "service"),
        ("&#99999999999999999999;", None),
        ("سرویس ما", None),
    ],
)
def test_the_slug_is_derived_from_the_name(bake, name, slug):
    derived = bake(project_name=name).path.name
    assert slug in {derived, None}
    assert re.fullmatch(r"[a-z]([a-z0-9_-]{0,48}[a-z0-9])?", derived)


@pytest.mark.parametrize("answers", NASTY, ids=name_of)
def test_nasty_text_reaches_the_bake_unchanged(bake, answers):
    assert_contains_answers(bake(**answers), answers["project_name"], answers["description"])


# Bakes are slow: report the first failing example instead of searching for a simpler one.
baking = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, 4))]
)
def test_random_answers_are_rejected_or_reach_the_bake_unchanged(bake, tmp_path, part):
    @seed(part)
    @settings(baking, max_examples=10)
    @given(name=accepted_text, description=accepted_text)
    def check_accepted_texts(name, description):
        assert_contains_answers(bake(project_name=name, description=description), name, description)

    @seed(part)
    @settings(baking, max_examples=5)
    @given(slug=accepted_slug, name=accepted_text)
    def check_accepted_slugs(slug, name):
        project = bake(project_slug=slug, project_name=name)
        assert project.path.name == slug
        assert_contains_answers(project, name, "A Django service.")

    @seed(part)
    @settings(baking, max_examples=20)
    @given(name=rejected_text, description=rejected_text, slug=rejected_slug)
    def check_rejected_answers(name, description, slug):
        lines = problems(
            bake, tmp_path, project_name=name, description=description, project_slug=slug
        )
        assert {line.partition(":")[0] for line in lines} == {
            "project_name",
            "description",
            "project_slug",
        }

    check_accepted_texts()
    check_accepted_slugs()
    check_rejected_answers()


def test_the_filter_ignores_questions_that_the_template_does_not_ask(environment):
    # cruft update renders two releases of the template with one imported module.
    code = (
        "from jinja2 import Environment; from local_extensions import checked;"
        "print(Environment(extensions=[checked]).from_string('[{{ answers | checked }}]').render(answers={}))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TEMPLATE,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(
        r"\[[0-9a-f]{40}( \S+)?\]\n", printed.stdout
    )  # where the template comes from
