"""What a visitor does, without JavaScript: buy, set aside, find both again, and log in to the admin."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.long


@pytest.fixture(params=[390, 1280])
def page(request, site, visit):
    return visit(site.url, width=request.param, java_script_enabled=False)


def click(page, name):
    """Press the button, and assert that the page shows the product again and not its top."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()
    product = name.rpartition(" ")[2]
    assert "#product-" in page.url
    card = page.get_by_role("listitem").filter(has_text=product).bounding_box()
    bar = page.locator(".bar").bounding_box()
    assert bar["y"] == 0
    assert bar["height"] <= card["y"] < 700


def test_a_visitor_buys_products_and_removes_them(page):
    page.get_by_role("link", name="Next").click()
    page.get_by_role("link", name="My Service").click()
    for name in ("Kettle", "Teapot", "Teapot"):
        click(page, f"Add to cart {name}")
    page.get_by_role("link", name="Cart (3)").click()
    expect(page.get_by_text("59.70")).to_be_visible()
    page.get_by_role("button", name="Remove Teapot").click()
    page.get_by_role("button", name="Remove Kettle").click()
    expect(page.get_by_text("It is empty.")).to_be_visible()
    page.get_by_role("link", name="Products").click()
    page.get_by_role("link", name="Cart", exact=True).click()
    expect(page.get_by_text("It is empty.")).to_be_visible()


def test_a_visitor_sets_products_aside_and_finds_them(page):
    for name in ("Kettle", "Teapot"):
        click(page, f"Set aside {name}")
    page.get_by_role("link", name="Cart").click()
    page.get_by_role("link", name="Set aside").click()
    expect(page).to_have_title("Set aside: My Service")
    titles = page.get_by_role("listitem").get_by_role("heading")
    expect(titles).to_have_text(["Kettle", "Teapot"])
    click(page, "Add to cart Teapot")
    page.get_by_role("button", name="Set aside Kettle", pressed=True).click()
    expect(titles).to_have_text(["Teapot"])
    page.get_by_role("button", name="Set aside Teapot", pressed=True).click()
    expect(titles).to_have_text(["Nothing is set aside"])


def test_staff_log_in_to_the_admin_that_has_the_name_of_the_project(page):
    page.goto("/admin/")
    expect(page.get_by_role("link", name="My Service")).to_be_visible()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    cookies = {cookie["name"]: cookie["secure"] for cookie in page.context.cookies()}
    assert cookies == {"csrftoken": True, "sessionid": True}
