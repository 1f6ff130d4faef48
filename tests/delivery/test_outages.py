"""Outages of the database and of the cache in production, under light load."""

import re
import resource
import subprocess
import time
import urllib.error
from contextlib import contextmanager, suppress

import psutil  # type: ignore[import-untyped] # has no types
import pytest

from tests.harness.load import fault_row, light_load, lines_of, status_of
from tests.harness.project import GUNICORN, PRODUCTION, TEMPLATE, find_python, page
from tests.harness.servers import running_database, running_redis

# Reads, writes and a cached value, each at a path of its own.
URLS = """
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.http import HttpResponse


def write(request):
    return HttpResponse(get_user_model().objects.create(username=uuid4()).pk)


def cached(request):
    return HttpResponse(cache.get_or_set("key", "value"))


urlpatterns[:0] = [urls.path("write", write), urls.path("cached", cached)]
"""
COUNT = "from django.contrib.auth import get_user_model as m; print(m().objects.count())"
SERVE = ("uv", "run", "--with", "redis>=5,<9", *GUNICORN)
OUTAGE = 4  # seconds


def site_of(tmp_path_factory, bake_into, **answers):
    project = bake_into(tmp_path_factory.mktemp("site") / "bake", TEMPLATE, answers)
    urls = project.path / "config/urls.py"
    urls.write_text(urls.read_text() + URLS)
    build = {"DJANGO_SETTINGS_MODULE": "config.settings.build"}
    project.manage("collectstatic", "--no-input", **build)
    return project


@pytest.fixture(scope="module")
def sqlite_site(tmp_path_factory, bake_into):
    return site_of(tmp_path_factory, bake_into)


@pytest.fixture(scope="module")
def postgresql_site(tmp_path_factory, bake_into):
    return site_of(tmp_path_factory, bake_into, database="postgresql")


@pytest.fixture
def database():
    with running_database() as database:
        yield database


@contextmanager
def serving(project, **env):
    production = {**PRODUCTION, **env}
    project.manage("migrate", **production)
    with project.serving(*SERVE, **production, UV_OFFLINE="0") as url:
        assert [status_of(url + path) for path in ("/", "/write", "/cached")] == [200] * 3
        yield url


def timed(url):
    start = time.monotonic()
    return status_of(url), time.monotonic() - start


def seconds_until(url, status):
    """Return the seconds until ``url`` responds with ``status``; fail after 20."""
    start = time.monotonic()
    while time.monotonic() - start < 20:
        if status_of(url) == status:
            return time.monotonic() - start
        time.sleep(0.05)
    raise AssertionError(f"{url} does not respond with {status}")


def users(project, **env):
    command = ["shell", "--no-imports", "-c", COUNT]
    return int(project.manage(*command, **PRODUCTION, **env).split()[-1])


def statuses_of_probes(url):
    return [status_of(url + path) for path in ("/livez", "/readyz", "/healthz")]


def log_of(project):
    log = max(project.path.parent.glob("server-*.log"), key=lambda path: path.stat().st_mtime)
    return log.read_text()


@pytest.mark.long
@pytest.mark.parametrize(("end", "begin"), [("stop", "start"), ("freeze", "resume")])
def test_requests_get_503_soon_and_the_service_recovers_when_the_database_returns(
    postgresql_site, database, end, begin, record_property
):
    # Each load has two senders: with two connections, at most two of the four wait for a frozen server.
    env = {"DATABASE_URL": database.url, "DATABASE_POOL_SIZE": "2"}
    with serving(postgresql_site, **env) as url:
        with light_load(url) as reads, light_load(f"{url}/write") as writes:
            time.sleep(1)
            getattr(database, end)()
            time.sleep(OUTAGE)
            assert statuses_of_probes(url) == [200, 503, 503]
            status, seconds = timed(f"{url}/readyz")
            assert (status, seconds < 1.5) == (503, True)
            with pytest.raises(urllib.error.HTTPError) as failed:
                page(url)
            with failed.value as response:
                assert (response.code, response.headers["Retry-After"]) == (503, "2")
                assert "Please try again" in response.read().decode()
            getattr(database, begin)()
            recovered = seconds_until(url, 200)
            time.sleep(1)
            assert statuses_of_probes(url) == [200] * 3
        for load in (reads, writes):
            # A statement that runs while the server hangs ends when the server goes on.
            assert {*load.statuses} <= {200, 503}
            assert end == "freeze" or load.statuses[503] >= 3
        assert reads.statuses[503] + writes.statuses[503] >= 3
        assert end == "freeze" or max(reads.slowest, writes.slowest) < 4
        assert recovered < 3
        assert users(postgresql_site, **env) >= writes.statuses[200] + 1
        log = log_of(postgresql_site)
        assert "Service Unavailable: /write" in log
        # A traceback has some hundred lines: one a second, and not one a request.
        record_property(
            "fault", fault_row(f"PostgreSQL: {end}, 4 s later {begin}", "-", writes, lines_of(log))
        )


