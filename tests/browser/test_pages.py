"""Each page of a bake, the error pages too: its headers, its accessibility, and no error in the console."""

import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.long

PAGES = {"/welcome": 200, "/no/such/page": 404, "/refuse": 400, "/crash": 500, "/down": 503}
POLICY = {
    "default-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
}


def directives(headers):
    policy = headers["content-security-policy"].split("; ")
    return dict(directive.split(maxsplit=1) for directive in policy)


def assert_headers(headers):
    found = directives(headers)
    assert found.pop("report-uri").startswith("http://localhost:")
    assert found == POLICY
    assert headers["permissions-policy"].startswith("camera=(), ")
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("site", "width", "scheme"),
    [
        ("5.2", 390, "light"),
        ("5.2", 1280, "dark"),
        ("6.1", 390, "dark"),
        ("6.1", 1280, "light"),
    ],
    indirect=["site"],
)
def test_pages_are_accessible_and_break_no_policy(site, visit, assert_accessible, width, scheme):
    page = visit(site.url, width=width, color_scheme=scheme)
    assert_accessible(page)
    for name in ("Add to cart Kettle", "Set aside Mug"):
        with page.expect_navigation():
            page.get_by_role("button", name=name).click()
    for path in ("/", "/?page=2", "/?aside=1", "/cart"):
        page.goto(path)
        assert_accessible(page)
    for path, status in PAGES.items():
        response = page.goto(path)
        assert response.status == status
        assert_headers(response.headers)
        assert_accessible(page)
        page.get_by_role("main").get_by_role("link").first.wait_for()
    page.goto("/")
    page.context.clear_cookies()
    with page.expect_response("**/cart/add/*") as refused:
        page.get_by_role("button", name="Add to cart Kettle").click()
    assert refused.value.status == 403
    assert_headers(refused.value.headers)
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="My Service").click()
    expect(page).to_have_url(f"{site.url}/")
    assert site.reports == []


def test_a_foreign_host_gets_the_headers_too(site):
    request = urllib.request.Request(site.url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=20)
    with error.value as response:
        assert response.code == 400
        assert_headers({name.lower(): value for name, value in response.headers.items()})


def test_only_a_script_with_the_nonce_runs_and_the_other_one_is_reported(site, visit):
    page = visit(site.url)
    nonces = set()
    for _ in range(2):
        source = directives(page.goto("/nonce").headers)["default-src"]
        assert source.startswith("'self' 'nonce-")
        nonces.add(source)
        assert page.title() == "allowed"
    assert len(nonces) == 2
    for _ in range(100):
        if len(site.reports) == 2:
            break
        page.wait_for_timeout(50)
    assert ["inline" in report for report in site.reports] == [True, True]
    site.reports.clear()
    assert any(error.startswith("violation: script-src-elem inline") for error in page.errors)
    page.errors.clear()
