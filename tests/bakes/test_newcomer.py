"""The commands that a new user copies from the READMEs and from the output of a bake work."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.harness.answers import QUESTIONS
from tests.harness.project import COMMIT, TEMPLATE, Project, copy_template, page

COMMAND = re.compile(r"```console\n(.*?)```", re.DOTALL)


@pytest.fixture
def unshared_environment(environment):
    """Return variables for commands that share no virtual environment with other tests."""
    return {name: value for name, value in environment.items() if name != "UV_PROJECT_ENVIRONMENT"}


@pytest.fixture
def without_uv(unshared_environment, tmp_path):
    """Return variables whose PATH contains git and a Python with pip, but no uv."""
    subprocess.run(
        [sys.executable, "-m", "venv", tmp_path / "venv"], check=True, env=unshared_environment
    )
    folders = [str(tmp_path / "venv/bin")]
    for number, folder in enumerate(os.get_exec_path()):
        if os.path.isdir(folder) and not {"uv", "uvx"} & {*os.listdir(folder)}:
            folders.append(folder)
        elif os.path.isdir(folder):
            # uv may be in the folder of the system's tools, so link all tools except uv.
            copy = tmp_path / f"path{number}"
            copy.mkdir()
            for name in os.listdir(folder):
                if name not in {"uv", "uvx"}:
                    (copy / name).symlink_to(os.path.join(folder, name))
            folders.append(str(copy))
    return {**unshared_environment, "PATH": os.pathsep.join(folders)}


def test_the_readme_has_two_commands_and_ci_runs_the_second():
    bake, test = (
        command.strip() for command in COMMAND.findall((TEMPLATE / "README.md").read_text())
    )
    assert bake == "pip install uv && uvx cookiecutter . --output-dir .."
    assert test == "pip install uv && uv run pytest"
    run = (TEMPLATE / ".ci/run").read_text().splitlines()
    [extract] = [line for line in run if line.startswith("command=")]
    printed = subprocess.run(
        ["bash", "-c", f'{extract}; echo "$command"'], cwd=TEMPLATE, capture_output=True, text=True
    )
    assert printed.stdout.strip() == test
    first, second = run.index('bash -c "$command"'), run.index("$all")
    assert run.index("export REQUIRE_NEWER_PYTHON=1") < first < second
    assert 'all="uv run pytest -v --answers=all"' in run


def test_the_first_command_of_the_readme_bakes_on_a_machine_without_uv(without_uv, tmp_path):
    command = COMMAND.search((TEMPLATE / "README.md").read_text())[1]
    checkout = Project(copy_template(tmp_path / "checkout"), without_uv)
    answers = {
        "project_name": "Our Shop",
        "description": "Sells things.",
        "database": "2",
        "ci_provider": "2",
        "example_app": "no",
    }
    questions = subprocess.run(
        ["bash", "-c", command],
        cwd=checkout.path,
        env=without_uv,
        input="".join(f"{answers.get(name, '')}\n" for name in QUESTIONS),
        capture_output=True,
        text=True,
    )
    assert questions.returncode == 0, questions.stderr
    assert "Name of the service" in questions.stdout
    assert "2 - PostgreSQL: tests and development start a private server" in questions.stdout
    project = tmp_path / "our-shop"
    assert 'description = "Sells things."' in (project / "pyproject.toml").read_text()
    assert "psycopg" in (project / "pyproject.toml").read_text()
    assert (project / ".gitlab-ci.yml").exists()
    assert not (project / "apps/shop").exists()
    checkout.track()
    assert "our-shop" not in checkout.run("git", "status", "--short")


@pytest.mark.parametrize(
    "answers", [[], pytest.param(["database=postgresql"], marks=pytest.mark.long)]
)
def test_the_printed_next_steps_work(unshared_environment, tmp_path, answers):
    folder = tmp_path / "with blanks"
    folder.mkdir()
    output = Project(folder, unshared_environment).run(
        sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", *answers, timeout=60
    )
    steps = [
        line.strip() for line in output.partition("Next steps:")[2].splitlines() if line.strip()
    ]
    enter, test, hooks, serve = steps
    assert enter == f"cd '{folder / 'my-service'}'"
    assert test == "uv run pytest"
    migrate, run = serve.split(" && ")

    project = Project(folder / "my-service", unshared_environment)
    assert " passed" in project.run("bash", "-c", f"{enter} && {test}")
    assert "pre-commit installed" in project.run("bash", "-c", hooks)
    project.run(*COMMIT, "--message", "first")
    assert "uv.lock" in project.run("git", "ls-files")
    project.run("bash", "-c", migrate)
    with project.serving(*run.split(), "{port}") as url:
        assert "My Service</h1>" in page(url)
    assert project.run("git", "status", "--short") == ""


@pytest.mark.long
def test_the_pip_commands_of_the_readme_work_without_uv(bake, without_uv, tmp_path):
    project = Project(bake().path, without_uv)
    shutil.rmtree(tmp_path / "venv")
    readme = (project.path / "README.md").read_text()
    make = re.search(r"`(python -m venv .*? --group dev)`", readme)[1]
    activate = ". .venv/bin/activate && "
    assert activate in make

    project.run("bash", "-c", f'python() {{ {sys.executable} "$@"; }}; {make.partition(" && ")[0]}')
    project.run("bash", "-c", make.partition(" && ")[2])
    project.run("git", "init", "--quiet")
    assert " passed" in project.run("bash", "-c", f"{activate}pytest")
    project.run("git", "add", "--all")
    checks = re.search(r"`(pip install uv && .*?)`", readme)[1]
    output = project.run("bash", "-c", activate + checks)
    hooks = (project.path / ".pre-commit-config.yaml").read_text().count("- id: ")
    # All except the hook of the lock file, and that of rejects, for which there are no files.
    assert len(re.findall(r"\.Passed$", output, re.M)) == hooks - 2
    tracked = project.run("git", "ls-files").splitlines()
    assert not [
        name for name in tracked if "egg-info" in name or name.startswith(("build", ".venv"))
    ]


def test_the_room_of_the_readme_passes_its_tests_and_the_checks(bake):
    project = bake(realtime=True)
    readme = (project.path / "README.md").read_text()
    for name, code in re.findall(r"```python\n# (apps/tally/\S+)\n(.*?)```", readme, re.DOTALL):
        path = project.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    (project.path / "apps/tally/__init__.py").touch()
    settings = project.path / "config/settings/base.py"
    text = settings.read_text()
    settings.write_text(
        text.replace('    "apps.users",\n', '    "apps.tally",\n    "apps.users",\n')
    )
    assert "2 passed" in project.uv("pytest", "apps/tally")
    project.uv("ruff", "check", "apps/tally", "README.md")
    project.uv("ruff", "format", "--check", "apps/tally", "README.md")
    project.uv("mypy")


def test_the_deployment_commands_of_the_readme_work(bake):
    project = bake()
    commands = COMMAND.findall((project.path / "README.md").read_text())[-1].splitlines()
    *prepare, serve, ask = commands
    assert serve == "uv run gunicorn"
    script = "\n".join(["set -e", *prepare, "env"])
    printed = project.run("bash", "-c", script)
    variables = dict(
        line.split("=", 1) for line in printed.splitlines() if re.match(r"[A-Z0-9_]+=", line)
    )
    with project.serving(*serve.split(), "--bind", "127.0.0.1:{port}", **variables) as url:
        ask = ask.replace("http://localhost:8000", url.replace("127.0.0.1", "localhost"))
        assert "My Service</h1>" in project.run("bash", "-c", ask)
