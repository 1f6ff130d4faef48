"""The admin under the policy: its scripts, styles and pop-ups work, and nothing is reported."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.long


def save(page, name="Save"):
    page.get_by_role("button", name=name, exact=True).click()


def test_the_admin_works_and_breaks_no_policy(site, visit):
    page = visit(site.url)
    page.goto("/admin/")
    page.get_by_label("Username").fill("grace")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()

    # A list: search, filters, and an action that scripts enable.
    page.goto("/admin/shop/product/")
    page.locator("#searchbar").fill("Towel")
    page.get_by_role("button", name="Search").click()
    page.locator("#action-toggle").check()
    expect(page.get_by_text("24 of 24 selected")).to_be_visible()
    page.locator("[name=action]").first.select_option("delete_selected")
    page.get_by_role("button", name="Go", exact=True).or_(
        page.get_by_role("button", name="Run", exact=True)
    ).first.click()
    expect(page.get_by_role("heading", name="Delete multiple objects")).to_be_visible()

    # A form with a field that completes, and a pop-up that adds to it.
    page.goto("/admin/shop/product/add/")
    page.get_by_label("Name").fill("Cup")
    page.get_by_label("Price").fill("3.50")
    page.locator(".select2-selection").first.click()
    page.get_by_role("option", name="Deutsch").click()
    with page.expect_popup() as popup:
        page.locator("#add_id_descriptions-0-language").click()
    popup.value.get_by_label("Code").fill("nn")
    popup.value.get_by_label("Name").fill("Nynorsk")
    with popup.value.expect_event("close"):
        save(popup.value)
    page.locator(".select2-selection", has_text="Nynorsk").wait_for()
    page.locator("#id_descriptions-0-subtitle").fill("En kopp")
    page.locator(".add-row a").click()
    page.locator("#descriptions-1").wait_for()
    page.locator("#descriptions-1 .inline-deletelink").click()
    save(page)
    expect(page.get_by_text("was added successfully")).to_be_visible()
    page.get_by_role("link", name="Cup").last.click()
    page.locator(".deletelink").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("was deleted successfully")).to_be_visible()

    # Users: filters, dates with a calendar and a clock, groups to choose from, a password.
    page.goto("/admin/users/user/?is_staff__exact=1")
    page.get_by_role("link", name="grace").last.click()
    page.locator("#calendarlink0").click()
    page.locator("#calendarin0 td a").first.click()
    page.locator("#clocklink0").click()
    page.locator("#clockbox0").get_by_text("Midnight").click()
    expect(page.locator("#id_last_login_1")).to_have_value("00:00:00")
    page.locator("#id_user_permissions_from").wait_for()
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    for path in ("users/user/add/", "users/user/2/password/", "users/user/2/history/"):
        page.goto(f"/admin/{path}")
    page.goto("/admin/password_change/")
    page.get_by_label("Old password").fill("correct horse")
    page.get_by_label("New password", exact=False).first.fill("battery staple")
    page.locator("#id_new_password2").fill("battery staple")
    page.locator("[type=submit]").last.click()
    expect(page.get_by_text("Your password was changed")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    assert site.reports == []
