"""Signing in: with a key, with a password, and how the pages say no."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.browser import Window


def test_a_wrong_key_is_said_beside_its_field(visitor: Window) -> None:
    page = visitor.open("/sign-in")
    page.get_by_text("Sign in with a key").click()
    page.get_by_label("Key or ticket").fill("cm_no_key")
    page.get_by_role("button", name="Sign in with it").click()
    expect(page.get_by_label("Key or ticket")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-key-error")).to_contain_text("Nobody has this key")
    visitor.look("sign-in-refused")


def test_signing_in_without_scripts_and_out_again(opened: Callable[..., Window]) -> None:
    window = opened(scripts=False)
    window.sign_in(window.service.key("Studio", "works:write"))
    page = window.page
    expect(page.get_by_role("link", name="Works")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
