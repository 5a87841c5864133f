"""The evidence of a takedown over HTTP: a match that was released and taken down, as a paper and as a bundle that
proves itself.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from takedown.bundle_verification import verify
from tests.api.conftest import Clips, Registered
from tests.api.service import RunningService, ok, problem, run_cli_here, send, until
from tests.conformance.statement_rules import offences

NOTICE = {
    "signature": "Ada Example", "work_description": "The Trailer", "contact_name": "Ada Example",
    "contact_email": "ada@studio.example", "good_faith": True, "accuracy_under_penalty_of_perjury": True,
    "authority": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def taken_down(
    studio: httpx.Client, pipeline: httpx.Client, reviewer: httpx.Client, clips: Clips, trailer: Registered
) -> dict[str, Any]:
    """A notice against the match in a check, disabled; the check was approved by mistake and released."""
    check = ok(send(pipeline, "/v1/checks", clips.trailer))
    assert check["verdict"] == "review"
    until(lambda: ok(pipeline.get(f"/v1/checks/{check['id']}"))["explanation"] == "ready")
    ok(reviewer.post(f"/v1/checks/{check['id']}/decision", json={"decision": "approve", "reason": "By mistake."}))
    released = ok(pipeline.post("/v1/releases", json={"check_id": check["id"]}), 201)
    body = NOTICE | {"check_id": check["id"], "work_ids": [trailer.work_id]}
    filed = ok(studio.post("/v1/notices", json=body), 201)
    assert (filed["state"], filed["release_id"]) == ("valid", released["id"])
    decided = {"event": "disable", "reason": "It is the trailer.", "fair_use": "None: the whole of it is shown."}
    return ok(reviewer.post(f"/v1/notices/{filed['id']}/transitions", json=decided))


def _bundle(reviewer: httpx.Client, notice: dict[str, Any]) -> bytes:
    answer = reviewer.get(f"/v1/notices/{notice['id']}/evidence")
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_match_in_ones_check_is_nobody_elses_to_claim(
    stranger: httpx.Client, taken_down: dict[str, Any]
) -> None:  # fmt: skip
    said = NOTICE | {"check_id": taken_down["check_id"]}
    problem(stranger.post("/v1/notices", json=said), 422, "invalid")


def test_the_evidence_proves_itself(reviewer: httpx.Client, taken_down: dict[str, Any]) -> None:
    found = verify(io.BytesIO(_bundle(reviewer, taken_down)))
    assert (found.ok, found.notice_id, found.findings) == (True, taken_down["id"], ())
    assert {one.record for one in found.receipts} == {
        taken_down["id"], taken_down["check_id"], taken_down["release_id"],
    }  # fmt: skip


def test_the_evidence_holds_all_there_is(reviewer: httpx.Client, taken_down: dict[str, Any]) -> None:
    with zipfile.ZipFile(io.BytesIO(_bundle(reviewer, taken_down))) as bundle:
        names = set(bundle.namelist())
        said = json.loads(bundle.read("notice.json"))
        frames = [name for name in names if name.startswith("frames/")]
        assert {bundle.read(name)[:3] for name in frames} == {b"\xff\xd8\xff"}
    assert said["history"][-1]["details"]["fair_use"] == "None: the whole of it is shown."
    assert {one["name"] for one in said["statements"]} == {"good_faith", "accuracy_and_authority"}
    check, release = taken_down["check_id"], taken_down["release_id"]
    assert names >= {
        "manifest.json", "manifest.sig", "notice.pdf", "letters.json", "keys.json", f"checks/{check}.json",
        f"releases/{release}.json", f"releases/{release}.c2pa", f"fingerprints/{release}.json",
    }  # fmt: skip
    assert {"query", "reference"} <= {name.rpartition("-")[2].removesuffix(".jpg") for name in frames}


def test_a_byte_that_was_changed_is_found_offline(
    service: RunningService, reviewer: httpx.Client, taken_down: dict[str, Any], tmp_path: Path
) -> None:
    content = _bundle(reviewer, taken_down)
    whole, changed = tmp_path / "whole.zip", tmp_path / "changed.zip"
    whole.write_bytes(content)
    at = content.index(b"None: the whole of it")  # which stands in notice.json alone
    changed.write_bytes(content[:at] + b"J" + content[at + 1 :])
    ran = [run_cli_here("evidence", "verify", file, environment=service.environment) for file in (whole, changed)]
    assert [one.returncode for one in ran] == [0, 14], ran[0].stdout + ran[0].stderr
    assert "notice.json" in ran[1].stdout


def test_the_paper_says_what_was_claimed_and_decided(reviewer: httpx.Client, taken_down: dict[str, Any]) -> None:
    answer = reviewer.get(f"/v1/notices/{taken_down['id']}/pdf")
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    for said in (taken_down["id"], "ada@studio.example", "Under penalty of perjury", "It is the trailer."):
        assert said in " ".join(text.split())


def test_evidence_is_for_reviewers(studio: httpx.Client, pipeline: httpx.Client, taken_down: dict[str, Any]) -> None:
    for party in (studio, pipeline):
        for what in ("evidence", "pdf", "statements-of-reasons", "lumen"):
            problem(party.get(f"/v1/notices/{taken_down['id']}/{what}"), 403, "forbidden")
        problem(party.get(f"/v1/ledger/receipts/{taken_down['id']}"), 403, "forbidden")


def test_its_statement_of_reasons_would_be_accepted(reviewer: httpx.Client, taken_down: dict[str, Any]) -> None:
    [made] = reviewer.get(f"/v1/notices/{taken_down['id']}/statements-of-reasons").json()
    assert offences(made) == []
    assert made["automated_detection"] == "Yes"


def test_a_release_that_was_taken_down_is_not_vouched_for(
    anyone: httpx.Client, taken_down: dict[str, Any], clips: Clips
) -> None:
    found = ok(send(anyone, "/v1/verifications", clips.trailer))
    [recovered] = [one for one in found["recovered"] if one["release_id"] == taken_down["release_id"]]
    assert (recovered["state"], recovered["takedown"]["notice_id"]) == ("disabled", taken_down["id"])
    manifest = recovered["manifest_id"]
    assert anyone.get(f"/sbr/manifests/{manifest}").status_code == 404
