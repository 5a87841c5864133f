"""Accounts: from nobody to a holder with people and agents, all in the browser."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.browser import PHONE, Window
from tests.browser.people import PASSWORD, ask_for_account, code_for, open_account, sign_in

HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(1)>'
TURNED = "Ada \u202e nimda"


def test_from_nobody_to_an_account_by_keyboard_alone(visitor: Window) -> None:
    page = visitor.open("/sign-up")
    page.get_by_label("E-mail address").focus()
    page.keyboard.type("ada@studio.example")
    page.keyboard.press("Tab")
    page.keyboard.type("Ada Example")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("An organisation")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("Ada Films")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Enter the code")).to_be_visible()
    visitor.look("sign-up-code")
    page.get_by_label("Code from the letter").fill("not the code")
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#f-code-error")).to_contain_text("This code is not one")
    page.get_by_label("Code from the letter").fill(code_for(visitor.service, "ada@studio.example"))
    page.get_by_label("Choose a password").fill("short")
    page.keyboard.press("Enter")
    expect(page.locator("#f-password-error")).to_contain_text("10 to 256 characters")
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{visitor.service.url}/dashboard")
    visitor.open("/account")
    expect(page.get_by_text("Ada Films").first).to_be_visible()
    expect(page.get_by_text("E-mail confirmed")).to_be_visible()
    visitor.look("account")
    page.get_by_role("link", name="What this means").click()
    expect(page.get_by_role("heading", name="How well you are known")).to_be_visible()
    expect(page.get_by_text("You are here")).to_have_count(1)
    visitor.look("account-trust")


def test_a_name_that_is_taken_is_said_and_what_was_typed_is_kept(visitor: Window) -> None:
    page = visitor.open("/sign-up")
    visitor.look("sign-up")
    page.get_by_label("E-mail address").fill("eve@studio.example")
    page.get_by_label("Your name").fill("Eve")
    page.get_by_label("Name under which works are registered").fill("ada films")
    page.get_by_role("button", name="Send me the code").click()
    expect(page.locator("#errors")).to_contain_text("This name is taken")
    expect(page.get_by_label("Your name")).to_have_value("Eve")


@pytest.mark.parametrize(
    ("name", "problem"), [(TURNED, "Give a name in one line"), ("x" * 5000, "It is too long; the most is 200.")],
    ids=["turned", "long"],
)  # fmt: skip
def test_names_that_nobody_could_read_are_refused(opened: Callable[..., Window], name: str, problem: str) -> None:
    page = ask_for_account(opened(scripts=False), "mallory@studio.example", name)
    expect(page.locator("#f-name-error")).to_contain_text(problem)


def test_names_are_text(opened: Callable[..., Window]) -> None:
    window = opened(scripts=False)
    open_account(
        ask_for_account(window, "mallory@studio.example", HOSTILE, "Mallory & <b>Co</b>"),
        code_for(window.service, "mallory@studio.example"),
    )
    page = window.open("/account")
    for name in (HOSTILE, "Mallory & <b>Co</b>"):
        expect(page.get_by_role("main")).to_contain_text(name)
    expect(page.locator("main script, main img, main b")).to_have_count(0)


def test_a_forgotten_password_is_replaced_and_changed(opened: Callable[..., Window]) -> None:
    window = opened(scripts=False)
    page = window.open("/password")
    page.get_by_label("E-mail address").fill("ada@studio.example")
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_label("Code from the letter").fill(code_for(window.service, "ada@studio.example", "A new password"))
    page.get_by_label("Choose a password").fill("another five plain words")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status").first).to_contain_text("Your password is changed")
    sign_in(window, "ada@studio.example", "another five plain words")
    page.goto(f"{window.service.url}/account/password")
    page.get_by_label("Your password now").fill("wrong")
    page.get_by_label("The new one").fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#f-old-error")).to_contain_text("This is not your password")
    page.get_by_label("Your password now").fill("another five plain words")
    page.get_by_label("The new one").fill("aaaaaaaaaaaa")
    page.get_by_role("button", name="Change the password").click()
    expect(page.locator("#f-new-error")).to_contain_text("repeats itself")
    page.get_by_label("Your password now").fill("another five plain words")
    page.get_by_label("The new one").fill(PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("status").first).to_contain_text("All other browsers are signed out")
    expect(page.get_by_role("heading", name="Your account")).to_be_visible()


def test_a_second_person_is_invited_works_along_and_is_let_go(opened: Callable[..., Window]) -> None:
    owner, guest = opened(), opened()
    page = sign_in(owner, "ada@studio.example")
    owner.open("/account/members")
    page.get_by_label("E-mail address").fill("ben@studio.example")
    page.get_by_role("radio", name="Catalogue").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("status").first).to_contain_text("ben@studio.example")
    owner.look("account-members")

    theirs = guest.open("/join")
    guest.look("join")
    theirs.get_by_label("Code from the invitation").fill(code_for(owner.service, "ben@studio.example", "Join"))
    theirs.get_by_label("Your name").fill(HOSTILE)
    theirs.get_by_label("Choose a password").fill(PASSWORD)
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.get_by_role("link", name="Ada Films")).to_be_visible()
    guest.open("/account")
    expect(theirs.get_by_text("Registers works and says how")).to_be_visible()
    expect(theirs.get_by_role("link", name="People")).to_have_count(0)
    guest.open("/account/members", status=403)

    owner.open("/account/members")
    page.get_by_label(f"Role of {HOSTILE}", exact=True).select_option("editor")
    page.get_by_role("button", name=f"Change the role of {HOSTILE}").click()
    expect(page.get_by_role("status").first).to_contain_text("The role is changed")
    page.get_by_text("Leave…").click()
    page.get_by_role("button", name="Leave this holder").click()
    expect(page.locator("#errors")).to_contain_text("Make somebody else an owner first")
    page.get_by_text("Let go…").click()
    page.get_by_role("button", name=f"Let {HOSTILE} go").click()
    expect(page.get_by_role("status").first).to_contain_text("no longer belong")
    guest.open("/account")
    expect(theirs.get_by_text("You belong to no holder")).to_be_visible()


def test_who_belongs_to_several_chooses_and_an_agent_acts_for_another(opened: Callable[..., Window]) -> None:
    owner, agent = opened(), opened(width=PHONE)
    page = ask_for_account(agent, "cleo@agency.example", "Cleo", "Cleo & Partners")
    open_account(page, code_for(agent.service, "cleo@agency.example"))
    page = sign_in(owner, "ada@studio.example")
    owner.open("/account/agents")
    page.get_by_text("Appoint an agent").click()
    page.get_by_label("Name or id of the agent").fill("nobody at all")
    page.get_by_label("Register works").check()
    page.get_by_role("button", name="Appoint").click()
    expect(page.locator("#f-agent_id-error")).to_contain_text("Nobody here has this name")
    page.get_by_label("Name or id of the agent").fill("cleo & partners")
    page.get_by_label("Until the end of").fill("2099-12-31")
    page.get_by_role("button", name="Appoint").click()
    expect(page.get_by_role("status").first).to_contain_text("Cleo & Partners may act for you")
    owner.look("account-agents")

    theirs = agent.open("/account")
    theirs.get_by_role("button", name="Act for them: Ada Films").click()
    expect(theirs.get_by_text("You act for them as Cleo & Partners")).to_be_visible()
    expect(theirs.get_by_role("link", name="Rights")).to_be_visible()
    agent.open("/account/agents", status=403)
    agent.open("/sign-in/holder")
    agent.look("sign-in-holder")
    theirs.get_by_role("button", name="Go on: Cleo & Partners").click()
    agent.open("/account/agents")
    theirs.get_by_text("Represent somebody").click()
    theirs.get_by_label("Their name").fill("The Estate")
    theirs.get_by_role("button", name="Represent them").click()
    expect(theirs.get_by_role("status").first).to_contain_text("You may act for The Estate")

    page.goto(f"{owner.service.url}/account/members")
    page.get_by_label("E-mail address").fill("cleo@agency.example")
    page.get_by_role("button", name="Invite").click()
    agent.open("/account/join")
    theirs.get_by_label("Code from the invitation").fill(code_for(owner.service, "cleo@agency.example", "Join"))
    theirs.get_by_role("button", name="Join").click()
    expect(theirs.get_by_role("status").first).to_contain_text("You belong to Ada Films now")
    again = opened()
    page = sign_in(again, "cleo@agency.example")
    expect(page.get_by_role("heading", name="For whom do you work now?")).to_be_visible()
    page.get_by_role("button", name="Go on: Cleo & Partners").click()
    expect(page.get_by_role("link", name="Cleo & Partners")).to_be_visible()


def test_a_key_shows_what_it_may_do_and_chooses_a_principal(visitor: Window) -> None:
    page = visitor.sign_in(visitor.service.key("Reader", "works:write"))
    visitor.open("/account")
    expect(page.get_by_text("Register works and say how they may be used")).to_be_visible()
    visitor.open("/account/join")
    expect(page).to_have_url(f"{visitor.service.url}/sign-in?next=/account/join")


def test_whoever_wants_is_forgotten(visitor: Window) -> None:
    page = ask_for_account(visitor, "dan@studio.example", "Dan Example")
    open_account(page, code_for(visitor.service, "dan@studio.example"))
    visitor.open("/account/forget")
    page.get_by_role("button", name="Forget me").click()
    expect(page.locator("#f-sure-error")).to_contain_text("cannot be undone")
    visitor.look("account-forget")
    page.get_by_label("I know that this cannot be undone").check()
    page.get_by_role("button", name="Forget me").click()
    expect(page.get_by_role("status").first).to_contain_text("You are forgotten")
    sign_in(visitor, "dan@studio.example")
    expect(page.locator("#errors")).to_contain_text("The address or the password is wrong")


def test_in_indonesian_too(opened: Callable[..., Window]) -> None:
    window = opened(language="id", width=PHONE)
    for path in ("/sign-up", "/join"):
        page = window.open(path)
        expect(page).to_have_url(window.service.url + path)
        expect(page.locator("html")).to_have_attribute("lang", "id")


def test_these_pages_are_for_people_who_are_sign_in(visitor: Window) -> None:
    for path in ("/account", "/account/trust", "/account/password", "/account/members", "/account/agents"):
        visitor.open(path)
        assert visitor.page.url == f"{visitor.service.url}/sign-in?next={path}"
