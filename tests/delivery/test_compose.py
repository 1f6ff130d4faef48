"""The service s3 of compose.yaml, run without an engine, stands in for a bucket."""

import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from tests.delivery.test_image import compose, settings_of, visit
from tests.harness.project import GUNICORN


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
