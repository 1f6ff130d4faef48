"""Compare a service with a bare Django project on the same server: speed, memory and start.

Both run gunicorn with the configuration of the bake, one worker, the same packages and DEBUG off. The
service has the example, and the bare project has its models, view and template. They take turns.

uv run benchmarks/load.py
"""

import http.client
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
ROUNDS, SECONDS = 7, 2.0
PAGES = {"list page": "/", "static page": "/about"}
MEMORY, START = "MB of a worker", "seconds to start"
URLS = """
from django.views.generic import TemplateView

context = {"project_name": "My Service", "project_description": "A Django service."}
page = TemplateView.as_view(template_name="welcome.html", extra_context=context)
urlpatterns.insert(0, urls.path("about", page))
"""
BARE_URLS = """
from django import urls
from django.contrib import admin

urlpatterns = [urls.path("admin/", admin.site.urls), urls.path("", urls.include("apps.shop.urls"))]
"""
# What the example needs, added to the settings of startproject.
BARE_SETTINGS = """
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS += ["apps.shop"]
MIDDLEWARE += ["apps.shop.middleware.StashMiddleware"]
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
"""
ROWS = """
from apps.shop.models import Description, Language, Product
languages = [Language.objects.create(code=code, name=code) for code in ("de", "en")]
for number in range(24):
    product = Product.objects.create(name=f"Product {number}", price="9.50")
    for language in languages:
        Description.objects.create(product=product, language=language, subtitle="A thing", body="text " * 20)
"""


def run(folder: Path, *command: str, **env: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")


def fetch(port: int, path: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"X-Forwarded-Proto": "https"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        sys.exit(f"The server at port {port} responds to {path} with status {response.status}.")
    return body


@contextmanager
def serving(folder: Path, env: dict[str, str]) -> Iterator[tuple[int, int, float]]:
    """Run gunicorn during the block; yield its port, its process id and the seconds it took to respond."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [env["GUNICORN"], f"--bind=127.0.0.1:{port}", "--log-level=error"]
    start = time.perf_counter()
    # In a group of its own: Ctrl-C reaches only this program, which then stops the server.
    server = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **env}, start_new_session=True
    )
    try:
        while True:
            try:
                fetch(port, PAGES["static page"])
                break
            except OSError:
                if server.poll() is not None or time.perf_counter() - start > 60:
                    sys.exit(f"{' '.join(command)} does not respond.")
                time.sleep(0.01)
        yield port, server.pid, time.perf_counter() - start
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def requests_per_second(port: int, path: str) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        fetch(port, path)
        count += 1
    return count / (time.perf_counter() - start)


def worker_megabytes(parent: int) -> float:
    [child] = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index] # always there


def prepare(home: Path) -> dict[str, tuple[Path, dict[str, str]]]:
    """Make both projects with equal rows; return the folder and the environment variables of each."""
    (home / "cookiecutter.yaml").write_text(f"replay_dir: {home / 'replay'}\n")
    run(
        home, sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input",
        COOKIECUTTER_CONFIG=str(home / "cookiecutter.yaml"), VIRTUAL_ENV="",
    )  # fmt: skip
    service, bare = home / "my-service", home / "bare"
    run(service, "uv", "sync", "--quiet", VIRTUAL_ENV="")
    python, gunicorn = (str(service / ".venv/bin" / name) for name in ("python", "gunicorn"))
    bare.mkdir()
    run(home, python, "-m", "django", "startproject", "config", str(bare))
    for name in (
        "apps",
        "common",
        "templates",
    ):  # The example imports common, which is not installed.
        shutil.copytree(service / name, bare / name)
    shutil.copy(service / "gunicorn.conf.py", bare)
    (bare / "config/urls.py").write_text(BARE_URLS)
    with (bare / "config/settings.py").open("a") as settings:
        settings.write(BARE_SETTINGS)
    production = {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
    }
    projects = {
        "service": (service, {"GUNICORN": gunicorn, **production}),
        "bare": (bare, {"GUNICORN": gunicorn, "DJANGO_SETTINGS_MODULE": "config.settings"}),
    }
    for folder, env in projects.values():
        with (folder / "config/urls.py").open("a") as urls:
            urls.write(URLS)
        run(folder, python, "manage.py", "migrate", **env)
        run(folder, python, "manage.py", "shell", "--no-imports", "-c", ROWS, **env)
    run(service, python, "manage.py", "collectstatic", "--no-input", **production)
    return projects


def measure(home: Path) -> None:
    print("baking ...", flush=True)
    projects = prepare(home)
    values: dict[str, dict[str, list[float]]] = {
        name: {label: [] for label in projects} for name in (*PAGES, MEMORY, START)
    }
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS} ...", flush=True)
        with ExitStack() as servers:
            running = {}
            for label in (*projects,) if number % 2 else reversed(projects):
                running[label] = servers.enter_context(serving(*projects[label]))
            for name, path in PAGES.items():
                for label, (port, _, _) in running.items():
                    values[name][label].append(requests_per_second(port, path))
            for label, (_, process, seconds) in running.items():
                values[MEMORY][label].append(worker_megabytes(process))
                values[START][label].append(seconds)
    print("\n| median | service | bare | service to bare |\n|---|---|---|---|")
    for name, figures in values.items():
        service, bare = (statistics.median(figures[label]) for label in ("service", "bare"))
        unit = ", requests per second" if name in PAGES else ""
        print(f"| {name}{unit} | {service:.4g} | {bare:.4g} | {service / bare:.2f} |")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        try:
            measure(Path(home))
        except KeyboardInterrupt:
            sys.exit("interrupted")


if __name__ == "__main__":
    main()
