"""``manage.py startapp``: the new app passes all hooks and tests of a bake, without an edit."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness.project import SOURCE

# Names of an app and its model at the limits of the rules; the first two have the maximum length.
NAMES = [
    ("a2345678_b2345678_c23456xy", "A" + "b" * 25),
    ("abcdefghijklmnopqrstuvwxyz", None),
    ("x", "A"),
    ("trailing_", "Model"),
    ("apps", "AppConfig"),
    ("calendar", None),
    ("factory", "Factory"),
    ("match", "Meta"),
    ("views", "ListView"),
    ("path", None),
]


@pytest.fixture
def tracked(bake):
    """A function that bakes with its keyword arguments as answers, and adds all files to git."""

    def tracked(**answers):
        project = bake(**answers)
        project.run("uv", "sync", "--quiet")
        project.track()
        return project

    return tracked


def changes(project):
    """Return the changes that git reports."""
    return project.run("git", "status", "--porcelain", "--untracked-files=all")


def assert_hooks_pass(project):
    project.run("git", "add", "--all")
    project.uv("pre-commit", "run", "--all-files")  # ruff, mypy, migrations and the others
    assert project.run("git", "diff", "--stat") == ""


@pytest.mark.long
@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"background_jobs": True},
        {
            "background_jobs": True,
            "database": "postgresql",
            "django_version": "6.1",
            "example_app": False,
        },
    ],
    ids=["defaults", "jobs", "others"],
)
def test_new_apps_pass_all_hooks_and_tests(tracked, answers):
    project = tracked(**answers)
    command = re.search(
        r"`(uv run manage\.py startapp .*?)`", (project.path / "README.md").read_text()
    )
    assert command[1] == "uv run manage.py startapp orders --model Order"
    assert "Next: uv run manage.py migrate" in project.run(*command[1].split())
    for number, (name, model) in enumerate(NAMES):
        page = ["--page"] if number % 4 else []
        project.manage("startapp", name, *([f"--model={model}"] if model else []), *page)

    project.uv("pytest", "--cov", "--cov-report=term-missing")
    project.uv("pytest", "apps", TEST_SUSPEND_SIGNALS="1")
    assert_hooks_pass(project)
    project.manage("migrate")


def test_the_migration_equals_that_of_makemigrations(tracked):
    project = tracked()
    project.manage("startapp", "orders", "--model=Order")
    migration = project.path / "apps/orders/migrations/0001_initial.py"
    ours = migration.read_text()
    migration.unlink()
    project.manage("makemigrations", "orders", "--no-header")
    assert migration.read_text() == ours


def test_a_rejected_name_leaves_no_trace(tracked):
    project = tracked()
    (project.path / "apps/mine").mkdir()
    (project.path / "apps/mine/notes").write_text("precious")
    before = changes(project)
    for name, *model in [
        ("class",),
        ("../orders",),
        ("users",),
        ("mine",),
        ("orders", "--model=None"),
    ]:
        printed = project.manage("startapp", name, *model, status=1)
        assert re.fullmatch(r"CommandError: .*'.+?'.*\. Please .*\.\n", printed)
    assert "arguments are required: name" in project.manage("startapp", status=2)
    project.manage("startapp", "orders", "apps/orders", status=2)
    assert changes(project) == before
    assert [path.name for path in (project.path / "apps/mine").iterdir()] == ["notes"]
    assert (project.path / "apps/mine/notes").read_text() == "precious"


def test_a_write_that_fails_leaves_no_trace(tracked):
    project = tracked()
    before = changes(project)
    python = Path(project.env["UV_PROJECT_ENVIRONMENT"], "bin/python")
    # With this limit, writing any byte to a file fails.
    command = f"ulimit -f 0; {python} manage.py startapp orders"
    printed = project.run("bash", "-c", command, status=1)
    assert "CommandError: apps/orders was not made, and nothing changed: " in printed
    assert changes(project) == before
    assert not [*project.path.glob("apps/.*")]


def test_ctrl_c_leaves_no_trace(tracked):
    project = tracked()
    # The command blocks while it reads this file of the template, until the test writes to it.
    pipe = project.path / "common/app_template/tests/pipe.py-tpl"
    os.mkfifo(pipe)
    before = changes(project)
    python = Path(project.env["UV_PROJECT_ENVIRONMENT"], "bin/python")
    process = subprocess.Popen(
        [python, "manage.py", "startapp", "orders"],
        cwd=project.path,
        env=project.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, pipe.open("w"):
        assert [*project.path.glob("apps/.startapp-*/orders/models.py")]
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
    assert changes(project) == before
    assert sorted(path.name for path in project.path.glob("apps/*")) == [
        "__init__.py",
        "shop",
        "users",
    ]
    assert not [*project.path.glob("apps/.*")]


def test_the_templates_are_copied_into_a_bake_unrendered(bake):
    project = bake(background_jobs=True)
    folders = [SOURCE / "common/app_template", SOURCE / "common/page_template"]
    sources = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len(sources) == 12
    for source in sources:
        assert (project.path / source.relative_to(SOURCE)).read_bytes() == source.read_bytes()
