"""Verifying as anyone does: what is said first of a file, what is told below it, and its address."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from provenance.authority import Credentials, ensure_development_signer
from provenance.engine import LibraryEngine
from provenance.model import (
    AssertedCheck,
    Ingredient,
    MiningEntry,
    MiningRule,
    MiningUse,
    Relationship,
    ReleaseClaim,
    TrainingMining,
)
from provenance.source_types import SourceType
from tests import media
from tests.api.service import RunningService, finished, ok, send
from tests.browser.browser import PHONE, Window

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> \u202egnirts'
ANSWER = re.compile("/verifications/vrf_")
NOTICE = {
    "signature": "Ada Example", "work_description": "The Film", "contact_name": "Ada Example",
    "contact_email": "ada@example.org", "good_faith": True, "accuracy_under_penalty_of_perjury": True,
    "authority": True,
}  # fmt: skip


class Clips:
    """A release, a registered work, and files that people make of them."""

    def __init__(self, service: RunningService, folder: Path, stack: contextlib.ExitStack) -> None:
        self.service, self.folder = service, folder
        scopes = ("works:write", "checks:write", "releases:write", "notices:write", "review")
        self.studio = stack.enter_context(service.client(service.key("Studio", *scopes)))
        self.film = media.clip_with_sound(folder / "film.mp4", seconds=8, seed=301)
        self.work_id = self._registered(self.film, "The Film")
        still = media.filtered(folder / "still.png", "testsrc2=s=160x120:r=1", seconds=1, video=False)
        given = {"relationship": "inputTo", "check_id": ok(send(self.studio, "/v1/checks", still))["id"]}
        rules = {"cawg.ai_generative_training": {"use": "notAllowed"}}
        self.release, self.signed = self.released(
            302, "Harbour", ingredients=[given | {"title": "A still"}], training_mining=rules
        )

    def released(self, seed: int, title: str, **said: Any) -> tuple[str, Path]:
        made = media.clip_with_sound(self.folder / f"{seed}.mp4", seconds=9, seed=seed)
        check = ok(send(self.studio, "/v1/checks", made))
        said = {"title": title, "generator": {"name": "Dreamer", "version": "3"}, "check_id": check["id"], **said}
        release = ok(self.studio.post("/v1/releases", json=said), 201)["id"]
        signed = self.folder / f"{seed}-signed.mp4"
        signed.write_bytes(self.studio.get(f"/v1/releases/{release}/file").content)
        return release, signed

    def stripped(self, source: Path, name: str, **how: Any) -> Path:
        return media.copied(source, self.folder / name, options=["-map_metadata", "-1", "-crf", "30"], **how)

    def taken_down(self, release: str) -> None:
        notice = ok(self.studio.post("/v1/notices", json={**NOTICE, "release_id": release, "material": [release]}), 201)
        event = {"event": "disable", "reason": "by the book"}
        ok(self.studio.post(f"/v1/notices/{notice['id']}/transitions", json=event))

    def _registered(self, path: Path, title: str) -> str:
        reserved = [{"use": "train", "value": "reserved"}]
        said = {"title": title, "kind": "film", "policy": "review", "reservations": reserved}
        work: str = ok(self.studio.post("/v1/works", json=said), 201)["id"]
        asset = ok(send(self.studio, f"/v1/works/{work}/assets", path), 202)["id"]
        assert finished(self.studio, f"/v1/assets/{asset}")["status"] == "indexed"
        return work


@pytest.fixture(scope="module")
def clips(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clips]:
    with contextlib.ExitStack() as stack:
        yield Clips(service, tmp_path_factory.mktemp("clips"), stack)


def verify(window: Window, path: Path) -> Page:
    page = window.open("/")
    page.get_by_label("Drop a clip").set_input_files(path)
    expect(page).to_have_url(ANSWER)
    return page


def headline(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def test_a_signed_file_is_told_fact_by_fact_and_its_answer_passed_on(
    opened: Callable[..., Window], clips: Clips
) -> None:
    window = opened()
    window.open("/")
    window.look("verify-front")
    page = verify(window, clips.signed)
    expect(headline(page)).to_contain_text("signer - not for production signed it on")
    expect(headline(page)).to_contain_text("and it was made with AI")
    expect(page.locator("#integrity")).to_contain_text("Unchanged")
    expect(page.locator("#signer")).to_contain_text("Test certificate")
    expect(page.locator("#history")).to_contain_text("with Dreamer 3")
    expect(page.locator("#ingredients")).to_contain_text("A still")
    expect(page.locator("#ingredients")).to_contain_text("given to the generator")
    expect(page.get_by_role("row", name="Training of generative AI")).to_contain_text("Not allowed")
    expect(page.locator("[data-strip] img")).to_have_count(12)
    expect(page.get_by_text("known in this tab alone")).to_be_visible()
    window.look("verify-signed")
    page.get_by_role("button", name="Copy: Address of this answer").click()
    address = page.evaluate("navigator.clipboard.readText()")
    assert ANSWER.search(address)

    other = opened()
    other.page.goto(address)
    expect(headline(other.page)).to_contain_text("made with AI")
    expect(other.page.get_by_text("302-signed.mp4")).to_have_count(0)
    with clips.service.client() as anyone:
        picture = anyone.get(other.page.locator(".answer img").get_attribute("src") or "")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert picture.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        missing = anyone.get(f"{address}/thumbnails/99")
        assert (missing.status_code, missing.headers["content-type"]) == (404, "text/html; charset=utf-8")
        for link in other.page.locator("#the-file ~ .columns a").all():
            assert anyone.get(link.get_attribute("href") or "").status_code == 200


def test_what_was_stripped_and_cut_is_recognised_by_keyboard_alone(visitor: Window, clips: Clips) -> None:
    page = visitor.open("/")
    with page.expect_file_chooser() as chooser:  # from here on: what is asked for late may miss the key
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Drop a clip")).to_be_focused()
        page.keyboard.press("Space")
    chooser.value.set_files(clips.stripped(clips.signed, "cut.mp4", start_s=3))
    expect(page).to_have_url(ANSWER)
    expect(headline(page)).to_contain_text("No credentials in the file – but we recognise it")
    expect(headline(page)).to_contain_text("Harbour")
    expect(page.get_by_text("Missing here: 0:00–0:0")).to_be_visible()
    expect(page.locator("#integrity")).to_contain_text("says nothing about whether it is genuine")
    table = page.locator("summary", has_text="The same as a table").first
    table.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("row", name="something was cut out here")).to_be_visible()
    visitor.look("verify-stripped")


def test_what_is_wrong_or_not_known_is_said_in_one_sentence(visitor: Window, clips: Clips) -> None:
    tampered = clips.folder / "tampered.mp4"
    data = bytearray(clips.signed.read_bytes())
    data[data.rindex(b"mdat") + 4096] ^= 0xFF
    tampered.write_bytes(data)
    page = verify(visitor, tampered)
    expect(headline(page)).to_have_text("This file was changed after it was signed.")
    expect(page.locator("#integrity")).to_contain_text("assertion.bmffHash.mismatch")
    expect(page.get_by_text("do not rely on it")).to_be_visible()

    page = verify(visitor, clips.stripped(clips.film, "copy.mp4", start_s=1, seconds=6))
    expect(headline(page)).to_contain_text("it shows or plays the registered work")
    assert page.get_by_role("link", name="The Film").get_attribute("href") == f"/registry/{clips.work_id}"
    visitor.look("verify-copies")

    unrelated = media.moving_clip(clips.folder / "unrelated.mp4", seconds=3, seed=999)
    page = verify(visitor, unrelated)
    expect(headline(page)).to_contain_text("That says nothing about whether it is genuine.")

    page = visitor.open("/")
    page.get_by_label("Only read its credentials").check()
    page.get_by_label("Drop a clip").set_input_files(unrelated)
    expect(headline(page)).to_contain_text("was not looked up")

    text = clips.folder / "letter.txt"
    text.write_text("This is not a film.\n" * 200)
    page = visitor.open("/")
    page.get_by_label("Drop a clip").set_input_files(text)
    expect(page.locator("#f-file-error")).to_contain_text("Send a video, sound or image file")
    expect(page.get_by_label("Drop a clip")).to_be_focused()
    visitor.look("verify-refused")
    page.goto(f"{clips.service.url}/verifications")
    expect(headline(page)).to_contain_text("Find out where a clip comes from")


def test_what_a_stranger_signed_is_shown_as_their_word_and_runs_nothing(visitor: Window, tmp_path: Path) -> None:
    at = datetime.now(UTC)
    stranger = LibraryEngine(Credentials(signer=ensure_development_signer(tmp_path / "stranger", at=at)))
    claim = ReleaseClaim(
        title=HOSTILE, release_id=HOSTILE, media_type="video/mp4", created_at=at, generator_name=HOSTILE,
        generator_version="1", source_type=SourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
        check=AssertedCheck(
            check_id="chk_1", verdict="clear", algorithms=(), index_sequence=1, ledger_origin="x", ledger_index=None,
            checked_at=at,
        ),
        training_mining=TrainingMining(
            entries={
                MiningEntry.DATA_MINING: MiningRule(use=MiningUse.CONSTRAINED, constraint_info="javascript:alert(3)"),
                MiningEntry.AI_TRAINING: MiningRule(use=MiningUse.CONSTRAINED, constraint_info="https://terms.example/"),
            }
        ),
    )  # fmt: skip
    source = media.moving_clip(tmp_path / "source.mp4", seconds=2, seed=777)
    stranger.sign(source, tmp_path / "inner.mp4", claim)
    part = Ingredient(path=tmp_path / "inner.mp4", title=HOSTILE, relationship=Relationship.COMPONENT_OF)
    stranger.sign(source, tmp_path / "outer.mp4", claim, (part,))

    shown: list[str] = []

    def heed(dialog: Dialog) -> None:
        shown.append(dialog.message)
        dialog.dismiss()

    visitor.page.on("dialog", heed)
    page = verify(visitor, tmp_path / "outer.mp4")
    expect(headline(page)).to_contain_text("we do not know the signer")
    expect(page.locator("#history")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("#ingredients bdi", has_text="<img src=x onerror=alert(2)>").first).to_be_visible()
    expect(page.locator("main script, main img[src=x]")).to_have_count(0)
    expect(page.get_by_role("link", name="javascript:")).to_have_count(0)
    terms = page.get_by_role("link", name="https://terms.example/")
    assert terms.get_attribute("rel") == "nofollow noopener noreferrer"
    visitor.look("verify-stranger")
    assert shown == []


def test_what_was_taken_down_or_revoked_is_said_at_once_and_not_shown_any_more(
    opened: Callable[..., Window], clips: Clips
) -> None:
    window = opened()
    release, signed = clips.released(303, "Night")
    page = verify(window, signed)
    address = page.url
    expect(page.locator(".answer img")).to_have_count(1)
    clips.taken_down(release)
    page.goto(address)
    expect(headline(page)).to_contain_text("it has been taken down")
    expect(page.locator("#release")).to_contain_text("taken down after a notice")
    expect(page.locator(".answer img")).to_have_count(0)
    assert httpx.get(f"{address}/thumbnails/0").status_code == 404
    page = verify(window, clips.stripped(signed, "night.mp4", start_s=2))
    expect(headline(page)).to_contain_text("which has been taken down")
    window.look("verify-taken-down")

    release, signed = clips.released(304, "Day")
    said = {"revocation": "bad_check", "reason": "It missed a work."}
    ok(clips.studio.post(f"/v1/releases/{release}/revocation", json=said))
    page = verify(window, signed)
    expect(headline(page)).to_contain_text("it is not stood by any more")
    expect(page.locator(".beside-it")).to_contain_text("It missed a work.")


def test_the_readers_own_pictures_move_nothing_however_late_their_script_comes(
    opened: Callable[..., Window], clips: Clips
) -> None:
    window = opened()
    page = window.open("/")
    page.get_by_label("Drop a clip").set_input_files(clips.stripped(clips.signed, "harbour.mp4", start_s=2))
    expect(page).to_have_url(ANSWER)
    expect(page.locator(".strip img").first).to_be_visible()

    def late(route: Route) -> None:
        time.sleep(0.5)
        route.continue_()

    page.route("**/verify.js*", late)
    page.reload()
    expect(page.locator(".strip img").first).to_be_visible()
    window.stays_put("verify-late")


def test_without_scripts_with_credentials_beside_the_file(opened: Callable[..., Window], clips: Clips) -> None:
    made, store = clips.folder / "made.webm", clips.folder / "made.c2pa"
    media.ffmpeg("-i", media.clip_with_sound(clips.folder / "305.mp4", seconds=5, seed=305), "-c:v", "libvpx", made)
    check = ok(send(clips.studio, "/v1/checks", made))
    release = ok(clips.studio.post("/v1/releases", json={"check_id": check["id"]}), 201)["id"]
    store.write_bytes(clips.studio.get(f"/v1/releases/{release}/manifest").content)
    page = opened(scripts=False).open("/")
    page.get_by_label("Drop a clip").set_input_files(made)
    page.get_by_text("I have its credentials as a file").click()
    page.get_by_label("Credentials that lie beside it").set_input_files(store)
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(headline(page)).to_contain_text("made with AI")
    expect(page.get_by_text("were sent along with it")).to_be_visible()


def test_with_scripts_it_is_said_what_is_done_and_can_be_stopped(visitor: Window, clips: Clips) -> None:
    visitor.page.add_init_script("HTMLFormElement.prototype.submit = () => {}")  # an answer that never comes
    page = visitor.open("/")
    page.get_by_text("I have its credentials as a file").click()
    page.get_by_label("Drop a clip").set_input_files(clips.signed)
    button = page.get_by_role("button", name="Verify", exact=True)  # two files are chosen here, so it waits for both
    expect(button).to_be_visible()
    button.click()
    expect(page.get_by_text("Reading its credentials")).to_be_visible()
    expect(page.get_by_text("Comparing what it shows and plays")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("Comparing what it shows and plays")).to_be_hidden()
    expect(page.get_by_label("Drop a clip")).to_be_visible()


def test_on_a_phone_in_indonesian_and_where_there_is_nothing(opened: Callable[..., Window], clips: Clips) -> None:
    window = opened(width=PHONE, language="id")
    page = window.open("/")
    expect(page.locator("html")).to_have_attribute("lang", "id")
    page.locator("input[name=file]").set_input_files(clips.signed)
    expect(page).to_have_url(ANSWER)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    answer = window.page.goto(f"{clips.service.url}/verifications/vrf_none")
    assert answer is not None
    assert answer.status == 404
    window.look("verify-gone")
