"""Notices: filed by anybody, followed with a ticket, answered by who made the material, read by the public."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tests import media
from tests.api.conftest import register
from tests.api.service import RunningService, ok, running_service, send, until
from tests.browser.browser import PHONE, Window
from tests.browser.notices import HOSTILE, MONDAY, Town, declare, notice_id, sign_in, stands
from tests.browser.people import code_for

Open = Callable[..., Window]
MALLORY = 'Mallory"><b onmouseover=alert(4)>'
WORK = "The film Night Train, 2019, the scene on the bridge"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("notices")
    clock = folder / "clock"
    clock.write_text(MONDAY.isoformat())
    with running_service(folder, clock=f"file:{clock}", sscd_model="none") as running:
        yield Town(service=running, clock=clock, folder=folder)


@pytest.fixture(scope="module")
def service(town: Town) -> RunningService:
    return town.service


@pytest.fixture(autouse=True)
def monday(town: Town) -> None:
    town.moves(MONDAY)


def write(page: Page, to: str, *, signature: str | None = "Ada Example") -> None:
    """Fill in a copyright notice, but for its material."""
    page.get_by_label("Describe the work").fill(WORK)
    page.get_by_label("Your name, or the organisation's").fill("Ada Example")
    page.get_by_label("E-mail address").fill(to)
    declare(page)
    if signature:
        page.get_by_label("Sign: type your full name").fill(signature)


def confirm(page: Page, town: Town, to: str) -> str:
    """Enter the code of the letter; returns the notice."""
    page.get_by_label("Code from the letter").fill(code_for(town.service, to))
    page.get_by_role("button", name="Confirm my address").click()
    expect(page.get_by_role("region", name="Your ticket")).to_be_visible()
    return notice_id(page)


def take_down(reviewer: Window, notice: str) -> None:
    """As a reviewer who is signed in."""
    page = reviewer.open(f"/review/notices/{notice}?do=disable#do")
    page.get_by_label("Reason").select_option(index=1)
    page.get_by_label("In your own words").fill("Both were watched from beginning to end.")
    page.get_by_role("button", name="Take the material down").click()
    expect(page.get_by_role("status")).to_contain_text("Material disabled")


def test_a_takedown_from_a_found_file_to_its_restoration(opened: Open, town: Town) -> None:
    release, found = town.releases()
    claimant = opened()
    page = claimant.open("/notices")
    claimant.look("notices")
    page.get_by_role("link", name="Copyright", exact=True).click()
    page.get_by_label("Drop it here").set_input_files(found)
    page.get_by_role("button", name="Find the release").click()
    expect(page.get_by_text("“Night Train, copied”")).to_be_visible()
    write(page, "ada@home.example")
    claimant.look("notice-new")
    page.get_by_role("button", name="File the notice").click()

    expect(page.get_by_role("status")).to_contain_text("A letter with a code is on its way to ada@home.example")
    page.get_by_label("Code from the letter").fill("not-the-code")
    page.get_by_role("button", name="Confirm my address").click()
    expect(page.locator("#f-code-error")).to_contain_text("not one")
    claimant.look("notice-confirm")
    notice = confirm(page, town, "ada@home.example")
    ticket = page.get_by_role("region", name="Your ticket").locator("code").inner_text()
    assert ticket.startswith("nt_")
    stands(page, "complete in form")
    claimant.look("notice-claimant")
    page.reload()
    expect(page.get_by_role("region", name="Your ticket")).to_have_count(0)

    stranger = opened()
    expect(stranger.open(f"/my-notices/{notice}").get_by_label("Password")).to_be_visible()
    assert stranger.page.request.get(f"{town.service.url}/notices/{notice}").status == 404, "nobody decided yet"

    reviewer = opened()
    desk = reviewer.sign_in(town.reviewer)
    reviewer.open("/review/notices")
    desk.get_by_role("link", name=WORK).click()
    assert town.file_status(release) == 200
    reviewer.look("desk-notice")
    take_down(reviewer, notice)
    assert town.file_status(release) == 451

    maker = opened()
    mine = sign_in(maker)
    maker.open("/my-notices")
    maker.look("my-notices")
    mine.get_by_role("link", name=WORK).click()
    expect(mine.get_by_text("ada@home.example")).to_have_count(0)
    stands(mine, "send a counter-notice")
    mine.get_by_role("link", name="Send a counter-notice").click()
    mine.get_by_label("Where it could be found before").fill("https://moving.example/night-train")
    mine.get_by_label("Full name", exact=True).fill("Bo Maker")
    mine.get_by_label("Postal address").fill("1 Main Street\nSpringfield")
    declare(mine)
    mine.get_by_label("Sign: type your full name").fill("Bo Maker")
    mine.get_by_role("button", name="Send the counter-notice").click()
    expect(mine.get_by_role("status")).to_contain_text("Something is missing from it")
    expect(mine.get_by_role("region", name="What the law asks for")).to_contain_text(
        "Missing: Name, address, telephone"
    )
    mine.get_by_role("link", name="Send a counter-notice").click()
    expect(mine.get_by_label("Full name", exact=True)).to_have_value("Bo Maker")
    mine.get_by_label("Telephone").fill("+1 555 0100")
    declare(mine)
    maker.look("notice-counter")
    mine.get_by_role("button", name="Send the counter-notice").click()
    expect(mine.get_by_role("status")).to_contain_text("went to the claimant")
    stands(mine, "once 6 January 2027 has ended, and by 12 January 2027 at the latest")

    page.reload()
    stands(page, "unless you tell us before that you went to court")
    expect(page.get_by_role("region", name="The counter-notice")).to_contain_text("1 Main Street")
    page.get_by_role("link", name="Tell of a court action").click()
    claimant.look("notice-court-action")

    town.moves(datetime(2027, 1, 7, 6, tzinfo=UTC))
    until(lambda: town.file_status(release) == 200)
    back = opened()
    back.sign_in(ticket)
    stands(back.page, "The material is back")
    expect(back.page).to_have_url(f"{town.service.url}/my-notices/{notice}")
    expect(back.page.get_by_role("heading", name="What you can do now")).to_have_count(0)


def test_an_incomplete_notice_is_told_what_is_missing_and_cured(opened: Open, town: Town) -> None:
    _, found = town.releases()
    window = opened()
    page = window.open("/notices/new?track=dmca_512")
    page.get_by_label("Drop it here").set_input_files(found)
    page.get_by_role("button", name="Find the release").click()
    expect(page.get_by_text("“Night Train, copied”")).to_be_visible()
    write(page, "carla@home.example", signature=None)
    page.get_by_label("Telephone").fill("1" * 600)
    page.get_by_role("button", name="File the notice").click()
    expect(page.locator("#f-contact_telephone-error")).to_contain_text("too long")
    expect(page.get_by_label("Describe the work")).to_have_value(WORK)
    page.get_by_label("Telephone").fill("")
    page.get_by_role("button", name="File the notice").click()
    expect(page.get_by_role("alert")).to_contain_text("One thing that the law asks for is missing")
    window.look("notice-lacking")
    page.get_by_label("File it as it is").check()
    page.get_by_role("button", name="File the notice").click()
    confirm(page, town, "carla@home.example")
    stands(page, "until the end of 21 January 2027")
    expect(page.get_by_role("region", name="What the law asks for")).to_contain_text(
        "Missing: Signature. Sign the notice"
    )
    window.look("notice-cure")
    page.get_by_role("button", name="Supply it").click()
    expect(page.get_by_role("status")).to_contain_text("Something is still missing")
    page.get_by_label("Sign: type your full name").fill("Carla Example")
    page.get_by_role("button", name="Supply it").click()
    expect(page.get_by_role("status")).to_contain_text("the notice is complete now")
    page.get_by_role("link", name="Withdraw the notice").click()
    page.get_by_label("I withdraw the notice, for good").press("Space")
    page.get_by_role("button", name="Withdraw the notice").press("Enter")
    stands(page, "The notice was withdrawn")


def test_a_holder_files_from_a_check_that_matched_their_work(opened: Open, town: Town) -> None:
    """Signed in, the work is chosen from a list; the reviewer plays both sides."""
    studio = town.key("Studio", "works:write", "notices:write")
    path = media.moving_clip(town.folder / "film.mp4", seconds=12, seed=77)
    with town.service.client(studio) as client:
        register(client, path, title="The Lighthouse", policy="notify")
    copy = media.copied(path, town.folder / "lighthouse-copy.mp4", start_s=2, seconds=9)
    with town.service.client(town.maker) as maker:
        check = ok(send(maker, "/v1/checks", copy))
        ok(maker.post("/v1/releases", json={"check_id": check["id"], "title": "Lighthouse, remade"}), 201)
    window = opened()
    page = window.sign_in(studio)
    window.open(f"/notices/new?check_id={check['id']}")
    page.get_by_role("link", name="Copyright", exact=True).click()
    page.get_by_label("The Lighthouse").check()
    page.get_by_label("Your name, or the organisation's").fill("Studio")
    page.get_by_label("E-mail address").fill("legal@studio.example")
    declare(page)
    page.get_by_label("Sign: type your full name").fill("Ada Example")
    page.get_by_role("button", name="File the notice").click()
    expect(page.get_by_role("status")).to_contain_text("is filed")
    stands(page, "A person reads it and decides")
    window.open("/my-notices")
    expect(page.get_by_role("row", name="filed it")).to_contain_text("Decision on the notice")

    reviewer = opened()
    desk = reviewer.sign_in(town.reviewer)
    reviewer.open("/review/notices/next")
    beside = desk.get_by_role("region", name="The material and the work")
    expect(beside.get_by_role("group", name="The clip beside the work").locator("video")).to_have_count(2)
    expect(beside).to_contain_text("Lighthouse, remade")
    expect(beside).to_contain_text("Moving Pictures")
    reviewer.look("desk-beside")


def test_words_that_changed_meanwhile_are_read_anew(visitor: Window) -> None:
    page = visitor.open("/notices/new?track=likeness")
    page.get_by_label("Where it is, or what it is called").fill("https://platform.example/watch/1")
    page.get_by_label("Name of the person").fill("Ada Example")
    page.get_by_label("E-mail address").fill("ada@likeness.example")
    declare(page)
    page.get_by_label("Sign: type your full name").fill("Ada Example")
    page.locator("input[name='statement_versions.likeness_authority']").evaluate("one => { one.value = '0'; }")
    page.get_by_role("button", name="File the notice").click()
    expect(page.get_by_role("alert")).to_contain_text("has changed")
    boxes = page.locator(".oath").get_by_role("checkbox")
    expect(boxes.nth(0)).to_be_checked()
    expect(boxes.nth(1)).not_to_be_checked()
    boxes.nth(1).check()
    page.get_by_role("button", name="File the notice").click()
    expect(page.get_by_role("status")).to_contain_text("A letter with a code")


def test_a_complaint_is_decided_by_somebody_else(opened: Open, town: Town) -> None:
    """The maker complains, by keyboard and without scripts; who took the material down may not answer."""
    release, _ = town.releases("A parody")
    claimant = opened()
    page = claimant.open(f"/notices/new?track=dsa_16&release_id={release}")
    page.get_by_label("Why is it illegal?").fill("It copies my film, which article 2 of Directive 2001/29 forbids.")
    page.get_by_label("Your name, or the organisation's").fill("Dora Example")
    page.get_by_label("E-mail address").fill("dora@home.example")
    declare(page)
    page.get_by_role("button", name="File the notice").click()
    notice = confirm(page, town, "dora@home.example")
    reviewer = opened()
    reviewer.sign_in(town.reviewer)
    take_down(reviewer, notice)

    maker = opened(scripts=False)
    mine = sign_in(maker)
    maker.open(f"/my-notices/{notice}")
    stands(mine, "you can complain until the end of 21 June 2027")
    expect(mine.get_by_role("region", name="The notice")).not_to_contain_text("Dora")
    mine.get_by_role("link", name="Complain").focus()
    mine.keyboard.press("Enter")
    mine.get_by_label("Why is the decision wrong?").focus()
    mine.keyboard.type("It is a parody.")
    mine.keyboard.press("Tab")
    mine.keyboard.press("Enter")
    expect(mine.get_by_role("status")).to_contain_text("Your complaint is received")

    reviewer.open(f"/review/notices/{notice}")
    expect(reviewer.page.get_by_text("You made the decision that is complained of")).to_be_visible()
    expect(reviewer.page.get_by_role("link", name="Put the material back")).to_have_count(0)
    second = opened()
    answering = second.sign_in(town.second)
    second.open(f"/review/notices/{notice}?do=restore#do")
    second.look("desk-complaint")
    answering.get_by_label("Reason").select_option("complaint_granted")
    answering.get_by_role("button", name="Put the material back").click()
    expect(answering.get_by_role("status")).to_contain_text("Material restored")
    assert town.file_status(release) == 200


def test_what_somebody_typed_stays_words_wherever_it_is_read(opened: Open, town: Town) -> None:
    release, _ = town.releases(HOSTILE)
    window = opened()
    page = window.open(f"/notices/new?track=dmca_512&release_id={release}")
    page.get_by_label("Where it is, or what it is called").fill(f"{HOSTILE}\njavascript:alert(3)\n{'long ' * 900}")
    page.get_by_label("Describe the work").fill(f"{HOSTILE} ringing " + "x" * 4000)
    page.get_by_label("Anything that helps us to see it").fill(HOSTILE)
    page.get_by_label("Your name, or the organisation's").fill(MALLORY)
    page.get_by_label("Telephone").fill(f"+1 555 0199 {MALLORY}")
    page.get_by_label("Postal address").fill(f"7 Example Lane {MALLORY}")
    page.get_by_label("E-mail address").fill("mallory@home.example")
    declare(page)
    page.get_by_label("Sign: type your full name").fill(MALLORY)
    page.get_by_role("button", name="File the notice").click()
    notice = confirm(page, town, "mallory@home.example")
    window.look("notice-hostile")
    assert_words(page, HOSTILE, MALLORY)

    reviewer = opened()
    desk = reviewer.sign_in(town.reviewer)
    reviewer.open("/review/notices")
    assert_words(desk, HOSTILE.replace("\u202e", ""))  # a headline turns nothing around
    take_down(reviewer, notice)
    reviewer.look("desk-hostile")
    assert_words(desk, HOSTILE, MALLORY)
    desk.goto(f"{town.service.url}/review/notices/{notice}?do=publish#do")
    expect(desk.locator("#preview")).to_contain_text("ringing")
    desk.get_by_label("What else must go").fill("ringing")
    expect(desk.locator("#preview")).not_to_contain_text("ringing")
    expect(desk.locator("#preview mark").first).to_have_text("[redacted]")
    desk.get_by_role("button", name="Publish").click()
    expect(desk.get_by_role("status")).to_contain_text("Anybody can read it now")

    anybody = opened(width=PHONE)
    public = anybody.open("/notices?q=gnp.exe#published")
    public.get_by_role("link", name=re.compile("gnp")).click()
    expect(public.get_by_role("heading", name="Copyright")).to_be_visible()
    for secret in ("Mallory", "mallory@home.example", "ringing"):
        expect(public.get_by_text(secret)).to_have_count(0)
    assert_words(public, "gnp.exe {{ 7*7 }}")
    anybody.look("notice-public")
    anybody.open("/notices?q=mallory")
    expect(public.get_by_text("Nothing like that was published")).to_be_visible()


def assert_words(page: Page, *shown: str) -> None:
    """What somebody wrote is there, letter for letter, and nothing of it became a part of the page."""
    for text in shown:
        expect(page.get_by_role("main")).to_contain_text(text)
    assert page.locator("main img[src='x'], main a[href^='javascript'], main script, main b").count() == 0


def test_without_scripts_in_indonesian_on_a_phone(opened: Open, town: Town) -> None:
    window = opened(scripts=False, language="id", width=PHONE)
    page = window.open("/notices/new?track=take_it_down")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    page.locator("#f-material").fill("https://platform.example/watch/2")
    page.locator("#f-contact_name").fill("Eka")
    page.locator("#f-contact_email").fill("eka@rumah.example")
    declare(page)
    page.locator("#f-signature").fill("Eka")
    page.locator("form[action='/notices/new'] button").last.click()
    page.locator("#f-code").fill(code_for(town.service, "eka@rumah.example", "Konfirmasi"))
    page.locator("form[action$='/confirm'] button").click()
    expect(page.locator("body")).to_contain_text("nt_")
    expect(page.locator("body")).to_contain_text("23 Des 2026")


def test_the_agent_says_what_the_operator_has_not_filled_in(visitor: Window) -> None:
    page = visitor.open("/agent")
    expect(page.get_by_text("The operator has not said an e-mail address")).to_be_visible()
    visitor.look("agent")
