import fcntl
import hashlib
import itertools
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from cookiecutter.main import cookiecutter
from packaging.specifiers import SpecifierSet

from tests.harness.answers import STRENGTHS, covering_array, name_of
from tests.harness.project import TEMPLATE, Project, find_python, isolated_environment

LONGEST = {"test_a_combination_is_delivered", "test_common_keeps_its_contracts"}
collect_ignore = ["common"]  # These tests run in bakes: see tests/bakes/test_common.py.
STATIC_CHECKS = """set -e
ruff check --no-cache .
ruff format --no-cache --check .
mypy
python manage.py check
python manage.py makemigrations --check
"""
pytest_plugins = ["tests.harness.summary", "tests.harness.servers", "tests.harness.provider"]


def pytest_addoption(parser):
    parser.addoption(
        "--answers",
        choices=[*STRENGTHS],
        default="pairs",
        help="pairs: run hooks, suites, servers and deployment for combinations in which any two"
        " answers occur together; all: run them for any three answers, run static checks for each"
        " other tree of files, and run the long tests",
    )


def pytest_configure(config):
    """Create the folder for temporary files of commands; xdist workers inherit its name."""
    # A shell that runs the tests in the background ignores SIGINT, and so would each command.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        folder = os.environ["BAKES_TMPDIR"] = tempfile.mkdtemp(prefix="bakes-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Return the number of cores plus one, because tests spend time waiting for servers."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(config, items):
    if config.getoption("--answers") != "all":
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    # Each worker of xdist starts with an equal part of the list. Give each part some of the tests that take
    # longest, at its beginning, so that no worker is left with them at the end.
    longest = [item for item in items if item.originalname in LONGEST]
    others = [item for item in items if item.originalname not in LONGEST]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    size = len(others) // workers + 1
    items[:] = [
        item
        for worker in range(workers)
        for item in longest[worker::workers] + others[worker * size : (worker + 1) * size]
    ]


def pytest_generate_tests(metafunc):
    chosen = metafunc.config.getoption("--answers")
    if "combination" in metafunc.fixturenames:
        metafunc.parametrize("combination", covering_array(STRENGTHS[chosen]), ids=name_of)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Return the folder that all workers of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory, shared):
    """Return the environment variables of every command that a test runs."""
    home = tmp_path_factory.mktemp("home")
    variables = isolated_environment(home)
    (home / "cookiecutter.yaml").write_text(
        f"replay_dir: {home / 'replay'}\ncookiecutters_dir: {home / 'cookiecutters'}\n"
    )
    return {
        **variables,
        "PYTHONPYCACHEPREFIX": str(shared / "pycache"),
        "MYPY_CACHE_DIR": str(home / "mypy"),
        "TMPDIR": os.environ["BAKES_TMPDIR"],
    }


def python_for(required):
    """Return the path of a Python that ``required`` allows: the running one, or one that uv finds.

    Skip the test if there is none.
    """
    if SpecifierSet(required).contains(platform.python_version()):
        return sys.executable
    return find_python(required) or pytest.skip(f"uv finds no Python {required}")


@pytest.fixture(scope="session")
def environment_for(environment, shared):
    """Return a function from a bake to its environment variables.

    Bakes with equal requirements share one virtual environment, which this function fills.
    """

    def variables(project):
        config = tomllib.loads((project / "pyproject.toml").read_text())
        wanted = {
            "requires-python": config["project"]["requires-python"],
            "dependencies": config["project"]["dependencies"],
            "extras": config["project"]["optional-dependencies"],  # which change uv.lock, too
            "groups": config["dependency-groups"],
        }
        key = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:12]
        folder = shared / "environments" / key
        folder.mkdir(parents=True, exist_ok=True)
        env = {
            **environment,
            "UV_PYTHON": python_for(wanted["requires-python"]),
            "UV_PROJECT_ENVIRONMENT": str(folder / "venv"),
        }
        # The first worker installs the packages; the others wait for it.
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "full").exists():
                (folder / "pyproject.toml").write_bytes((project / "pyproject.toml").read_bytes())
                Project(folder, env).run("uv", "sync", "--quiet")
                (folder / "full").touch()
        # uv's cache contains all packages now, so uv needs no package index.
        return {**env, "UV_OFFLINE": "1"}

    return variables


@pytest.fixture(scope="session")
def write_into(environment):
    """Return a function that bakes into a new folder and returns a ``Project`` without packages."""

    def write_into(folder, template, answers):
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - environment.keys():
                patch.delenv(name)
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(tempfile, "tempdir", environment["TMPDIR"])
            path = cookiecutter(
                str(template), no_input=True, extra_context=answers, output_dir=str(folder)
            )
            return Project(folder / path, environment)

    return write_into


@pytest.fixture(scope="session")
def bake_into(write_into, environment_for):
    """Return a function like ``write_into``, whose ``Project`` has its packages installed."""

    def bake_into(folder, template, answers):
        path = write_into(folder, template, answers).path
        return Project(path, environment_for(path))

    return bake_into


@pytest.fixture
def folders(tmp_path):
    return (tmp_path / f"bake{number}" for number in itertools.count())


@pytest.fixture
def bake(folders, bake_into):
    """Return a function that bakes with keyword arguments as answers and returns a ``Project``."""

    def bake(template=TEMPLATE, **answers):
        return bake_into(next(folders), template, answers)

    return bake


@pytest.fixture
def bake_only(folders, write_into):
    """Return a function like ``bake`` without packages, for tests that only read the files."""

    def bake_only(template=TEMPLATE, **answers):
        return write_into(next(folders), template, answers)

    return bake_only


@pytest.fixture(scope="session")
def static_checks(tmp_path_factory, environment_for):
    """Return a function that runs the linter, type checker and Django's checks on a project."""
    # All projects are checked in this folder, so that mypy checks only the files that differ.
    folder = tmp_path_factory.mktemp("static") / "service"
    folder.mkdir()

    def static_checks(project):
        env = environment_for(project.path)
        wanted = {path.relative_to(project.path): path for path in project.files()}
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.relative_to(folder) not in wanted:
                path.unlink()
        for name, path in wanted.items():
            target = folder / name
            if not target.exists() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        cache = f"{env['MYPY_CACHE_DIR']}-{Path(env['UV_PROJECT_ENVIRONMENT']).parent.name}"
        Project(folder, env).uv("bash", "-c", STATIC_CHECKS, MYPY_CACHE_DIR=cache)

    return static_checks


@pytest.fixture(scope="session")
def service(tmp_path_factory, bake_into):
    """Return a bake of the defaults, for tests that do not change its files."""
    return bake_into(tmp_path_factory.mktemp("service") / "bake", TEMPLATE, {})
