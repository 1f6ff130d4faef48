"""Compare the requests per second of a service with those of a bare Django project.

Both serve the same page under gunicorn, with one worker, DEBUG off and the same packages. They take
turns.

uv run benchmarks/throughput.py
"""

import http.client
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

TEMPLATE = Path(__file__).parents[1]
ROUNDS, SECONDS = 7, 2.0
URLS = """
from django.contrib import admin
from django.urls import path
from django.views.generic import TemplateView

context = {"project_name": "My Service", "project_description": "A Django service."}
page = TemplateView.as_view(template_name="welcome.html", extra_context=context)
urlpatterns = [path("admin/", admin.site.urls), path("", page)]
"""
SETTINGS = """
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
"""


def run(folder: Path, *command: str, **env: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}")


@contextmanager
def serving(python: Path, folder: Path, application: str, **env: str):
    """Run a server of ``application`` during the block; yield its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [python, "-m", "gunicorn", application, f"--bind=127.0.0.1:{port}", "--log-level=error"],
        cwd=folder,
        env={**os.environ, **env},
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def fetch(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"X-Forwarded-Proto": "https"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        sys.exit(f"The server at port {port} responds with status {response.status}.")
    return body


def requests_per_second(port: int) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        fetch(port)
        count += 1
    return count / (time.perf_counter() - start)


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as servers:
        home = Path(name)
        (home / "cookiecutter.yaml").write_text(f"replay_dir: {home / 'replay'}\n")
        print("baking ...", flush=True)
        run(
            home, sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "example_app=no",
            COOKIECUTTER_CONFIG=str(home / "cookiecutter.yaml"), VIRTUAL_ENV="",
        )  # fmt: skip
        service, bare = home / "my-service", home / "bare"
        python = service / ".venv/bin/python"
        run(service, "uv", "sync", "--quiet", VIRTUAL_ENV="")
        production = {
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECURE_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO,https",
        }
        for command in (["migrate"], ["collectstatic", "--no-input"]):
            run(service, str(python), "manage.py", *command, **production)

        run(home, str(python), "-m", "django", "startproject", "bare")
        shutil.copytree(service / "templates", bare / "templates")
        (bare / "bare/urls.py").write_text(URLS)
        with (bare / "bare/settings.py").open("a") as settings:
            settings.write(SETTINGS)

        ports = {
            "service": servers.enter_context(serving(python, service, "config.wsgi", **production)),
            "bare": servers.enter_context(serving(python, bare, "bare.wsgi")),
        }
        rates: dict[str, list[float]] = {label: [] for label in ports}
        for label, port in ports.items():
            print(f"{label}: a page of {len(fetch(port))} bytes", flush=True)
        for number in range(ROUNDS):
            for label, port in ports.items():
                rates[label].append(requests_per_second(port))
            print(
                f"round {number + 1} of {ROUNDS}: {rates['service'][-1]:.0f} and {rates['bare'][-1]:.0f}",
                flush=True,
            )
        medians = {label: statistics.median(values) for label, values in rates.items()}
        print(f"requests per second, median: {medians['service']:.0f} and {medians['bare']:.0f}")
        print(f"service to bare: {medians['service'] / medians['bare']:.2f}")


if __name__ == "__main__":
    main()
