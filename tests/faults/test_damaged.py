"""Files that are not what they were: a clear error, and never an answer about something else."""

import random
from pathlib import Path

import pytest

from fingerprinting.errors import BadSnapshot
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.snapshot import read_snapshot
from registry.consistency import Code
from registry.database import Database
from registry.index import IndexEngine, store_item
from registry.models import Asset, Check, Corpus, Release
from tests import factories
from tests.api.service import ok, problem
from tests.factories import AT
from tests.faults.conftest import Served

WORK = {"title": "The Film", "kind": "film", "policy": "block"}


def cut(served: Served, blob_key: str, *, to: float) -> None:
    """Keep only the first part of a blob."""
    with served.service.blobs.open(blob_key) as path:
        whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * to)])


def row[Row](served: Served, model: type[Row], id_: str) -> Row:
    with served.service.database.reading() as session:
        return session.get_one(model, id_)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_check_of_a_file_that_was_cut_is_unknown_and_not_of_its_first_half(
    served: Served, clip: bytes, leaves: set[Code]
) -> None:
    leaves.add(Code.BLOB_CHANGED)
    accepted = ok(served.client.post("/v1/checks", params={"wait": 0}, files={"file": clip}), 202)["id"]
    cut(served, str(row(served, Check, accepted).blob_key), to=0.7)
    served.run_jobs()
    found = ok(served.client.get(f"/v1/checks/{accepted}"))
    assert (found["status"], found["verdict"]) == ("done", "unknown")
    assert "damaged" in found["reasons"][0]["message"]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_works_file_that_was_cut_is_rejected_and_not_found_by_half(served: Served, clip: bytes) -> None:
    work = ok(served.client.post("/v1/works", json=WORK), 201)["id"]
    asset = ok(served.client.post(f"/v1/works/{work}/assets", files={"file": clip}), 202)["id"]
    cut(served, str(row(served, Asset, asset).blob_key), to=0.7)
    served.run_jobs()
    found = ok(served.client.get(f"/v1/assets/{asset}"))
    assert (found["status"], found["reason"]) == ("rejected", "unreadable")
    assert served.service.index.sizes["works/video-phash-v1"] == 0


@pytest.mark.parametrize("backend", ["sqlite"])
@pytest.mark.parametrize("to", [0.0, 0.9, None])
def test_a_release_whose_file_was_cut_or_lost_is_not_served(
    served: Served, clip: bytes, to: float | None, leaves: set[Code]
) -> None:
    check = ok(served.client.post("/v1/checks", files={"file": clip}))["id"]
    release = ok(served.client.post("/v1/releases", json={"check_id": check}), 201)["id"]
    key = row(served, Release, release).blob_key
    with served.service.blobs.open(key) as path:  # as long as its row says: what the fake signer wrote is shorter
        path.write_bytes(bytes(row(served, Release, release).size_bytes))
    assert served.client.get(f"/v1/releases/{release}/file").status_code == 200
    if to is None:
        served.service.blobs.delete(key)
    else:
        cut(served, key, to=to)
    leaves.add(Code.BLOB_MISSING if to is None else Code.BLOB_CHANGED)
    told = problem(served.client.get(f"/v1/releases/{release}/file"), 503, "file-damaged")
    assert "backup" in told["detail"]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_snapshot_damaged_anywhere_is_refused_or_says_the_same(database: Database, tmp_path: Path) -> None:
    """Bits flipped at random, ends cut off, bytes added: it is never read as another index."""
    with database.transaction() as session:
        for number in range(3):
            store_item(session, Corpus.WORKS, f"ast_{number}", factories.fingerprint(number, seconds=5), at=AT)
    engine = IndexEngine(make_index=embedded_index)
    with database.reading() as session:
        engine.catch_up(session, timeout_s=30)
    engine.save(path := tmp_path / "index.snapshot")
    whole, sound, chance = path.read_bytes(), read_snapshot(path), random.Random(8)
    refused = 0
    for number in range(60):
        damaged = bytearray(whole)
        if number % 3 == 0:
            damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        elif number % 3 == 1:
            del damaged[chance.randrange(len(whole)) :]
        else:
            damaged[chance.randrange(len(whole)) : 0] = chance.randbytes(9)
        path.write_bytes(damaged)
        fresh = IndexEngine(make_index=embedded_index)
        try:
            fresh.restore(path)
        except BadSnapshot:
            refused += 1
            assert (fresh.sequence, sum(fresh.sizes.values())) == (0, 0), "it is as it was"
        else:
            assert (fresh.sequence, fresh.sizes) == (sound.sequence, engine.sizes)
        with database.reading() as session:
            found = fresh.search(session, Corpus.WORKS, factories.fingerprint(1, seconds=5), timeout_s=30)
        assert set(found.subjects.values()) == {"ast_1"}
    assert refused >= 58
