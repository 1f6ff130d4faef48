"""A baked project, and the commands that people run in it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

TEMPLATE = Path(__file__).parents[2]
SOURCE = TEMPLATE / "{{cookiecutter.project_slug}}"

# The variables that production requires (see .env.example), behind a proxy that terminates HTTPS.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "only-for-the-tests-of-the-template-0123456789-abcdefghijklmnop",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
}
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}")
REALTIME = ("manage.py", "realtime", "--host", "127.0.0.1", "--port", "{port}")
COMMIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet")
LEFT_OVER = re.compile(r"# jinja:|cookiecutter\.\w|\{\{ ?cookiecutter|<%%|<##")
# Prefixes of variables that would change how a bake or its tools behave.
FOREIGN = (
    "AWS_",
    "COV_",
    "COVERAGE",
    "DJANGO_",
    "FORCE_COLOR",
    "GIT_",
    "GUNICORN_",
    "MYPY",
    "OTEL_",
    "PG",
    "PYTEST_",
    "PYTHON",
    "RUFF_",
    "SENTRY_",
    "SKIP",
    "UV_FROZEN",
    "UV_LOCKED",
    "UV_NO_CACHE",
    "UV_NO_DEV",
    "UV_NO_SYNC",
    "UV_OFFLINE",
    "UV_PROJECT",
    "UV_PYTHON",
    "UV_RUN",
    "VIRTUAL_ENV",
)


def isolated_environment(home: Path) -> dict[str, str]:
    """Return the environment of this process with ``home`` as HOME, without ``FOREIGN`` variables.

    Variables of ``.env.example`` are left out too. Package indexes and caches stay the user's.
    """
    documented = {
        line.lstrip("# ").partition("=")[0]
        for line in (SOURCE / ".env.example").read_text().splitlines()
        if "=" in line
    }
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in documented and not name.startswith(FOREIGN)
    }
    real_home = Path.home()
    return kept | {
        "HOME": str(home),
        "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(real_home / ".config")),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(real_home / ".cache")),
        "XDG_RUNTIME_DIR": str(home),
        "COOKIECUTTER_CONFIG": str(home / "cookiecutter.yaml"),
        "PRE_COMMIT_HOME": str(home / "pre-commit"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        # Separate folders, because suites that run in parallel delete each other's old folders.
        "PYTEST_DEBUG_TEMPROOT": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


@dataclass(frozen=True)
class Project:
    """A project in the folder ``path``. Its commands run with the environment variables ``env``."""

    path: Path
    env: Mapping[str, str] = field(repr=False)

    def run(self, *command: str, status: int = 0, timeout: float = 600, **env: str) -> str:
        """Run ``command`` and return its output, stderr included.

        Raise ``AssertionError`` with the output if the exit status is not ``status``, and
        ``subprocess.TimeoutExpired`` after ``timeout`` seconds.
        """
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        shown = f"$ {' '.join(command)}\nin {self.path}\n{output}"
        assert process.returncode == status, f"exit {process.returncode}, not {status}\n{shown}"
        return output

    def uv(self, *command: str, **options) -> str:
        return self.run("uv", "run", "--quiet", *command, **options)

    def manage(self, *command: str, **options) -> str:
        return self.uv("manage.py", *command, **options)

    def files(self) -> list[Path]:
        """Return all files, sorted, except those of git and of virtual environments."""
        return sorted(
            path
            for path in self.path.rglob("*")
            if path.is_file() and not {".git", ".venv"} & {*path.relative_to(self.path).parts}
        )

    def track(self) -> None:
        """Add all files to git, because pre-commit skips untracked files."""
        self.run("git", "init", "--quiet")
        self.run("git", "add", "--all")

    @contextmanager
    def serving(self, *command: str, **env: str) -> Iterator[str]:
        """Run a server during the block; yield its URL once it responds."""
        with self.started(*command, **env) as (url, _):
            yield url

    @contextmanager
    def started(self, *command: str, **env: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
        """Run a server during the block; yield its URL and its process once it responds.

        In ``command``, ``{port}`` stands for the port: PORT, or a free one. Raise ``AssertionError``
        with the server's log if the server exits or does not respond.
        """
        port = int(env.get("PORT") or free_port())
        url = f"http://127.0.0.1:{port}"
        with (self.path.parent / f"server-{port}.log").open("w+") as log:
            process = subprocess.Popen(
                [part.format(port=port) for part in command],
                cwd=self.path,
                env={**self.env, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                for _ in range(1200):
                    try:
                        urllib.request.urlopen(f"{url}/healthz", timeout=10).close()
                        break
                    except OSError:
                        log.seek(0)
                        assert process.poll() is None, log.read()
                        time.sleep(0.1)
                else:
                    raise AssertionError(f"no response from {url}\n{log.read()}")
                yield url, process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(timeout=10)
                except subprocess.TimeoutExpired:  # runserver can miss SIGTERM at start.
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def free_port() -> int:
    """Return a port that no server uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@cache
def _find_python(wanted: str) -> str:
    command = ["uv", "python", "find", "--no-project", "--no-python-downloads", wanted]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def find_python(wanted: str) -> str:
    """Return the path of a Python that matches ``wanted``, or an empty string if uv finds none.

    Raise ``AssertionError`` instead of returning an empty string if REQUIRE_NEWER_PYTHON is set.
    """
    found = _find_python(wanted)
    assert found or "REQUIRE_NEWER_PYTHON" not in os.environ, f"uv finds no Python {wanted}"
    return found


def page(url: str) -> str:
    """Return the body at ``url``, requested like a proxy that terminates HTTPS."""
    request = urllib.request.Request(url, headers={"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.read(), "utf-8")


def page_without_assets(project: Project, production: Mapping[str, str]) -> str:
    """Return the home page in production, with the collected static files made unavailable."""
    project.manage("migrate", **production)
    project.manage("collectstatic", "--no-input", **production)
    project.manage("check", "--deploy", "--fail-level", "WARNING", **production)
    shutil.rmtree(project.path / "staticfiles", ignore_errors=True)
    dead = {"AWS_S3_ENDPOINT_URL": "http://127.0.0.1:9"}
    with project.serving("uv", "run", *GUNICORN, **{**production, **dead}) as url:
        return page(url)


def assert_no_jinja_is_left(project: Project) -> None:
    for path in project.files():  # .cruft.json records the delimiters of the template.
        assert path.name == ".cruft.json" or not LEFT_OVER.search(path.read_text()), path


def copy_template(to: Path) -> Path:
    """Copy the template, without files that git ignores, to the new folder ``to``; return it."""
    # If a git hook runs the tests, GIT_DIR names the repository of that hook.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TEMPLATE,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (TEMPLATE / name).exists():
            target = to / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TEMPLATE / name, target)
    return to


def with_extras(project: Project, folder: Path, *extras: str) -> Project:
    """Return ``project`` with a virtual environment of its own in ``folder``, and these or all extras in it."""
    env = {**project.env, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_OFFLINE": "0"}
    options = [f"--extra={extra}" for extra in extras] or ["--all-extras"]
    Project(project.path, env).run("uv", "sync", "--quiet", *options)
    return Project(project.path, {**env, "UV_NO_SYNC": "1"})
