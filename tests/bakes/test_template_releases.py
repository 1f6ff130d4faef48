"""release.py makes a release of the template, or says in one line why not and changes nothing."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib

import pytest

from tests.harness.project import COMMIT, TEMPLATE, Project

CODE = "import release, sys; release.main(sys.argv[1], checks=sys.argv[2:])"
TODO = "### To do when you update"
CHANGELOG = f"""# Changelog

## Unreleased

- Add a thing.

{TODO}

- Do a thing, for a reason.

## 1.0.0 – 2026-01-01

- Add the template.

{TODO}

Nothing.
"""
QUESTIONS = {"name": "A", "ci": ["a", "b"], "_version": "1.0.0"}


@pytest.fixture
def template(tmp_path, environment):
    """Return a small template with release.py, the tag v1.0.0 and a commit after it."""
    project = Project(tmp_path / "template", {**environment, "PYTHONDONTWRITEBYTECODE": "1"})
    shutil.copytree(TEMPLATE / "updater", project.path / "updater")
    shutil.copy(TEMPLATE / "release.py", project.path)
    write(project, "cookiecutter.json", json.dumps(QUESTIONS))
    write(project, "updater/removed.json", "[]")
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.run("git", "config", "user.name", "t")
    project.run("git", "config", "user.email", "t@example.com")
    commit(project)
    project.run("git", "tag", "v1.0.0")
    write(project, "CHANGELOG.md", CHANGELOG)
    commit(project)
    return project


def write(project, name, text):
    (project.path / name).write_text(text)


def commit(project):
    project.run("git", "add", "--all")
    project.run(*COMMIT, "--message", "work")


def release(project, version, *checks, status=0):
    return project.run(sys.executable, "-c", CODE, version, *checks, status=status)


def state(project):
    """Return all that a release may change: files, index, branch, tags and worktrees."""
    return (
        {path: path.read_bytes() for path in project.files()},
        project.run("git", "status", "--porcelain"),
        project.run("git", "show-ref", "--head"),
        project.run("git", "worktree", "list"),
    )


def change(**questions):
    return json.dumps({**QUESTIONS, **questions})


def without_ci(version):
    return json.dumps({"name": "A", "_version": version})


def removed(question, choice, becomes):
    reason = {"since": "2.0.0", "reason": "Why."}
    return json.dumps([{"question": question, "choice": choice, "becomes": becomes, **reason}])


REFUSED = {
    "no version": ("1.1", {}, "'1.1' is no version: use X.Y.Z, major, minor or patch."),
    "a leading zero": ("1.01.0", {}, "'1.01.0' is no version"),
    "a prefix": ("v1.1.0", {}, "'v1.1.0' is no version"),
    "the last version": ("1.0.0", {}, "1.0.0 is not greater than the last release, 1.0.0."),
    "an older version": ("0.9.0", {}, "0.9.0 is not greater than the last release, 1.0.0."),
    "nothing new": (
        "1.1.0",
        {"CHANGELOG.md": CHANGELOG.replace("- Add a thing.", "")},
        "CHANGELOG.md: '## Unreleased' has no bullet: say what changed.",
    ),
    "no section": (
        "1.1.0",
        {"CHANGELOG.md": CHANGELOG.replace("## Unreleased", "## 1.0.1 – 2026-02-01")},
        "CHANGELOG.md: '## Unreleased' has no bullet: say what changed.",
    ),
    "nothing to do": (
        "1.1.0",
        {"CHANGELOG.md": CHANGELOG.replace(TODO, "", 1)},
        f"CHANGELOG.md: '## Unreleased' needs '{TODO}' with bullets or 'Nothing.'",
    ),
    "an empty list of what to do": (
        "1.1.0",
        {"CHANGELOG.md": CHANGELOG.replace("- Do a thing, for a reason.", "")},
        f"CHANGELOG.md: '## Unreleased' needs '{TODO}'",
    ),
    "a removed choice": (
        "2.0.0",
        {"cookiecutter.json": change(ci=["b"])},
        "No entry in updater/removed.json explains ci=a.",
    ),
    "a removed question": (
        "2.0.0",
        {"cookiecutter.json": without_ci("1.0.0")},
        "No entry in updater/removed.json explains ci.",
    ),
    "a removed choice in a minor release": (
        "1.1.0",
        {"cookiecutter.json": change(ci=["b"]), "updater/removed.json": removed("ci", "a", "b")},
        "ci=a went away: this must be a major release.",
    ),
    "a removed question in a patch": (
        "patch",
        {"cookiecutter.json": without_ci("1.0.0"), "updater/removed.json": removed("ci", None, None)},
        "ci went away: this must be a major release.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("version", "files", "message"), REFUSED.values(), ids=REFUSED)
def test_a_release_is_refused(template, version, files, message):
    for name, text in files.items():
        write(template, name, text)
    if files:
        commit(template)
    assert_refused(template, version, message)


def assert_refused(template, version, message):
    before = state(template)
    output = release(template, version, "touch must-not-run", status=1)
    assert output.startswith(message)
    assert output.count("\n") == 1
    assert state(template) == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["touch", "new.py"], "Commit or stash first: ?? new.py"),
        (["rm", "CHANGELOG.md"], "Commit or stash first: D CHANGELOG.md"),
        (["git", "switch", "--quiet", "--create", "topic"], "'topic' is checked out: switch to 'main'."),
        (["git", "switch", "--quiet", "--detach"], "'HEAD' is checked out: switch to 'main'."),
        (["bash", "-c", "git tag v1.1.0 $(git commit-tree -m other HEAD^{tree})"], "The tag v1.1.0 exists: choose another version."),
    ],
)  # fmt: skip
def test_a_release_is_refused_in_a_repository_that_is_not_ready(template, command, message):
    template.run(*command)
    assert_refused(template, "1.1.0", message)


@pytest.mark.parametrize(("version", "level"), [("0.2.0", "patch"), ("0.2.0", "minor")])
def test_before_1_0_0_a_minor_release_may_remove_a_question(template, version, level):
    template.run("git", "tag", "--delete", "v1.0.0")
    template.run("git", "tag", "v0.1.0", "HEAD^")
    write(template, "cookiecutter.json", without_ci("0.1.0"))
    write(template, "updater/removed.json", removed("ci", None, None))
    commit(template)
    if level == "patch":
        assert_refused(template, level, "ci went away: this must be a minor release.")
    else:
        release(template, level)
        assert f"v{version}" in template.run("git", "tag")


@pytest.mark.parametrize("level", ["1.1.0", "minor"])
def test_a_release_has_its_version_changelog_commit_and_annotated_tag(template, level):
    output = release(template, level, "grep -q 1.1.0 cookiecutter.json", "test -d .git -o -f .git")
    assert "+ grep -q 1.1.0 cookiecutter.json\n" in output
    assert "git push --atomic origin main v1.1.0" in output
    assert json.loads((template.path / "cookiecutter.json").read_text())["_version"] == "1.1.0"
    start = rf"# Changelog\n\n## Unreleased\n\n{TODO}\n\nNothing\.\n\n## 1\.1\.0 – \d{{4}}-\d\d-\d\d\n\n"
    changelog = (template.path / "CHANGELOG.md").read_text()
    assert re.sub(start, "# Changelog\n\n## Unreleased\n\n", changelog) == CHANGELOG
    assert template.run("git", "log", "--format=%s", "-2") == "release: 1.1.0\nwork\n"
    assert template.run("git", "cat-file", "-t", "v1.1.0") == "tag\n"
    assert template.run("git", "describe") == "v1.1.0\n"
    assert template.run("git", "status", "--porcelain") == ""
    assert template.run("git", "worktree", "list").count("\n") == 1


@pytest.mark.parametrize(("level", "version"), [("major", "2.0.0"), ("patch", "1.0.1")])
def test_a_level_names_the_next_version(template, level, version):
    release(template, level)
    assert template.run("git", "describe") == f"v{version}\n"


def test_the_first_release_needs_no_earlier_one(template):
    template.run("git", "tag", "--delete", "v1.0.0")
    release(template, "minor")
    assert template.run("git", "describe") == "v0.1.0\n"


def test_a_second_release_without_a_change_is_refused(template):
    release(template, "1.1.0")
    assert_refused(template, "1.2.0", "CHANGELOG.md: '## Unreleased' has no bullet")


def test_a_removed_choice_with_an_entry_is_released_as_a_major_version(template):
    write(template, "cookiecutter.json", change(ci=["b"]))
    write(template, "updater/removed.json", removed("ci", "a", "b"))
    commit(template)
    release(template, "major")
    assert template.run("git", "describe") == "v2.0.0\n"


def test_a_failed_check_releases_nothing_even_if_it_changed_files(template):
    before = state(template)
    output = release(
        template, "1.1.0", "rm release.py", "touch new.py", "test -f nothing", status=1
    )
    assert "Nothing is released: 'test -f nothing' failed with exit status 1." in output
    assert state(template) == before


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ("git -C {} commit --quiet --allow-empty --message other", "git merge failed"),
        ("git -C {} tag v1.1.0 HEAD", "git tag failed"),
        ("git -C {} switch --quiet --create topic", "'topic' is checked out: switch to 'main'."),
    ],
)
def test_a_repository_that_changed_during_the_checks_keeps_its_branch_and_tags(
    template, check, message
):
    output = release(template, "1.1.0", check.format(template.path), status=1)
    assert message in output
    assert "release: 1.1.0" not in template.run("git", "log", "--all", "--format=%s")
    assert template.run("git", "tag").split() == ["v1.0.0", *["v1.1.0"][: "tag v" in check]]
    assert template.run("git", "status", "--porcelain") == ""
    assert template.run("git", "worktree", "list").count("\n") == 1


def test_ctrl_c_during_the_checks_stops_them_and_changes_nothing(template):
    before = state(template)
    started = subprocess.Popen(
        [sys.executable, "-c", CODE, "1.1.0", "echo started", "bash -c 'echo $$; exec sleep 600'"],
        cwd=template.path,
        env=template.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with started as process:
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        output = process.stdout.read()
    assert lines[1] == "started\n"
    assert output == "Interrupted: nothing is released.\n"
    assert process.returncode == 1
    assert subprocess.run(["kill", "-0", lines[3].strip()], capture_output=True).returncode
    assert state(template) == before


def test_the_version_stands_in_one_place():
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]
    assert project["version"] == "0"  # a placeholder, which uv requires
    context = json.loads((TEMPLATE / "cookiecutter.json").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", context["_version"])
