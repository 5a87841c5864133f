"""What the operator decides beside checks: whose something is, what looking back found, floods, and free material."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests import media
from tests.api.conftest import register
from tests.api.service import RunningService, ok, running_service, send, until
from tests.browser.browser import Window

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service where three clips of three askers are a flood."""
    folder = tmp_path_factory.mktemp("service")
    with running_service(folder, sscd_model="none", flood_checks=3, flood_askers=3) as running:
        yield running


@pytest.fixture(scope="module")
def studio(service: RunningService) -> Iterator[httpx.Client]:
    with service.client(service.key("Studio", "works:write")) as client:
        yield client


@pytest.fixture(scope="module")
def operator(service: RunningService) -> str:
    return service.key("Operator", "admin")


def test_a_conflict_is_decided_once_both_sides_have_spoken(
    opened: Callable[..., Window], service: RunningService, studio: httpx.Client, operator: str, tmp_path: Path
) -> None:
    film = media.clip_with_sound(tmp_path / "film.mp4", seconds=9, seed=1)
    register(studio, film, title="Night Train", policy="block")
    with service.client(service.key("Rival Films", "works:write")) as rival:
        register(rival, media.copied(film, tmp_path / "rival.mp4", start_s=1), title=f"Mine {HOSTILE}")
        [conflict] = ok(studio.get("/v1/conflicts"))["items"]
        statements = f"/v1/conflicts/{conflict['id']}/statements"
        said = {"position": "mine", "text": f"We shot it.\n{HOSTILE}", "links": ["https://studio.example/slate"]}
        ok(studio.post(statements, json=said), 201)

        window = opened()
        page = window.sign_in(operator)
        window.open("/review")
        page.get_by_role("main").get_by_role("link", name="Conflicts").click()
        expect(page.get_by_text("Waits for evidence")).to_be_visible()
        window.look("review-conflicts")
        page.get_by_role("link", name="Night Train").click()
        expect(page.get_by_text("One side has not spoken")).to_be_visible()
        expect(page.get_by_role("link", name="https://studio.example/slate")).to_have_attribute(
            "rel", "nofollow noopener noreferrer"
        )
        expect(page.locator("video")).to_have_count(2)
        window.look("review-conflict")
        page.get_by_label("Studio", exact=True).check()
        page.get_by_label("Why").fill("The slate shows it.")
        page.get_by_role("button", name="Decide").click()
        expect(page.get_by_role("alert")).to_contain_text("A side has not spoken")
        expect(page.get_by_label("Why")).to_have_value("The slate shows it.")

        ok(rival.post(statements, json={"position": "mine", "text": "No, we did.", "links": []}), 201)
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status")).to_contain_text("told to both sides")
    expect(page.get_by_text("No conflict is open")).to_be_visible()
    page.get_by_role("link", name="Show what is decided, too").click()
    expect(page.get_by_text("Whose came earlier")).to_be_visible()
    page.get_by_role("link", name="Night Train").click()
    expect(page.get_by_text("It can be appealed until")).to_be_visible()
    expect(page.get_by_text("By Operator")).to_be_visible()


def test_a_finding_is_upheld_and_its_release_taken_down_without_scripts(
    opened: Callable[..., Window], service: RunningService, studio: httpx.Client, operator: str, tmp_path: Path
) -> None:
    clip = media.clip_with_sound(tmp_path / "clip.mp4", seconds=8, seed=5)
    with service.client(service.key("Pipeline", "checks:write", "releases:write")) as pipeline:
        checked = ok(send(pipeline, "/v1/checks", clip))
        release = ok(pipeline.post("/v1/releases", json={"check_id": checked["id"]}), 201)
        register(studio, clip, title="The Clip", policy="block")
        until(lambda: ok(pipeline.get("/v1/findings"))["items"])

        window = opened(scripts=False)
        page = window.sign_in(operator)
        window.open("/review/findings")
        expect(page.get_by_text("A release, which is out")).to_be_visible()
        page.get_by_role("link", name="The Clip").click()
        expect(page.get_by_role("heading", name="Is it a copy of “The Clip”?")).to_be_visible()
        page.get_by_label("It holds").check()
        page.get_by_label("Take the release down").check()
        page.get_by_label("Why").fill("It is the film itself.")
        page.get_by_role("button", name="Decide").click()
        expect(page.get_by_role("status")).to_contain_text("The release is taken down.")
        assert ok(pipeline.get(f"/v1/releases/{release['id']}"))["state"] == "disabled"
    seen = opened()
    seen.sign_in(operator)
    seen.open("/review/findings?all=true")
    seen.page.get_by_role("link", name="The Clip").click()
    expect(seen.page.get_by_text("The release was taken down with it.")).to_be_visible()
    seen.look("review-finding")


