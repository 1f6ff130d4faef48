"""The Dockerfile and compose.yaml pass linters, and their steps run without an engine."""

import itertools
import os
import re
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml

from tests.delivery.image import Image, is_ignored
from tests.delivery.test_ci import tool
from tests.harness.answers import CHOICES
from tests.harness.pipelines import commit, github_jobs, run_all
from tests.harness.project import SOURCE, TEMPLATE, Project

VARIANTS = [
    {"database": database, "static_files": static_files}
    for database, static_files in itertools.product(CHOICES["database"], CHOICES["static_files"])
]


def compose(project):
    return yaml.safe_load((project.path / "compose.yaml").read_text())


def test_the_dockerfile_and_compose_file_of_every_variant_are_valid(bake, environment):
    folders = [SOURCE, *(bake(**answers).path for answers in [*VARIANTS, {"realtime": True}])]
    check = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    here = Project(TEMPLATE, environment)
    here.run(sys.executable, *check, *(str(folder / "compose.yaml") for folder in folders))
    here.run(tool("hadolint"), *(str(folder / "Dockerfile") for folder in folders))


@pytest.mark.parametrize(
    "answers",
    [*VARIANTS, {**VARIANTS[-1], "realtime": True}],
    ids=lambda answers: "-".join(map(str, answers.values())),
)
def test_the_compose_file_uses_only_defined_services_and_documented_variables(bake, answers):
    project = bake(**answers)
    config = compose(project)
    services, volumes = config["services"], config["volumes"]
    expected = {"web", "migrate"}
    expected |= {"db"} if answers["database"] == "postgresql" else set()
    expected |= {"assets", "s3"} if answers["static_files"] == "s3" else set()
    expected |= {"realtime", "proxy", "bus"} if answers.get("realtime") else set()
    assert services.keys() == expected
    for service in services.values():
        assert {*service.get("depends_on", {})} <= services.keys()
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in volumes
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    example = (project.path / ".env.example").read_text()
    documented = {*re.findall(r"^# ([A-Z0-9_]+)=", example, re.M)}
    for name in expected - {"db", "s3", "proxy", "bus"}:
        assert services[name]["environment"].keys() <= documented


def test_documented_compose_commands_match_the_services_of_the_compose_file(bake):
    project = bake(database="postgresql", static_files="s3")
    text = "".join((project.path / name).read_text() for name in ("README.md", "compose.yaml"))
    commands = re.findall(r"docker compose (\w+)((?: -[-\w]+)*)(?: ([\w-]+))?", text)
    assert {verb for verb, _, _ in commands} <= {"up", "run", "down"}
    assert {name for _, _, name in commands if name} >= {"assets", "db"}
    assert {name for _, _, name in commands if name} <= compose(project)["services"].keys()

    db = compose(project)["services"]["db"]
    [port] = db["ports"]
    url = f"postgres://postgres:{db['environment']['POSTGRES_PASSWORD']}@localhost:{port.split(':')[1]}/postgres"
    assert {*re.findall(r"postgres://\w+:\w+@localhost:\d+/\w+", text)} == {url}


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        (".env", True),
        (".env.production", True),
        (".envrc", True),
        ("apps/.env.local", True),
        (".git/config", True),
        ("apps/users/__pycache__/models.pyc", True),
        (".mypy_cache/3.13", True),
        ("db.sqlite3-wal", True),
        ("staticfiles/css/site.css", True),
        ("staticfiles.json", True),
        (".venv/bin/python", True),
        ("manage.py", False),
        ("config/settings/build.py", False),
        ("static/css/site.css", False),
        ("uv.lock", False),
        ("apps/data/models.py", False),
    ],
)
def test_dockerignore_excludes_local_files_and_keeps_the_sources(path, ignored):
    assert is_ignored(path, (SOURCE / ".dockerignore").read_text()) == ignored


def create_local_files(project):
    """Create files in ``project`` that developers have locally and that no image may contain."""
    for name in (
        ".env",
        ".env.production",
        ".envrc",
        "apps/.env",
        "db.sqlite3",
        "staticfiles/old.css",
        "staticfiles.json",
        "apps/users/__pycache__/models.cpython-313.pyc",
        ".venv/bin/python",
        "notes/secret.txt",
    ):
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("local")


def settings_of(service, outside):
    """Return the environment of a compose service, with its variables overridden by ``outside``.

    Variables without a value are left out. ``${NAME-value}`` gives NAME a default value.
    """
    values = {
        name: outside.get(name, re.sub(rf"^\${{{name}-(.*)}}$", r"\1", value) if value else None)
        for name, value in service["environment"].items()
    }
    return {name: value for name, value in values.items() if value is not None}


def visit(url):
    """Return the body at ``url`` for a browser that connects directly, without a proxy."""
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode()


def files_in(folder):
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".venv" not in path.parts
    }


@pytest.fixture
def project(bake, environment, answers):
    """Return a committed bake whose commands share no compiled files with other tests."""
    env = {name: value for name, value in environment.items() if name != "PYTHONPYCACHEPREFIX"}
    project = Project(bake(**answers).path, env)
    commit(project)
    return project


