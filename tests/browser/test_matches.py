"""Matches and conflicts: what checks find of a studio's works, what it may see of it, and whose it is."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.api.service import RunningService, finished, ok, send, until
from tests.browser.browser import PHONE, Window
from tests.media import clip_with_sound, copied

HOSTILE = '"><img src=x onerror=alert(1)>\u202e 100% mine'
STATEMENT = "Shot by us in 2019.\n<script>alert(1)</script>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A studio with a registered film, and checks of a pipeline that asked about copies of it."""

    studio: str
    pipeline: str
    desk: str
    check_id: str
    second_check_id: str
    media: Path


@pytest.fixture(scope="module")
def scene(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("media")
    film = clip_with_sound(folder / "film.mp4", seconds=12, seed=1)
    studio = service.key("Ada Films", "works:write", "notices:write", "checks:write")
    with service.client(studio) as client:
        work = ok(client.post("/v1/works", json={"title": "Night Train", "kind": "film", "policy": "review"}), 201)
        asset = ok(send(client, f"/v1/works/{work['id']}/assets", film), 202)
        assert finished(client, f"/v1/assets/{asset['id']}")["status"] == "indexed"
    ids, pipeline = [], service.key("Acme Generators", "checks:write", "releases:write")
    with service.client(pipeline) as client:
        for start_s in (2, 4):
            clip = copied(film, folder / f"copy{start_s}.mp4", start_s=start_s, seconds=6)
            check = send(client, "/v1/checks", clip).json()
            assert finished(client, f"/v1/checks/{check['id']}")["verdict"] == "review"
            until(lambda: ok(client.get(f"/v1/checks/{check['id']}"))["explanation"] == "ready")  # noqa: B023
            ids.append(check["id"])
    return Scene(
        studio=studio, pipeline=pipeline, desk=service.key("Desk", "review", "admin"), check_id=ids[0],
        second_check_id=ids[1], media=folder,
    )  # fmt: skip


def plays(window: Window, path: str) -> int:
    """The status with which media is answered to this browser."""
    return window.page.request.get(f"{window.service.url}{path}").status


def test_before_it_is_out_a_match_shows_the_own_work_alone_and_then_the_clip_too(
    opened: Callable[..., Window], service: RunningService, scene: Scene
) -> None:
    window = opened()
    page = window.sign_in(scene.studio)
    window.open("/matches")
    expect(page.get_by_role("list", name="Matches, newest first").get_by_role("heading")).to_have_count(2)
    expect(page.get_by_text("Not published from here")).to_have_count(2)
    expect(page.get_by_text("Acme Generators")).to_have_count(0)
    window.look("matches")
    window.open(f"/matches/{scene.check_id}")
    expect(page.get_by_text("it is not yours to see, nor who asked")).to_be_visible()
    expect(page.get_by_label("Your work").first).to_be_visible()
    expect(page.get_by_label("The clip", exact=True)).to_have_count(0)
    expect(page.get_by_text("In the clip")).to_have_count(0)
    expect(page.get_by_role("link", name="Write a notice")).to_have_count(0)
    assert plays(window, f"/media/checks/{scene.check_id}") == 404
    window.look("match-confidential")

    with service.client(scene.desk) as client:
        said = {"decision": "approve", "reason": "A licence was shown."}
        ok(client.post(f"/v1/checks/{scene.check_id}/decision", json=said))
    with service.client(scene.pipeline) as client:
        ok(client.post("/v1/releases", json={"check_id": scene.check_id, "title": "A train, remade"}), 201)
    page.reload()
    expect(page.get_by_text("Published", exact=True).first).to_be_visible()
    expect(page.get_by_label("The clip", exact=True).first).to_be_visible()
    assert plays(window, f"/media/checks/{scene.check_id}") == 200
    assert plays(window, f"/media/checks/{scene.second_check_id}") == 404
    expect(page.locator("dd", has_text="A train, remade")).to_be_visible()
    page.get_by_text(re.compile("Pictures of the stretch")).first.click()
    expect(page.get_by_alt_text(re.compile("The clip at")).first).to_be_visible()
    page.get_by_text("The same as a table").first.click()
    window.look("match-published")
    page.get_by_role("link", name="Write a notice").click()
    expect(page).to_have_url(re.compile(f"/notices/new.*{scene.check_id}"))


def test_matches_are_filtered_by_keyboard_and_of_nobody_else(opened: Callable[..., Window], scene: Scene) -> None:
    window = opened(scripts=False, width=PHONE)
    page = window.sign_in(scene.studio)
    window.open("/matches?verdict=block")
    expect(page.get_by_text("There are no such matches")).to_be_visible()
    page.get_by_role("combobox", name="Work").select_option("Night Train")
    page.get_by_role("combobox", name="Answer").select_option("Review")
    page.get_by_label("Also checks of your own").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("own=true"))
    expect(page.get_by_role("list", name="Matches, newest first").get_by_role("heading")).to_have_count(2)
    stranger = opened(language="id")
    other = stranger.sign_in(stranger.service.key("Somebody Else", "works:write"), at="/sign-in?next=/matches")
    expect(other).to_have_url(f"{stranger.service.url}/matches")
    expect(other.locator(".empty")).to_be_visible()
    stranger.look("matches-empty")
    stranger.open(f"/matches/{scene.check_id}", status=404)
    expect(other).to_have_title(re.compile("404"))