def test_material_that_everybody_may_use_is_added_and_removed(
    opened: Callable[..., Window], operator: str, tmp_path: Path
) -> None:
    window = opened()
    page = window.sign_in(operator)
    window.open("/review/negatives")
    expect(page.get_by_text("The bank is empty")).to_be_visible()
    page.get_by_label("What it is").fill(f"Countdown {HOSTILE}")
    page.get_by_label("The film, sound or picture").set_input_files(
        media.clip_with_sound(tmp_path / "countdown.mp4", seconds=5, seed=9)
    )
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("status").first).to_contain_text("is being looked at")
    row = page.locator("tbody tr")

    def is_in() -> bool:
        page.reload()
        return row.get_by_text("Counts for nobody").is_visible()

    until(is_in)
    expect(row).to_contain_text(f"Countdown {HOSTILE}")
    window.look("review-free-material")
    page.get_by_label("What it is").fill("Not a film")
    (tmp_path / "text.mp4").write_text("<script>alert(1)</script>")
    page.get_by_label("The film, sound or picture").set_input_files(tmp_path / "text.mp4")
    page.get_by_role("button", name="Add it").click()
    expect(page.locator(".error")).to_contain_text("could not be read")
    expect(page.get_by_label("What it is")).to_have_value("Not a film")
    row.get_by_text("Remove…").click()
    row.get_by_role("button", name="Remove “Countdown").click()
    expect(page.locator(".told")).to_contain_text("counts again")
    expect(page.get_by_text("The bank is empty")).to_be_visible()


def test_a_file_that_matches_everything_is_let_go_by_keyboard(
    opened: Callable[..., Window], service: RunningService, studio: httpx.Client, operator: str, tmp_path: Path
) -> None:
    jingle = media.clip_with_sound(tmp_path / "jingle.mp4", seconds=7, seed=7)
    register(studio, jingle, title="Jingle", policy="block")
    for number in range(3):
        with service.client(service.key(f"Asker {number}", "checks:write")) as asker:
            ok(send(asker, "/v1/checks", media.copied(jingle, tmp_path / f"{number}.mp4", start_s=number / 2)))
    first, late = opened(), opened()
    page = first.sign_in(operator)
    first.open("/review/quarantines")
    first.look("review-quarantines")
    page.get_by_role("link", name="Jingle").click()
    late.sign_in(operator)
    other = late.open(page.url.removeprefix(service.url))
    expect(page.locator("tbody tr")).to_have_count(3)
    first.look("review-quarantine")
    page.get_by_label("It counts as before").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("A hit of today.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status")).to_contain_text("Decided, and told to the holder.")
    expect(page.get_by_text("No file is in quarantine")).to_be_visible()
    other.get_by_label("Withdraw it").check()
    other.get_by_label("Why").fill("A stock jingle.")
    other.get_by_role("button", name="Decide").click()
    expect(other.get_by_role("alert")).to_contain_text("Somebody else was faster")
    expect(other.get_by_text("A hit of today.")).to_be_visible()


def test_the_operator_s_decisions_are_not_for_reviewers(opened: Callable[..., Window], service: RunningService) -> None:
    window = opened(language="id-ID")
    page = window.sign_in(service.key("Desk", "review"))
    expect(page.locator("html")).to_have_attribute("lang", "id")
    for path in ("conflicts", "conflicts/cfl_0", "quarantines", "quarantines/ast_0", "negatives"):
        window.open(f"/review/{path}", status=403)
    window.open("/review/findings")
    window.open("/review/findings/fnd_0", status=404)
