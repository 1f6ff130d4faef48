"""The template is a live project: its files are valid and lint-clean before they are rendered."""

import ast
import importlib.util
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import Counter

import pytest
import yaml

from tests.harness.project import SOURCE, TEMPLATE, Project, copy_template

HOOK = TEMPLATE / "hooks/post_gen_project.py"


def import_hook():
    spec = importlib.util.spec_from_file_location("post_gen_project", HOOK)
    assert spec
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return copy_template(tmp_path_factory.mktemp("checkout") / "template")


def files(folder, *suffixes):
    found = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    assert found
    return found


def test_every_file_is_valid_unrendered(checkout):
    for path in files(checkout, ".py"):
        ast.parse(path.read_text(), filename=str(path))
    for path in files(checkout, ".toml"):
        tomllib.loads(path.read_text())
    for path in files(checkout, ".json"):
        json.loads(path.read_text())
    for path in files(checkout, ".yml", ".yaml"):
        yaml.safe_load(path.read_text())


@pytest.mark.long
def test_the_repository_passes_its_own_hooks_unrendered(tmp_path, environment):
    here = {
        **environment,
        "UV_FROZEN": "1",
        "UV_NO_SYNC": "1",
        "UV_PROJECT_ENVIRONMENT": sys.prefix,
    }
    repository = Project(copy_template(tmp_path / "repository"), here)
    repository.track()
    repository.uv("pre-commit", "run", "--all-files")
    assert repository.run("git", "diff", "--stat") == ""


def test_conditionals_are_whole_lines_not_nested_and_at_most_two_per_question(checkout):
    seen = 0
    for path in (checkout / SOURCE.name).rglob("*"):
        if path.suffix == ".html" or not path.is_file() or ".github" in path.parts:
            continue
        text = path.read_text()
        assert "<%%" not in text
        depth = 0
        questions: list[str] = []
        for line in text.splitlines():
            if "# jinja:" in line:
                keyword = line.strip().removeprefix("# jinja: ").split()[0]
                assert keyword in {"if", "else", "endif"}, f"{path}: {line}"
                depth += {"if": 1, "else": 0, "endif": -1}[keyword]
                if keyword == "if":
                    questions += {*re.findall(r"cookiecutter\.(\w+)", line)}
            assert depth in {0, 1}, f"{path}: {line}"
        assert depth == 0, path
        if path.name != "pyproject.toml":
            assert max(Counter(questions).values(), default=0) <= 2, path
        seen += len(questions)
    assert seen


def test_each_optional_path_of_the_hook_exists(checkout):
    for name in import_hook().OPTIONAL:
        assert (checkout / SOURCE.name / name).exists(), name


def test_python_files_use_answers_in_string_literals_only(checkout):
    for path in files(checkout / SOURCE.name, ".py"):
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        for token in tokens:
            if "cookiecutter." in token.string and "jinja:" not in token.string:
                assert token.type == tokenize.STRING, f"{path}: {token.line}"


def test_common_never_imports_apps_and_only_tests_import_common_testing(checkout):
    for path in files(checkout / SOURCE.name, ".py"):
        folders = path.relative_to(checkout / SOURCE.name).parts[:-1]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for module in modules:
                assert folders[0:1] != ("common",) or module.split(".")[0] != "apps", path
                is_test = "tests" in folders or folders[:2] == ("common", "testing")
                assert is_test or not module.startswith("common.testing"), path


def test_every_question_has_a_prompt():
    context = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    questions = {name for name in context if not name.startswith("_")}
    assert context["__prompts__"].keys() == questions
    assert [*context][-1] == "__checked"


def test_caches_and_environments_in_the_template_do_not_change_a_bake(checkout, bake, tmp_path):
    template = copy_template(tmp_path / "used")
    project = template / SOURCE.name
    for folder in (
        ".venv/lib",
        "apps/venv/lib",
        "build",
        "x.egg-info",
        "htmlcov",
        ".ruff_cache/0",
        ".mypy_cache",
        "apps/.pytest_cache",
        "apps/users/__pycache__",
    ):
        (project / folder).mkdir(parents=True)
        (project / folder / "trap.py").write_text(
            "{{ undefined.attribute }} {{ <%% # jinja: if\n# jinja: if\n"
        )
        (project / folder / "binary.pyc").write_bytes(bytes(range(256)))
    (project / ".venv/bin").mkdir()
    (project / ".venv/bin/python").symlink_to(sys.executable)

    assert contents(bake(template)) == contents(bake(checkout))


def test_two_bakes_with_the_same_answers_are_identical(bake):
    assert contents(bake()) == contents(bake())


def test_the_post_hook_has_under_100_lines_and_can_be_imported(tmp_path, capsys):
    assert len(HOOK.read_text().splitlines()) < 100
    hook = import_hook()
    project = tmp_path / "two words"
    (project / "apps/shop").mkdir(parents=True)
    (project / "apps/.ruff_cache").mkdir()
    hook.main(project)

    assert [path.name for path in project.rglob("*")] == ["apps"]
    assert f"cd '{project}'\n" in capsys.readouterr().out


def contents(project: Project):
    return {str(path.relative_to(project.path)): path.read_bytes() for path in project.files()}
