import fcntl
import itertools
import os
import subprocess
import sys

import pytest
from cookiecutter.main import cookiecutter

from tests.project import TEMPLATE, Project, isolated_environment


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """The environment variables of every command that a test runs."""
    home = tmp_path_factory.mktemp("home")
    variables = isolated_environment(home)
    (home / "cookiecutter.yaml").write_text(
        f"replay_dir: {home / 'replay'}\ncookiecutters_dir: {home / 'cookiecutters'}\n"
    )
    # One environment for all bakes that want the same packages: the first fills it, the others find it full.
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "environment.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "environment").exists():
            command = ["uv", "venv", "--python", sys.executable, "environment"]
            subprocess.run(command, cwd=shared, env=variables, check=True, capture_output=True)
    return {**variables, "UV_PROJECT_ENVIRONMENT": str(shared / "environment")}


@pytest.fixture
def bake(tmp_path, environment, monkeypatch):
    """Return a function that bakes the template with its keyword arguments for answers, and gives the ``Project``."""
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    folders = (tmp_path / f"bake{number}" for number in itertools.count())

    def bake(template=TEMPLATE, **answers):
        folder = next(folders)
        folder.mkdir()
        path = cookiecutter(
            str(template), no_input=True, extra_context=answers, output_dir=str(folder)
        )
        return Project(folder / path, environment)

    return bake
