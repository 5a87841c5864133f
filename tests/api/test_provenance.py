"""Releases as the world meets them: signed in every way, revoked, found again, and read by others' rules."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import media
from tests.api.conftest import register
from tests.api.service import ok, problem, send

SBR_SPECIFICATION = "2.4.0"


def released(pipeline: httpx.Client, path: Path, **said: Any) -> dict[str, Any]:
    check = ok(send(pipeline, "/v1/checks", path))
    assert check["verdict"] == "clear", check["reasons"]
    return ok(pipeline.post("/v1/releases", json={"check_id": check["id"], **said}), 201)


def fetched(pipeline: httpx.Client, release: dict[str, Any], target: Path) -> Path:
    answer = pipeline.get(f"/v1/releases/{release['id']}/file")
    assert answer.status_code == 200
    target.write_bytes(answer.content)
    return target


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return media.clip_with_sound(tmp_path_factory.mktemp("made") / "made.mp4", seconds=6, seed=4711)


@pytest.fixture(scope="module")
def release(pipeline: httpx.Client, clip: Path) -> dict[str, Any]:
    return released(pipeline, clip, title="Harbour", generator={"name": "model", "version": "2"})


@pytest.fixture(scope="module")
def signed(pipeline: httpx.Client, release: dict[str, Any], clip: Path) -> Path:
    return fetched(pipeline, release, clip.with_name("signed.mp4"))


def test_what_a_file_says_can_be_had_as_it_said_it(
    anyone: httpx.Client, pipeline: httpx.Client, release: dict[str, Any], signed: Path
) -> None:
    found = ok(send(anyone, "/v1/verifications", signed))
    assert (found["manifest_source"], found["has_crjson"], found["has_manifest"]) == ("embedded", True, True)
    assert [one["subject"].partition(",")[0] for one in found["signer"]["chain"]] == [
        "CN=Clearmark DEVELOPMENT signer - not for production",
        "CN=Clearmark DEVELOPMENT CA - not for production",
    ]
    [own] = found["recovered"]
    assert (own["release_id"], own["how"], own["manifest"]["source"]) == (release["id"], "sha256", "embedded")
    assert own["manifest"]["signer"]["state"] == "trusted"
    crjson = ok(anyone.get(f"/v1/verifications/{found['id']}/crjson"))
    assert crjson["manifests"][0]["label"] == found["manifest_label"] == release["manifest_id"]
    store = anyone.get(f"/v1/verifications/{found['id']}/manifest")
    assert store.headers["content-type"] == "application/c2pa"
    assert store.content in signed.read_bytes()
    assert pipeline.get(f"/v1/releases/{release['id']}/manifest").content == store.content
    problem(anyone.get("/v1/verifications/vrf_none/crjson"), 404, "not-found")


def test_what_is_not_to_be_recognised_is_read_alone(
    anyone: httpx.Client, release: dict[str, Any], signed: Path, clip: Path
) -> None:
    whole = ok(send(anyone, "/v1/verifications", signed))
    read = ok(send(anyone, "/v1/verifications?recognise=false", signed))
    own = {"id", "verified_at", "fingerprint_problem", "recovered", "duration_s"}
    assert {name: read[name] for name in read if name not in own} == {n: whole[n] for n in whole if n not in own}
    assert (whole["fingerprint_problem"], read["duration_s"]) == (None, None)
    assert "Not asked for" in read["fingerprint_problem"]
    assert [(one["release_id"], one["how"]) for one in read["recovered"]] == [(release["id"], "sha256")]
    stripped = media.copied(clip, clip.with_name("stripped-of-it.mp4"))
    assert ok(send(anyone, "/v1/verifications", stripped))["recovered"]
    assert ok(send(anyone, "/v1/verifications?recognise=false", stripped))["recovered"] == []


def test_what_its_check_saw_in_a_release_is_what_looking_again_sees(
    anyone: httpx.Client, pipeline: httpx.Client, studio: httpx.Client, tmp_path: Path
) -> None:
    clip = media.clip_with_sound(tmp_path / "later-a-work.mp4", seconds=6, seed=48_151)
    signed = fetched(pipeline, released(pipeline, clip), tmp_path / "signed.mp4")
    work = register(studio, clip)
    other_bytes = tmp_path / "other-bytes.mp4"
    other_bytes.write_bytes(signed.read_bytes() + b"\0\0\0\x08free")  # these are decoded
    kept, seen = (ok(send(anyone, "/v1/verifications", path)) for path in (signed, other_bytes))
    assert [one["recovered"][0]["how"] for one in (kept, seen)] == ["sha256", "fingerprint"]
    assert [one["work_id"] for one in kept["registry_matches"]] == [work.work_id]
    assert kept["duration_s"] == seen["duration_s"]
    one, other = ([match.pop("segments") for match in said["registry_matches"]] for said in (kept, seen))
    assert kept["registry_matches"] == seen["registry_matches"]
    for before, again in zip(one[0], other[0], strict=True):  # kept to a millisecond, and told in whole seconds
        assert before == pytest.approx(again, abs=1)


def test_file_page_and_manifest_say_the_same_of_how_it_was_made(
    pipeline: httpx.Client, release: dict[str, Any], signed: Path
) -> None:
    iptc = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    manifest = release["manifest"]["manifests"][release["manifest_id"]]
    actions = next(a["data"] for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2")
    assert actions["actions"][0]["digitalSourceType"] == iptc
    assert release["source_type_in_file"]
    xmp = signed.read_bytes().partition(b"<x:xmpmeta")[2].partition(b"</x:xmpmeta>")[0]
    assert iptc.encode() in xmp
    snippet = pipeline.get(f"/v1/releases/{release['id']}/jsonld")
    assert snippet.headers["content-type"] == "application/ld+json"
    said = snippet.json()
    assert (said["@type"], said["name"], said["sha256"]) == ("VideoObject", "Harbour", release["sha256"])
    assert said["digitalSourceType"] == "https://schema.org/TrainedAlgorithmicMediaDigitalSource"
    assert manifest["thumbnail"]["format"] == "image/jpeg"
    bindings = [a["data"]["alg"] for a in manifest["assertions"] if a["label"].startswith("c2pa.soft-binding")]
    assert bindings[0] == "io.iscc.v0"
    assert set(bindings[1:]) == {"org.clearmark.video-phash-v1", "org.clearmark.audio-chromaprint-v1"}


def test_an_edited_copy_says_what_was_changed(
    anyone: httpx.Client, release: dict[str, Any], signed: Path, tmp_path: Path
) -> None:
    cut = media.copied(signed, tmp_path / "cut.mp4", options=["-ss", "2", "-map_metadata", "-1", "-crf", "30"])
    found = ok(send(anyone, "/v1/verifications", cut))
    [recovered] = found["recovered"]
    assert recovered["release_id"] == release["id"]
    assert recovered["manifest"]["source"] == "recovered"
    assert recovered["manifest"]["ai_generated"] is True
    [change] = recovered["differences"]
    assert change["change"] == "missing"
    assert (change["reference_start_s"], change["reference_end_s"]) == pytest.approx((0.0, 2.0), abs=0.75)


@pytest.mark.parametrize("suffix", ["webm", "ogg"])
def test_a_kind_that_carries_no_credentials_has_them_beside_it(
    pipeline: httpx.Client, anyone: httpx.Client, tmp_path: Path, suffix: str
) -> None:
    source = media.clip_with_sound(tmp_path / "made.mp4", seconds=5, seed=4712 if suffix == "webm" else 4713)
    options = ["-c:v", "libvpx", "-c:a", "libvorbis"] if suffix == "webm" else ["-vn", "-c:a", "libvorbis"]
    made = tmp_path / f"made.{suffix}"
    media.ffmpeg("-i", source, *options, made)
    release = released(pipeline, made)
    assert release["is_sidecar"]
    assert fetched(pipeline, release, tmp_path / "again").read_bytes() == made.read_bytes()
    store = pipeline.get(f"/v1/releases/{release['id']}/manifest").content

    kept = ok(send(anyone, "/v1/verifications", made))
    with made.open("rb") as file:
        sent = ok(anyone.post("/v1/verifications", files={"file": file, "manifest": ("made.c2pa", store)}))
    for found, source_of in ((kept, "kept"), (sent, "sent")):
        assert found["manifest_source"] == source_of
        assert (found["integrity"]["state"], found["signer"]["state"]) == ("intact", "trusted")
        assert {one["manifest"]["source"] for one in found["recovered"]} == {"recovered"}
    changed = bytearray(made.read_bytes())
    changed[len(changed) // 2] ^= 0xFF
    (tmp_path / "changed").write_bytes(changed)
    with (tmp_path / "changed").open("rb") as file:
        tampered = ok(anyone.post("/v1/verifications", files={"file": file, "manifest": ("made.c2pa", store)}))
    assert [one["code"] for one in tampered["integrity"]["failures"]] == ["assertion.dataHash.mismatch"]


def test_what_went_into_an_output_keeps_its_own_credentials(
    pipeline: httpx.Client, anyone: httpx.Client, release: dict[str, Any], tmp_path: Path
) -> None:
    still = tmp_path / "still.png"
    Image.effect_noise((320, 240), 90).convert("RGB").save(still)
    given = ok(send(pipeline, "/v1/checks", still))
    made = released(
        pipeline,
        media.clip_with_sound(tmp_path / "made.mp4", seconds=5, seed=4714),
        ingredients=[
            {"relationship": "inputTo", "check_id": given["id"], "title": "A still"},
            {"relationship": "componentOf", "release_id": release["id"]},
        ],
    )
    found = ok(send(anyone, "/v1/verifications", fetched(pipeline, made, tmp_path / "signed.mp4")))
    assert found["integrity"]["state"] == "intact"
    assert [action["action"] for action in found["actions"]] == ["c2pa.created", "c2pa.placed"]
    parts = {one["title"]: one for one in found["ingredients"]}
    assert parts["A still"]["integrity"]["state"] == "absent"
    assert parts["Harbour"]["integrity"]["state"] == "intact"
    assert parts["Harbour"]["signer"]["state"] == "trusted"
    assert parts["Harbour"]["manifest_label"] == release["manifest_id"]


@pytest.mark.parametrize("moves", [False, True])
def test_a_gif_is_checked_signed_and_verified(
    pipeline: httpx.Client, anyone: httpx.Client, tmp_path: Path, moves: bool
) -> None:
    drawn = [Image.fromarray(one) for one in media.frames(seconds=5, seed=4720 + moves)][:: 1 if moves else 1000]
    drawn[0].save(tmp_path / "a.gif", save_all=moves, append_images=drawn[1:], duration=100)
    made = released(pipeline, tmp_path / "a.gif", title="A gif")
    found = ok(send(anyone, "/v1/verifications", fetched(pipeline, made, tmp_path / "signed.gif")))
    assert (found["integrity"]["state"], found["manifest_source"]) == ("intact", "embedded")
    with Image.open(tmp_path / "signed.gif") as image:
        assert (image.n_frames > 1) == moves


def test_signed_input_is_opened_and_never_created_afresh(
    pipeline: httpx.Client, anyone: httpx.Client, tmp_path: Path
) -> None:
    first = released(pipeline, media.clip_with_sound(tmp_path / "a.mp4", seconds=5, seed=4715), title="First")
    again = released(pipeline, fetched(pipeline, first, tmp_path / "first.mp4"), title="Second")
    found = ok(send(anyone, "/v1/verifications", fetched(pipeline, again, tmp_path / "second.mp4")))
    assert [action["action"] for action in found["actions"]] == ["c2pa.opened", "c2pa.edited.metadata"]
    [parent] = found["ingredients"]
    assert (parent["relationship"], parent["integrity"]["state"]) == ("parentOf", "intact")
    assert parent["manifest_label"] == first["manifest_id"]
    assert found["ai_generated"] is True


def test_a_revoked_release_is_reported_at_once_and_served_no_more(
    pipeline: httpx.Client, anyone: httpx.Client, stranger: httpx.Client, tmp_path: Path
) -> None:
    made = released(pipeline, media.clip_with_sound(tmp_path / "a.mp4", seconds=5, seed=4716))
    path = fetched(pipeline, made, tmp_path / "signed.mp4")
    said = {"revocation": "bad_check", "reason": "The check missed a work."}
    problem(stranger.post(f"/v1/releases/{made['id']}/revocation", json=said), 404, "not-found")
    problem(pipeline.post(f"/v1/releases/{made['id']}/revocation", json={**said, "revocation": "x"}), 422, "invalid")
    before = ok(send(anyone, "/v1/verifications", path))
    assert before["release"]["state"] == "signed"
    answer = ok(pipeline.post(f"/v1/releases/{made['id']}/revocation", json=said))
    assert (answer["state"], answer["revocation"]) == ("revoked", "bad_check")
    found = ok(send(anyone, "/v1/verifications", path))
    assert (found["integrity"]["state"], found["signer"]["state"]) == ("intact", "trusted")
    assert (found["release"]["state"], found["release"]["revocation_reason"]) == ("revoked", said["reason"])
    assert "That release was revoked" in found["recovered"][0]["statement"]
    again = ok(anyone.get(f"/v1/verifications/{before['id']}"))
    assert (again["release"]["state"], again["recovered"][0]["state"]) == ("revoked", "revoked")
    problem(pipeline.get(f"/v1/releases/{made['id']}/jsonld"), 409, "conflict")
    problem(pipeline.get(f"/v1/releases/{made['id']}/file"), 410, "revoked")
    problem(anyone.get(f"/sbr/manifests/{made['manifest_id']}"), 404, "not-found")
    problem(pipeline.post(f"/v1/releases/{made['id']}/revocation", json=said), 409, "conflict")


@pytest.mark.parametrize(
    "body",
    [
        {"digital_source_type": "made up"},
        {"ingredients": [{"relationship": "inputTo"}]},
        {"ingredients": [{"relationship": "inputTo", "check_id": "a", "release_id": "b"}]},
        {"ingredients": [{"relationship": "parentOf", "check_id": "a"}]},
        {"ingredients": [{"relationship": "inputTo", "check_id": "a"}] * 17},
        {"ai_generated": False, "ingredients": [{"relationship": "inputTo", "check_id": "chk_none"}]},
    ],
)
def test_a_release_that_says_nonsense_is_refused_in_words(
    pipeline: httpx.Client, clip: Path, body: dict[str, Any]
) -> None:
    check = ok(send(pipeline, "/v1/checks", clip))
    problem(pipeline.post("/v1/releases", json={"check_id": check["id"], **body}), 422, "invalid")


# -- Soft Binding Resolution -----------------------------------------------------------------------


def test_a_resolver_is_discovered_and_says_what_it_can(anyone: httpx.Client) -> None:
    found = ok(anyone.get("/.well-known/c2pa-soft-binding-resolution"))
    assert found["c2paSpecificationVersion"] == SBR_SPECIFICATION
    assert found["apiEndpoint"].endswith("/sbr")
    capabilities = ok(anyone.get("/sbr/services/capabilities"))
    assert capabilities == {
        "c2paSpecificationVersion": SBR_SPECIFICATION,
        "supportedCapabilities": ["queryByContent"],
    }
    assert ok(anyone.get("/sbr/services/status"))["status"] == "ok"
    algorithms = ok(anyone.get("/sbr/services/supportedAlgorithms"))
    assert algorithms["watermarks"] == []
    assert {"alg": "io.iscc.v0"} in algorithms["fingerprints"]


def test_content_leads_to_the_manifest(
    anyone: httpx.Client, release: dict[str, Any], signed: Path, tmp_path: Path
) -> None:
    copy = media.copied(signed, tmp_path / "copy.mp4", options=["-map_metadata", "-1", "-vf", "scale=-2:96"])
    for query in ("", "?alg=org.clearmark.video-phash-v1", "?alg=io.iscc.v0", "?maxResults=1"):
        answer = anyone.post(
            f"/sbr/matches/byContent{query}", content=copy.read_bytes(), headers={"Content-Type": "video/mp4"}
        )
        [match] = ok(answer)["matches"]
        assert match["manifestId"] == release["manifest_id"]
        assert isinstance(match["similarityScore"], int)
        assert 50 <= match["similarityScore"] <= 100
    store = anyone.get(f"/sbr/manifests/{match['manifestId']}")
    assert store.headers["content-type"] == "application/c2pa"
    assert store.content in signed.read_bytes()


def test_every_binding_in_a_manifest_leads_back_to_it(anyone: httpx.Client, release: dict[str, Any]) -> None:
    manifest = release["manifest"]["manifests"][release["manifest_id"]]
    bindings = [a["data"] for a in manifest["assertions"] if a["label"].startswith("c2pa.soft-binding")]
    assert len(bindings) == 3
    for binding in bindings:
        said = {"alg": binding["alg"], "value": binding["blocks"][0]["value"]}
        for answer in (
            anyone.get("/sbr/matches/byBinding", params=said),
            anyone.post("/sbr/matches/byBinding", json=said),
        ):
            [match] = ok(answer)["matches"]
            assert match["manifestId"] == release["manifest_id"]
            assert match["similarityScore"] == 100


def test_a_hint_is_asked_for_where_the_content_leads_nowhere(
    anyone: httpx.Client, release: dict[str, Any], tmp_path: Path
) -> None:
    other = media.clip_with_sound(tmp_path / "other.mp4", seconds=4, seed=4799)
    manifest = release["manifest"]["manifests"][release["manifest_id"]]
    binding = next(a["data"] for a in manifest["assertions"] if a["label"].startswith("c2pa.soft-binding"))
    hint = {"hintAlg": binding["alg"], "hintValue": binding["blocks"][0]["value"]}
    headers = {"Content-Type": "application/octet-stream"}
    plain = anyone.post("/sbr/matches/byContent", content=other.read_bytes(), headers=headers)
    assert ok(plain) == {"matches": []}
    hinted = anyone.post("/sbr/matches/byContent", content=other.read_bytes(), headers=headers, params=hint)
    assert [one["manifestId"] for one in ok(hinted)["matches"]] == [release["manifest_id"]]
    half = anyone.post(
        "/sbr/matches/byContent", content=other.read_bytes(), headers=headers, params={"hintAlg": binding["alg"]}
    )
    problem(half, 400, "invalid")


_VALUE = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("ask", "status", "name"),
    [
        (lambda c: c.get("/sbr/matches/byBinding"), 400, "invalid"),
        (lambda c: c.get("/sbr/matches/byBinding?alg=com.example.none&value=AAAA"), 400, "invalid"),
        (lambda c: c.get("/sbr/matches/byBinding?alg=io.iscc.v0&value=no!base64"), 400, "invalid"),
        (lambda c: c.get(f"/sbr/matches/byBinding?alg=io.iscc.v0&value={_VALUE}&maxResults=0"), 400, "invalid"),
        (lambda c: c.get(f"/sbr/matches/byBinding?alg=io.iscc.v0&value={'A' * 5000}"), 414, "value-too-long"),
        (lambda c: c.post("/sbr/matches/byBinding", json={"alg": "io.iscc.v0"}), 400, "invalid"),
        (lambda c: c.post("/sbr/matches/byBinding", content=b"{"), 400, "invalid"),
        (lambda c: c.get("/sbr/manifests/urn:c2pa:none"), 404, "not-found"),
        (lambda c: c.get("/sbr/manifests/x?returnActiveManifest=perhaps"), 400, "invalid"),
        (
            lambda c: c.post("/sbr/matches/byContent", content=b"x", headers={"Content-Type": "text/plain"}),
            415,
            "unsupported-media-type",
        ),
        (
            lambda c: c.post("/sbr/matches/byContent", content=b"x", headers={"Content-Type": "video/mp4"}),
            400,
            "not-media",
        ),
        (
            lambda c: c.post("/sbr/matches/byContent?alg=none", content=b"x", headers={"Content-Type": "video/mp4"}),
            400,
            "invalid",
        ),
    ],
)
def test_a_resolver_refuses_by_the_codes_of_its_specification(
    anyone: httpx.Client, ask: Callable[[httpx.Client], httpx.Response], status: int, name: str
) -> None:
    problem(ask(anyone), status, name)


def test_pages_of_any_site_may_ask_a_resolver_and_nothing_else(anyone: httpx.Client) -> None:
    origin = {"Origin": "https://reader.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    before = anyone.options("/sbr/matches/byContent", headers=asked)
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == "*"
    assert before.headers["access-control-allow-methods"] == "GET, POST"
    for path in ("/sbr/services/status", "/.well-known/c2pa-soft-binding-resolution", "/sbr/manifests/none"):
        assert anyone.get(path, headers=origin).headers["access-control-allow-origin"] == "*"
        assert "Retry-After" in anyone.get(path, headers=origin).headers["access-control-expose-headers"]
    for path in ("/healthz", "/v1/verifications/none", "/v1/releases"):
        assert "access-control-allow-origin" not in anyone.get(path, headers=origin).headers
    assert "access-control-allow-origin" not in anyone.options("/v1/verifications", headers=asked).headers
    assert json.loads(anyone.get("/sbr/services/capabilities", headers=origin).text)
