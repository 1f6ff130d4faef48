"""Assets of another origin, and the debug pages of development."""

import pytest

from tests.browser.conftest import plant, production

pytestmark = pytest.mark.long

LOAD = """url => new Promise(done => {
    const image = new Image();
    image.onload = () => done(true);
    image.onerror = () => done(false);
    image.src = url;
})"""
STYLE = "getComputedStyle(document.querySelector('.bar')).position"


@pytest.mark.parametrize("django_version", ["5.2", "6.1"])
def test_a_page_may_load_assets_of_its_bucket_and_of_no_other(
    bake, bucket, visit, django_version
):
    project = bake(static_files="s3", django_version=django_version)
    with production(project, **bucket) as site:
        page = visit(site.url)
        assert page.evaluate(STYLE) == "sticky"
        mark = page.get_by_role("img", name="My Service").get_attribute("src")
        folder = f"{bucket['AWS_S3_ENDPOINT_URL']}/{bucket['AWS_STORAGE_BUCKET_NAME']}/"
        assert mark.startswith(folder)
        assert page.evaluate(LOAD, mark) is True
        page.goto("/admin/")
        page.get_by_role("button", name="Log in").wait_for()
        assert (site.reports, page.errors) == ([], [])

        assert page.evaluate(LOAD, mark.replace(folder, f"{folder[:-1]}-of-others/")) is False
        assert any(error.startswith("violation: img-src") for error in page.errors)
        page.errors.clear()


@pytest.mark.parametrize("django_version", ["5.2", "6.1"])
def test_the_debug_pages_of_development_keep_their_styles_and_scripts(
    bake, visit, django_version
):
    project = plant(bake(django_version=django_version))
    project.manage("migrate")
    with project.serving("uv", "run", "manage.py", "runserver", "--noreload", "{port}") as url:
        page = visit(url)
        assert "content-security-policy" in page.goto("/").headers
        page.goto("/crash")
        page.get_by_role("link", name="Switch to copy-and-paste view").or_(
            page.get_by_role("button", name="Switch to copy-and-paste view")
        ).click()
        assert page.get_by_role("textbox").first.is_visible()
        page.goto("/no/such/page")
        assert page.get_by_text("Using the URLconf").is_visible()
