"""The whole way of each user over HTTP: register, check, release, verify."""

import hashlib
import json
import time
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fingerprinting.document import to_document
from fingerprinting.extract import extract
from tests import media
from tests.api.conftest import Clips, Registered, register
from tests.api.service import RunningService, finished, ok, problem, send

_NEAR_S = 0.5


def _reasons(found: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in found["reasons"]}


def _spans(match: dict[str, Any], side: str, start_s: float, end_s: float) -> bool:
    near = pytest.approx((start_s, end_s), abs=_NEAR_S)
    return bool((match[f"{side}_start_s"], match[f"{side}_end_s"]) == near)


# -- a rights holder registers -------------------------------------------------------------------


def test_a_registered_file_is_indexed_with_its_fingerprints(studio: httpx.Client, film: Registered) -> None:
    asset = ok(studio.get(f"/v1/assets/{film.asset_id}"))
    assert asset["status"] == "indexed"
    assert asset["progress"] == 1
    assert asset["fingerprints"] == ["audio-chromaprint-v1", "audio-landmark-v1", "video-phash-v1"]
    assert asset["duration_s"] == pytest.approx(12, abs=0.2)
    assert asset["conflicts"] == []
    work = ok(studio.get(f"/v1/works/{film.work_id}"))
    assert work["assets"] == [film.asset_id]
    assert {r["use"] for r in work["reservations"]} == {"depict_in_output", "train"}


def test_a_fingerprint_document_is_enough_to_be_found(
    stranger: httpx.Client, pipeline: httpx.Client, tmp_path: Path
) -> None:
    private = media.clip_with_sound(tmp_path / "private.mp4", seconds=5, seed=11)
    work = ok(stranger.post("/v1/works", json={"title": "Private", "kind": "clip", "policy": "review"}), 201)
    document = to_document(extract(private).fingerprint)
    accepted = ok(stranger.post(f"/v1/works/{work['id']}/assets", json=document), 202)
    asset = finished(stranger, f"/v1/assets/{accepted['id']}")
    assert asset["status"] == "indexed"
    assert asset["sha256"] is None, "the media never left its owner"
    found = ok(pipeline.post("/v1/checks", json=document))
    assert found["verdict"] == "review"
    assert {match["asset_id"] for match in found["matches"]} == {asset["id"]}


@pytest.mark.parametrize(
    ("reason", "source", "video"),
    [("black", "color=black:s=160x120", True), ("static", "testsrc=s=160x120:r=1:d=1,loop=-1:1", True),
     ("silent", "anullsrc=r=22050:cl=mono", False)],
)  # fmt: skip
def test_what_would_match_everything_is_rejected_with_its_reason(
    stranger: httpx.Client, tmp_path: Path, reason: str, source: str, video: bool
) -> None:
    path = media.filtered(tmp_path / ("a.mp4" if video else "a.wav"), source, seconds=6, video=video)
    work = ok(stranger.post("/v1/works", json={"title": reason, "kind": "clip"}), 201)
    accepted = ok(send(stranger, f"/v1/works/{work['id']}/assets", path), 202)
    asset = finished(stranger, f"/v1/assets/{accepted['id']}")
    assert (asset["status"], asset["reason"]) == ("rejected", reason)
    assert asset["problem"]
    assert asset["fingerprints"] == []


def test_a_work_has_a_file_once(studio: httpx.Client, film: Registered, clips: Clips) -> None:
    again = problem(send(studio, f"/v1/works/{film.work_id}/assets", clips.film), 409, "conflict")
    assert again["id"] == film.asset_id


