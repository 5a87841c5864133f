"""Running a service: becoming its operator, seeing how it is, reading letters, and saying who is who."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.service import RunningService, ok, running_service
from tests.browser.browser import PHONE, Window
from tests.browser.people import PASSWORD, ask_for_account, code_for, code_in, letter, open_account

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
SECRET = "not-for-anybody-s-eyes"
PAGES = ("", "/jobs", "/letters", "/holders", "/accounts", "/settings")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service that knows a secret of somebody else's."""
    provider = {"oidc_issuer": "https://login.example", "oidc_client_id": "clearmark", "oidc_client_secret": SECRET}
    with running_service(tmp_path_factory.mktemp("service"), sscd_model="none", **provider) as running:
        yield running


@pytest.fixture(scope="module")
def key(service: RunningService) -> str:
    """The operator's."""
    return service.key("Operator", "admin", "review")


def test_who_runs_an_empty_service_learns_how_to_become_its_operator(opened: Callable[..., Window]) -> None:
    operator = opened()
    page = operator.open("/operator")
    expect(page.get_by_text("clearmark keys create --holder Operator --scopes admin,review")).to_be_visible()
    operator.look("operator-first")
    key = operator.service.key("Operator", "admin", "review")
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(f"{operator.service.url}/sign-in?next=/operator")
    page = operator.sign_in(key, at=page.url.removeprefix(operator.service.url))
    expect(page).to_have_url(f"{operator.service.url}/operator")
    expect(page.get_by_role("heading", level=1)).to_have_text("Health")
    expect(page.get_by_text("The signer is a development certificate")).to_be_visible()
    expect(page.get_by_text("SQLite")).to_be_visible()
    operator.look("operator-health")


def test_a_holder_signs_up_by_a_letter_in_the_folder_and_is_vetted(opened: Callable[..., Window], key: str) -> None:
    operator, ada = opened(), opened()
    page = operator.sign_in(key)
    ask_for_account(ada, "ada@studio.example", "Ada Example", "Studio Ada")
    letter(operator.service, "ada@studio.example")
    operator.open("/operator/letters")
    operator.look("operator-letters")
    page.get_by_role("link", name="Confirm your address", exact=True).click()
    text = page.get_by_label("Text of the letter").inner_text()
    operator.look("operator-letter")
    open_account(ada.page, code_in(text))
    expect(ada.page.get_by_role("link", name="Studio Ada")).to_be_visible()

    operator.open("/operator/holders")
    page.get_by_label("Name or id").fill("ADA")
    page.get_by_role("button", name="Search").click()
    operator.look("operator-holders")
    page.get_by_role("link", name="Studio Ada").click()
    expect(page.get_by_text("ada@studio.example")).to_be_visible()
    page.get_by_role("radio", name="Vetted").check()
    page.get_by_label("How you know").fill("   ")
    page.get_by_role("button", name="Put on record").click()
    expect(page.locator("#f-note")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("radio", name="Vetted")).to_be_checked()
    page.get_by_label("How you know").fill("Seen in the trade register.")
    page.get_by_role("button", name="Put on record").click()
    expect(page.get_by_role("status")).to_contain_text("how well Studio Ada is known")
    expect(page.get_by_text("Seen in the trade register.")).to_be_visible()
    page.get_by_label("Seconds for a review").fill("5")
    page.get_by_label("Seconds for a block").fill("4")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("Choose 0 <= review_matched_s").first).to_be_visible()
    page.get_by_label("Seconds for a block").fill("9")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("In force: 5 s for a review, 9 s for a block.")).to_be_visible()
    operator.look("operator-holder")
    page.get_by_role("button", name="Leave it to the service").click()
    expect(page.get_by_text("These are the service’s own.")).to_be_visible()
    ada.open("/account/trust")
    expect(ada.page.get_by_text("Seen in the trade register.")).to_be_visible()


def test_an_account_is_shut_out_by_keyboard(opened: Callable[..., Window], key: str) -> None:
    window, bob = opened(), opened()
    ask_for_account(bob, "bob@studio.example", "Bob Builder")
    code = code_for(window.service, "bob@studio.example")
    with window.service.client() as anyone:
        ok(anyone.post("/v1/accounts/confirm", json={"code": code, "password": PASSWORD}))
    window.sign_in(key)
    page = window.open("/operator/accounts")
    page.get_by_label("Address or name").focus()
    page.keyboard.type("bob@")
    page.keyboard.press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)
    window.look("operator-accounts")
    page.get_by_text("Shut out …").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("The account is shut out")
    with window.service.client() as anyone:
        signed = anyone.post("/v1/sessions", json={"email": "bob@studio.example", "password": PASSWORD})
        assert signed.status_code == httpx.codes.UNAUTHORIZED


