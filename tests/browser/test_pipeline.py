"""What an engineer of a pipeline does: a key, a check from their own code, a release, webhooks, and what it came to."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from standardwebhooks import Webhook

from tests import media
from tests.api.conftest import HOLDER_SCOPES, register
from tests.api.service import RunningService, finished, ok, send
from tests.api.test_takedown_cases import DMCA
from tests.browser.browser import Window
from tests.fakes import Receiver, webhook_receiver

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(1)</script>\u202e'


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """A film that somebody registered, a piece of it, a trailer of theirs, and something else."""

    cut: Path
    trailer: Path
    unrelated: Path


@pytest.fixture(scope="module")
def clips(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    film = media.moving_clip(folder / "film.mp4", seconds=8, seed=1)
    trailer = media.moving_clip(folder / "trailer.mp4", seconds=5, seed=2)
    with service.client(service.key("Studio", *HOLDER_SCOPES)) as studio:
        register(studio, film, title=f"The Film {HOSTILE}", policy="block")
        register(studio, trailer, title="The Trailer", policy="review")
    return Clips(
        cut=media.copied(film, folder / "cut.mp4", start_s=2, seconds=5, options=["-vf", "scale=128:-2"]),
        trailer=trailer,
        unrelated=media.moving_clip(folder / "unrelated.mp4", seconds=4, seed=3),
    )


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as started:
        yield started


def pasted(code: str, clip: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a shell makes of code, in a folder with the clip in it."""
    (folder / "clip.mp4").write_bytes(clip.read_bytes())
    return subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=100)


def ask(page: Page, clip: Path) -> None:
    """Ask about a clip in the browser."""
    page.get_by_label("The clip", exact=True).set_input_files(clip)
    page.get_by_role("button", name="Check it").click()


def test_a_key_and_a_snippet_stop_a_copy(opened: Callable[..., Window], clips: Clips, tmp_path: Path) -> None:
    window = opened()
    window.sign_in(window.service.key("Pipeline", *HOLDER_SCOPES))
    page = window.open("/checks")
    expect(page.get_by_text("No clip was checked yet")).to_be_visible()
    window.look("pipeline-empty")
    code = page.locator("#code-curl pre").text_content() or ""

    window.open("/keys")
    page.get_by_label("What is it for?").fill("render farm")
    expect(page.get_by_label("Checks", exact=True)).to_be_checked()
    window.look("pipeline-keys")
    page.get_by_role("button", name="Make the key").click()
    exports = page.get_by_label("Environment of the program", exact=True).text_content() or ""
    key = exports.partition("CLEARMARK_KEY=")[2].strip()
    assert key.startswith("cm_")
    assert key not in page.url
    assert key not in json.dumps(page.context.cookies())
    window.look("pipeline-key-made")

    ran = pasted(f"{exports}\n{code}", clips.cut, tmp_path)
    assert ran.returncode != 0, ran.stdout
    assert not (tmp_path / "signed.mp4").exists()
    window.open("/checks")
    expect(page.get_by_role("cell", name="Block")).to_be_visible()
    expect(page.get_by_role("img", name="Checks by day")).to_be_visible()
    window.look("pipeline-checks")
    page.get_by_role("link", name=re.compile("Check chk_")).click()
    expect(page.get_by_role("heading", name="This clip must not go out.")).to_be_visible()
    expect(page.locator("ol.frames img").first).to_be_visible(timeout=40_000)
    window.look("pipeline-block")


def test_what_is_clear_is_signed_saved_and_revoked(opened: Callable[..., Window], clips: Clips, tmp_path: Path) -> None:
    window = opened()
    window.sign_in(window.service.key("Second pipeline", *HOLDER_SCOPES))
    page = window.open("/try")
    page.get_by_label("Made with").fill(HOSTILE)
    ask(page, clips.unrelated)
    expect(page.get_by_role("heading", name="This clip may go out.")).to_be_visible(timeout=40_000)
    window.look("pipeline-clear")
    page.get_by_label("Title optional", exact=True).fill(f"A quiet street {HOSTILE}")
    page.get_by_text("More: how exactly").click()
    page.get_by_label("Training generative AI").first.select_option("Not allowed")
    page.get_by_role("button", name="Sign and release").click()
    expect(page.get_by_role("alert")).to_contain_text("Say whether it was made by AI.")
    page.get_by_label("Yes", exact=True).check()
    page.get_by_role("button", name="Sign and release").click()
    expect(page.get_by_role("heading", name="A quiet street")).to_be_visible(timeout=40_000)
    expect(page.get_by_role("status").filter(has_text="The clip is signed")).to_be_visible()
    window.look("pipeline-release")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save the signed file").click()
    signed = tmp_path / "saved.mp4"
    saving.value.save_as(signed)
    assert saving.value.suggested_filename.endswith(".mp4")
    with window.service.client() as anyone:
        said = ok(send(anyone, "/v1/verifications", signed))
    assert said["integrity"]["state"] == "intact"
    assert said["training_mining"]["cawg.ai_generative_training"] == {"use": "notAllowed"}
    assert said["title"] == f"A quiet street {HOSTILE}"

    page.get_by_text("Revoke this release").click()
    page.get_by_label("Why?").fill(f"The wrong clip {HOSTILE}")
    page.get_by_role("button", name="Revoke it for good").click()
    expect(page.get_by_text("It was revoked on")).to_be_visible()
    window.look("pipeline-revoked")
    window.open("/releases")
    expect(page.get_by_role("cell", name="Revoked")).to_be_visible()
    window.look("pipeline-releases")
    window.open("/usage")
    expect(page.get_by_role("heading", name="Limits in force")).to_be_visible()
    window.look("pipeline-usage")