@pytest.mark.long
def test_readyz_is_bounded_while_a_database_hangs_that_has_no_pool(sqlite_site, database):
    # The only thing that requests of this test use is the connection of the probe.
    env = {"DATABASE_URL": f"{database.url}&connect_timeout=2"}
    command = ["uv", "run", "--with", "psycopg[binary]"]
    production = {**PRODUCTION, **env, "UV_OFFLINE": "0"}
    sqlite_site.run(*command, "manage.py", "migrate", **production)
    with sqlite_site.serving(*command, *GUNICORN, **production) as url:
        assert status_of(f"{url}/readyz") == 200
        server, threads = worker_of(url), None
        database.freeze()
        for _ in range(4):
            status, seconds = timed(f"{url}/readyz")
            assert (status, seconds < 1.5) == (503, True)
            threads = threads or server.num_threads()
            assert server.num_threads() <= threads + 1
        assert status_of(f"{url}/livez") == 200
        database.resume()
        assert seconds_until(f"{url}/readyz", 200) < 4


def worker_of(url):
    """Return the process of gunicorn that serves ``url``."""
    bind = url.removeprefix("http://")
    found = [p for p in psutil.process_iter() if bind in process_arguments(p)]
    return max((p for p in found if not p.children()), key=lambda process: process.pid)


def process_arguments(process):
    with suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.mark.long
def test_on_a_full_disk_reads_go_on_and_writes_get_503(sqlite_site, tmp_path, record_property):
    env = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db'}"}
    with serving(sqlite_site, **env) as url:
        worker = worker_of(url).pid
        # With this limit, every write to a file fails, as on a full disk. It needs no root.
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        with light_load(f"{url}/write") as writes:
            time.sleep(1)
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (1, hard))
            with light_load(url) as reads:
                time.sleep(2)
                assert statuses_of_probes(url) == [200] * 3
                assert status_of(f"{url}/write") == 503
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (hard, hard))
            assert seconds_until(f"{url}/write", 200) < 2
        fault = "full disk (SQLite), reads"
        record_property(
            "fault", fault_row(fault, "write: 503", reads, lines_of(log_of(sqlite_site)))
        )
        assert {*reads.statuses} == {200}
        assert {*writes.statuses} == {200, 503}
    assert users(sqlite_site, **env) == writes.statuses[200] + 2


@pytest.fixture
def redis(tmp_path):
    """Yield the URL and the process of a Redis server that the test may freeze or kill."""
    with running_redis(tmp_path / "redis") as url:
        port = re.search(r":(\d+)/", url)[1]
        processes = [p for p in psutil.process_iter() if p.name() == "redis-server"]
        [process] = [p for p in processes if port in " ".join(process_arguments(p))]
        try:
            yield url, process
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.long
@pytest.mark.parametrize("end", ["suspend", "kill"])
def test_an_outage_of_the_cache_only_affects_pages_that_use_it(
    sqlite_site, redis, tmp_path, end, record_property
):
    cache_url, server = redis
    env = {"DATABASE_URL": f"sqlite:///{tmp_path / 'db'}", "CACHE_URL": cache_url}
    with serving(sqlite_site, **env) as url:
        getattr(server, end)()
        with light_load(url) as others, light_load(f"{url}/cached") as cached:
            time.sleep(3)
            assert statuses_of_probes(url) == [200] * 3
        lines = lines_of(log_of(sqlite_site))
        record_property("fault", fault_row(f"cache: {end}", "500", others, lines))
        assert {*others.statuses} == {200}
        assert {*cached.statuses} == {500}
        assert cached.slowest < 4
        if end == "suspend":
            server.resume()
            assert seconds_until(f"{url}/cached", 200) < 3


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_process_that_used_the_pool_exits_at_once(postgresql_site, database, tmp_path, version):
    python = find_python(version) or pytest.skip(f"uv finds no Python {version}")
    env = {
        **postgresql_site.env,
        **PRODUCTION,
        "DATABASE_URL": database.url,
        "UV_PYTHON": python,
        "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv"),
        "UV_OFFLINE": "0",
    }
    command = "from django.db import connection as c; c.cursor().execute('SELECT 1'); print('done')"
    with subprocess.Popen(
        ["uv", "run", "--no-dev", "manage.py", "shell", "--no-imports", "-c", command],
        cwd=postgresql_site.path,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.strip() == "done":
                break
        start = time.monotonic()
        assert process.wait(timeout=60) == 0
        assert time.monotonic() - start < 8
