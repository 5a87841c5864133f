"""The ledger over HTTP: what anyone can prove with nothing but its answers and its key."""

import json
from typing import Any

import httpx
import pytest

from registry.domain.checkpoint import BadCheckpoint, Checkpoint, encode_verifier_key, generate_key, open_checkpoint
from registry.domain.handover import read_handovers
from registry.domain.merkle import NodeId, appended_nodes, leaf_hash, root, verify_consistency, verify_inclusion
from registry.domain.receipt import prove
from tests.api.conftest import Registered
from tests.api.service import ok, problem


def _head(anyone: httpx.Client) -> Checkpoint:
    answer = anyone.get("/v1/ledger/checkpoint")
    assert answer.headers["content-type"].startswith("text/plain")
    return open_checkpoint(answer.text, verifier_key=anyone.get("/v1/ledger/key").text)


def _entries(anyone: httpx.Client, *, size: int) -> list[dict[str, Any]]:
    """The first `size` entries, in pages."""
    found: list[dict[str, Any]] = []
    start: str | None = "0"
    while start is not None and len(found) < size:
        page = ok(anyone.get("/v1/ledger/entries", params={"start": start, "limit": 7}))
        found, start = found + page["items"], page["next"]
    return found[:size]


def test_the_whole_log_has_the_root_that_was_signed(anyone: httpx.Client, film: Registered) -> None:
    head = _head(anyone)
    entries = _entries(anyone, size=head.size)
    assert [entry["number"] for entry in entries] == list(range(head.size))
    nodes: dict[NodeId, bytes] = {}
    for entry in entries:
        leaf = leaf_hash(entry["data"].encode())
        assert leaf.hex() == entry["leaf_hash"]
        nodes.update(appended_nodes(entry["number"], leaf, nodes.__getitem__))
    assert root(head.size, nodes.__getitem__) == head.root
    said = [json.loads(entry["data"]) for entry in entries]
    assert ("work.registered", film.work_id) in {(entry["kind"], entry["subject"]) for entry in said}
    assert all(set(entry) == {"v", "number", "at", "kind", "subject", "commitment"} for entry in said)


