"""Two releases run at once, as in a rolling deployment, and each names its own static files."""

import json
import re
import shutil
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from tests.harness.project import GUNICORN, Project, page

SERVE = ("uv", "run", *GUNICORN)
STYLESHEET = re.compile(r'href="(\S+/)css/(site\.[0-9a-f]{12}\.css)"')
NEW_RULE = "\n.of-release-b { color: red }\n"


@pytest.fixture
def releases(bake, production, request):
    """Return releases A and B, which share a database and static files. B has a new stylesheet."""
    project = bake(static_files=request.param)
    folder = project.path.parent
    shared = {
        **production({"static_files": request.param}),
        "STATIC_ROOT": str(folder / "assets"),
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
    }
    for name in ("a", "b"):
        shutil.copytree(project.path, folder / name)
    stylesheet = folder / "b/static/css/site.css"
    stylesheet.write_text(stylesheet.read_text() + NEW_RULE)
    a, b = (Project(folder / name, {**project.env, **shared}) for name in ("a", "b"))
    a.manage("migrate")
    return a, b


def collect(release):
    """Collect the static files of ``release``; return the text of its manifest."""
    release.manage("collectstatic", "--no-input")
    release.manage("check", "--deploy", "--fail-level", "WARNING")
    return (release.path / "staticfiles.json").read_text()


def stylesheet_of(server):
    """Return the base URL of the static files and the stylesheet's name, on ``server``'s page."""
    base, name = STYLESHEET.search(page(server)).groups()
    return (server + base if base.startswith("/") else base), name


def compressed(url):
    """Return the body at ``url`` for a browser that accepts gzip, without decompressing it."""
    headers = {"X-Forwarded-Proto": "https", "Accept-Encoding": "gzip"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as got:
        return got.read()


@contextmanager
def visiting(*urls):
    """Request ``urls`` repeatedly during the block.

    Yield a list that grows by one bool per response: whether it equals the one before the block.
    """
    expected = {url: compressed(url) for url in urls}
    same, ended = [], threading.Event()

    def visit():
        while not ended.is_set():
            for url in urls:
                try:
                    same.append(compressed(url) == expected[url])
                except OSError:
                    same.append(False)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield same
    finally:
        ended.set()
        visitor.join()


@pytest.mark.parametrize(
    "releases", ["whitenoise", pytest.param("s3", marks=pytest.mark.long)], indirect=True
)
def test_two_releases_running_at_once_each_use_their_own_static_files(releases, request):
    a, b = releases
    manifest_a = collect(a)
    with a.serving(*SERVE) as server_a:
        base_a, name_a = stylesheet_of(server_a)
        admin = json.loads(manifest_a)["paths"]["admin/css/base.css"]  # in both releases
        with visiting(f"{base_a}css/{name_a}", base_a + admin) as same:
            manifest_b = collect(b)
        assert len(same) > 10
        assert all(same)
        with b.serving(*SERVE) as server_b:
            base_b, name_b = stylesheet_of(server_b)
            assert stylesheet_of(server_a) == (base_a, name_a)
            assert f"css/{name_a}" in manifest_a
            assert f"css/{name_b}" in manifest_b
            assert name_a != name_b
            # Each server must serve the static files of both releases, because a load balancer
            # may send the request for a page and those for its static files to different servers.
            for base in {base_a, base_b}:
                for manifest in (manifest_a, manifest_b):
                    for name in json.loads(manifest)["paths"].values():
                        assert page(base + name)
                assert NEW_RULE not in page(f"{base}css/{name_a}")
                assert page(f"{base}css/{name_b}").endswith(NEW_RULE)
    assert (a.path / "staticfiles.json").read_text() == manifest_a != manifest_b

    if request.node.callspec.params["releases"] == "s3":
        request.getfixturevalue("s3_server").kill()
    shutil.rmtree(a.path.parent / "assets", ignore_errors=True)
    for release, name in ((a, name_a), (b, name_b)):
        with release.serving(*SERVE) as server:
            base, named = stylesheet_of(server)
            assert named == name
            with pytest.raises(urllib.error.URLError):  # HTTPError included
                page(f"{base}css/{name}")