def test_a_hostile_title_stays_words_and_a_stretch_is_left_out_with_one_press(
    opened: Callable[..., Window], service: RunningService, scene: Scene
) -> None:
    for key, path, said in (
        (scene.desk, f"/v1/checks/{scene.second_check_id}/decision", {"decision": "approve", "reason": "Licensed."}),
        (scene.pipeline, "/v1/releases", {"check_id": scene.second_check_id, "title": HOSTILE}),
    ):
        with service.client(key) as client:
            client.post(path, json=said).raise_for_status()
    window = opened()
    page = window.sign_in(scene.studio)
    window.open(f"/matches/{scene.second_check_id}")
    expect(page.locator("dd", has_text=HOSTILE)).to_be_visible()
    expect(page.locator("main img[src=x]")).to_have_count(0)
    window.look("match-hostile")
    page.get_by_role("button", name=re.compile("Leave it out")).first.click()
    expect(page.get_by_role("status").first).to_contain_text("does not count now")


def test_what_came_before_a_work_stands_with_its_matches(
    opened: Callable[..., Window], service: RunningService, scene: Scene
) -> None:
    film = clip_with_sound(scene.media / "later.mp4", seconds=10, seed=7)
    with service.client(scene.pipeline) as client:
        check = send(client, "/v1/checks", copied(film, scene.media / "before.mp4", start_s=1, seconds=8)).json()
        assert finished(client, f"/v1/checks/{check['id']}")["verdict"] == "clear"
        ok(client.post("/v1/releases", json={"check_id": check["id"], "title": "Before"}), 201)
    late = service.key("Late Studio", "works:write")
    with service.client(late) as client:
        work = ok(client.post("/v1/works", json={"title": HOSTILE, "kind": "film", "policy": "block"}), 201)
        ok(send(client, f"/v1/works/{work['id']}/assets", film), 202)
        until(lambda: client.get("/v1/findings").json()["items"])
    window = opened()
    page = window.sign_in(late)
    window.open("/matches")
    page.get_by_role("region", name="Outputs of before").get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text("100% mine")
    expect(page.get_by_text("Waits for a person").first).to_be_visible()
    expect(page.get_by_label("The clip", exact=True).first).to_be_visible()
    assert plays(window, f"/media/checks/{check['id']}") == 200
    window.look("finding")


def rivals(service: RunningService, scene: Scene, *names: str, seed: int) -> list[str]:
    """Keys of two who registered the same film, one after the other."""
    film = clip_with_sound(scene.media / f"rivals{seed}.mp4", seconds=12, seed=seed)
    keys = [service.key(name, "works:write") for name in names]
    for name, key in zip(names, keys, strict=True):
        with service.client(key) as client:
            work = ok(client.post("/v1/works", json={"title": f"Film of {name}", "kind": "film"}), 201)
            asset = ok(send(client, f"/v1/works/{work['id']}/assets", film), 202)
            finished(client, f"/v1/assets/{asset['id']}")
    return keys