def test_two_holders_of_one_film_are_in_open_conflict(
    studio: httpx.Client, stranger: httpx.Client, tmp_path: Path
) -> None:
    path = media.clip_with_sound(tmp_path / "claimed.mp4", seconds=7, seed=12)
    first = register(studio, path, title="Claimed", policy="block")
    second = register(stranger, path, title="Claimed too")
    conflicts = ok(stranger.get(f"/v1/assets/{second.asset_id}"))["conflicts"]
    assert [conflict["rival_asset_id"] for conflict in conflicts] == [first.asset_id]
    assert conflicts[0]["matched_s"] > 5
    seen = ok(studio.get(f"/v1/assets/{first.asset_id}"))["conflicts"]
    assert [conflict["rival_asset_id"] for conflict in seen] == [second.asset_id]
    assert stranger.delete(f"/v1/works/{second.work_id}").status_code == 204
    assert ok(studio.get(f"/v1/assets/{first.asset_id}"))["conflicts"] == []


def test_a_withdrawn_work_is_no_longer_found(stranger: httpx.Client, pipeline: httpx.Client, tmp_path: Path) -> None:
    path = media.clip_with_sound(tmp_path / "regretted.mp4", seconds=6, seed=13)
    entered = register(stranger, path, policy="block")
    assert ok(send(pipeline, "/v1/checks", path))["verdict"] == "block"
    assert stranger.delete(f"/v1/works/{entered.work_id}").status_code == 204
    found = ok(send(pipeline, "/v1/checks", path))
    assert (found["verdict"], found["matches"]) == ("clear", [])
    problem(stranger.get(f"/v1/works/{entered.work_id}"), 404, "not-found")
    assert ok(stranger.get(f"/v1/assets/{entered.asset_id}"))["status"] == "withdrawn"


def test_changing_a_policy_changes_the_next_verdict(
    stranger: httpx.Client, pipeline: httpx.Client, tmp_path: Path
) -> None:
    path = media.clip_with_sound(tmp_path / "moody.mp4", seconds=5, seed=14)
    entered = register(stranger, path, policy="notify")
    verdicts = [ok(send(pipeline, "/v1/checks", path))["verdict"]]
    for policy in ("review", "block"):
        ok(stranger.patch(f"/v1/works/{entered.work_id}", json={"policy": policy}))
        verdicts.append(ok(send(pipeline, "/v1/checks", path))["verdict"])
    assert verdicts == ["clear", "review", "block"]


def test_a_list_in_pages_shows_everything_once(service: RunningService) -> None:
    with service.client(service.key("Librarian", "works:write")) as librarian:
        made = [
            ok(librarian.post("/v1/works", json={"title": f"Work {n}", "kind": "clip"}), 201)["id"] for n in range(7)
        ]
        seen, cursor, pages = [], None, 0
        while pages < 10:
            page = ok(librarian.get("/v1/works", params={"limit": 3} | ({"cursor": cursor} if cursor else {})))
            assert len(page["items"]) <= 3
            seen += [work["id"] for work in page["items"]]
            cursor, pages = page["next"], pages + 1
            if cursor is None:
                break
    assert (seen, pages) == (made, 3)


def test_preferences_are_answered_by_work_and_by_file(
    studio: httpx.Client, pipeline: httpx.Client, film: Registered, clips: Clips
) -> None:
    sha256 = hashlib.sha256(clips.film.read_bytes()).hexdigest()
    items = [{"work_id": film.work_id}, {"sha256": sha256}, {"sha256": "0" * 64}]
    answers = ok(pipeline.post("/v1/preferences/query", json={"items": items}))["items"]
    assert [answer["work_ids"] for answer in answers] == [[film.work_id], [film.work_id], []]
    said = ok(studio.get(f"/v1/works/{film.work_id}/reservations"))["items"]
    for answer in answers[:2]:
        assert answer["preferences"]["train"]["answer"] == "reserved"
        assert answer["preferences"]["train"]["declarations"] == [r["id"] for r in said if r["use"] == "train"]
        assert answer["preferences"]["search"]["answer"] == "unset", "silence is not consent"
    assert {preference["answer"] for preference in answers[2]["preferences"].values()} == {"unset"}


