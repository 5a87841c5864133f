"""Works, their files and what is said of them: from an empty service to a receipt that proves itself."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import media
from tests.api.service import RunningService
from tests.browser.browser import PHONE, Window

SCRIPT, IMAGE, TURNED = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "Trai\u202ening"
HOSTILE = f"{SCRIPT}{IMAGE}{TURNED}"
INDEXED_MS = 60_000


@pytest.fixture(scope="module")
def studio(service: RunningService) -> str:
    """The key of somebody who has nothing here yet."""
    return service.key("Studio Åkerlund", "works:write", "notices:write")


@pytest.fixture(scope="module")
def archive(service: RunningService) -> str:
    """The key of somebody else."""
    return service.key("Archive", "works:write")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.clip_with_sound(tmp_path_factory.mktemp("media") / "night train.mp4", seconds=7, seed=1)


def number(page: Page, place: int = 1) -> Locator:
    return page.get_by_label(re.compile(f"^Number {place}"))


def registered(window: Window, title: str, *files: Path) -> str:
    """Register a work; returns its address."""
    page = window.open("/works/new")
    page.get_by_label("Title", exact=True).fill(title)
    if files:
        page.get_by_label("Drop its files here").set_input_files(files)
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    return page.url.removeprefix(window.service.url)


def use(page: Page, name: str) -> Locator:
    """What is said of one use, on a sheet."""
    return page.get_by_role("group", name=name)


def test_from_nothing_to_a_film_that_is_protected_and_proved(visitor: Window, studio: str, film: Path) -> None:
    page = visitor.sign_in(studio)
    expect(page.get_by_role("heading", name="Three steps")).to_be_visible()
    visitor.look("dashboard-empty")
    page.get_by_role("link", name="Works", exact=True).click()
    expect(page.get_by_text("You have no works here yet")).to_be_visible()
    visitor.look("works-empty")

    page.get_by_role("main").get_by_role("link", name="Register a work").first.click()
    page.get_by_label("Title", exact=True).fill("Night Train")
    page.get_by_label("Drop its files here").set_input_files(film)
    page.get_by_text("Creators, year, numbers").click()
    page.get_by_label("Who made it").fill("Ada\nŽofie")
    page.get_by_label("Kind of number 1").select_option("isan")
    number(page).fill("0000-0001-8947-0000-9")
    expect(page.get_by_text("This is not a valid ISAN")).to_be_visible()
    page.get_by_label("Nobody may train on it or copy it").check()
    visitor.look("register")
    page.get_by_role("button", name="Register it").click()
    expect(page.locator("#f-ids-0-value-error")).to_contain_text("This is not a valid ISAN")
    expect(page.get_by_label("Who made it")).to_have_value("Ada\nŽofie")
    expect(page.get_by_label("Nobody may train on it or copy it")).to_be_checked()
    visitor.look("register-refused")

    number(page).fill("0000-0001-8947-0000-8-0000-0000-D")
    expect(page.get_by_text("It is written 0000-0001-8947-0000-8-0000-0000-D")).to_be_visible()
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_text("“Night Train” is registered.")).to_be_visible()
    expect(page.get_by_text("Protected", exact=True)).to_be_visible(timeout=INDEXED_MS)
    expect(page.get_by_text("It is blocked. You reserve copies.")).to_be_visible()
    visitor.look("work")

    work_id = page.url.rpartition("/")[2]
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download the receipt").click()
    receipt = Path(saved.value.path())
    proved = visitor.service.cli("ledger", "prove", receipt, "--json")
    assert proved.returncode == 0, proved.stderr
    assert json.loads(proved.stdout)["record"] == work_id

    visitor.open("/dashboard")
    expect(page.get_by_text("Files that are protected")).to_be_visible()
    visitor.look("dashboard")
    for asked in ("0000000189470000800000000d", "night"):
        page = visitor.open("/works")
        page.get_by_label("Title or number").fill(asked)
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("link", name="Night Train")).to_be_visible()
    visitor.look("works")
    page.get_by_label("Title or number").fill("day")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing of yours is called that")).to_be_visible()


def test_what_is_said_is_shown_before_it_is_put_on_record(visitor: Window, studio: str) -> None:
    page = visitor.sign_in(studio)
    path = registered(visitor, "Day Train")
    page.get_by_role("link", name="Change what you reserve").click()
    expect(page.get_by_text("You say nothing of training generative AI on “Day Train”.")).to_be_visible()

    use(page, "Training generative AI").get_by_label("Reserved").check()
    expect(page.get_by_text("Nobody may train generative AI on “Day Train”.")).to_be_visible()
    use(page, "Text and data mining").get_by_label("On my terms").check()
    expect(page.get_by_text("Without a link to terms it counts as reserved.")).to_be_visible()
    use(page, "Text and data mining").get_by_label("Link to your terms").fill("https://studio.example/terms")
    expect(page.get_by_text("Without a link to terms it counts as reserved.")).to_be_hidden()
    page.get_by_text("Content-Usage (AIPREF)").click()
    expect(page.get_by_label("Content-Usage (AIPREF)", exact=True)).to_contain_text("train-ai=n")
    visitor.look("sheet")
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_text("2 changes are on record.")).to_be_visible()
    expect(page.get_by_text("“Day Train” may be mined for patterns only on your terms.")).to_be_visible()

    page.get_by_text("Only from a day on, or until a day").click()
    page.get_by_label("Until the beginning of").fill("2199-12-31")
    use(page, "Training generative AI").get_by_label("Allowed").check()
    expect(page.get_by_text("Before and after that:")).to_be_visible()
    page.get_by_label("Until the beginning of").fill("2001-01-01")
    page.get_by_role("button", name="Put it on record").click()
    expect(page.locator("#f-valid_until-error")).to_contain_text("future")
    page.get_by_label("Until the beginning of").fill("2199-12-31")
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_text("Anybody may train generative AI on “Day Train”.")).to_be_visible()
    page.get_by_role("button", name="Withdraw: Training generative AI").click()
    expect(page.get_by_text("Nobody may train generative AI on “Day Train”.")).to_be_visible()

    with page.expect_download() as saved:
        page.locator("summary", has_text="CAWG").click()
        page.locator("details[open]").get_by_role("link", name="Download").click()
    assert json.loads(Path(saved.value.path()).read_text())["entries"]["cawg.ai_generative_training"]
    visitor.open(path)
    page.get_by_text("Everything that you said of it").click()
    expect(page.get_by_text("withdrawn")).to_be_visible()


def test_everything_sites_and_what_they_say_already(visitor: Window, studio: str) -> None:
    page = visitor.sign_in(studio)
    path = registered(visitor, "Freight Train")
    visitor.open("/reservations")
    page.get_by_role("link", name="Change it").click()
    use(page, "Input to AI").get_by_label("Reserved").check()
    expect(page.get_by_text("Nobody may give your works to AI as input.")).to_be_visible()
    page.get_by_role("button", name="Put it on record").click()
    visitor.open(f"{path}/reservations")
    use(page, "Input to AI").get_by_label("Allowed").check()
    expect(page.get_by_text("Something stricter that you said holds as well")).to_be_visible()

    visitor.open("/reservations")
    page.get_by_role("link", name="Add a place").first.click()
    page.get_by_label("Address").fill("ftp://studio.example")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#f-location-error")).to_contain_text("https://")
    page.get_by_label("Address").fill("https://studio.example/films/*")
    page.get_by_role("button", name="Go on").click()
    use(page, "Search engines").get_by_label("Allowed").check()
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_text("Search engines may list studio.example/films/*.")).to_be_visible()
    page.get_by_text("Where it holds: Everywhere").click()
    page.get_by_label("Show and change what you say for").select_option("JP")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_text("Where it holds: Japan")).to_be_visible()
    expect(use(page, "Search engines").get_by_label("Nothing said")).to_be_checked()
    expect(page.get_by_text("You also say something for: Everywhere")).to_be_visible()

    visitor.open("/reservations/import")
    page.get_by_label("Of which site").fill("https://studio.example")
    page.get_by_label("What it is").select_option("robots.txt")
    said = "User-agent: *\nContent-Signal: ai-train=no, search=yes\nUser-agent: GPTBot\nDisallow: /%zz"
    page.get_by_label("Paste it here").fill(said)
    page.get_by_role("button", name="See what it says").click()
    expect(page.get_by_text("Nothing is on record yet.")).to_be_visible()
    expect(page.get_by_role("heading", name="What was not taken over")).to_be_visible()
    visitor.look("import")
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_role("heading", name="What is on record now")).to_be_visible()
    visitor.open("/reservations")
    expect(page.get_by_text("studio.example/films/*")).to_be_visible()
    visitor.look("reservations")


def test_files_that_cannot_be_used_and_stretches_that_do_not_count(
    visitor: Window, studio: str, film: Path, tmp_path: Path
) -> None:
    page = visitor.sign_in(studio)
    black = media.filtered(tmp_path / "black.mp4", "color=black:s=160x120", seconds=4)
    text = tmp_path / "notes.txt"
    text.write_text("These are notes.")
    path = registered(visitor, "Two files", film, text)
    expect(page.get_by_text("The file “notes.txt” was not taken")).to_be_visible()
    page.get_by_text("Add files").click()
    page.get_by_label("Drop its files here").set_input_files(black)
    page.get_by_label("What it is called").fill("Black cut")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("The picture is blank throughout")).to_be_visible(timeout=INDEXED_MS)
    expect(page.get_by_text("Protected", exact=True)).to_be_visible(timeout=INDEXED_MS)
    visitor.look("work-rejected")
    visitor.open("/dashboard")
    expect(page.get_by_role("heading", name="Files that cannot be used")).to_be_visible()

    visitor.open(path)
    page.get_by_role("link", name="night train.mp4").click()
    expect(page.get_by_text("finds copies that were encoded anew")).to_be_visible()
    page.get_by_label("From").fill("0:07")
    page.get_by_label("To", exact=True).fill("soon")
    page.get_by_label("Why").fill(HOSTILE)
    page.get_by_role("button", name="Leave it out").click()
    expect(page.locator("#f-end_s-error")).to_contain_text("as a player shows it")
    expect(page.get_by_label("From")).to_have_value("0:07")
    page.get_by_label("From").fill("0:01.5")
    page.get_by_label("To", exact=True).fill("2.75")
    page.get_by_role("button", name="Leave it out").click()
    expect(page.get_by_role("row", name="0:01.5")).to_contain_text(SCRIPT)
    visitor.look("file")
    page.get_by_role("button", name="Count it again").click()
    expect(page.get_by_text("This stretch counts again.")).to_be_visible()


def test_titles_and_credits_are_shown_as_they_were_typed(
    visitor: Window, studio: str, archive: str, service: RunningService
) -> None:
    page = visitor.sign_in(studio)
    path = registered(visitor, HOSTILE)
    visitor.look("work-hostile")
    page.get_by_role("link", name="Edit").click()
    page.get_by_role("button", name="One more person").click()
    for place, name in ((1, SCRIPT + IMAGE), (2, "Žofie")):
        page.get_by_label(f"Name {place}").fill(name)
    page.get_by_label("Part 1").fill("director")
    page.get_by_label("Holder 1", exact=False).first.fill("Studio")
    page.get_by_label("Per cent 1").fill("120")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#f-contributors-1-role-error")).to_have_text("This is needed.")
    expect(page.get_by_label("Name 2")).to_have_value("Žofie")
    page.get_by_label("Part 2").fill("composer")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#f-shares-error")).to_contain_text("at most 100")
    visitor.look("edit-refused")
    page.get_by_label("Per cent 1").fill("33.333")
    page.get_by_label("Counts from, seconds").fill("4")
    page.get_by_label("May block from, seconds").fill("6")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("33.333 %")).to_be_visible()
    expect(page.get_by_text("It counts from 4 matched seconds on, and can block from 6 on.")).to_be_visible()
    expect(page.get_by_text("Žofie")).to_be_visible()

    visitor.open("/works/new")
    page.get_by_label("Title", exact=True).evaluate("field => field.removeAttribute('maxlength')")
    page.get_by_label("Title", exact=True).fill("x" * 5000)
    page.get_by_role("button", name="Register it").click()
    expect(page.locator("#f-title-error")).to_contain_text("too long")
    with service.client(archive) as client:
        assert client.get(f"/v1{path}").status_code == 404


def test_all_of_it_without_scripts(opened: Callable[..., Window], studio: str, film: Path) -> None:
    window = opened(scripts=False, width=PHONE)
    page = window.sign_in(studio)
    page = window.open("/works/new")
    page.get_by_text("Creators, year, numbers").click()
    number(page, 2).fill("NT-7")
    page.get_by_label("Kind of number 2").select_option("reference")
    page.get_by_role("button", name="One more number").click()
    expect(page.get_by_label("Kind of number 2")).to_be_visible()
    page.get_by_label("Title", exact=True).fill("Slow Train")
    page.get_by_label("What it is").select_option("voice")
    expect(page.get_by_text("Nobody is recognised by face, voice or looks")).to_be_visible()
    page.get_by_label("Drop its files here").set_input_files(film)
    page.get_by_role("button", name="Register it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Slow Train")
    expect(page.get_by_text("NT-7")).to_be_visible()
    expect(page.get_by_role("link", name="night train.mp4")).to_be_visible()

    page.get_by_role("link", name="Change what you reserve").click()
    use(page, "Copies in what AI puts out").get_by_label("Reserved").check()
    page.get_by_role("button", name="See what this says").click()
    expect(page.get_by_text("Nobody may put out copies of “Slow Train”.")).to_be_visible()
    page.get_by_role("button", name="Put it on record").click()
    expect(page.get_by_text("1 change is on record.")).to_be_visible()

    page.get_by_role("link", name="Slow Train").first.click()
    page.get_by_role("link", name="Withdraw this work").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("button", name="Withdraw it").click()
    expect(page.get_by_text("“Slow Train” is withdrawn.")).to_be_visible()


def test_registering_by_keyboard_alone(visitor: Window, studio: str) -> None:
    page = visitor.sign_in(studio)
    visitor.open("/works/new")
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("Silent Train")
    page.keyboard.press("Tab")
    page.keyboard.type("Clip")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "reserve.preset":
            break
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Only no copies in what AI puts out")).to_be_checked()
    expect(page.get_by_role("group", name="When somebody wants to publish a copy")).to_be_hidden()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Register it":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Silent Train")
    expect(page.get_by_text("Clip or short video")).to_be_visible()


def test_in_indonesian_all_pages_are_there(opened: Callable[..., Window], studio: str) -> None:
    window = opened(language="id", width=PHONE)
    page = window.sign_in(studio)
    expect(page).to_have_url(f"{window.service.url}/dashboard")
    for path in ("/dashboard", "/works", "/works/new", "/reservations", "/reservations/catalogue"):
        window.open(path)
        expect(page).to_have_url(window.service.url + path)
        expect(page.locator("html")).to_have_attribute("lang", "id")


def test_a_long_list_goes_on(visitor: Window, archive: str, service: RunningService) -> None:
    with service.client(archive) as client:
        for place in range(26):
            made = client.post("/v1/works", json={"title": f"Reel {place}", "kind": "film"})
            assert made.status_code == 201
    page = visitor.sign_in(archive)
    visitor.open("/works")
    expect(page.get_by_role("link", name="Reel 25", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Reel 0", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Show more").click()
    expect(page.get_by_role("link", name="Reel 0", exact=True)).to_be_visible()


def test_the_dashboard_is_for_what_one_does(opened: Callable[..., Window], service: RunningService) -> None:
    for scopes, headings in (
        (("checks:write", "review"), ("Your checks", "What waits for a reviewer")),
        (("admin",), ("What waits for a reviewer", "The service")),
    ):
        window = opened()
        page = window.sign_in(service.key(f"Who may {' and '.join(scopes)}", *scopes))
        for heading in headings:
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert window.barriers() == []
