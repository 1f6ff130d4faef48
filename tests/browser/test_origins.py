"""Assets of another origin, and the debug pages of development."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import plant, production
from tests.harness.project import REALTIME

pytestmark = pytest.mark.long

LOAD = """url => new Promise(done => {
    const image = new Image();
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = url;
})"""
STYLE = "getComputedStyle(document.querySelector('.bar')).position"


@pytest.fixture
def host(tmp_path):
    """Yield the URL of a server of buckets, and the folder of a bucket for each of its names."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", tmp_path
        server.shutdown()


def test_a_page_may_load_assets_of_its_bucket_and_of_no_other(bake, host, visit):
    url, folder = host
    project = bake(static_files="s3", realtime=True)
    for bucket in ("assets", "of-others"):
        (folder / bucket).mkdir()
        (folder / bucket / "static").symlink_to(project.path / "staticfiles")
    variables = {"AWS_S3_ENDPOINT_URL": url, "AWS_STORAGE_BUCKET_NAME": "assets"}
    with production(project, REALTIME, **variables) as site:
        page = visit(site.url)
        assert page.evaluate(STYLE) == "sticky"
        mark = page.get_by_role("img", name="My Service").get_attribute("src")
        assert mark.startswith(f"{url}/assets/static/")
        assert page.evaluate(LOAD, mark) is True
        page.goto("/admin/")
        page.get_by_role("button", name="Log in").wait_for()
        page.goto("/kogame/")  # The bucket sends no CORS headers, as those of Amazon.
        page.get_by_text("You are watching room lobby.").wait_for()
        assert (site.reports, page.errors) == ([], [])

        assert page.evaluate(LOAD, mark.replace("/assets/", "/of-others/")) is False
        assert any(error.startswith("violation: img-src") for error in page.errors)
        page.errors.clear()


@pytest.mark.parametrize("django_version", ["5.2", "6.1"])
def test_the_debug_pages_of_development_keep_their_styles_and_scripts(bake, visit, django_version):
    project = plant(bake(django_version=django_version))
    project.manage("migrate")
    with project.serving("uv", "run", "manage.py", "runserver", "--noreload", "{port}") as url:
        page = visit(url)
        assert "content-security-policy" in page.goto("/").headers
        page.goto("/crash")
        page.get_by_role("link", name="Switch to copy-and-paste view").or_(
            page.get_by_role("button", name="Switch to copy-and-paste view")
        ).click()
        expect(page.get_by_role("textbox").first).to_be_visible()
        page.goto("/no/such/page")
        expect(page.get_by_text("Using the URLconf")).to_be_visible()
