"""Reviewing: what waits, what a reviewer sees and plays of a check, and how it is decided and looked up afterwards."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests import media
from tests.api.conftest import register
from tests.api.service import RunningService, ok, send, until
from tests.api.test_pages import MOST_BYTES
from tests.browser.browser import PHONE, Window

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e'
LONG = "a very long prompt " * 260
# Pictures in a page, which are no part of its own size.
_DATA = re.compile(r"data:image/[^\"]*")


@pytest.fixture(scope="module")
def studio(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Studio", "works:write")) as client:
        yield client


@pytest.fixture(scope="module")
def pipeline(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Pipeline", "checks:write", "releases:write")) as client:
        yield client


@pytest.fixture(scope="module")
def desks(service: RunningService) -> tuple[str, str]:
    """The keys of two reviewers."""
    return service.key("Desk one", "review"), service.key("Desk two", "review")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def film(folder: Path, studio: httpx.Client) -> Path:
    """A film that the studio registered, and whose copies it wants reviewed."""
    path = media.clip_with_sound(folder / "film.mp4", seconds=12, seed=1)
    register(studio, path, title="Night Train", kind="film", policy="review")
    return path


@pytest.fixture(scope="module")
def hostile(folder: Path, studio: httpx.Client) -> Path:
    """Of another, whose title is none."""
    path = media.clip_with_sound(folder / "hostile.mp4", seconds=8, seed=2)
    register(studio, path, title=HOSTILE, kind="film", policy="review")
    return path


@pytest.fixture(scope="module")
def cut(folder: Path, film: Path) -> Path:
    """Seconds 3 to 9 of it, a tenth faster."""
    faster = ["-vf", "setpts=PTS/1.1", "-af", "atempo=1.1", "-crf", "30"]
    return media.copied(film, folder / "cut.mp4", start_s=3, seconds=6, options=faster)


def asked(pipeline: httpx.Client, clip: Path, **context: object) -> str:
    """The id of a check that waits for a person, with its pictures made."""
    check = ok(send(pipeline, "/v1/checks", clip, data={"context": json.dumps(context)}))
    assert check["verdict"] == "review", check["reasons"]
    path = f"/v1/checks/{check['id']}"
    until(lambda: ok(pipeline.get(path))["explanation"] == "ready")
    return str(check["id"])


def decision_on(pipeline: httpx.Client, check_id: str) -> dict[str, Any]:
    found: dict[str, Any] = ok(pipeline.get(f"/v1/checks/{check_id}"))["decision"]
    return found


def play(page: Page) -> None:
    """Play both sides by keyboard: they are in sync, though the clip is faster."""
    pair = page.get_by_role("group", name="The clip beside the work")
    begin, end = map(float, str(pair.get_attribute("data-query")).split())
    first, last = map(float, str(pair.get_attribute("data-reference")).split())
    pair.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    times = "[...document.querySelectorAll('video')].map((one) => one.currentTime)"
    until(lambda: page.evaluate(times)[0] > begin + 1.5)
    query, reference = page.evaluate(times)
    assert abs(first + (query - begin) / (end - begin) * (last - first) - reference) < 0.3
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play both")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(times)[0] < query
    muted = "[...document.querySelectorAll('video')].map((one) => one.muted)"
    assert page.evaluate(muted) == [False, True]
    page.get_by_role("button", name="Hear the work").click()
    page.get_by_role("button", name="Hear the clip").click()
    assert page.evaluate(muted) == [True, False]


def test_a_reviewer_looks_plays_and_decides_by_keyboard(
    opened: Callable[..., Window], pipeline: httpx.Client, cut: Path, desks: tuple[str, str]
) -> None:
    first = asked(pipeline, cut, generator="Model 1", prompt="A night train crosses a bridge")
    second = asked(pipeline, cut, generator="Model 2")
    desk, other = opened(), opened()
    page = desk.sign_in(desks[0])
    page.get_by_role("link", name="Review", exact=True).click()
    expect(page.get_by_role("heading", name="What waits for you")).to_be_visible()
    expect(page.locator(".queue > li")).to_have_count(2)
    expect(page.locator(".queue").get_by_text("Beyond doubt a copy").first).to_be_visible()
    desk.look("review-queue")
    late = other.sign_in(desks[1])
    other.open(f"/review/checks/{first}")

    with page.expect_response(lambda answer: "/media/checks/" in answer.url) as played:
        page.get_by_role("link", name="Take the next one").click()
    assert played.value.status == httpx.codes.PARTIAL_CONTENT
    expect(page).to_have_url(f"{desk.service.url}/review/checks/{first}")
    expect(page.get_by_text("1 of 2 that wait")).to_be_visible()
    expect(page.get_by_role("img", name="The clip at").first).to_be_visible()
    expect(page.get_by_role("img", name="The clip: loudness from").first).to_be_visible()
    expect(page.get_by_text("Model 1")).to_be_visible()
    desk.look("review-check")
    play(page)

    page.keyboard.press("n")
    expect(page).to_have_url(f"{desk.service.url}/review/checks/{second}")
    page.keyboard.press("p")
    expect(page).to_have_url(f"{desk.service.url}/review/checks/{first}")
    page.keyboard.press("?")
    expect(page.get_by_text("decide, from within the reason")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_label("Reject")).to_be_checked()
    expect(page.get_by_label("Why")).to_be_focused()
    assert decision_on(pipeline, first) is None, "a single key never decides"
    page.keyboard.type("The sound and the picture are those of the film.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").first).to_contain_text("Rejected, and told to whoever asked.")
    expect(page).to_have_url(f"{desk.service.url}/review/checks/{second}")
    assert decision_on(pipeline, first)["decision"] == "reject"
    expect(page.get_by_text("0 approved, 1 rejected.").first).to_be_visible()

    late.get_by_label("Approve").check()
    late.get_by_role("button", name="It quotes or parodies").click()
    late.get_by_role("button", name="Decide").click()
    expect(late.get_by_role("alert")).to_contain_text("Somebody else was faster")
    expect(late.get_by_text("By Desk one")).to_be_visible()
    other.look("review-too-late")

    page.keyboard.press("a")
    page.keyboard.type("Licensed.")
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.textContent.trim()") == "Decide":
            break
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Decide")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("No check waits any more.")
    expect(page.get_by_text("No check waits", exact=True)).to_be_visible()
    assert decision_on(pipeline, second)["reason"] == "Licensed."

    page.get_by_role("link", name="Who decided").click()
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="key")).to_have_count(rows.count() - 2)  # what the operator did stands there too
    page.get_by_label("About").select_option("check")
    page.get_by_role("button", name="Apply").first.click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Approved")
    expect(rows.first).to_contain_text("Desk one")
    expect(rows.first.get_by_role("link", name=second)).to_be_visible()
    desk.look("review-audit")
    page.get_by_label("About").select_option("notice")
    page.get_by_role("button", name="Apply").first.click()
    expect(page.get_by_text("Nothing like that was decided")).to_be_visible()
    page.get_by_role("link", name="Show everything").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as CSV").click()
    table = list(csv.DictReader(saved.value.path().read_text().splitlines()))
    decided = [row for row in table if row["decision"] != "key_made"]
    assert [(row["decision"], row["name"], row["ledger entry"].isdigit()) for row in decided] == [
        ("approve", "Desk one", True), ("reject", "Desk one", True),
    ]  # fmt: skip


def test_what_was_typed_stays_words_and_turns_none_of_ours_around(
    opened: Callable[..., Window], pipeline: httpx.Client, hostile: Path, desks: tuple[str, str]
) -> None:
    check_id = asked(pipeline, hostile, generator=f"Model {HOSTILE}", prompt=LONG)
    window = opened()
    page = window.sign_in(desks[0])
    window.open(f"/review/checks/{check_id}")
    expect(page.get_by_text(f"Model {HOSTILE}")).to_be_visible()
    expect(page.locator("main script, main img[src=x]")).to_have_count(0)
    window.look("review-check-hostile")
    why = page.locator("section", has=page.get_by_role("heading", name="Why it waits"))
    for place in (page.locator(".players figcaption").last, why):
        expect(place).to_contain_text(re.compile(re.escape(HOSTILE[:-1]) + "\u202e?\u2069"))
    assert len(_DATA.sub("", page.request.get(page.url).text()).encode()) < MOST_BYTES


def test_reviewing_without_scripts_what_the_browser_cannot_play(
    opened: Callable[..., Window], pipeline: httpx.Client, film: Path, folder: Path, desks: tuple[str, str]
) -> None:
    old = media.copied(film, folder / "old.avi", start_s=1, seconds=6, options=["-c:v", "mpeg4", "-an"])
    check_id = asked(pipeline, old)
    with_scripts = opened()
    with_scripts.sign_in(desks[0])
    page = with_scripts.open(f"/review/checks/{check_id}")
    expect(page.get_by_text("This browser cannot play this file.").first).to_be_visible()
    assert page.get_by_role("link", name="Save the file").first.get_attribute("href") == f"/media/checks/{check_id}"

    window = opened(scripts=False)
    page = window.sign_in(desks[0])
    window.open("/review?show=video&order=age")
    page.locator(f".queue a[href*={check_id}]").click()
    expect(page).to_have_url(f"{window.service.url}/review/checks/{check_id}?show=video&order=age")
    expect(page.locator("video")).to_have_count(2)
    expect(page.locator("[data-scripted]").first).to_be_hidden()
    expect(page.locator("[data-scripted]:visible")).to_have_count(0)
    page.get_by_label("Reject").check()
    page.get_by_label("Why").fill("   ")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_label("Why")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Reject")).to_be_checked()
    page.get_by_label("Why").fill("The picture is copied.")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("Rejected")
    assert decision_on(pipeline, check_id)["decision"] == "reject"


def test_review_is_in_indonesian_on_a_phone_and_for_reviewers_alone(
    opened: Callable[..., Window], service: RunningService, pipeline: httpx.Client, cut: Path, desks: tuple[str, str]
) -> None:
    check_id = asked(pipeline, cut)
    window = opened(language="id-ID", width=PHONE)
    page = window.sign_in(desks[0], at="/review")
    expect(page).to_have_url(f"{service.url}/review")
    for path in ("/review", f"/review/checks/{check_id}", "/review/audit", "/review/findings"):
        window.open(path)
        expect(page).to_have_url(service.url + path)
        expect(page.locator("html")).to_have_attribute("lang", "id")
        assert page.locator("h1").count() == 1
    window.look("review-id")
    stranger = opened()
    stranger.sign_in(service.key("Pipeline", "checks:write"))
    for path in ("/review", f"/review/checks/{check_id}", "/review/audit", "/review/audit.csv", "/review/next"):
        stranger.open(path, status=403)
