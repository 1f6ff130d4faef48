import fcntl
import hashlib
import itertools
import json
import os
import platform
import shutil
import sys
import tempfile
import tomllib

import pytest
from cookiecutter.main import cookiecutter
from packaging.specifiers import SpecifierSet

from tests.harness.answers import SETS, name_of
from tests.harness.project import TEMPLATE, Project, find_python, isolated_environment

pytest_plugins = ["tests.harness.summary", "tests.harness.servers"]


def pytest_addoption(parser):
    parser.addoption(
        "--answers",
        choices=[*SETS],
        default="pairwise",
        help="which combinations of answers to bake: the defaults and a pairwise set, or all;"
        " with all, the long tests run too",
    )


def pytest_configure(config):
    """Make the folder for what commands leave among temporary files; workers inherit its name."""
    if not hasattr(config, "workerinput"):
        folder = os.environ["BAKES_TMPDIR"] = tempfile.mkdtemp(prefix="bakes-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One more than there are cores: tests wait for servers now and then."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(config, items):
    if config.getoption("--answers") != "all":
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_generate_tests(metafunc):
    if "combination" in metafunc.fixturenames:
        sets = SETS[metafunc.config.getoption("--answers")]()
        metafunc.parametrize("combination", sets, ids=name_of)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The folder of this run that all workers share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def environment(tmp_path_factory, shared):
    """The environment variables of every command that a test runs."""
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
    """Return the path of a Python that ``required`` allows: this one, or another that uv finds."""
    if SpecifierSet(required).contains(platform.python_version()):
        return sys.executable
    return find_python(required) or pytest.skip(f"uv finds no Python {required}")


@pytest.fixture(scope="session")
def environment_for(environment, shared):
    """A function that gives the variables of the one environment of all bakes that want the same packages."""

    def variables(project):
        config = tomllib.loads((project / "pyproject.toml").read_text())
        wanted = {
            "requires-python": config["project"]["requires-python"],
            "dependencies": config["project"]["dependencies"],
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
        # The first fills it, the others find it full.
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "full").exists():
                (folder / "pyproject.toml").write_bytes((project / "pyproject.toml").read_bytes())
                Project(folder, env).run("uv", "sync", "--quiet")
                (folder / "full").touch()
        # All packages are in uv's cache now: nothing is asked of an index again.
        return {**env, "UV_OFFLINE": "1"}

    return variables


@pytest.fixture(scope="session")
def bake_into(environment, environment_for):
    """A function that bakes a template into a new folder, and gives the ``Project``."""

    def bake_into(folder, template, answers):
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
            return Project(folder / path, environment_for(folder / path))

    return bake_into


@pytest.fixture
def bake(tmp_path, bake_into):
    """A function that bakes the template with its keyword arguments for answers, and gives the ``Project``."""
    folders = (tmp_path / f"bake{number}" for number in itertools.count())

    def bake(template=TEMPLATE, **answers):
        return bake_into(next(folders), template, answers)

    return bake


@pytest.fixture(scope="session")
def service(tmp_path_factory, bake_into):
    """A bake of the defaults, for tests that change none of its files."""
    return bake_into(tmp_path_factory.mktemp("service") / "bake", TEMPLATE, {})
