"""People of the journeys: they sign up, read their letters, and sign in with address and password."""

import email
from email.policy import default
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.api.service import RunningService, until
from tests.browser.browser import Window

PASSWORD = "five plain words are fine"
_CODE_CHARS = 32


def letter(service: RunningService, to: str, subject: str = "") -> tuple[Path, str]:
    """The newest letter to somebody with such a subject, once it lies in the folder, and its text."""

    def look() -> tuple[Path, str] | None:
        letters = (service.data_dir / "mail").glob("*.eml")
        for path in sorted(letters, key=lambda one: one.stat().st_mtime_ns, reverse=True):
            message = email.message_from_bytes(path.read_bytes(), policy=default)
            if str(message["To"]) == to and subject in str(message["Subject"]):
                body = message.get_body(("plain",))
                assert body is not None
                return path, str(body.get_content())
        return None

    found = until(look)
    assert found is not None
    return found


def code_in(text: str) -> str:
    """The code that a letter is about: a line of its own."""
    lines = (line.strip() for line in text.splitlines())
    return next(line for line in lines if len(line) == _CODE_CHARS and " " not in line)


def code_for(service: RunningService, to: str, subject: str = "Confirm") -> str:
    return code_in(letter(service, to, subject)[1])


def ask_for_account(window: Window, address: str, name: str, holder: str = "") -> Page:
    """Sign up, as far as the code."""
    page = window.open("/sign-up")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Name under which works are registered").fill(holder)
    page.get_by_role("button", name="Send me the code").click()
    return page


def open_account(page: Page, code: str) -> None:
    page.get_by_label("Code from the letter").fill(code)
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Open my account").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def sign_in(window: Window, address: str, password: str = PASSWORD, *, at: str = "/sign-in") -> Page:
    """With address and password."""
    page = window.open(at)
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    return page
