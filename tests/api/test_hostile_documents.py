"""Hostile JSON: what is no work, no time, no oath and no fingerprint is a problem, never a guess."""

from typing import Any

import httpx
import pytest

from tests.api.service import ok, problem


@pytest.fixture(scope="module")
def work(stranger: httpx.Client) -> str:
    made: str = ok(stranger.post("/v1/works", json={"title": "Target", "kind": "clip"}), 201)["id"]
    return made


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"title": "a", "kind": "clip", "year": 1' + b"0" * 5000 + b"}",
        b'{"title": "a", "kind": "clip", "year": 1e400}',
        b'{"title": "a", "kind": "clip", "year": NaN}',
        b'{"title": "a", "kind": "clip", "year": "1990"}',
        b'{"title": "\\ud800", "kind": "clip"}',
        b'{"\\ud800": 1, "title": "a", "kind": "clip"}',
        b'{"title": "a", "kind": "clip", "identifiers": {"\\ud800": "1"}}',
        b'{"title": "a", "kind": "clip", "identifiers": {"isrc": "no"}}',
        b'{"title": " ", "kind": "clip"}',
        b'{"title": "a", "kind": "clip", "owner": "me"}',
        b'{"title": "a", "kind": "clip", "creators": ["' + b"a" * 501 + b'"]}',
        b"\xff\xfe",
        b"null",
        b"",
    ],
    ids=lambda body: repr(body[:60]),
)
def test_a_work_that_cannot_be_entered_is_a_problem(stranger: httpx.Client, body: bytes) -> None:
    answer = stranger.post("/v1/works", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    problem(answer, answer.status_code, answer.json()["type"].rpartition(":")[2])


@pytest.mark.parametrize(
    "at",
    ["2026-01-01T00:00:00", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+23:00", 0, 1e300, "0", "yesterday",
     "2026-13-01T00:00:00Z", True],
)  # fmt: skip
def test_a_time_that_is_none_is_invalid(stranger: httpx.Client, work: str, at: object) -> None:
    query = {"items": [{"work_id": work}], "at": at}
    problem(stranger.post("/v1/preferences/query", json=query), 422, "invalid")
    for name in ("valid_from", "valid_until"):
        said = {"use": "train", "value": "reserved", name: at}
        problem(stranger.post(f"/v1/works/{work}/reservations", json=said), 422, "invalid")


@pytest.mark.parametrize("sworn", ["yes", "true", 1, "on"])
def test_a_statement_under_penalty_of_perjury_is_true_or_false(stranger: httpx.Client, sworn: object) -> None:
    body = {"accuracy_under_penalty_of_perjury": sworn}
    problem(stranger.post("/v1/notices", json=body), 422, "invalid")


_ROW = {"algorithm": "video-phash-v1", "times_ms": "AAAAAA==", "vectors": "A" * 43 + "="}


@pytest.mark.parametrize(
    "change",
    [
        {"format": "clearmark-fingerprint-0"}, {"duration_s": -1}, {"duration_s": "9"}, {"duration_s": True},
        {"duration_s": 1e300}, {"descriptors": []}, {"descriptors": {}}, {"descriptors": [_ROW, _ROW]},
        {"descriptors": [{**_ROW, "algorithm": "video-phash-v9"}]}, {"descriptors": [{**_ROW, "algorithm": []}]},
        {"descriptors": [{**_ROW, "times_ms": "?"}]}, {"descriptors": [{**_ROW, "times_ms": "AAAA"}]},
        {"descriptors": [{**_ROW, "times_ms": 4}]}, {"descriptors": [{**_ROW, "vectors": ""}]},
        {"descriptors": [{**_ROW, "times_ms": "", "vectors": ""}]}, {"descriptors": [{**_ROW, "times_ms": "/////w=="}]},
        {"surprise": 1},
    ],
)  # fmt: skip
def test_a_fingerprint_document_is_checked_before_it_is_used(
    stranger: httpx.Client, work: str, change: dict[str, Any]
) -> None:
    document = {"format": "clearmark-fingerprint-1", "duration_s": 9, "descriptors": [_ROW], **change}
    for path in ("/v1/checks", f"/v1/works/{work}/assets"):
        found = problem(stranger.post(path, json=document), 422, "bad-fingerprint")
        assert found["path"].startswith("$")


@pytest.mark.parametrize("name", ["work_id", "asset_id", "sha256", "iscc", "url"])
def test_a_question_that_holds_u0000_is_invalid(stranger: httpx.Client, work: str, name: str) -> None:
    query = {"items": [{"work_id": work}, {name: "https://studio.example/\x00"}]}
    problem(stranger.post("/v1/preferences/query", json=query), 422, "invalid")
