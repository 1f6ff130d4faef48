"""A tool enforces each convention: it rejects violations with a helpful message, and accepts recommended code."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conventions.broken import BANNED, all_broken
from tests.conventions.recommended import PASSING
from tests.harness.project import COMMIT, SOURCE, TEMPLATE


@pytest.fixture(scope="module")
def clean(tmp_path_factory, bake_into):
    """A bake that is committed to git, with its lock file."""
    answers = {"background_jobs": True, "realtime": True}
    project = bake_into(tmp_path_factory.mktemp("conventions") / "bake", TEMPLATE, answers)
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
# These hooks report each file by name, so one run of a hook proves all of its violations.
BY_FILE = {
    "ruff-check": "{path}:.*{message}",
    "integrity-error": "{path}:",
    "static-storage": "{path}:",
    "imports-of-apps": "{path}:",
    "imports-of-testing": "{path}:",
    "enqueue": "{path}:",
    "on-commit": "{path}:",
    "task-call": "{path}:",
}


@pytest.mark.parametrize("hook", BY_FILE)
def test_a_hook_that_reports_files_rejects_each_violation_with_a_helpful_message(project, hook):
    planted = {}
    for number, broken in enumerate(broken for broken in BROKEN if broken.hook == hook):
        path = str(Path(broken.path).with_stem(f"{Path(broken.path).stem}{number}"))
        plant(project, path, broken.code)
        planted[path] = broken
    output = project.uv(
        "pre-commit", "run", hook, "--files", *planted, status=1, RUFF_OUTPUT_FORMAT="concise"
    )
    for path, broken in planted.items():
        line = BY_FILE[hook].format(path=re.escape(path), message=re.escape(broken.message))
        assert re.search(f"^{line}", output, re.M), broken
        assert broken.message in output


@pytest.mark.parametrize(
    "broken", [broken for broken in BROKEN if broken.hook not in BY_FILE], ids=str
)
def test_any_other_hook_rejects_each_violation_with_a_helpful_message(project, broken):
    plant(project, broken.path, broken.code)
    output = project.uv("pre-commit", "run", broken.hook, "--files", broken.path, status=1)
    assert broken.message in " ".join(output.split())


@pytest.mark.parametrize("code", ["import sys, os\n\nos, sys\n", 'digits = "\\d"\n'])
def test_ruff_fixes_and_rejects_fixable_violations(project, code):
    plant(project, "apps/users/broken.py", code)
    output = project.uv("pre-commit", "run", "ruff-check", "--all-files", status=1)
    assert "files were modified by this hook" in output
    assert (project.path / "apps/users/broken.py").read_text() != code


@pytest.mark.parametrize("hook", ["trailing-whitespace", "end-of-file", "line-endings"])
def test_fixers_leave_the_rejects_of_a_patch_as_they_are(project, hook):
    paths = ["config/urls.py.rej", "README.md.orig"]
    for path in paths:
        plant(project, path, "+a \r\n b\n\n-c")
    project.uv("pre-commit", "run", hook, "--files", *paths)


def test_an_outdated_lock_file_is_rejected(project):
    pyproject = project.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"whitenoise~=6.12"', '"whitenoise>=6"'))
    output = project.uv("pre-commit", "run", "uv-lock", "--all-files", status=1, UV_FROZEN="1")
    assert "`uv.lock` needs to be updated" in output


def test_recommended_code_passes_every_hook_and_its_tests_pass(project):
    for path, code in PASSING.items():
        plant(project, path, code)
    project.uv("pre-commit", "run", "--all-files")
    assert project.run("git", "diff", "--stat") == ""
    project.uv("pytest", *(path for path in PASSING if "/test_" in path))


def test_each_hook_and_each_ban_has_a_planted_violation():
    config = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {hook["id"] for hook in hooks} == {broken.hook for broken in BROKEN} | {"uv-lock"}
    ruff = tomllib.loads((SOURCE / "ruff.toml").read_text())
    assert {*ruff["lint"]["flake8-tidy-imports"]["banned-api"]} == {*BANNED}


def test_only_the_replacements_are_exempt_from_the_bans():
    ruff = tomllib.loads((SOURCE / "ruff.toml").read_text())
    exempt = {
        files for files, rules in ruff["lint"]["per-file-ignores"].items() if "TID251" in rules
    }
    assert exempt == {
        "common/{sessions,static_files}/*.py",
        "common/testing/{cases,middleware}.py",
        "common/jobs/*.py",
    }
    assert "TID251" not in ruff["lint"]["ignore"]


def test_each_exception_has_a_reason(service):
    for path in service.files():
        for line in path.read_text().splitlines():
            if path.suffix == ".py" and re.search(r"# (noqa|type: ignore|fmt|nosec|pragma)", line):
                assert re.search(
                    r"# noqa: [A-Z0-9]+ -- \S|# type: ignore\[[a-z-]+\] # \S",
                    line,
                ), f"{path}: {line}"


def test_hooks_run_locked_versions_and_clone_no_repository():
    config = yaml.safe_load((SOURCE / ".pre-commit-config.yaml").read_text())
    for repo in config["repos"]:
        assert repo["repo"] == "local"
        for hook in repo["hooks"]:
            runs = hook["entry"].startswith(("uv run --frozen ", "uv lock --check"))
            assert hook["language"] in ({"system"} if runs else {"pygrep", "fail"})