def test_a_reservation_holds_until_it_is_withdrawn(stranger: httpx.Client) -> None:
    work = ok(stranger.post("/v1/works", json={"title": "Mine", "kind": "film"}), 201)["id"]

    def answer() -> object:
        body = {"items": [{"work_id": work}], "uses": ["train"]}
        return ok(stranger.post("/v1/preferences/query", json=body))["items"][0]["preferences"]["train"]["answer"]

    said = ok(stranger.post(f"/v1/works/{work}/reservations", json={"use": "train", "value": "allowed"}), 201)
    assert answer() == "allowed"
    catalogue = {"use": "train", "value": "reserved", "scope": "catalogue"}
    whole = ok(stranger.post("/v1/reservations", json=catalogue), 201)
    assert answer() == "reserved", "the most restrictive wins"
    assert stranger.delete(f"/v1/reservations/{whole['id']}").status_code == 204
    assert answer() == "allowed"
    assert stranger.delete(f"/v1/works/{work}/reservations/{said['id']}").status_code == 204
    assert answer() == "unset"


def test_any_past_day_can_be_asked(stranger: httpx.Client) -> None:
    work = ok(stranger.post("/v1/works", json={"title": "Said and said again", "kind": "film"}), 201)["id"]

    def reserve(value: str) -> dict[str, Any]:
        body = {"use": "train", "value": value, "contact": "rights@studio.example"}
        said: dict[str, Any] = ok(stranger.post(f"/v1/works/{work}/reservations", json=body), 201)
        return said

    first, second = reserve("reserved"), reserve("allowed")
    before = (datetime.fromisoformat(first["declared_at"]) - timedelta(microseconds=1)).isoformat()
    for at, answer, in_force in (
        (before, "unset", []),
        (first["declared_at"], "reserved", [first["id"]]),
        (second["declared_at"], "allowed", [second["id"]]),
    ):
        found = ok(stranger.get("/v1/preferences", params={"work_id": work, "at": at}))
        assert found["preferences"]["train"] == {"answer": answer, "declarations": in_force}
        listed = ok(stranger.get(f"/v1/works/{work}/reservations", params={"at": at}))["items"]
        assert [said["id"] for said in listed] == in_force
        body = {"items": [{"work_id": work}], "uses": ["train"], "at": at, "details": True}
        told = ok(stranger.post("/v1/preferences/query", json=body))["declarations"]
        assert {key: said["contact"] for key, said in told.items()} == dict.fromkeys(in_force, "rights@studio.example")
    assert [said["id"] for said in ok(stranger.get(f"/v1/works/{work}/reservations"))["items"]] == [
        first["id"],
        second["id"],
    ]


def test_a_web_location_is_reserved_and_asked_about(stranger: httpx.Client, pipeline: httpx.Client) -> None:
    body = {"scope": "location", "location": "https://stranger.example/clips/*", "use": "tdm", "value": "reserved"}
    said = ok(stranger.post("/v1/reservations", json=body), 201)
    found = ok(pipeline.get("/v1/preferences", params={"url": "https://stranger.example/clips/1.mp4"}))
    assert found["work_ids"] == []
    assert found["preferences"]["tdm"] == {"answer": "reserved", "declarations": [said["id"]]}
    problem(pipeline.get("/v1/preferences"), 422, "invalid")
    problem(pipeline.get("/v1/preferences", params={"url": "https://a.example/", "work_id": "wrk_1"}), 422, "invalid")
    problem(pipeline.get("/v1/preferences", params={"iscc": "no code"}), 422, "invalid")


# -- a pipeline asks -------------------------------------------------------------------------------


@pytest.mark.usefixtures("film", "trailer")
def test_what_nobody_registered_is_clear(pipeline: httpx.Client, clips: Clips) -> None:
    found = ok(send(pipeline, "/v1/checks", clips.unrelated, data={"context": json.dumps({"model": "m-1"})}))
    assert (found["status"], found["verdict"], found["matches"]) == ("done", "clear", [])
    assert _reasons(found) == {"no_match"}
    assert found["context"] == {"model": "m-1"}
    assert found["sha256"] == hashlib.sha256(clips.unrelated.read_bytes()).hexdigest()
    assert found["index"]["sequence"] > 0
    assert found["index"]["engine"]["engine"] == "faiss"
    assert set(found["timings_ms"]) == {"decode", "search", "total"}


