"""Services of compose.yaml, run without an engine: s3 stands in for a bucket, proxy shares out the requests."""

import http.client
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tests.delivery.test_image import compose, settings_of, visit
from tests.harness.project import GUNICORN, free_port


@contextmanager
def stand_in(project, port):
    """Run the service s3 of compose.yaml at ``port``; yield the services, with this port."""
    text = (project.path / "compose.yaml").read_text()
    services = yaml.safe_load(text.replace("9000", str(port)))["services"]
    s3 = services["s3"]
    command = [Path(sys.executable).with_name("moto_server"), "-H", "0.0.0.0", *s3["command"]]
    with subprocess.Popen(command, env={**project.env}, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(s3["healthcheck"]["retries"] * 10):
                check = [sys.executable, *s3["healthcheck"]["test"][2:]]
                if subprocess.run(check, stderr=subprocess.DEVNULL, timeout=30).returncode == 0:
                    break
                time.sleep(0.2)
            else:
                raise AssertionError("the stand-in is not healthy")
            yield services
        finally:
            server.terminate()


@pytest.mark.long
def test_compose_needs_no_bucket_to_serve_the_site_with_its_assets(bake):
    project = bake(static_files="s3")
    port = free_port()
    with stand_in(project, port) as services:
        assets, web = services["assets"], services["web"]
        # The address of the bucket is the same for the upload, the pages and browsers on this machine.
        assert assets["network_mode"] == "service:s3"
        assert services["s3"]["ports"] == [f"127.0.0.1:{port}:{port}"]
        local = {"SECRET_KEY": "k" * 64, "DATABASE_URL": "sqlite:///db.sqlite3"}
        settings = settings_of(assets, local)
        project.uv(*assets["command"][1:], **settings)
        project.manage("migrate", **settings)
        pages = {**settings_of(web, local), "DJANGO_SETTINGS_MODULE": "config.settings.production"}
        with project.serving("uv", "run", *GUNICORN, **pages) as url:
            [css] = re.findall(r'href="([^"]+\.css)"', visit(url.replace("127.0.0.1", "localhost")))
        assert css.startswith(f"http://127.0.0.1:{port}/assets/static/css/site.")
        assert ":root" in visit(css)
        # With the variables of a bucket of its own, a service uses that bucket.
        mine = {"AWS_STORAGE_BUCKET_NAME": "mine", "AWS_S3_ENDPOINT_URL": ""}
        assert mine.items() <= settings_of(web, mine).items()


def test_compose_and_tests_run_the_same_version_of_the_stand_in(bake):
    image = compose(bake(static_files="s3"))["services"]["s3"]["image"]
    assert image == f"motoserver/moto:{version('moto')}"


def test_compose_runs_jobs_in_a_worker_and_on_celery_with_a_broker_that_does_not_evict(bake_only):
    services = compose(bake_only(background_jobs=True))["services"]
    assert services["worker"]["command"] == ["python", "manage.py", "worker"]
    assert "profiles" not in services["worker"]
    assert services["celery"]["command"] == ["celery", "--app=common.jobs.celery", "worker"]
    assert services["broker"]["command"] == ["--maxmemory-policy", "noeviction"]
    assert services["celery"]["profiles"] == services["broker"]["profiles"] == ["celery"]
    for name in ("worker", "celery"):
        assert services[name]["healthcheck"] == {"disable": True}
        assert services[name]["stop_grace_period"] == "60s"
        broker = {"CELERY_BROKER_URL": "redis://broker:6379/0", "JOB_LEASE": "30"}
        for service in (services[name], services["web"]):
            assert broker.items() <= settings_of(service, broker).items()
    assert not {"worker", "celery", "broker"} & {*compose(bake_only())["services"]}


def test_compose_serves_websockets_by_processes_of_their_own_behind_a_proxy(bake_only):
    services = compose(bake_only(realtime=True))["services"]
    realtime, web, proxy = (services[name] for name in ("realtime", "web", "proxy"))
    assert realtime["command"] == ["python", "manage.py", "realtime"]
    assert realtime["healthcheck"]["test"] == web["healthcheck"]["test"]
    bus = {"REALTIME_URL": "redis://bus:6379/0", "REALTIME_WORKERS": "2"}
    assert bus.items() <= settings_of(realtime, bus).items()
    assert settings_of(web, {}).items() <= settings_of(realtime, {}).items()
    # "up --scale realtime=2" cannot start two services with one port of the host, or one name.
    assert not {"ports", "container_name"} & {*web, *realtime}
    assert proxy["ports"] == ["127.0.0.1:8000:8000"]
    assert "profiles" not in proxy
    assert services["bus"]["profiles"] == ["bus"]


@pytest.mark.long
def test_the_check_of_the_realtime_service_passes_while_it_serves(bake):
    project = bake(realtime=True)
    realtime = compose(project)["services"]["realtime"]
    local = {"SECRET_KEY": "k" * 64, "DATABASE_URL": "sqlite:///db.sqlite3"}
    settings = settings_of(realtime, local)
    settings["DJANGO_SETTINGS_MODULE"] = "config.settings.production"
    project.manage("migrate", **settings)
    project.manage("collectstatic", "--no-input", **settings)
    serve = ["env", "PORT={port}", "uv", "run", *realtime["command"]]
    with project.serving(*serve, **settings) as url:
        port = url.rpartition(":")[2]
        check = [part.replace("8000", port) for part in realtime["healthcheck"]["test"][1:]]
        project.uv(*check)
    project.uv(*check, status=1)


class NamedServer(ThreadingHTTPServer):
    def __init__(self, name):
        super().__init__(("127.0.0.1", 0), Echo)
        self.name = name


class Echo(BaseHTTPRequestHandler):
    """Answers with the name of its server and the host that was asked for; accepts each upgrade."""

    server: NamedServer

    def do_GET(self):
        upgrade = self.headers["Upgrade"]
        self.send_response(101 if upgrade else 200)
        if upgrade:
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", upgrade)
        self.end_headers()
        self.wfile.write(f"{self.server.name} {self.headers['Host']}".encode())

    def log_message(self, *args):
        pass


@contextmanager
def proxying(caddyfile, folder):
    """Run Caddy with ``caddyfile`` before two servers that tell their names; yield its port."""
    if not shutil.which("caddy"):
        (pytest.fail if "REQUIRE_BROWSER" in os.environ else pytest.skip)("no Caddy")
    port = free_port()
    caddyfile = caddyfile.replace(":8000 {", f":{port} {{")
    with ExitStack() as stack:
        for name in ("web", "realtime"):
            server = stack.enter_context(NamedServer(name))
            threading.Thread(target=server.serve_forever).start()
            stack.callback(server.shutdown)
            caddyfile = caddyfile.replace(f" {name}:8000", f" 127.0.0.1:{server.server_port}")
        (folder / "Caddyfile").write_text(caddyfile)
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
        env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        caddy = stack.enter_context(
            subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.DEVNULL)
        )
        stack.callback(caddy.terminate)
        yield port


def ask(port, path, **headers):
    """Return the status and the first bytes of the answer of a proxy, once it accepts connections."""
    for _ in range(200):
        connection = http.client.HTTPConnection("localhost", port, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
        except ConnectionRefusedError:
            time.sleep(0.1)
            continue
        response = connection.getresponse()
        text = (response.fp.readline() if response.status == 101 else response.read()).decode()
        connection.close()
        return response.status, text
    raise AssertionError("the proxy does not listen")


def test_the_proxy_sends_websockets_to_realtime_and_all_else_to_web(bake_only, tmp_path):
    caddyfile = compose(bake_only(realtime=True))["configs"]["caddyfile"]["content"]
    with proxying(caddyfile, tmp_path) as port:
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        host = f"localhost:{port}"
        assert ask(port, "/ws/kogame/a/", **upgrade) == (101, f"realtime {host}")
        for path in ("/", "/ws", "/wsx/", "/kogame/", "/static/ws/x.css"):
            assert ask(port, path) == (200, f"web {host}")