def test_a_job_that_failed_is_seen_tried_again_and_set_aside(opened: Callable[..., Window], key: str) -> None:
    window = opened()
    at = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}.000000"
    with sqlite3.connect(window.service.data_dir / "clearmark.db", timeout=30) as database:
        database.executemany(
            "INSERT INTO jobs (id, kind, subject_id, state, attempts, run_at, hint_at, error, created_at, finished_at)"
            " VALUES (?, ?, ?, 'failed', 8, ?, ?, ?, ?, ?)",
            [
                (f"job_{kind}", kind, HOSTILE, at, at, f"ValueError: {HOSTILE} {'x' * 3000}", at, at)
                for kind in ("check", "cosign")
            ],
        )
    database.close()
    window.sign_in(key)
    page = window.open("/operator")
    expect(page.get_by_text("2 jobs failed for good")).to_be_visible()
    page.get_by_role("link", name="Look at the jobs that failed").click()
    cosigning = page.get_by_role("row", name="Having the ledger cosigned").last
    expect(cosigning).to_contain_text("ValueError")
    assert page.locator("main script, main img").count() == 0
    window.look("operator-jobs")
    checking = page.get_by_role("row", name="Checking a clip").last
    expect(checking.get_by_role("button", name="Try again")).to_have_count(0)
    checking.get_by_role("button", name="Set aside").click()
    expect(page.get_by_role("status")).to_contain_text("It is set aside.")
    page.get_by_role("row", name="Having the ledger cosigned").last.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("It is tried again now.")
    page.get_by_role("link", name="Show what waits").click()
    expect(page.get_by_role("heading", name="Waiting and in hand")).to_be_visible()
    window.open("/operator")
    expect(page.get_by_text("jobs failed for good")).to_have_count(0)


def test_letters_are_text_whatever_they_hold(opened: Callable[..., Window], key: str) -> None:
    window = opened()
    ask_for_account(window, "eve@studio.example", HOSTILE, HOSTILE)
    path, _ = letter(window.service, "eve@studio.example")
    window.sign_in(key)
    hostile = (
        f"Subject: {HOSTILE}\nFrom: {HOSTILE}\nContent-Type: text/plain\n\n{HOSTILE}\n",
        f"Subject: x\nContent-Type: text/html\n\n<h1>{HOSTILE}</h1>\n",
        "Subject: =?utf-8?q?=E2=80=AEgnp?=\nContent-Type: text/plain; charset=nonsense\n\nHello\n",
        "Content-Type: multipart/alternative; boundary=a\n\n--a\n--a\n--a--",
        "\x00\xff" * 5000,
        "x" * 300_000,
    )
    for content in hostile:
        path.write_text(content, encoding="latin-1", errors="replace")
        page = window.open(f"/operator/letters/{path.stem}")
        expect(page.get_by_label("Text of the letter")).to_be_visible()
        assert page.locator("main script, main img, main pre h1").count() == 0
        assert len(page.content()) < 100_000
        window.look("operator-letter-hostile", whole=False)  # it is longer than pictures can be
    for name in ("..%2f..%2fclearmark.db", "mal_0000"):
        window.open(f"/operator/letters/{name}", status=404)
        expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")


def test_settings_hide_what_is_secret_and_all_works_without_scripts_in_indonesian(
    opened: Callable[..., Window], key: str
) -> None:
    window = opened()
    window.sign_in(key)
    page = window.open("/operator/settings")
    expect(page.get_by_role("row", name="CLEARMARK_SSCD_MODEL")).to_contain_text("none")
    expect(page.get_by_role("row", name="CLEARMARK_PORT")).to_be_visible()
    expect(page.get_by_role("row", name="CLEARMARK_OIDC_CLIENT_ID")).to_contain_text("clearmark")
    assert SECRET not in page.content()
    window.look("operator-settings")
    with window.service.client() as anyone:
        cookies = {one["name"]: one["value"] for one in page.context.cookies()}
        anyone.cookies.update(cookies)
        for path in PAGES:
            answer = anyone.get(f"/operator{path}", headers={"Accept-Language": "id"})
            assert answer.status_code == httpx.codes.OK, path
            assert '<html lang="id"' in answer.text
            assert len(answer.content) < 100_000, path
    plain = opened(scripts=False, width=PHONE)
    plain.sign_in(key)
    for path in PAGES:
        plain.open(f"/operator{path}")
        expect(plain.page).to_have_url(f"{window.service.url}/operator{path}")


def test_it_is_the_operators_alone(opened: Callable[..., Window], key: str) -> None:
    assert key
    window = opened()
    window.open("/operator/holders")
    expect(window.page).to_have_url(f"{window.service.url}/sign-in?next=/operator/holders")
    window.open("/operator")  # there is an operator now: others are told nothing
    expect(window.page).to_have_url(f"{window.service.url}/sign-in?next=/operator")
    window.sign_in(window.service.key("Reviewer", "review", "works:write", "holder:write"))
    for path in PAGES:
        page = window.open(f"/operator{path}", status=403)
        expect(page.get_by_role("heading", level=1)).to_have_text("This is not for you")