def test_webhooks_are_set_tested_and_sent_again(opened: Callable[..., Window], receiver: Receiver) -> None:
    window = opened()
    page = window.sign_in(window.service.key("Listener", *HOLDER_SCOPES))
    window.open("/webhooks")
    page.get_by_label("Address").fill("http://127.0.0.1:9/inside")
    page.get_by_role("button", name="Save the address").click()
    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Address").fill("https://hooks.example/clearmark")
    page.get_by_role("button", name="Save the address").click()
    expect(page.get_by_text("it is shown this once")).to_be_visible()
    first = page.locator(".key .copy code").text_content() or ""
    assert first.startswith("whsec_")
    window.look("pipeline-webhook-secret")
    page.get_by_role("button", name="Make a new secret").click()
    expect(page.get_by_text("messages are signed with the secret before as well")).to_be_visible()
    window.open("/webhooks")
    expect(page.get_by_text("whsec_")).not_to_be_visible()

    # Only the operator may choose an address inside their own network, such as the receiver of this test.
    answer = window.service.cli("webhooks", "set", "--holder", "Listener", "--target", receiver.url, "--json")
    secret = json.loads(answer.stdout)["secret"]
    receiver.statuses = [410, 204]
    window.open("/webhooks")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("It was given up.")).to_be_visible(timeout=40_000)
    expect(page.get_by_text("410 Gone")).to_be_visible()
    window.look("pipeline-message-failed")
    page.get_by_role("button", name="Send it again now").click()
    expect(page.get_by_role("alert")).to_contain_text("disabled")
    window.service.cli("webhooks", "set", "--holder", "Listener", "--target", receiver.url, "--json")
    window.open("/webhooks?status=failed")
    page.get_by_role("link", name=re.compile("Open the message")).click()
    page.get_by_role("button", name="Send it again now").click()
    expect(page.get_by_text("Delivered").first).to_be_visible(timeout=40_000)
    shown = json.loads(page.get_by_label("Body of the message", exact=True).text_content() or "")
    delivered = receiver.deliveries[-1]
    assert json.loads(delivered.body) == shown
    assert delivered.headers["webhook-id"] == receiver.deliveries[0].headers["webhook-id"]
    Webhook(secret).verify(receiver.deliveries[0].body, receiver.deliveries[0].headers)
    window.open("/webhooks")
    expect(page.get_by_role("cell", name="Delivered")).to_be_visible()
    window.look("pipeline-webhooks")
    page.get_by_text("Send nothing any more").click()
    page.get_by_label("Forget the address").check()
    page.get_by_role("button", name="Stop sending").click()
    expect(page.get_by_role("status").filter(has_text="Nothing is sent any more.")).to_be_visible()


