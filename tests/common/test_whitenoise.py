import pytest
from django.http import HttpResponse
from whitenoise import base
from whitenoise.base import scantree

from common_tests.test_storage import HASHED, WHITENOISE, Site
from common.static_files.whitenoise import WhiteNoiseMiddleware

pytestmark = pytest.mark.django_db  # a response that is closed closes old connections
FOREVER = "max-age=315360000, public, immutable"


@pytest.fixture
def site(settings, tmp_path):
    site = Site(settings, tmp_path, WHITENOISE)
    site.collect()
    return site


@pytest.fixture
def ask(rf):
    """A function that asks a server for a URL, and gives status, body and headers."""

    def ask(server, url, **headers):
        response = server(rf.get(url, headers=headers))
        body = b"".join(response) if response.streaming else response.content
        response.close()
        return response.status_code, body, response.headers

    return ask


def start():
    return WhiteNoiseMiddleware(lambda request: HttpResponse("of the site", status=404))


def test_server_hands_out_what_was_collected_after_its_start(site, ask):
    server = start()
    (site.source / "app.css").write_text("a { color: blue }" * 99)
    site.collect()
    status, _, headers = ask(server, site.url(), accept_encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert ask(server, site.url())[1] == b"a { color: blue }" * 99


def test_names_of_every_release_may_be_kept_for_ever(site, ask):
    (site.source / "app.css").write_text("a { color: blue }")
    site.collect()
    server = start()
    for url in (HASHED, site.url()):
        assert ask(server, url)[2]["Cache-Control"] == FOREVER
    assert ask(server, "/static/app.css")[2]["Cache-Control"] != FOREVER


@pytest.mark.parametrize(
    "url",
    [
        "/static/new.css",
        "/static/new.0123456789ab.css",
        "/static/../secret.0123456789ab.css",
        "/static//secret.0123456789ab.css",
        "/elsewhere/app.1e7c9116d2d2.css",
        "/static/folder.0123456789ab",
    ],
)
def test_everything_else_is_left_to_the_site(site, ask, url):
    server = start()
    (site.static_root / "new.css").touch()
    (site.root / "secret.0123456789ab.css").touch()
    (site.static_root / "folder.0123456789ab").mkdir()
    assert ask(server, url)[:2] == (404, b"of the site")


def test_server_may_start_before_there_is_a_static_root(settings, site, ask):
    settings.STATIC_ROOT = site.root / "other"
    with pytest.warns(UserWarning, match="No directory at"):
        server = start()
    site.collect()
    assert ask(server, HASHED)[0] == 200


def test_server_starts_while_another_release_collects(site, ask, monkeypatch):
    gone = iter([True, True, False])

    def scan(root):
        if next(gone):
            raise FileNotFoundError(root)
        return scantree(root)

    monkeypatch.setattr(base, "scantree", scan)
    assert ask(start(), HASHED)[0] == 200


def test_server_says_so_when_files_keep_going_away(site, monkeypatch):
    def scan(root):
        raise FileNotFoundError(root)

    monkeypatch.setattr(base, "scantree", scan)
    with pytest.raises(FileNotFoundError):
        start()


def test_static_root_may_be_unset(settings, site, ask):
    settings.STATIC_ROOT = None
    assert ask(start(), HASHED)[:2] == (404, b"of the site")


def test_autorefresh_goes_on_looking_for_every_file(settings, site, ask):
    settings.WHITENOISE_AUTOREFRESH = True
    server = start()
    (site.static_root / "new.css").write_text("a {}")
    assert ask(server, "/static/new.css")[:2] == (200, b"a {}")
    assert ask(server, HASHED)[0] == 200
