"""Each convention is kept by a tool: what breaks it is refused in words that help, what is recommended passes."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conventions.broken import BANNED, all_broken
from tests.harness.project import COMMIT, SOURCE, TEMPLATE
from tests.conventions.recommended import PASSING

CONFLICT = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"


@pytest.fixture(scope="module")
def clean(tmp_path_factory, bake_into):
    """A bake in git, with its lock file."""
    project = bake_into(tmp_path_factory.mktemp("conventions") / "bake", TEMPLATE, {})
    project.run("uv", "lock", "--quiet")
    project.track()
    project.run(*COMMIT, "--message", "first")
    return project


@pytest.fixture
def project(clean):
    yield clean
    clean.run("git", "reset", "--quiet", "--hard")
    clean.run("git", "clean", "--quiet", "--force", "-d")


def plant(project, path, code):
    file = project.path / path
    file.parent.mkdir(exist_ok=True)
    with file.open("a", newline="") as opened:
        opened.write(code)
    project.run("git", "add", "--all")


BROKEN = [*all_broken()]
# These judge each file by itself, and name each: one run of the hook tells of all.
BY_FILE = {
    "ruff-check": "{path}:.*{message}",
    "integrity-error": "{path}:",
    "static-storage": "{path}:",
}


@pytest.mark.parametrize("hook", BY_FILE)
def test_each_file_that_breaks_a_convention_is_refused_in_words_that_help(project, hook):
    planted = {}
    for number, broken in enumerate(broken for broken in BROKEN if broken.hook == hook):
        path = str(Path(broken.path).with_stem(f"{Path(broken.path).stem}{number}"))
        plant(project, path, broken.code)
        planted[path] = broken
    said = project.uv(
        "pre-commit", "run", hook, "--files", *planted, status=1, RUFF_OUTPUT_FORMAT="concise"
    )
    for path, broken in planted.items():
        line = BY_FILE[hook].format(path=re.escape(path), message=re.escape(broken.message))
        assert re.search(f"^{line}", said, re.M), broken
        assert broken.message in said


@pytest.mark.parametrize(
    "broken", [broken for broken in BROKEN if broken.hook not in BY_FILE], ids=str
)
def test_what_breaks_a_convention_is_refused_in_words_that_help(project, broken):
    plant(project, broken.path, broken.code)
    said = project.uv("pre-commit", "run", broken.hook, "--files", broken.path, status=1)
    assert broken.message in " ".join(said.split())


@pytest.mark.parametrize("code", ["import sys, os\n\nos, sys\n", 'digits = "\\d"\n'])
def test_what_ruff_can_mend_it_mends_and_refuses(project, code):
    plant(project, "apps/users/broken.py", code)
    said = project.uv("pre-commit", "run", "ruff-check", "--all-files", status=1)
    assert "files were modified by this hook" in said
    assert (project.path / "apps/users/broken.py").read_text() != code


def test_what_is_left_of_a_merge_is_refused(project):
    plant(project, "README.md", CONFLICT)
    (project.path / ".git/MERGE_MSG").touch()
    (project.path / ".git/MERGE_HEAD").touch()
    said = project.uv("pre-commit", "run", "merge-conflict", "--files", "README.md", status=1)
    assert "Merge conflict string '<<<<<<<' found" in said


def test_a_lock_file_of_other_dependencies_is_refused(project):
    pyproject = project.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"whitenoise~=6.12"', '"whitenoise>=6"'))
    said = project.uv("pre-commit", "run", "uv-lock", "--all-files", status=1, UV_FROZEN="1")
    assert "`uv.lock` needs to be updated" in said


def test_what_is_recommended_passes_every_hook_and_works(project):
    for path, code in PASSING.items():
        plant(project, path, code)
    project.uv("pre-commit", "run", "--all-files")
    assert project.run("git", "diff", "--stat") == ""
    project.uv("pytest", *(path for path in PASSING if "/test_" in path))


def test_each_hook_and_each_ban_has_something_that_breaks_it():
    config = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["id"] for hook in hooks} == {broken.hook for broken in BROKEN} | {
        "merge-conflict",
        "uv-lock",
    }
    ruff = tomllib.loads((SOURCE / "ruff.toml").read_text())
    assert {*ruff["lint"]["flake8-tidy-imports"]["banned-api"]} == {*BANNED}


def test_only_the_pieces_themselves_are_exempt():
    ruff = tomllib.loads((SOURCE / "ruff.toml").read_text())
    exempt = {
        files for files, rules in ruff["lint"]["per-file-ignores"].items() if "TID251" in rules
    }
    assert exempt == {
        "common/{session_cache,session_engine,session_rows,sessions,storage}.py",
        "common/testing/{cases,requests}.py",
    }
    assert "TID251" not in ruff["lint"]["ignore"]


def test_each_exception_has_a_reason(service):
    for path in service.files():
        for line in path.read_text().splitlines():
            if path.suffix == ".py" and re.search(r"# (noqa|type: ignore|fmt|nosec|pragma)", line):
                assert re.search(
                    r"# noqa: [A-Z0-9]+ -- \S|# type: ignore\[[a-z-]+\] # \S|# pragma: (sqlite|postgresql)",
                    line,
                ), f"{path}: {line}"


def test_the_hooks_run_the_locked_versions_and_clone_nothing():
    config = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text())
    for repo in config["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            runs = hook["entry"].startswith(("uv run --frozen ", "uv lock --check"))
            assert hook["language"] == ("system" if runs else "pygrep")