def test_a_reviewer_lets_a_clip_through_and_a_notice_takes_it_down(opened: Callable[..., Window], clips: Clips) -> None:
    window = opened()
    service, key = window.service, window.service.key("Patient pipeline", *HOLDER_SCOPES)
    context = {"generator": HOSTILE, "file": HOSTILE, "prompt": "x" * 5000}
    with service.client(key) as pipeline:
        sent = send(pipeline, "/v1/checks", clips.trailer, data={"context": json.dumps(context)})
        check = finished(pipeline, f"/v1/checks/{sent.json()['id']}")
    assert check["verdict"] == "review"
    page = window.sign_in(key)
    window.open(f"/checks?id={check['id']}")
    expect(page.get_by_role("heading", name="Hold this clip back")).to_be_visible()
    expect(page.locator("ol.frames img").first).to_be_visible(timeout=40_000)
    window.look("pipeline-review")
    with service.client(service.key("Operator", "review")) as reviewer:
        said = {"decision": "approve", "reason": f"It is licensed. {HOSTILE}"}
        ok(reviewer.post(f"/v1/checks/{check['id']}/decision", json=said))
    page.reload()
    expect(page.get_by_role("heading", name="This clip may go out: a reviewer let it through.")).to_be_visible()
    expect(page.get_by_text("It is licensed.")).to_be_visible()
    page.get_by_text("More: how exactly").click()
    page.get_by_label("Yes", exact=True).check()
    page.get_by_label("Title of file 1").fill("A sketch")
    page.get_by_role("button", name="Sign and release").click()
    expect(page.get_by_role("alert")).to_be_visible()  # neither a check nor a release was named
    page.get_by_label("Title of file 1").fill("")
    page.get_by_role("button", name="Sign and release").click()
    expect(page.get_by_role("link", name="Save the signed file")).to_be_visible(timeout=40_000)

    release_id = page.url.rpartition("/")[2]
    notice = {**DMCA, "release_id": release_id, "material": ["The clip that is signed here"]}
    with service.client(service.key("Studio", *HOLDER_SCOPES)) as studio:
        filed = ok(studio.post("/v1/notices", json=notice), 201)
    with service.client(service.key("Operator", "review")) as reviewer:
        step = {"event": "disable", "reason": "It is a copy."}
        ok(reviewer.post(f"/v1/notices/{filed['id']}/transitions", json=step))
    page.reload()
    expect(page.get_by_text("It was taken down on")).to_be_visible()
    expect(page.get_by_role("link", name="Go to the notice")).to_have_attribute("href", f"/my-notices/{filed['id']}")
    window.look("pipeline-taken-down")
    window.open(f"/releases/{release_id}/file", status=451)

    window.open("/checks?verdict=clear")
    expect(page.get_by_text("No check is like that")).to_be_visible()
    page.get_by_role("link", name="Show all checks").click()
    expect(page.get_by_text("let through")).to_be_visible()


def test_keys_are_replaced_and_revoked_by_keyboard_and_then_refused(opened: Callable[..., Window]) -> None:
    window = opened()
    service = window.service
    page = window.sign_in(service.key("Keeper", *HOLDER_SCOPES))
    window.open("/keys")
    page.get_by_label("What is it for?").focus()
    page.keyboard.type(HOSTILE)
    page.get_by_label("Webhooks", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Make the key").focus()
    page.keyboard.press("Enter")
    old = page.locator(".key .copy code").text_content() or ""
    page.get_by_role("link", name="All keys").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("Look at the key .*img")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("How long does the old one work on?")).to_have_value("86400")
    window.look("pipeline-key")
    page.get_by_label("How long does the old one work on?").select_option("An hour")
    page.get_by_role("button", name="Make the new key").focus()
    page.keyboard.press("Enter")
    new = page.locator(".key .copy code").text_content() or ""
    for key in (old, new):
        with service.client(key) as program:
            assert program.get("/v1/checks").status_code == 200
    page.get_by_role("link", name="The old key").click()
    page.get_by_label("I am sure").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Revoke the key").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="The key is revoked")).to_be_visible()
    with service.client(old) as program:
        assert program.get("/v1/checks").status_code == 401
    page.get_by_text("Keys that have ended").first.click()
    expect(page.get_by_role("cell", name=re.compile("^revoked"))).to_be_visible()
    page.get_by_label("Checks", exact=True).uncheck()
    page.get_by_label("Releases", exact=True).uncheck()
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_be_visible()
    with service.client(new) as program:
        assert program.get("/v1/checks").status_code == 200


def test_without_scripts_a_clip_is_asked_about_and_what_is_no_clip_is_refused(
    opened: Callable[..., Window], clips: Clips, tmp_path: Path
) -> None:
    window = opened(scripts=False)
    page = window.sign_in(window.service.key("Plain", *HOLDER_SCOPES))
    window.open("/try")
    (tmp_path / "notes.mp4").write_text(HOSTILE)
    ask(page, tmp_path / "notes.mp4")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_text("More to say of it").click()
    page.get_by_label("Context").fill("[1]")
    ask(page, clips.cut)
    expect(page.get_by_label("Context")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Context").fill('{"shot": 7}')
    ask(page, clips.cut)
    expect(page.get_by_role("heading", name="This clip must not go out.")).to_be_visible(timeout=40_000)
    expect(page.get_by_text('"shot": 7')).to_be_visible()


def test_the_pages_speak_indonesian(opened: Callable[..., Window]) -> None:
    window = opened(language="id")
    service = window.service
    page = window.sign_in(service.key("Pipa", *HOLDER_SCOPES))
    for path in ("/checks", "/try", "/releases", "/keys", "/webhooks", "/usage"):
        window.open(path)
        expect(page).to_have_url(service.url + path)
        expect(page.locator("html")).to_have_attribute("lang", "id")
    with service.client() as anyone:
        assert anyone.get("/checks").status_code == 303  # to sign in first


def test_who_may_not_is_told_so(opened: Callable[..., Window]) -> None:
    window = opened()
    window.sign_in(window.service.key("Asker", "checks:write"))
    for path in ("/keys", "/webhooks", "/releases"):
        window.open(path, status=403)
    window.open("/checks/chk_0", status=404)
