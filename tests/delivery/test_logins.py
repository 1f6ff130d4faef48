"""Guesses at the admin's login form, on real servers: what is refused, and what the log says."""

import os
import re
import signal
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.delivery.test_production import fetch
from tests.harness.project import GUNICORN, PRODUCTION

pytestmark = pytest.mark.long
PROXIED = {**PRODUCTION, "CLIENT_ADDRESS_HEADER": "X-Forwarded-For", "ADMIN_PATH": "staff/"}


@pytest.fixture
def site(bake):
    """Return a project whose admin knows ada, and Redis's client for those who set CACHE_URL."""
    project = bake()
    for command in (["migrate"], ["collectstatic", "--no-input"]):
        project.manage(*command, **PRODUCTION)
    env = {**PRODUCTION, "DJANGO_SUPERUSER_PASSWORD": "correct horse"}
    project.manage(
        "createsuperuser", "--no-input", "--username=ada", "--email=ada@example.com", **env
    )
    return project


class LoginForm:
    def __init__(self, url):
        self.url, self.host = url, url.removeprefix("http://")
        with fetch(f"{url}/staff/login/", X_Forwarded_Proto="https") as form:
            self.token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', form.read().decode())[1]
            self.cookie = form.headers["Set-Cookie"].partition(";")[0]

    def post(self, password="battery staple", address="1.1.1.1", username="ada"):
        """Return the status: 302 for a login and 200 for a form with errors."""
        data = {"csrfmiddlewaretoken": self.token, "username": username, "password": password}
        headers = {"X_Forwarded_Proto": "https", "Cookie": self.cookie, "X_Forwarded_For": address}
        headers["Origin"] = f"https://{self.host}"
        body = urllib.parse.urlencode(data).encode()
        with fetch(f"{self.url}/staff/login/", body, **headers) as answer:
            return answer.status


def log_of(project):
    return "".join(path.read_text() for path in project.path.parent.glob("server-*.log"))


def test_guesses_at_the_admin_are_refused_and_logged_without_passwords(site):
    with site.serving("uv", "run", *GUNICORN, **PROXIED) as url:
        form = LoginForm(url)
        assert [form.post(address=f"6.6.6.{i}, 1.1.1.1") for i in range(5)] == [200] * 5
        assert form.post("correct horse") == 200
        assert form.post("correct horse", "2.2.2.2") == 302
        assert form.post(username="eve\nINFO forged", address="3.3.3.3") == 200
        with fetch(f"{url}/admin/login/", X_Forwarded_Proto="https") as former:
            assert former.status == 404
        with fetch(url, X_Forwarded_Proto="https") as home:
            home.read()
    log = log_of(site)
    assert log.count("Login failed: user 'ada', address '1.1.1.1'") == 6
    assert "Login failed: user 'eve\\nINFO forged', address '3.3.3.3'" in log
    for secret in ("battery", "staple", "correct", "horse"):
        assert secret not in log


def pause(server, signal_number):
    """Send the signal to Redis, the process that listens at the port of ``server``."""
    port = server.partition("?")[0].rpartition(":")[2].partition("/")[0]
    found = subprocess.run(
        ["pgrep", "-f", f"redis-server .*:{port}"], capture_output=True, text=True, check=True
    )
    for pid in found.stdout.split():
        os.kill(int(pid), signal_number)


@pytest.mark.skipif("REDIS_URL" in os.environ, reason="stops a Redis server of its own")
def test_two_processes_share_the_limits_in_redis_and_go_on_while_it_is_frozen(site, redis_url):
    command = ("uv", "run", "--with", "redis", *GUNICORN, "--workers=2", "--threads=8")
    env = {**PROXIED, "CACHE_URL": redis_url, "UV_OFFLINE": "0"}
    with site.serving(*command, **env) as url:
        form = LoginForm(url)
        with ThreadPoolExecutor(20) as pool:
            assert [*pool.map(lambda _: form.post(), range(20), timeout=60)] == [200] * 20
        for _ in range(
            5
        ):  # Some of the twenty may have been refused because others were under way.
            assert form.post() == 200
        assert form.post("correct horse") == 200
        assert form.post("correct horse", "2.2.2.2") == 302
        pause(redis_url, signal.SIGSTOP)
        try:
            started = time.monotonic()
            assert form.post("correct horse") == 302
            print("seconds of a login while Redis is frozen:", time.monotonic() - started)
            assert time.monotonic() - started < 30
        finally:
            pause(redis_url, signal.SIGCONT)
        assert form.post("correct horse") == 200
    assert "Login attempts are not counted: the cache raised TimeoutError" in log_of(site)
