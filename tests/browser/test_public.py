"""Looking up works, the ledger and the transparency report, as somebody does who has no account here."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests import media
from tests.api.service import RunningService, finished, ok, send
from tests.browser.browser import PHONE, Window

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> \u202egnp.exe'
SCOPES = ("works:write", "checks:write", "notices:write", "holder:write")


@pytest.fixture(scope="module")
def studio(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Éditions Łódź", *SCOPES)) as holder:
        yield holder


@pytest.fixture(scope="module")
def film(studio: httpx.Client) -> str:
    """A film, with something said of two of its uses."""
    said = {"use": "train_generative", "value": "reserved", "contact": "licences@lodz.example"}
    terms = {"use": "search", "value": "constrained", "terms_url": "https://lodz.example/terms", "territory": "FR"}
    body = {
        "title": "L’Été à Paris", "kind": "film", "year": 2024, "identifiers": {"isrc": "US-SKG-19-12345"},
        "alternative_titles": [{"title": "Summer in Paris"}], "reservations": [said, terms],
    }  # fmt: skip
    work: str = ok(studio.post("/v1/works", json=body), 201)["id"]
    return work


def _search(window: Window, asked: str) -> None:
    window.page.get_by_label("Title, number or holder").fill(asked)
    window.page.get_by_role("button", name="Search").click()


def test_an_empty_registry_and_ledger_say_what_they_are_for(visitor: Window) -> None:
    page = visitor.open("/registry")
    expect(page.get_by_text("Nothing is registered yet.")).to_be_visible()
    visitor.look("registry-empty")
    page = visitor.open("/ledger")
    expect(page.get_by_text("Nothing has happened yet.")).to_be_visible()
    visitor.look("ledger-empty")


def test_a_work_is_found_and_says_how_it_may_be_used(visitor: Window, film: str) -> None:
    page = visitor.open("/registry")
    for asked in ("ete par", "SUMMER", "usskg1912345", "lodz", film):
        _search(visitor, asked)
        expect(page.get_by_role("link", name="L’Été à Paris")).to_be_visible()
    visitor.look("registry-found")
    _search(visitor, "nothing of the kind")
    expect(page.get_by_text("Nothing is registered under this.")).to_be_visible()
    _search(visitor, "paris")
    page.get_by_role("link", name="L’Été à Paris").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("L’Été à Paris")
    today = f"{datetime.now(UTC):%-d %B %Y}"
    training = page.locator("section", has=page.get_by_role("heading", name="Training generative AI"))
    expect(training).to_contain_text("Reserved")
    expect(training).to_contain_text(f"Everywhere, since {today}.")
    expect(training).to_contain_text("licences@lodz.example")
    searching = page.locator("section", has=page.get_by_role("heading", name="Search engines"))
    expect(searching).to_contain_text("On terms")
    expect(searching).to_contain_text(f"France, since {today}.")
    expect(searching.get_by_role("link", name="https://lodz.example/terms")).to_have_attribute(
        "rel", "nofollow noopener noreferrer"
    )
    mining = page.locator("section", has=page.get_by_role("heading", name="Text and data mining"))
    expect(mining).to_contain_text("Nothing was said: that is not permission.")
    assert page.locator('link[rel="canonical"]').get_attribute("href") == f"{visitor.service.url}/registry/{film}"
    visitor.look("registry-work")
    training.get_by_role("link", name="Ledger entry").click()
    expect(page.get_by_text("A holder said how something may be used")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(4)  # the entry and the key, with their heads


def test_a_day_before_it_was_registered_nothing_held(visitor: Window, film: str) -> None:
    page = visitor.open(f"/registry/{film}")
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    page.get_by_label("What held on").fill(yesterday)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("it was not registered here")).to_be_visible()
    expect(page.get_by_text("Nothing was said: that is not permission.")).to_have_count(6)
    page.get_by_role("link", name="Show today").click()
    expect(page.get_by_text("licences@lodz.example").first).to_be_visible()
    visitor.open(f"/registry/{film}?on=then")
    expect(page.get_by_text("Give a day, such as 2026-01-31.")).to_be_visible()


def test_what_two_holders_claim_is_said_to_be_disputed(visitor: Window, tmp_path: Path) -> None:
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=9, seed=5)
    for name in ("First", "Second"):
        with visitor.service.client(visitor.service.key(name, *SCOPES)) as holder:
            body = {"title": f"Claimed by {name}", "kind": "clip"}
            work = ok(holder.post("/v1/works", json=body), 201)["id"]
            asset = ok(send(holder, f"/v1/works/{work}/assets", clip), 202)["id"]
            finished(holder, f"/v1/assets/{asset}")
    page = visitor.open("/registry?q=claimed")
    expect(page.get_by_text("Ownership disputed")).to_have_count(2)
    page.get_by_role("link", name="Claimed by Second").click()
    note = page.locator("section", has=page.get_by_role("heading", name="Ownership disputed"))
    expect(note).to_contain_text("Claimed by First, First")
    expect(note).to_contain_text("Theirs was registered first.")
    visitor.look("registry-disputed")


def test_hostile_titles_stay_text(visitor: Window, studio: httpx.Client) -> None:
    for title in (HOSTILE, "W" * 500, "क" * 200):
        body: dict[str, Any] = {
            "title": title, "kind": "clip", "creators": [HOSTILE],
            "alternative_titles": [{"title": HOSTILE.replace("\u202e", "")}],
            "reservations": [
                {"use": "tdm", "value": "constrained", "contact": HOSTILE, "terms_url": "https://a.example/\"><b>"},
                {"use": "train", "value": "reserved", "contact": "javascript:alert(1)"},
            ],
        }  # fmt: skip
        work = ok(studio.post("/v1/works", json=body), 201)["id"]
        page = visitor.open(f"/registry/{work}")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.locator("main script, main img, main b").count() == 0
        assert page.locator('main a[href^="javascript"]').count() == 0
        visitor.look("registry-hostile")
    page = visitor.open("/registry")
    assert page.locator("main img").count() == 0
    _search(visitor, HOSTILE)
    expect(page.get_by_role("link", name="gnp.exe")).to_be_visible()
    for asked in ("%", "'; DROP TABLE works", "\u202e", "a" * 200):
        _search(visitor, asked)
        expect(page.get_by_text("Nothing is registered under this.")).to_be_visible()
        expect(page.get_by_label("Title, number or holder")).to_have_value(asked)
    visitor.look("registry-hostile-search")


def test_a_receipt_is_proved_and_a_changed_one_is_not(
    visitor: Window, studio: httpx.Client, film: str, tmp_path: Path
) -> None:
    good = studio.get(f"/v1/ledger/receipts/{film}").content
    page = visitor.open("/ledger")
    visitor.look("ledger")
    (tmp_path / "good.json").write_bytes(good)
    (tmp_path / "changed.json").write_bytes(good.replace("à Paris".encode(), "à Rome!".encode()))
    other = json.loads(good)
    (tmp_path / "hostile.json").write_text(json.dumps(other | {"entry": HOSTILE, "format": HOSTILE}))
    (tmp_path / "large.json").write_bytes(b"[" * 2_000_000)
    for name, heading, said in (
        ("good.json", "The receipt holds", "put on record in this ledger"),
        ("changed.json", "The receipt proves nothing", "not what the entry commits to"),
        ("hostile.json", "The receipt proves nothing", "It was changed"),
        ("large.json", "The receipt proves nothing", "A receipt has at most"),
    ):
        visitor.open("/ledger")
        page.get_by_label("The file of a receipt").set_input_files(tmp_path / name)
        page.get_by_role("button", name="Check it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.get_by_role("status")).to_contain_text(said)
        if name != "large.json":
            visitor.look(f"ledger-receipt-{name.removesuffix('.json')}")
    visitor.open("/ledger")
    page.locator('input[type="file"]').evaluate("field => field.required = false")
    page.get_by_role("button", name="Check it").click()
    expect(page.locator("#f-file-error")).to_have_text("Choose the file of a receipt.")


def test_entries_are_browsed_and_looked_up_by_keyboard(visitor: Window, film: str) -> None:
    page = visitor.open("/ledger")
    page.get_by_label("Number of an entry, or id of a record").focus()
    page.keyboard.type(film)
    page.keyboard.press("Enter")
    expect(page.get_by_text("A work was registered")).to_be_visible()
    expect(page.get_by_role("link", name=film)).to_have_attribute("href", f"/registry/{film}")
    for asked in ("999999", "9" * 90, "wrk_nothing", HOSTILE[:60]):
        page.get_by_label("Number of an entry, or id of a record").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(asked)
        page.keyboard.press("Enter")
        expect(page.get_by_text("The ledger has nothing under")).to_be_visible()
    page.get_by_role("link", name="Show the newest entries").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("table", name="Entries of the ledger")).to_be_visible()


def test_the_transparency_report_stands_in_the_site(visitor: Window, studio: httpx.Client) -> None:
    studio.post("/v1/notices", json={"work_description": "Mine"}).raise_for_status()
    page = visitor.open("/transparency")
    expect(page.get_by_role("img", name="Notices received, by month and track")).to_be_visible()
    expect(page.locator("dl.figures")).to_contain_text("Notices received1")
    visitor.look("transparency")
    with page.expect_download() as download:
        page.get_by_role("link", name="one page as a file").click()
    assert "<title>Transparency report of Clearmark" in download.value.path().read_text()
    page.get_by_label("From", exact=True).fill("2024-01-01")
    page.get_by_label("To, that day included").fill("2024-12-31")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No notice was received in this period")).to_be_visible()
    with visitor.service.client() as anyone:
        for name in ("JSON", "CSV"):
            assert anyone.get(page.get_by_role("link", name=name).get_attribute("href") or "").status_code == 200
    page.get_by_label("From", exact=True).fill("2025-01-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("Ask for a period that ends after it begins.")).to_be_visible()
    expect(page.get_by_label("From", exact=True)).to_have_value("2025-01-01")


def test_all_of_it_works_without_scripts_in_indonesian_on_a_phone(opened: Callable[..., Window], film: str) -> None:
    window = opened(scripts=False, language="id", width=PHONE)
    page = window.open("/registry?q=paris")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    page.get_by_role("link", name="L’Été à Paris").click()
    expect(page.locator("#on")).to_be_visible()
    for path in (f"/registry/{film}", "/ledger", f"/ledger?of={film}", "/transparency"):
        window.open(path)


def test_pages_stay_small(service: RunningService, studio: httpx.Client) -> None:
    words = [
        {"use": use, "value": value, "terms_url": "https://a.example/terms", "contact": "licences@a.example"}
        for use, value in (("train", "reserved"), ("search", "allowed"), ("tdm", "constrained"))
    ]
    for number in range(50):
        title = f"Volume {number}: a title of quite some length, as they are"
        ok(studio.post("/v1/works", json={"title": title, "kind": "series", "reservations": words}), 201)
    with service.client() as anyone:
        for path in ("/registry?q=volume", "/ledger", "/transparency"):
            answer = anyone.get(path)
            assert answer.status_code == 200
            assert len(answer.content) < 100_000, path
        following = anyone.get("/registry?q=volume").text.split("cursor=")[1].split('"')[0]
        assert anyone.get(f"/registry?q=volume&cursor={following}").text.count("Volume ") >= 25
