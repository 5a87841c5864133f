"""The reviewers' desk: what waits, what is decided with a second reviewer, what came by letter, and misuse."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.api.service import RunningService, ok, running_service
from tests.browser.browser import PHONE, Window
from tests.browser.notices import HOSTILE, MONDAY, Town, declare, stands
from tests.browser.people import letter

Open = Callable[..., Window]
PLACE = "https://platform.example/watch/1"
DMCA = {
    "signature": "Ada Example", "work_description": "The film Night Train", "material": [PLACE],
    "contact_name": "Ada Example", "contact_email": "ada@studio.example", "good_faith": True,
    "accuracy_under_penalty_of_perjury": True, "authority": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("desk")
    clock = folder / "clock"
    clock.write_text(MONDAY.isoformat())
    with running_service(folder, clock=f"file:{clock}", sscd_model="none", four_eyes="takedowns") as running:
        yield Town(service=running, clock=clock, folder=folder)


@pytest.fixture(scope="module")
def service(town: Town) -> RunningService:
    return town.service


def files(town: Town, who: str = "Studio", **changes: object) -> str:
    """A notice of a holder's."""
    with town.service.client(town.key(who, "notices:write")) as studio:
        filed: str = ok(studio.post("/v1/notices", json=DMCA | changes), 201)["id"]
    return filed


def does(page: Page, what: str, reason: str, **fields: str) -> None:
    """Choose what to do, and do it for a reason; with what else is to be said, by the names of the fields."""
    page.get_by_role("link", name=what, exact=True).click()
    page.get_by_label("Reason").select_option(index=1)
    page.get_by_label("In your own words").fill(reason)
    for name, said in fields.items():
        page.locator(f"#f-{name}").fill(said)
    page.get_by_role("button", name=what, exact=True).click()


def test_an_empty_desk_says_what_comes_there(opened: Open, town: Town) -> None:
    window = opened()
    page = window.sign_in(town.reviewer)
    window.open("/review/notices")
    expect(page.get_by_text("No notice waits")).to_be_visible()
    window.open("/review/misuse")
    expect(page.get_by_text("Nobody has a strike")).to_be_visible()
    stranger = opened()
    stranger.sign_in(town.key("Studio", "notices:write"))
    for path in ("/review/notices", "/review/misuse", "/review/notices/letters"):
        assert stranger.page.request.get(town.service.url + path).status == 403


def test_a_takedown_by_two_reviewers_with_what_came_by_letter(opened: Open, town: Town) -> None:
    notice, again = files(town), files(town)
    first, second = opened(), opened()
    page, other = first.sign_in(town.reviewer), second.sign_in(town.second)
    first.open("/review/notices")
    expect(page.get_by_role("row")).to_have_count(3)
    first.look("desk-queue")
    page.get_by_label("Kind").select_option("dsa_16")
    page.get_by_role("main").get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No such notice waits")).to_be_visible()
    first.open(f"/review/notices?view=all&state=valid&id={notice}")
    expect(page.get_by_role("region", name="To look at")).to_contain_text(again)
    expect(page.get_by_label("Also for its open duplicate")).to_be_visible()
    does(page, "Take the material down", HOSTILE, fair_use="All of the film.")
    expect(page.get_by_role("status")).to_contain_text("another reviewer wants the same")
    expect(page.get_by_text("You proposed: Take the material down")).to_be_visible()
    does(page, "Take the material down", "Me again.")
    expect(page.get_by_role("alert")).to_contain_text("Another reviewer must want the same")

    second.open(f"/review/notices/{notice}")
    expect(other.get_by_text("Another reviewer proposed: Take the material down")).to_be_visible()
    second.look("desk-proposal")
    does(other, "Take the material down", "Yes.")
    expect(other.get_by_role("status")).to_contain_text("Material disabled")
    expect(other.get_by_role("region", name="History")).to_contain_text("All of the film.")

    does_uploader(other, "bo@maker.example")
    expect(other.get_by_text("bo@maker.example")).to_be_visible()
    text = letter(town.service, "bo@maker.example", "Your material was disabled")[1]
    ticket = next(line.strip() for line in text.splitlines() if line.strip().startswith("nt_"))
    assert f"/my-notices/{notice}" in " ".join(text.split())
    maker = opened(scripts=False)
    maker.sign_in(ticket)
    stands(maker.page, "send a counter-notice")

    other.get_by_role("link", name="Enter a counter-notice", exact=True).click()
    other.get_by_label("Where it could be found before").fill(PLACE)
    other.get_by_label("Full name", exact=True).fill("Bo Maker")
    other.get_by_label("Telephone").fill("+1 555 0100")
    other.get_by_label("Postal address").fill("1 Main Street")
    declare(other)
    other.get_by_label("Sign: type your full name").fill("Bo Maker")
    second.look("desk-counter")
    other.get_by_role("button", name="Enter the counter-notice").click()
    expect(other.get_by_role("status")).to_contain_text("forwarded to the claimant")
    does(other, "Put the material back", "Too early.")
    expect(other.get_by_role("alert")).to_contain_text("The restore window is not open")
    other.get_by_role("link", name="Enter word of a court action", exact=True).click()
    other.get_by_label("Why, or what came").fill("Letter of 21 December: No. 26-1, District of Example.")
    other.get_by_role("button", name="Enter word of a court action").click()
    expect(other.get_by_role("status")).to_contain_text("before a court")


