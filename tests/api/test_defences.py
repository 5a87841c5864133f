"""Defences against false claims, and explanations, as a client of the running service meets them."""

import base64
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import media
from tests.api.conftest import HOLDER_SCOPES, Registered, register
from tests.api.service import RunningService, finished, ok, problem, send, until

EVIL = '<script>alert("x")</script>'
_seeds = itertools.count(200)
_IMAGES = re.compile(r'src="data:image/jpeg;base64,([^"]+)"')


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.clip_with_sound(tmp_path_factory.mktemp("source") / "source.mp4", seconds=12, seed=71)


@pytest.fixture(scope="module")
def registered(studio: httpx.Client, source: Path) -> Registered:
    return register(studio, source, title=EVIL, policy="block")


@pytest.fixture(scope="module")
def cut(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seconds 3 to 9."""
    return media.copied(source, tmp_path_factory.mktemp("cut") / "cut.mp4", start_s=3, seconds=6)


@pytest.fixture(scope="module")
def checked(pipeline: httpx.Client, registered: Registered, cut: Path) -> dict[str, Any]:
    found = ok(send(pipeline, "/v1/checks", cut))
    mine = [match for match in found["matches"] if match["work_id"] == registered.work_id]
    assert any(match["confirmed"] for match in mine)
    assert all(match["no_weight"] is None for match in mine)
    return found


def explained(client: httpx.Client, check_id: str) -> str:
    """The page, once it has its pictures."""

    def ask() -> httpx.Response | None:
        answer = client.get(f"/v1/checks/{check_id}/explanation")
        assert answer.status_code in (200, 202), answer.text[:300]
        return answer if answer.status_code == 200 else None

    answer = until(ask)
    assert answer is not None
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def test_an_explanation_stands_on_its_own_and_runs_nothing(pipeline: httpx.Client, checked: dict[str, Any]) -> None:
    page = explained(pipeline, checked["id"])
    policy = pipeline.get(f"/v1/checks/{checked['id']}/explanation").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert not re.search(r"(src|href)=\"(?!data:image/jpeg;base64,)", page)
    assert len(page.encode()) < 320_000
    assert checked["explanation"] in ("waiting", "ready")
    assert ok(pipeline.get(f"/v1/checks/{checked['id']}"))["explanation"] == "ready"


def test_an_asker_sees_the_work_s_pictures_only_where_its_owner_lets_them(
    studio: httpx.Client,
    pipeline: httpx.Client,
    reviewer: httpx.Client,
    registered: Registered,
    checked: dict[str, Any],
) -> None:
    hidden, whole = explained(pipeline, checked["id"]), explained(reviewer, checked["id"])
    assert 0 < len(_IMAGES.findall(hidden)) < len(_IMAGES.findall(whole))
    assert "does not show its pictures" in hidden
    ok(studio.patch(f"/v1/works/{registered.work_id}", json={"shows_frames": True}))
    assert len(_IMAGES.findall(explained(pipeline, checked["id"]))) == len(_IMAGES.findall(whole))
    ok(studio.patch(f"/v1/works/{registered.work_id}", json={"shows_frames": False}))
    assert len(_IMAGES.findall(explained(pipeline, checked["id"]))) == len(_IMAGES.findall(hidden))
    assert all(base64.b64decode(data).startswith(b"\xff\xd8") for data in _IMAGES.findall(whole))


def test_an_explanation_is_for_who_may_see_the_check(
    studio: httpx.Client, stranger: httpx.Client, checked: dict[str, Any]
) -> None:
    for other in (studio, stranger):  # the owner of the work may not see what others are about to publish
        problem(other.get(f"/v1/checks/{checked['id']}/explanation"), 404, "not-found")


def test_what_matched_nothing_has_no_explanation(pipeline: httpx.Client, tmp_path: Path) -> None:
    clear = ok(send(pipeline, "/v1/checks", media.track(tmp_path / "clear.ogg", seconds=8, seed=79)))
    assert clear["explanation"] is None
    problem(pipeline.get(f"/v1/checks/{clear['id']}/explanation"), 404, "not-found")


# -- what does not count -------------------------------------------------------------------------


@pytest.fixture
def claim(service: RunningService, tmp_path: Path) -> Iterator[tuple[httpx.Client, Any]]:
    """A holder with a clip of their own registered: the client, the clip and what was registered."""
    clip = media.clip_with_sound(tmp_path / "claimed.mp4", seconds=8, seed=next(_seeds))
    with service.client(service.key("Claimant", *HOLDER_SCOPES)) as claimant:
        yield claimant, (clip, register(claimant, clip, policy="block"))


def reasons(client: httpx.Client, clip: Path, made: Registered) -> set[str]:
    """Why a clip's verdict is what it is, as far as this work goes: drawn clips resemble each other."""
    found = ok(send(client, "/v1/checks", clip))
    return {reason["code"] for reason in found["reasons"] if reason["work_id"] == made.work_id}


def test_an_excluded_interval_does_not_count(claim: Any, pipeline: httpx.Client, operator: httpx.Client) -> None:
    claimant, (clip, made) = claim
    path = f"/v1/assets/{made.asset_id}/exclusions"
    assert reasons(pipeline, clip, made) == {"policy_block"}
    whole = {"intervals": [{"start_s": 0, "end_s": 8, "reason": "licensed"}]}
    [said] = ok(claimant.put(path, json=whole))["exclusions"]
    assert (said["source"], said["start_s"], said["end_s"], said["reason"]) == ("owner", 0.0, 8.0, "licensed")
    assert reasons(pipeline, clip, made) == {"excluded"}
    ok(operator.put(path, json={"intervals": []}))
    assert reasons(pipeline, clip, made) == {"excluded"}, "an operator's word is another"
    assert ok(claimant.put(path, json={"intervals": []}))["exclusions"] == []
    assert reasons(pipeline, clip, made) == {"policy_block"}
    problem(pipeline.put(path, json=whole), 404, "not-found")
    for wrong in (5, -1, "NaN"):
        problem(claimant.put(path, json={"intervals": [{"start_s": 5, "end_s": wrong, "reason": "x"}]}), 422, "invalid")


def test_material_of_the_negative_bank_counts_for_nobody(
    claim: Any, pipeline: httpx.Client, operator: httpx.Client, studio: httpx.Client
) -> None:
    claimant, (clip, made) = claim
    accepted = ok(send(operator, "/v1/negatives", clip, data={"title": "A stock clip"}), 202)
    entry = finished(operator, f"/v1/negatives/{accepted['id']}")
    assert (entry["status"], entry["title"]) == ("indexed", "A stock clip")
    excluded = ok(claimant.get(f"/v1/assets/{made.asset_id}"))["exclusions"]
    assert {(row["source"], row["modality"], row["negative_id"]) for row in excluded} == {
        ("bank", "video", entry["id"]),
        ("bank", "audio", entry["id"]),
    }
    assert reasons(pipeline, clip, made) == {"negative"}
    assert entry["id"] in {row["id"] for row in ok(operator.get("/v1/negatives"))["items"]}
    problem(send(studio, "/v1/negatives", clip, data={"title": "Mine"}), 403, "forbidden")
    problem(send(operator, "/v1/negatives", clip, data={"title": "Again"}), 409, "conflict")
    problem(send(operator, "/v1/negatives", clip), 422, "invalid")
    assert operator.delete(f"/v1/negatives/{entry['id']}").status_code == 204
    problem(operator.delete(f"/v1/negatives/{entry['id']}"), 404, "not-found")
    assert ok(claimant.get(f"/v1/assets/{made.asset_id}"))["exclusions"] == []
    assert reasons(pipeline, clip, made) == {"policy_block"}


def test_the_bank_refuses_what_is_no_media(operator: httpx.Client, tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_text("no film")
    problem(send(operator, "/v1/negatives", tmp_path / "none.mp4", data={"title": "x"}), 422, "media-unreadable")
    black = media.filtered(tmp_path / "black.mp4", "color=black:s=64x48:r=5", seconds=3)
    accepted = ok(send(operator, "/v1/negatives", black, data={"title": "Black"}), 202)
    entry = finished(operator, f"/v1/negatives/{accepted['id']}")
    assert (entry["status"], entry["reason"]) == ("rejected", "black")


def test_thresholds_are_the_operator_s_floor_and_the_owner_s_wish(
    claim: Any, pipeline: httpx.Client, operator: httpx.Client
) -> None:
    claimant, (clip, made) = claim
    path = f"/v1/works/{made.work_id}"
    service_s = {"review_matched_s": 2.0, "block_matched_s": 3.0}
    assert ok(claimant.get(path))["thresholds_in_force"] == service_s
    long = {"review_matched_s": 20.0, "block_matched_s": 30.0}
    assert ok(claimant.patch(path, json={"thresholds": long}))["thresholds"] == long
    assert reasons(pipeline, clip, made) == {"too_short"}
    short = {"review_matched_s": 0.5, "block_matched_s": 1.0}
    problem(claimant.patch(path, json={"thresholds": short}), 422, "invalid")
    taken_back = ok(claimant.patch(path, json={"thresholds": None}))
    assert (taken_back["thresholds"], taken_back["thresholds_in_force"]) == (None, service_s)
    [holder] = [h for h in _holders(operator) if h["name"] == "Claimant"]
    floor = {"review_matched_s": 5.0, "block_matched_s": 60.0}
    set_to = ok(operator.put(f"/v1/holders/{holder['id']}/thresholds", json=floor))
    assert set_to["thresholds"] == floor
    assert "too_short_to_block" in reasons(pipeline, clip, made)
    assert ok(operator.delete(f"/v1/holders/{holder['id']}/thresholds"))["thresholds"] == service_s
    upside_down = {"review_matched_s": 5.0, "block_matched_s": 1.0}
    problem(operator.put(f"/v1/holders/{holder['id']}/thresholds", json=upside_down), 422, "invalid")


def _holders(operator: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(operator.get("/v1/holders", params={"limit": 200}))["items"]
    return found


def test_what_is_not_in_quarantine_cannot_be_let_go(operator: httpx.Client, registered: Registered) -> None:
    assert ok(operator.get(f"/v1/assets/{registered.asset_id}"))["quarantine"] is None
    said = {"decision": "release", "reason": "fine"}
    problem(operator.post(f"/v1/assets/{registered.asset_id}/quarantine", json=said), 409, "conflict")
    assert ok(operator.get("/v1/quarantines"))["items"] == []


def test_a_work_of_two_modalities_says_which_is_weak(studio: httpx.Client, tmp_path: Path) -> None:
    noisy = tmp_path / "noisy.mp4"
    quiet = media.moving_clip(tmp_path / "quiet.mp4", seconds=12, seed=77)
    media.ffmpeg("-i", quiet, "-f", "lavfi", "-i", "anoisesrc=r=22050:seed=4", "-c:v", "copy", "-shortest", noisy)
    made = register(studio, noisy)
    asset = ok(studio.get(f"/v1/assets/{made.asset_id}"))
    assert asset["warnings"] == ["audio: noise"]
    assert all(name.startswith("video-") for name in asset["fingerprints"])