@pytest.mark.usefixtures("film")
def test_each_entry_is_proved_by_the_checkpoint_that_comes_with_it(anyone: httpx.Client) -> None:
    key = anyone.get("/v1/ledger/key").text
    size = _head(anyone).size
    for number in {0, 1, size // 2, size - 1}:
        proof = ok(anyone.get("/v1/ledger/proof", params={"number": number}))
        head = open_checkpoint(proof["checkpoint"], verifier_key=key)
        hashes = [bytes.fromhex(value) for value in proof["hashes"]]
        leaf = leaf_hash(proof["data"].encode())
        assert verify_inclusion(leaf, number, head.size, hashes, head.root)
        assert not verify_inclusion(leaf_hash(b"another entry"), number, head.size, hashes, head.root)


def test_a_later_log_only_adds_to_an_earlier_one(anyone: httpx.Client, studio: httpx.Client) -> None:
    work = ok(studio.post("/v1/works", json={"title": "Before", "kind": "clip"}), 201)["id"]
    before = _head(anyone)
    ok(studio.post(f"/v1/works/{work}/reservations", json={"use": "train", "value": "reserved"}), 201)
    ok(studio.patch(f"/v1/works/{work}", json={"title": "After"}))
    after = _head(anyone)
    assert after.size >= before.size + 2
    answer = anyone.get("/v1/ledger/consistency", params={"from": before.size, "to": after.size})
    hashes = [bytes.fromhex(value) for value in answer.json()]
    assert verify_consistency(before.size, after.size, before.root, after.root, hashes)
    assert not verify_consistency(before.size, after.size, after.root, before.root, hashes)


def test_the_keys_of_the_log_begin_with_one_that_nobody_introduced(anyone: httpx.Client) -> None:
    answer = anyone.get("/v1/ledger/keys")
    [key] = answer.json()
    assert key["key"] == anyone.get("/v1/ledger/key").text
    assert (key["number"], key["first_size"], key["handover"], key["entry"], key["salt"]) == (1, 0, None, None, None)
    assert read_handovers(answer.content) == []


@pytest.mark.usefixtures("film")
def test_a_checkpoint_is_signed_by_this_log_and_no_other(anyone: httpx.Client) -> None:
    note = anyone.get("/v1/ledger/checkpoint").text
    assert anyone.get("/v1/ledger/checkpoint").text.split("\n")[0] == note.split("\n")[0]
    name = anyone.get("/v1/ledger/key").text.partition("+")[0]
    other = encode_verifier_key(signer_name=name, key=generate_key().public_key())
    with pytest.raises(BadCheckpoint):
        open_checkpoint(note, verifier_key=other)


def test_a_receipt_proves_what_was_said_without_the_service(studio: httpx.Client, anyone: httpx.Client) -> None:
    work = ok(studio.post("/v1/works", json={"title": "Received", "kind": "clip"}), 201)["id"]
    said = ok(studio.post(f"/v1/works/{work}/reservations", json={"use": "train", "value": "reserved"}), 201)["id"]
    answer = studio.get(f"/v1/ledger/receipts/{said}")
    assert answer.headers["content-disposition"] == f'attachment; filename="{said}.receipt.json"'
    found = prove(answer.content, verifier_key=anyone.get("/v1/ledger/key").text)
    assert (found.entry["kind"], found.entry["subject"]) == ("reservation.declared", said)
    facts = found.receipt.facts
    assert (facts["work"], facts["use"], facts["value"]) == (work, "train", "reserved")
    assert prove(studio.get(f"/v1/ledger/receipts/{work}").content).receipt.facts["title"] == "Received"


def test_a_withdrawal_is_proved_too(studio: httpx.Client) -> None:
    work = ok(studio.post("/v1/works", json={"title": "Taken Back", "kind": "clip"}), 201)["id"]
    assert studio.delete(f"/v1/works/{work}").status_code == 204
    facts = prove(studio.get(f"/v1/ledger/receipts/{work}").content).receipt.facts
    assert (facts["title"], bool(facts["withdrawn"])) == ("Taken Back", True)


def test_only_records_of_ones_own_have_a_receipt(
    stranger: httpx.Client, studio: httpx.Client, film: Registered
) -> None:
    problem(stranger.get(f"/v1/ledger/receipts/{film.work_id}"), 404, "not-found")
    for nothing in ("wrk_0", "ast_0", "nothing", "rsv_" + "0" * 32):
        problem(studio.get(f"/v1/ledger/receipts/{nothing}"), 404, "not-found")


def test_the_log_holds_nothing_that_a_holder_said(anyone: httpx.Client, studio: httpx.Client) -> None:
    secret = "A Title That Nobody May Read"
    ok(studio.post("/v1/works", json={"title": secret, "kind": "clip", "creators": ["Ada Example"]}), 201)
    text = json.dumps(_entries(anyone, size=_head(anyone).size))
    assert secret not in text
    assert "Ada Example" not in text


@pytest.mark.parametrize(
    ("path", "parameters", "status", "name"),
    [
        ("proof", {"number": 10**9}, 404, "not-found"),
        ("proof", {"number": -1}, 422, "invalid"),
        ("consistency", {"from": 1, "to": 10**9}, 422, "invalid"),
        ("consistency", {"from": 2, "to": 1}, 422, "invalid"),
        ("consistency", {"from": 10**30, "to": 10**30}, 422, "invalid"),
        ("entries", {"limit": 100_000}, 422, "invalid"),
        ("checkpoint", {"witness": "witness.example"}, 404, "not-found"),
        ("checkpoint", {"witness": ""}, 422, "invalid"),
        ("checkpoint", {"witness": "x" * 201}, 422, "invalid"),
        ("checkpoint", {"witness": ["w"] * 17}, 422, "invalid"),
        ("checkpoint/timestamp", {}, 404, "not-found"),
        ("checkpoint/timestamp", {"size": 1}, 404, "not-found"),
        ("checkpoint/timestamp", {"size": 10**30}, 422, "invalid"),
    ],
)
def test_what_the_log_cannot_answer_is_a_problem(
    anyone: httpx.Client, path: str, parameters: dict[str, Any], status: int, name: str
) -> None:
    problem(anyone.get(f"/v1/ledger/{path}", params=parameters), status, name)


def test_there_is_nothing_after_the_last_entry(anyone: httpx.Client) -> None:
    page = ok(anyone.get("/v1/ledger/entries", params={"start": 2**31 - 1}))
    assert page == {"items": [], "next": None}