def does_uploader(page: Page, email: str) -> None:
    page.get_by_role("link", name="Say whom to write to").click()
    page.get_by_label("Name", exact=True).fill("Bo")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Write to them").click()


def test_what_is_missing_is_asked_for_again_and_everything_can_be_saved(opened: Open, town: Town) -> None:
    notice = files(town, material=["https://platform.example/watch/2"], signature=None)
    window = opened(scripts=False)
    page = window.sign_in(town.reviewer)
    window.open(f"/review/notices/{notice}?do=cure#do")
    expect(page.get_by_role("region", name="What the law asks for")).to_contain_text("Missing: Signature")
    page.get_by_role("button", name="Ask once more for what is missing").click()
    expect(page.get_by_role("status")).to_contain_text("Claimant asked to complete it")
    with town.service.client(town.key("Studio", "notices:write")) as studio:
        cure = {"event": "cure", "supplied": {"signature": "Ada Example"}}
        ok(studio.post(f"/v1/notices/{notice}/transitions", json=cure))
    window.open(f"/review/notices/{notice}")
    url = f"{town.service.url}/review/notices/{notice}"
    assert page.request.get(f"{url}/pdf").body().startswith(b"%PDF")
    names = zipfile.ZipFile(io.BytesIO(page.request.get(f"{url}/evidence").body())).namelist()
    assert any(name.endswith(".pdf") for name in names)
    assert json.loads(page.request.get(f"{url}/statements").body()) == [], "nothing was taken down yet"
    assert page.request.get(f"{url}/lumen").status == 404, "nobody decided yet"
    does(page, "Decline: nothing is taken down", "It is a review.")
    window.open(f"/review/notices/{notice}?do=publish#do")
    page.get_by_label("What else must go").fill("Night Train")
    page.get_by_role("button", name="Show what it will be").click()
    expect(page.locator("#preview")).to_contain_text("The film [redacted]")
    page.get_by_label("The claimant's name").check()
    page.get_by_role("button", name="Publish").click()
    assert json.loads(page.request.get(f"{url}/lumen").body())["notice"]["works_attributes"]
    window.open(f"/notices/{notice}")
    expect(page.get_by_text("Studio")).to_be_visible()

    window.open("/review/notices/letters")
    expect(page.get_by_role("row")).to_have_count(23)
    page.get_by_role("row", name="counter_forwarded").get_by_role("link", name="Indonesia").click()
    expect(page.get_by_label("The letter")).to_contain_text("Pemberitahuan sanggahan")


def test_misuse_is_warned_then_suspended_then_lifted(opened: Open, town: Town) -> None:
    window = opened()
    page = window.sign_in(town.reviewer)
    second = opened()
    second.sign_in(town.second)
    for number in range(3):
        place = f"https://platform.example/flood/{number}"
        notice = files(town, "Flooder", material=[place], work_description=f"Film {number}")
        for one in (window, second):
            one.open(f"/review/notices/{notice}")
            does(one.page, "Reject it as abuse", "Made up.")
    window.open("/review/misuse")
    window.look("misuse")
    page.get_by_role("link", name="Flooder").click()
    measure(page, "Suspend them for a time", until="2027-01-20")
    expect(page.get_by_role("alert")).to_contain_text("Warn them first")
    measure(page, "Warn them")
    measure(page, "Suspend them for a time", until="2027-01-20")
    expect(page.get_by_role("table", name="Measures")).to_contain_text("20 January 2027")
    window.look("misuse-holder")
    files(town, "Flooder", material=["https://platform.example/flood/9"], work_description="Film 9")
    window.open("/review/notices?tier=vetted")
    page.get_by_role("link", name="Film 9").click()
    expect(page.get_by_text("Its claimant is suspended")).to_be_visible()
    page.get_by_role("link", name="Strikes and measures").click()
    measure(page, "Lift the suspension")
    expect(page.get_by_role("table", name="Measures")).to_contain_text("Suspension lifted")

    holder = page.url.rpartition("/")[2]
    window.open("/review/misuse")
    page.get_by_text("Make a holder a trusted flagger").click()
    page.get_by_label("Id of the holder").fill("hld_none")
    page.get_by_label("Who awarded it, and when").fill(HOSTILE)
    page.get_by_role("button", name="Trust them").click()
    expect(page.locator("#f-holder_id-error")).to_contain_text("no such holder")
    page.get_by_label("Id of the holder").fill(holder)
    page.get_by_role("button", name="Trust them").click()
    expect(page.get_by_role("table", name="Trusted flaggers")).to_contain_text("Flooder")
    page.get_by_role("table", name="Trusted flaggers").get_by_text("End it").first.click()
    page.get_by_label("Why").fill("It ended.")
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_role("table", name="Trusted flaggers")).to_contain_text("It ended.")


def measure(page: Page, what: str, *, until: str = "") -> None:
    page.get_by_role("radio", name=what).check()
    page.get_by_role("radio", name="As claimant").check()
    page.get_by_label("Until when").fill(until)
    page.get_by_label("Why", exact=True).fill("Again and again.")
    page.get_by_role("button", name="Decide").click()


def test_the_desk_in_indonesian_on_a_phone(opened: Open, town: Town) -> None:
    window = opened(language="id", width=PHONE)
    page = window.sign_in(town.reviewer)
    files(town, material=["https://platform.example/watch/3"], signature=None)
    window.open("/review/notices?view=all")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    expect(page.locator("table")).to_contain_text("Pengirim diminta melengkapinya")
