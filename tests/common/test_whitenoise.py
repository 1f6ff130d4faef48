import shutil

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from whitenoise import base

from common.static_files.whitenoise import WhiteNoiseMiddleware
from common_tests.static_site import APP_CSS, HASHED_NAME, HASHED_URL, WHITENOISE, Site

pytestmark = pytest.mark.django_db  # Closing a response closes old connections.
FOREVER = "max-age=315360000, public, immutable"


@pytest.fixture
def site(settings, tmp_path):
    settings.MIDDLEWARE = ["common.static_files.whitenoise.WhiteNoiseMiddleware"]
    site = Site(settings, tmp_path, WHITENOISE)
    site.collect()
    return site


@pytest.fixture
def ask(rf):
    """A function that requests a URL from a server and returns status, body and headers."""

    def ask(server, url, **headers):
        response = server(rf.get(url, headers=headers))
        body = b"".join(response) if response.streaming else response.content
        response.close()
        return response.status_code, body, response.headers

    return ask


def start():
    return WhiteNoiseMiddleware(lambda request: HttpResponse("of the site", status=404))


def test_hashed_name_is_served_compressed_and_immutable(site, ask):
    status, _, headers = ask(start(), HASHED_URL, accept_encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert headers["Cache-Control"] == FOREVER
    assert ask(start(), "/static/app.css")[2]["Cache-Control"] != FOREVER


def test_server_serves_what_was_collected_after_its_start(site, ask):
    server = start()
    site.write({"app.css": "a { color: blue }" * 99})
    site.collect()
    status, _, headers = ask(server, site.url(), accept_encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert ask(server, site.url())[1] == b"a { color: blue }" * 99


def test_server_that_started_later_serves_the_earlier_release(site, ask):
    site.write({"app.css": "a { color: blue }"})
    site.collect()
    server = start()
    assert ask(server, HASHED_URL)[:2] == (200, APP_CSS.encode())
    assert ask(server, site.url())[:2] == (200, b"a { color: blue }")


@pytest.mark.parametrize(
    "url",
    [
        "/static/new.0123456789ab.css",
        "/static/new\0.0123456789ab.css",
        f"/static/{'x' * 300}.css",
        "/static/../secret.0123456789ab.css",
        "/static//secret.0123456789ab.css",
        f"/elsewhere/{HASHED_NAME}",
        f"/{HASHED_NAME}",
        "/static/folder.0123456789ab",
    ],
)
def test_other_urls_are_left_to_the_site(site, ask, url):
    server = start()
    (site.root / "secret.0123456789ab.css").touch()
    (site.static_root / "folder.0123456789ab").mkdir()
    assert ask(server, url)[:2] == (404, b"of the site")


def test_server_that_starts_while_another_release_collects_serves_what_it_is_asked_for(
    site, ask, monkeypatch
):
    def scan(root):
        raise FileNotFoundError(root)

    monkeypatch.setattr(base, "scantree", scan)
    server = start()
    assert ask(server, HASHED_URL)[:2] == (200, APP_CSS.encode())
    assert ask(server, "/static/app.css")[:2] == (200, APP_CSS.encode())


def test_static_root_may_be_unset(settings, site, ask):
    settings.STATIC_ROOT = None
    assert ask(start(), HASHED_URL)[:2] == (404, b"of the site")


def test_autorefresh_still_finds_every_file(settings, site, ask):
    settings.WHITENOISE_AUTOREFRESH = True
    server = start()
    (site.static_root / "new.css").write_text("a {}")
    assert ask(server, "/static/new.css")[:2] == (200, b"a {}")
    assert ask(server, HASHED_URL)[0] == 200


def test_storage_that_is_not_strict_hashes_a_new_file_when_it_is_named(site, settings):
    settings.WHITENOISE_MANIFEST_STRICT = False
    shutil.copy(site.static_root / "app.css", site.static_root / "new.css")
    assert site.url("new.css") == HASHED_URL.replace("app", "new")


def test_keep_only_hashed_files_keeps_those_of_this_release(site, settings):
    settings.WHITENOISE_KEEP_ONLY_HASHED_FILES = True
    site.collect()
    assert site.collected().keys() == {HASHED_NAME, f"{HASHED_NAME}.gz", "app.css.gz"}


def test_compressed_file_is_replaced_and_not_written_in_place(site):
    compressed = site.static_root / f"{HASHED_NAME}.gz"
    before, content = compressed.stat().st_ino, compressed.read_bytes()
    site.collect()
    assert compressed.stat().st_ino != before
    assert compressed.read_bytes() == content


def test_collectstatic_that_fails_to_compress_leaves_the_old_manifest(site, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    before = site.manifest.read_bytes()
    site.write({"app.css": "b {}" * 99})
    monkeypatch.setattr("whitenoise.compress.Compressor.compress", fail)
    with pytest.raises(OSError, match="disk full"):
        site.collect()
    assert site.manifest.read_bytes() == before


def test_site_starts_without_static_root(site):
    shutil.rmtree(site.static_root)
    with pytest.warns(UserWarning, match="No directory at"):
        WSGIHandler()
    assert site.url() == HASHED_URL


def test_site_with_files_but_no_manifest_refuses_to_start(site):
    site.manifest.unlink()
    site.restart()
    with pytest.raises(ImproperlyConfigured, match=f"'{site.manifest}' is missing"):
        WSGIHandler()