def test_a_cut_copy_of_a_reserved_film_is_blocked_with_both_intervals(
    pipeline: httpx.Client, film: Registered, clips: Clips
) -> None:
    found = ok(send(pipeline, "/v1/checks", clips.cut))
    assert found["verdict"] == "block"
    assert _reasons(found) == {"reserved"}
    assert {match["work_id"] for match in found["matches"]} == {film.work_id}
    video = [match for match in found["matches"] if match["modality"] == "video"]
    assert len(video) == 1
    assert _spans(video[0], "query", 0, 6)
    assert _spans(video[0], "reference", 3, 9)
    assert not video[0]["own"]
    assert ok(pipeline.get(f"/v1/checks/{found['id']}")) == found


def test_a_match_with_ones_own_work_does_not_count(studio: httpx.Client, film: Registered, clips: Clips) -> None:
    found = ok(send(studio, "/v1/checks", clips.cut))
    assert found["verdict"] == "clear"
    assert _reasons(found) == {"own_work"}
    assert {(match["work_id"], match["own"]) for match in found["matches"]} == {(film.work_id, True)}


def test_an_unverified_holder_cannot_block_alone(
    service: RunningService, pipeline: httpx.Client, tmp_path: Path
) -> None:
    path = media.clip_with_sound(tmp_path / "unknown.mp4", seconds=6, seed=15)
    with service.client(service.key("Nobody", "works:write", assurance="unverified")) as nobody:
        register(nobody, path, policy="block")
    found = ok(send(pipeline, "/v1/checks", path))
    assert found["verdict"] == "review"
    assert "holder_unverified" in _reasons(found)


def test_who_does_not_wait_is_told_where_to_ask(pipeline: httpx.Client, clips: Clips) -> None:
    answer = send(pipeline, "/v1/checks", clips.unrelated, params={"wait": 0})
    accepted = ok(answer, 202)
    assert accepted["verdict"] is None
    assert answer.headers["Location"] == f"/v1/checks/{accepted['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert finished(pipeline, answer.headers["Location"])["verdict"] == "clear"


def test_a_long_clip_becomes_a_job_that_says_how_far_it_is(pipeline: httpx.Client, tmp_path: Path) -> None:
    path = media.filtered(tmp_path / "long.mp4", "testsrc2=s=64x48:r=10", seconds=64)
    began = time.monotonic()
    answer = send(pipeline, "/v1/checks", path, params={"wait": 60})
    accepted = ok(answer, 202)
    assert time.monotonic() - began < 20, "it waits for short clips alone"
    seen = [accepted["progress"]]
    while (found := ok(pipeline.get(answer.headers["Location"])))["status"] != "done":
        seen.append(found["progress"])
        assert time.monotonic() - began < 60
        time.sleep(0.05)
    assert found["verdict"] == "clear"
    assert found["duration_s"] == pytest.approx(64, abs=0.5)
    assert seen == sorted(seen)
    assert all(0 <= value < 1 for value in seen)
    assert found["progress"] == 1


