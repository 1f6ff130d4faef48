"""What bakes promise beside what is run for combinations of answers: size, conventions, the example's end."""

import shutil

import pytest


def test_the_default_bake_is_small(bake):
    project = bake()
    assert len(project.files()) <= 81
    project.run("uv", "sync", "--quiet")
    packages = project.run(
        "uv", "pip", "list", "--quiet", "--python", project.env["UV_PROJECT_ENVIRONMENT"]
    )
    assert len(packages.splitlines()) - 2 <= 60


@pytest.mark.parametrize(
    ("code", "tool", "message"),
    [
        (
            "from django.dispatch import receiver\n",
            "ruff check",
            "common.dispatch.suspending_receiver",
        ),
        ("from django.test import SimpleTestCase\n", "ruff check", "common.testing.SimpleTestCase"),
        ("from django.test import TestCase\n", "ruff check", "common.testing.TestCase"),
        (
            "from django.test import TransactionTestCase\n",
            "ruff check",
            "common.testing.TransactionTestCase",
        ),
        (
            "from django.test import LiveServerTestCase\n",
            "ruff check",
            "common.testing.LiveServerTestCase",
        ),
        (
            "with pytest.raises(IntegrityError):\n",
            "pre-commit run integrity-error",
            "raises_integrity_error",
        ),
        (
            "with self.assertRaises(IntegrityError):\n",
            "pre-commit run integrity-error",
            "assertIntegrityError",
        ),
        (
            "self.assertRaises(\n    IntegrityError, f)\n",
            "pre-commit run integrity-error",
            "assertIntegrityError",
        ),
    ],
)
def test_a_broken_convention_is_refused_with_the_name_of_ours(bake, code, tool, message):
    project = bake()
    project.run("uv", "sync", "--quiet")
    (project.path / "apps/users/tests/test_more.py").write_text(code)
    project.track()
    options = ["--files"] if "pre-commit" in tool else []
    assert message in project.uv(*tool.split(), *options, "apps/users/tests/test_more.py", status=1)


def test_the_example_can_be_removed_by_hand(bake):
    project = bake()
    shutil.rmtree(project.path / "apps/shop")
    for path in (project.path / "config").rglob("*.py"):
        text = path.read_text()
        if "# example\n" in text:
            path.write_text(
                "".join(line for line in text.splitlines(True) if not line.endswith("# example\n"))
            )

    project.uv("ruff", "check", ".")
    project.uv("ruff", "format", "--check", ".")
    project.manage("makemigrations", "--check")
    project.uv("pytest")
    project.track()
    without = bake(example_app=False)
    without.track()
    left = {*project.run("git", "ls-files").splitlines()} - {"uv.lock"}
    assert left == {*without.run("git", "ls-files").splitlines()}
    for path in (without.path / "config").rglob("*.py"):
        assert (project.path / path.relative_to(without.path)).read_bytes() == path.read_bytes()


def test_what_is_for_other_environments_does_not_reach_the_tests(bake):
    project = bake()
    (project.path / ".env").write_text(
        "SUSPEND_SIGNALS=true\nSTATIC_URL=https://cdn.example.com/\nSTATIC_ROOT=static\n"
        "SECRET_KEY=of-development\nALLOWED_HOSTS=example.com\n"
    )
    project.uv("pytest", DJANGO_SETTINGS_MODULE="config.settings.local")


def test_the_suite_is_green_in_random_order_in_parallel(bake):
    project = bake()
    project.run("uv", "lock")
    more = ["--frozen", "--with", "pytest-xdist", "--with", "pytest-randomly"]
    project.uv(*more, "pytest", "-n", "2", "--randomly-seed=1", UV_OFFLINE="0")


def test_the_suite_is_green_with_receivers_suspended(bake):
    bake().uv("pytest", TEST_SUSPEND_SIGNALS="1")