@pytest.fixture
def manifest(project):
    """Return the manifest of static files that the build job of CI writes for ``project``."""
    build = [job for job in github_jobs(SOURCE) if job.name == "build"]
    [manifest] = [
        (clone.path / "staticfiles.json").read_bytes() for _, clone, _ in run_all(build, project)
    ]
    return manifest


def assert_contains_only_what_it_needs(image, answers):
    expected = {
        ".venv",
        "manage.py",
        "gunicorn.conf.py",
        "apps",
        "common",
        "config",
        "templates",
        "staticfiles.json",
    }
    expected |= {"data"} if answers["database"] == "sqlite" else set()
    expected |= {"staticfiles"} if answers["static_files"] == "whitenoise" else set()
    assert {*os.listdir(image.app)} == expected
    files = files_in(image.app)
    assets = {name for name in files if name.endswith((".css", ".svg", ".js"))}
    assert all(name.startswith("staticfiles/") for name in assets)
    assert bool(assets) == (answers["static_files"] == "whitenoise")
    assert not [name for name in files if "__pycache__" in name or "old" in name]
    commands = {path.name for path in (image.app / ".venv/bin").iterdir()}
    assert "gunicorn" in commands
    assert not commands & {"uv", "pytest", "ruff", "pip"}
    uvs = [path.parent.parent.name for path in image.folder.glob("python-*/bin/uv")]
    assert uvs == ["python-build"]  # the uv that the Dockerfile installs


@pytest.fixture
def servers(request, answers):
    """Return variables that replace the servers of compose.yaml by servers of this machine."""
    variables = {"SECRET_KEY": "k" * 64}
    if answers["static_files"] == "s3":
        variables |= request.getfixturevalue("bucket")
    if answers["database"] == "postgresql":
        variables["DATABASE_URL"] = request.getfixturevalue("postgresql")
    return variables


def run_migrations(image, service, servers):
    settings = settings_of(service, servers)
    if "DATABASE_URL" not in servers:
        assert settings["DATABASE_URL"] == image.env["DATABASE_URL"]
    assert "W004" not in image.run(*service["command"], **settings)


def upload_assets(image, service, servers, manifest):
    stage = Project(image.stages[service["build"]["target"]], image.env)
    output = stage.run(*service["command"], **settings_of(service, servers))
    assert "static files copied" in output
    assert (stage.path / "staticfiles.json").read_bytes() == manifest


def serve(image, service, servers):
    command = ["env", "PORT={port}", *image.command]
    with image.container.serving(*command, **settings_of(service, servers)) as url:
        port = url.rpartition(":")[2]
        log = (image.folder / f"server-{port}.log").read_text()
        assert f"Listening at: http://0.0.0.0:{port}" in log
        image.run(*image.healthcheck, PORT=port)
        ready = service["healthcheck"]["test"][1:]
        image.run(*(part.replace("8000", port) for part in ready))
        local = url.replace("127.0.0.1", "localhost")
        css = re.search(r'href="([^"]+/css/site\.[0-9a-f]{12}\.css)"', visit(local))[1]
        assert ":root" in visit(urljoin(local, css))
    image.run(*image.healthcheck, PORT=port, status=1)


@pytest.mark.long
@pytest.mark.parametrize(
    "answers",
    [VARIANTS[0], VARIANTS[-1]],
    ids=lambda answers: answers["database"],
)
def test_the_image_contains_only_what_it_needs_and_serves_the_site(
    project, manifest, servers, tmp_path, answers
):
    create_local_files(project)
    image = Image(project, tmp_path)
    assert_contains_only_what_it_needs(image, answers)
    assert (image.app / "staticfiles.json").read_bytes() == manifest
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.user)
    owners = {*re.findall(r"--chown=(\S+)", (project.path / "Dockerfile").read_text())}
    assert owners == ({image.user} if answers["database"] == "sqlite" else set())

    services = compose(project)["services"]
    assert services["web"]["ports"] == [f"127.0.0.1:8000:{image.env['PORT']}"]
    # In a container, the image's user cannot write bytecode to /app.
    image.env["PYTHONDONTWRITEBYTECODE"] = "1"
    before = files_in(image.app)
    run_migrations(image, services["migrate"], servers)
    if "assets" in services:
        upload_assets(image, services["assets"], servers, manifest)
    serve(image, services["web"], servers)
    assert all(name.startswith("data/db.sqlite3") for name in files_in(image.app) - before)


def test_compose_runs_the_postgresql_version_of_the_tests(bake, postgresql):
    db = compose(bake(database="postgresql"))["services"]["db"]
    data = Path(postgresql.partition("?host=")[2])
    assert db["image"] == f"postgres:{(data / 'PG_VERSION').read_text().strip()}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ADD . /app", "do_add"),
        ("RUN --network=none true", "exit"),
        ("COPY *.py ./", r"\*\.py"),
        ("COPY no-such ./", "no-such"),
        ("RUN false", "exit 1"),
        ("COPY .env ./", r"\.env"),
    ],
)
def test_an_unsupported_or_failing_instruction_raises_an_error(
    bake, environment, tmp_path, line, message
):
    project = Project(bake().path, environment)
    (project.path / ".env").touch()
    (project.path / "Dockerfile").write_text(f"FROM python:3.13-slim\nWORKDIR /app\n{line}\n")
    with pytest.raises((AssertionError, AttributeError, OSError), match=message):
        Image(project, tmp_path)