def test_a_broken_file_is_a_problem_and_its_check_is_unknown(
    pipeline: httpx.Client, clips: Clips, tmp_path: Path
) -> None:
    whole = clips.film.read_bytes()
    start = whole.index(b"mdat") + 4
    path = tmp_path / "broken.mp4"
    path.write_bytes(whole[:start] + bytes(len(whole) // 2) + whole[start + len(whole) // 2 :])
    answer = send(pipeline, "/v1/checks", path)
    assert answer.status_code == 422
    document = answer.json()
    assert document["verdict"] == "unknown"
    kept = ok(pipeline.get(f"/v1/checks/{document['check_id']}"))
    assert (kept["verdict"], kept["status"]) == ("unknown", "done")
    problem(pipeline.post("/v1/releases", json={"check_id": kept["id"]}), 409, "conflict")


# -- sending twice ---------------------------------------------------------------------------------


def test_the_same_idempotency_key_gives_the_same_check(pipeline: httpx.Client, clips: Clips) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = ok(send(pipeline, "/v1/checks", clips.unrelated, headers=key))
    assert ok(send(pipeline, "/v1/checks", clips.unrelated, headers=key)) == first
    problem(send(pipeline, "/v1/checks", clips.cut, headers=key), 409, "conflict")
    assert ok(send(pipeline, "/v1/checks", clips.unrelated))["id"] != first["id"]


def test_the_same_idempotency_key_gives_the_same_work_and_asset(
    stranger: httpx.Client, clips: Clips, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"title": "Once", "kind": "clip"}
    work = ok(stranger.post("/v1/works", json=body, headers=key), 201)
    assert ok(stranger.post("/v1/works", json=body, headers=key), 201)["id"] == work["id"]
    problem(stranger.post("/v1/works", json={**body, "title": "Twice"}, headers=key), 409, "conflict")
    path = media.moving_clip(tmp_path / "once.mp4", seconds=3, seed=16)
    assets = f"/v1/works/{work['id']}/assets"
    asset = ok(send(stranger, assets, path, headers=key), 202)
    assert ok(send(stranger, assets, path, headers=key), 202)["id"] == asset["id"]
    problem(send(stranger, assets, clips.unrelated, headers=key), 409, "conflict")
    assert ok(stranger.get(f"/v1/works/{work['id']}"))["assets"] == [asset["id"]]


def test_one_holders_idempotency_key_says_nothing_to_another(
    pipeline: httpx.Client, stranger: httpx.Client, clips: Clips
) -> None:
    key = {"Idempotency-Key": "monday"}
    first = ok(send(pipeline, "/v1/checks", clips.unrelated, headers=key))
    assert ok(send(stranger, "/v1/checks", clips.unrelated, headers=key))["id"] != first["id"]


# -- a release, and where it came from -------------------------------------------------------------


@pytest.fixture(scope="module")
def signed(pipeline: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A release of a clip that no other test releases: its id and its file."""
    path = media.clip_with_sound(tmp_path_factory.mktemp("signed") / "made.mp4", seconds=5, seed=17)
    check = ok(send(pipeline, "/v1/checks", path))
    said = {
        "check_id": check["id"], "title": "A quiet street", "generator": {"name": "model", "version": "1"},
        "training_mining": {"cawg.ai_generative_training": {"use": "notAllowed"}},
    }  # fmt: skip
    release = ok(pipeline.post("/v1/releases", json=said), 201)
    assert release["state"] == "signed"
    assert release["source_sha256"] == check["sha256"]
    fetched = pipeline.get(f"/v1/releases/{release['id']}/file")
    assert fetched.headers["content-type"] == "video/mp4"
    assert hashlib.sha256(fetched.content).hexdigest() == release["sha256"]
    path.write_bytes(fetched.content)
    return release["id"], path


def test_a_signed_file_is_intact_and_trusted(anyone: httpx.Client, signed: tuple[str, Path]) -> None:
    found = ok(send(anyone, "/v1/verifications", signed[1]))
    assert found["integrity"] == {"state": "intact", "failures": []}
    assert found["signer"]["state"] == "trusted"
    assert found["ai_generated"] is True
    assert found["training_mining"]["cawg.ai_generative_training"]["use"] == "notAllowed"
    assert {recovered["release_id"] for recovered in found["recovered"]} == {signed[0]}
    kept = ok(anyone.get(f"/v1/verifications/{found['id']}"))
    assert kept == found


def test_one_flipped_byte_of_the_picture_is_invalid(
    anyone: httpx.Client, signed: tuple[str, Path], tmp_path: Path
) -> None:
    data = bytearray(signed[1].read_bytes())
    data[data.rindex(b"mdat") + 4096] ^= 0xFF
    path = tmp_path / "tampered.mp4"
    path.write_bytes(data)
    found = ok(send(anyone, "/v1/verifications", path))
    assert found["integrity"]["state"] == "invalid"
    assert any("mismatch" in failure["code"] for failure in found["integrity"]["failures"])
    assert all(failure["explanation"] for failure in found["integrity"]["failures"])


def test_a_stripped_copy_is_led_back_to_its_release(
    anyone: httpx.Client, signed: tuple[str, Path], tmp_path: Path
) -> None:
    options = ["-map_metadata", "-1", "-vf", "scale=-2:96", "-crf", "32"]
    stripped = media.copied(signed[1], tmp_path / "stripped.mp4", options=options)
    found = ok(send(anyone, "/v1/verifications", stripped))
    assert found["integrity"]["state"] == "absent"
    assert found["signer"]["state"] == "none"
    assert found["ai_generated"] is None
    assert {recovered["release_id"] for recovered in found["recovered"]} == {signed[0]}
    assert all(0 < recovered["similarity_0_1"] <= 1 for recovered in found["recovered"])


def test_a_truncated_file_is_unreadable_not_absent(
    anyone: httpx.Client, signed: tuple[str, Path], tmp_path: Path
) -> None:
    data = signed[1].read_bytes()
    path = tmp_path / "truncated.mp4"
    path.write_bytes(data[: data.index(b"c2pa") + 1000])
    found = ok(send(anyone, "/v1/verifications", path))
    assert found["integrity"]["state"] == "unreadable"
    assert found["fingerprint_problem"]


def test_a_file_without_credentials_is_absent_and_its_work_is_named(
    anyone: httpx.Client, film: Registered, clips: Clips
) -> None:
    found = ok(send(anyone, "/v1/verifications", clips.cut))
    assert found["integrity"]["state"] == "absent"
    assert found["recovered"] == []
    assert {match["work_id"] for match in found["registry_matches"]} == {film.work_id}


def test_only_what_is_clear_or_approved_goes_out(
    pipeline: httpx.Client, reviewer: httpx.Client, trailer: Registered, film: Registered, clips: Clips
) -> None:
    blocked = ok(send(pipeline, "/v1/checks", clips.cut))
    problem(pipeline.post("/v1/releases", json={"check_id": blocked["id"]}), 409, "conflict")
    decision = {"decision": "approve", "reason": "The holder agreed."}
    problem(reviewer.post(f"/v1/checks/{blocked['id']}/decision", json=decision), 409, "conflict")
    assert film.work_id in {match["work_id"] for match in blocked["matches"]}

    asked = ok(send(pipeline, "/v1/checks", clips.trailer))
    assert asked["verdict"] == "review"
    assert {match["work_id"] for match in asked["matches"]} == {trailer.work_id}
    problem(pipeline.post("/v1/releases", json={"check_id": asked["id"]}), 409, "conflict")
    problem(pipeline.post(f"/v1/checks/{asked['id']}/decision", json=decision), 403, "forbidden")
    waiting = ok(reviewer.get("/v1/checks", params={"awaiting_decision": True, "limit": 200}))["items"]
    assert asked["id"] in {check["id"] for check in waiting}
    decided = ok(reviewer.post(f"/v1/checks/{asked['id']}/decision", json=decision))
    assert decided["decision"]["decision"] == "approve"
    problem(reviewer.post(f"/v1/checks/{asked['id']}/decision", json=decision), 409, "conflict")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    release = ok(pipeline.post("/v1/releases", json={"check_id": asked["id"]}, headers=key), 201)
    again = ok(pipeline.post("/v1/releases", json={"check_id": asked["id"]}, headers=key), 201)
    assert again["id"] == release["id"]
    problem(pipeline.post("/v1/releases", json={"check_id": asked["id"]}), 409, "conflict")


def test_what_a_reviewer_rejects_stays_in(pipeline: httpx.Client, reviewer: httpx.Client, clips: Clips) -> None:
    asked = ok(send(pipeline, "/v1/checks", clips.trailer))
    decision = {"decision": "reject", "reason": "No licence."}
    ok(reviewer.post(f"/v1/checks/{asked['id']}/decision", json=decision))
    problem(pipeline.post("/v1/releases", json={"check_id": asked["id"]}), 409, "conflict")
