"""The public registry: anybody finds works and what was said of them, and nothing that is their holder's own."""

from datetime import UTC, datetime

import httpx

from tests.api.conftest import Registered
from tests.api.service import ok, problem

SECRETS = ("SECRET-REFERENCE", "ada@private.example", "Hidden Contributor", "The Estate Share", "77.0", "88.0")


def test_anybody_reads_what_was_said_of_a_work(anyone: httpx.Client, studio: httpx.Client, film: Registered) -> None:
    found = ok(anyone.get(f"/v1/public/works/{film.work_id}"))
    assert found["answers"]["train"] == "reserved"
    assert found["answers"]["search"] == "unset"
    [said] = [one for one in found["declarations"] if one["use"] == "train"]
    assert found["preferences"]["train"] == {"answer": "reserved", "declarations": [said["id"]]}
    assert said["holder"]["name"] == found["holder"]["name"] == "Studio"
    entry = ok(anyone.get("/v1/ledger/entries", params={"start": said["entry"], "limit": 1}))["items"][0]
    assert said["id"] in entry["data"]
    mine = ok(studio.get(f"/v1/works/{film.work_id}"))
    assert mine["thresholds_in_force"]
    assert not {"thresholds", "thresholds_in_force", "assets", "policy", "contributors", "shares"} & set(found)


def test_before_anything_was_said_nothing_was(anyone: httpx.Client, film: Registered) -> None:
    found = ok(anyone.get(f"/v1/public/works/{film.work_id}", params={"at": "2020-01-01T00:00:00Z"}))
    assert set(found["answers"].values()) == {"unset"}
    assert found["declarations"] == []
    assert found["at"] == "2020-01-01T00:00:00Z"
    assert datetime.fromisoformat(found["registered_at"]) > datetime(2020, 1, 1, tzinfo=UTC)
    problem(anyone.get(f"/v1/public/works/{film.work_id}", params={"at": "yesterday"}), 422, "invalid")


def test_what_is_the_holders_own_is_nowhere(anyone: httpx.Client, studio: httpx.Client) -> None:
    body = {
        "title": "Ônibus Noturno", "kind": "film", "reference": "SECRET-REFERENCE",
        "identifiers": {"isrc": "USSKG1900777", "our-number": "SECRET-REFERENCE"},
        "contributors": [{"name": "Hidden Contributor", "role": "ada@private.example"}],
        "shares": [{"holder": "The Estate Share", "percent": "50"}],
        "thresholds": {"review_matched_s": 77, "block_matched_s": 88},
        "alternative_titles": [{"title": "Night Bus"}],
    }  # fmt: skip
    work = ok(studio.post("/v1/works", json=body), 201)["id"]
    one = anyone.get(f"/v1/public/works/{work}")
    listed = anyone.get("/v1/public/works", params={"q": "onibus"})
    for text in (one.text, listed.text):
        assert not [secret for secret in SECRETS if secret in text]
    assert ok(one)["identifiers"] == {"isrc": "USSKG1900777"}
    assert ok(one)["alternative_titles"] == ["Night Bus"]
    for asked in ("night bus", "NOTURNO", "us-skg-19-00777", work):
        items = ok(anyone.get("/v1/public/works", params={"q": asked}))["items"]
        assert [item["id"] for item in items] == [work], asked
    for asked in ("SECRET-REFERENCE", "Hidden", "ada@private.example"):
        assert ok(anyone.get("/v1/public/works", params={"q": asked}))["items"] == []
    assert studio.delete(f"/v1/works/{work}").status_code == 204
    problem(anyone.get(f"/v1/public/works/{work}"), 404, "not-found")
    assert ok(anyone.get("/v1/public/works", params={"q": "onibus"}))["items"] == []


def test_pages_go_on_where_the_last_one_ended(anyone: httpx.Client, studio: httpx.Client) -> None:
    made = [ok(studio.post("/v1/works", json={"title": f"Qwertz {n}", "kind": "clip"}), 201)["id"] for n in range(3)]
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        asked = {"q": "qwertz", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = ok(anyone.get("/v1/public/works", params=asked))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