def test_two_who_claim_the_same_state_their_positions(
    opened: Callable[..., Window], service: RunningService, scene: Scene
) -> None:
    keys = rivals(service, scene, "First Films", "Second Films", seed=11)
    first, second = opened(), opened(scripts=False)
    mine, theirs = (window.sign_in(key) for window, key in zip((first, second), keys, strict=True))
    first.open("/conflicts")
    expect(mine.get_by_text("Waits for you")).to_be_visible()
    first.look("conflicts")
    mine.get_by_role("list", name="Conflicts").get_by_role("link").click()
    expect(mine.get_by_text("Both sides can speak until")).to_be_visible()
    first.look("conflict")
    mine.get_by_label("Ours alone").check()
    mine.get_by_label("Why").fill(STATEMENT)
    mine.get_by_label("Where it can be seen").fill("javascript:alert(1)")
    mine.get_by_role("button", name="Put it on record").click()
    expect(mine.locator("#f-links-error")).to_be_visible()
    expect(mine.get_by_label("Why")).to_have_value(STATEMENT)
    mine.get_by_label("Where it can be seen").fill("https://films.example/2019\nhttps://films.example/reel")
    mine.get_by_role("button", name="Put it on record").click()
    expect(mine.get_by_role("status").first).to_contain_text("on record")

    second.open("/conflicts")
    theirs.get_by_role("list", name="Conflicts").get_by_role("link").click()
    expect(theirs.get_by_text("<script>alert(1)</script>")).to_be_visible()
    expect(theirs.get_by_role("link", name="https://films.example/reel")).to_have_attribute(
        "rel", re.compile("nofollow")
    )
    expect(theirs.get_by_text("Only they and whoever decides")).to_be_visible()
    theirs.get_by_label("It is theirs").check()
    theirs.get_by_label("Why").fill("A mistake of ours.")
    theirs.get_by_role("button", name="Put it on record").click()
    expect(theirs.get_by_role("status").first).to_contain_text("You agree")
    expect(theirs.get_by_role("heading", name="How it ended")).to_be_visible()
    expect(theirs.get_by_text("It is theirs", exact=True).first).to_be_visible()
    mine.reload()
    expect(mine.get_by_text("It is yours", exact=True).first).to_be_visible()
    expect(mine.get_by_text("Both sides agree.")).to_be_visible()
    first.look("conflict-over")
    first.open("/conflicts")
    expect(mine.get_by_text("No open conflicts")).to_be_visible()
    first.open("/conflicts?all=true")
    expect(mine.get_by_role("list", name="Conflicts").get_by_role("link")).to_have_count(1)


def test_a_decision_is_appealed(opened: Callable[..., Window], service: RunningService, scene: Scene) -> None:
    keys = rivals(service, scene, "Third Films", "Fourth Films", seed=13)
    for key in keys:
        with service.client(key) as client:
            [conflict] = client.get("/v1/conflicts").json()["items"]
            said = {"position": "mine", "text": "Ours."}
            ok(client.post(f"/v1/conflicts/{conflict['id']}/statements", json=said), 201)
    with service.client(scene.desk) as client:
        said = {"outcome": "later", "reason": "Their contract is older."}
        ok(client.post(f"/v1/conflicts/{conflict['id']}/decision", json=said))
    window = opened()
    page = window.sign_in(keys[0])
    window.open(f"/conflicts/{conflict['id']}")
    expect(page.get_by_text("Their contract is older.")).to_be_visible()
    page.get_by_label("Ours alone").check()
    page.get_by_label("Why").fill("The contract had ended.")
    page.get_by_role("button", name="Appeal").click()
    expect(page.get_by_role("status").first).to_contain_text("You appealed")
    expect(page.get_by_text("This is an appeal")).to_be_visible()
    winner = opened()
    other = winner.sign_in(keys[1])
    winner.open(f"/conflicts/{conflict['id']}")
    expect(other.get_by_text("It was appealed, and goes on there")).to_be_visible()
    expect(other.get_by_role("button", name="Appeal")).to_have_count(0)
