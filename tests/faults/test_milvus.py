"""Milvus as the index engine: the contract of all engines, and what is left of it when a server or a process dies.

All on one real server. Whatever happens to it, a check is answered from all that was registered before, or not at all.
"""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa

from api.fsck import examine, repair
from api.service import Service, upgrade_database
from fingerprinting.errors import EngineAway
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.milvus_address import parse_milvus_url
from fingerprinting.index.milvus_index import Milvus, MilvusRows
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from fingerprinting.traits import TRAITS
from registry.consistency import Code
from registry.database import Database
from registry.index import SEARCHED, IndexAway, IndexBehind, IndexEngine, remove_item, store_item
from registry.models import Corpus, Heads, IndexLogRow, Item
from registry.shared_index import SharedIndexes
from tests import factories, media
from tests.api.forked import REPOSITORY
from tests.api.service import (
    environment_of,
    finished,
    ok,
    run_cli_here,
    running_service,
    send,
    until,
)
from tests.factories import AT
from tests.index_contract import IndexContract, MakeIndex, described, flipped, listed, rows
from tests.integration.small_registry import fill
from tests.servers.lacking import not_tested
from tests.servers.milvus import MilvusServer, NoMilvus, milvus_server
from tests.servers.postgres import create_database

PHASH = Algorithm.VIDEO_PHASH_V1
CORPORA = [corpus.value for corpus in SEARCHED]
SHOWN = {seed: factories.fingerprint(seed, seconds=3.0) for seed in range(30)}
_prefixes = itertools.count(1)


def rows_at(server: MilvusServer, prefix: str, *, call_s: float = 5.0) -> MilvusRows:
    return MilvusRows(Milvus(parse_milvus_url(server.url), call_s=call_s, prefix=prefix), PHASH, CORPORA)


def process(rows: MilvusRows) -> IndexEngine:
    """What a process that has just started has; its clips have hashes alone."""
    return IndexEngine(make_index=embedded_index, shared=SharedIndexes(rows={PHASH: rows}))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A database, and a place for its vectors on a server that other tests use too."""

    database: Database
    server: MilvusServer
    prefix: str

    def process(self, *, call_s: float = 5.0) -> IndexEngine:
        return process(self.rows(call_s=call_s))

    def rows(self, *, call_s: float = 5.0) -> MilvusRows:
        return rows_at(self.server, self.prefix, call_s=call_s)

    def add(self, seed: int) -> None:
        with self.database.transaction() as session:
            store_item(session, Corpus.WORKS, f"ast_{seed}", SHOWN[seed], at=AT)

    def remove(self, seed: int) -> None:
        with self.database.transaction() as session:
            remove_item(session, f"ast_{seed}", at=AT)

    def found(self, engine: IndexEngine, seed: int, *, timeout_s: float = 60) -> list[str]:
        with self.database.reading() as session:
            answer = engine.search(session, Corpus.WORKS, SHOWN[seed], timeout_s=timeout_s)
        return sorted(answer.subjects[segment.item] for segment in answer.segments)

    def count(self) -> int:
        return self.rows().count(Corpus.WORKS.value, is_certain=True)

    def expected_count(self) -> int:
        with self.database.reading() as session:
            items = session.scalars(sa.select(Item).where(Item.corpus == Corpus.WORKS)).all()
            return sum(len(stored.times_ms) // 4 for item in items for stored in item.descriptors)


@pytest.fixture(scope="module")
def milvus() -> Iterator[MilvusServer]:
    """A real Milvus server, started once, and not left to run beside other tests: it never idles."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(milvus_server())
        except NoMilvus as absent:
            not_tested("Milvus", absent)
        yield server


@pytest.fixture
def world(milvus: MilvusServer, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'clearmark.db'}"
    upgrade_database(url)
    database = Database(url)
    yield World(database=database, server=milvus, prefix=f"t{next(_prefixes)}")
    database.dispose()


def until_answered[T](ask: Callable[[], T], *, timeout_s: float = 90) -> T:
    """Ask until the engine is there again."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except IndexBehind:
            assert time.monotonic() < deadline, "it did not come back"
            time.sleep(0.2)


# -- the contract ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(milvus: MilvusServer) -> Callable[[], MakeIndex]:
    """Empty parts of one collection, which takes seconds to make."""
    names = [f"p{number}" for number in range(40)]
    shared = MilvusRows(Milvus(parse_milvus_url(milvus.url), prefix="contract"), PHASH, names)
    mark = shared.begin()
    free = iter(names)
    return lambda: lambda: shared.as_of(next(free), mark)


@pytest.fixture
def make(parts: Callable[[], MakeIndex]) -> MakeIndex:
    return parts()


class TestMilvus(IndexContract):
    """The contract of all engines."""


def test_what_it_finds_is_what_the_oracle_finds(make: MakeIndex) -> None:
    index, oracle = make(), ExactIndex(PHASH)
    scenes = np.concatenate([flipped(rows(40, seed=seed), bits) for seed in range(5) for bits in (0, 7, 20)])
    for item in range(10):
        for each in (index, oracle):
            each.add(ItemNumber(item), described(scenes[item * 60 : item * 60 + 60]))
    for item in (3, 8):
        assert index.remove(ItemNumber(item)) == oracle.remove(ItemNumber(item))
    queries = flipped(scenes[::9], 11)
    everything = oracle.search(queries, radius_bits=56, limit=1000)
    assert len(everything) > 50
    assert listed(index.search(queries, radius_bits=56, limit=1000)) == listed(everything)


@pytest.mark.parametrize("algorithm", [PHASH, Algorithm.VIDEO_SSCD_V1])
def test_what_it_has_sealed_and_put_into_cells_is_found_as_before(milvus: MilvusServer, algorithm: Algorithm) -> None:
    """Rows that came lately are scanned; these are searched by the index that the server makes of many."""
    traits, random = TRAITS[algorithm], np.random.default_rng(1)
    scenes = random.integers(0, 256, (4, algorithm.row_bytes), np.uint8)

    def crowd(count: int) -> Descriptors:
        noise = np.packbits(random.random((count, 8 * algorithm.row_bytes)) < 0.06, axis=1)
        vectors = scenes[random.integers(0, 4, count)] ^ noise
        return Descriptors(algorithm=algorithm, times_s=np.arange(count, dtype=np.float64), vectors=vectors)

    held = MilvusRows(Milvus(parse_milvus_url(milvus.url), prefix="sealed", call_s=60), algorithm, ["works"])
    index, oracle = held.as_of("works", held.begin()), ExactIndex(algorithm)
    for item in range(3):
        rows_of_item = crowd(1_000)
        for each in (index, oracle):
            each.add(ItemNumber(item), rows_of_item)
    with held.milvus.asked() as client:
        client.flush(held.name, timeout=60)
        until(lambda: client.describe_index(held.name, "code")["pending_index_rows"] == 0)
    time.sleep(3)  # until it has taken its index into use, which it does not tell of
    asked = {"radius_bits": traits.search_radius_bits, "limit": traits.hits_a_row}
    queries = crowd(10).vectors
    found, wanted = (each.search(queries, **asked) for each in (index, oracle))
    assert len(wanted) == 10 * traits.hits_a_row
    assert found.distances_bits.tolist() == wanted.distances_bits.tolist()


# -- processes ---------------------------------------------------------------------------------


def test_a_process_sees_at_once_what_another_has_registered_and_removed(world: World) -> None:
    one, other = world.process(), world.process()
    for seed in range(6):
        world.add(seed)
        assert world.found((one, other)[seed % 2], seed) == [f"ast_{seed}"]
        assert world.found((other, one)[seed % 2], seed) == [f"ast_{seed}"]
    world.remove(2)
    assert [world.found(engine, 2) for engine in (other, one)] == [[], []]
    assert world.count() == world.expected_count()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_processes_that_catch_up_at_once_write_everything_once(
    world: World, backend: str, request: pytest.FixtureRequest
) -> None:
    if backend == "postgresql":
        url = create_database(request.getfixturevalue("postgres_url"), f"milvus_{world.prefix}")
        upgrade_database(url)
        world = World(database=Database(url), server=world.server, prefix=world.prefix)
    for seed in range(12):
        world.add(seed)
    answers: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda seed=seed: answers.append(world.found(world.process(), seed)))
        for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    assert sorted(answers) == [["ast_0"], ["ast_1"], ["ast_2"]]
    assert world.count() == world.expected_count()
    if backend == "postgresql":
        world.database.dispose()


def test_what_a_killed_process_left_half_done_is_done_once(world: World) -> None:
    for seed in range(20):
        world.add(seed)
    program = (
        "import sys, time\n"
        "from fingerprinting.index.milvus_index import MilvusRows\n"
        "from registry.database import Database\n"
        "from tests.faults.test_milvus import process, rows_at\n"
        "from types import SimpleNamespace\n"
        "added = MilvusRows.add\n"
        "def add(self, part, item, descriptors, *, timeout_s):\n"
        "    added(self, part, item, descriptors, timeout_s=timeout_s)\n"
        "    if item == 7: print('half', flush=True); time.sleep(60)\n"
        "MilvusRows.add = add\n"
        f"server = SimpleNamespace(url={world.server.url!r})\n"
        f"database = Database({world.database.url.render_as_string()!r})\n"
        "with database.reading() as session:\n"
        f"    process(rows_at(server, {world.prefix!r})).catch_up(session, timeout_s=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == b"half\n"
        engine = world.process()
        with pytest.raises(IndexBehind):
            world.found(engine, 19, timeout_s=0.5)  # it is the other's turn
        dying.send_signal(signal.SIGKILL)
    assert world.found(engine, 19) == ["ast_19"]
    assert world.count() == world.expected_count()


# -- what lies there ---------------------------------------------------------------------------


def test_a_collection_that_was_lost_is_built_anew_and_never_searched_half_full(world: World) -> None:
    for seed in range(4):
        world.add(seed)
    engine = world.process()
    assert world.found(engine, 1) == ["ast_1"]
    rows_there = world.rows()
    mark = rows_there.mark(is_certain=True)
    assert mark is not None
    before = rows_there.as_of("works", mark)
    with rows_there.milvus.asked() as client:
        client.drop_collection(rows_there.name)
    assert world.found(engine, 1) == ["ast_1"]
    with pytest.raises(EngineAway, match="made anew"):
        before.search(rows(1, seed=1), radius_bits=56, limit=5)
    assert world.count() == world.expected_count()


def test_rows_that_went_missing_are_noticed_by_the_next_process_that_starts(world: World) -> None:
    for seed in range(3):
        world.add(seed)
    assert world.found(world.process(), 1) == ["ast_1"]
    with world.rows().milvus.asked() as client:
        client.delete(world.rows().name, ids=[(2 << 32) + 1], partition_name="works")
    assert world.count() == world.expected_count() - 1
    world.found(world.process(), 1)
    assert world.count() == world.expected_count()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_rows_that_went_missing_are_named_by_fsck_and_written_anew_when_it_repairs(
    service: Service, milvus: MilvusServer
) -> None:
    fill(service)
    prefix = f"t{next(_prefixes)}"
    service = replace(service, index=process(rows_at(milvus, prefix)))

    def found() -> list[tuple[Code, str]]:
        return [(flaw.code, flaw.subject) for flaw in examine(service, is_quick=True)]

    assert found() == [(Code.ENGINE_BEHIND, PHASH)], "a check brings it up"
    with service.database.reading() as session:
        service.index.catch_up(session, timeout_s=60)
    assert found() == []
    there = rows_at(milvus, prefix)
    with there.milvus.asked() as client:
        [key] = client.query(
            there.name, filter="key >= 0", output_fields=["key"], partition_names=["works"], limit=1,
            consistency_level="Strong",
        )  # fmt: skip
        client.delete(there.name, ids=[key["key"]], partition_name="works")
    assert found() == [(Code.ENGINE_DIFFERS, PHASH)]
    report = repair(service, is_quick=True)
    assert ([flaw.code for flaw in report.mended], report.flaws) == ([Code.ENGINE_DIFFERS], [])
    with milvus.held():
        service = replace(service, index=process(rows_at(milvus, prefix, call_s=1.0)))
        assert found() == [(Code.ENGINE_AWAY, "engine")]


@pytest.mark.parametrize("goes_on", [False, True], ids=["behind", "with another history"])
def test_after_a_restored_backup_it_is_built_anew(world: World, *, goes_on: bool) -> None:
    for seed in (1, 2, 3):
        world.add(seed)
    engine = world.process()
    world.found(engine, 1)
    with world.database.transaction() as session:  # the database as it was after the first of them
        for subject_id in ("ast_2", "ast_3"):
            session.delete(session.scalars(sa.select(Item).where(Item.subject_id == subject_id)).one())
        session.execute(sa.delete(IndexLogRow).where(IndexLogRow.sequence > 1))
        session.execute(sa.update(Heads).values(index_sequence=1))
    if goes_on:
        with world.database.transaction() as session:
            for seed in (4, 5, 6):
                store_item(session, Corpus.WORKS, f"ast_{seed}", SHOWN[seed], at=AT + timedelta(days=1))
    assert [world.found(engine, seed) for seed in (1, 2, 3)] == [["ast_1"], [], []]
    assert world.count() == world.expected_count()


# -- the server --------------------------------------------------------------------------------


def test_a_server_that_hangs_holds_up_a_check_no_longer_than_it_may(world: World) -> None:
    world.add(1)
    engine = world.process(call_s=2.0)
    assert world.found(engine, 1) == ["ast_1"]
    with world.server.held():
        for seed in (1, 2):
            began = time.monotonic()
            with pytest.raises(IndexAway):
                world.found(engine, seed, timeout_s=4)
            assert time.monotonic() - began < 8
        assert engine.is_away
    assert until_answered(lambda: world.found(engine, 1)) == ["ast_1"]
    assert not engine.is_away


def test_a_server_killed_in_the_midst_of_adds_has_everything_when_it_is_back(world: World) -> None:
    world.add(0)
    engine = world.process()
    assert world.found(engine, 0) == ["ast_0"]
    for seed in range(1, 25):
        world.add(seed)
    failed: list[Mapping[str, object]] = []

    def catch_up() -> None:
        try:
            world.found(engine, 24)
        except IndexAway as away:
            failed.append({"at": away.sequence})

    adding = threading.Thread(target=catch_up)
    adding.start()
    until = time.monotonic() + 30
    while world.count() < 5 and time.monotonic() < until:
        time.sleep(0.01)
    world.server.kill()
    adding.join(timeout=60)
    assert failed, "it was quicker than the test"
    with pytest.raises(IndexAway):
        world.found(engine, 0, timeout_s=3)
    world.server.start()
    assert until_answered(lambda: world.found(engine, 24)) == ["ast_24"]
    assert [world.found(engine, seed) for seed in range(25)] == [[f"ast_{seed}"] for seed in range(25)]
    assert world.count() == world.expected_count()


# -- the whole service -------------------------------------------------------------------------


def test_moving_to_milvus_goes_on_beside_checks_and_is_held_against_exact_answers(
    milvus: MilvusServer, tmp_path: Path
) -> None:
    environment = environment_of(tmp_path)
    url = f"sqlite:///{tmp_path / 'clearmark.db'}"
    upgrade_database(url)
    world = World(database=Database(url), server=milvus, prefix="clearmark")
    for seed in range(12):
        world.add(seed)
    answers: list[dict[str, Any]] = []

    def migrate() -> None:
        ran = run_cli_here("index", "migrate", "--to", milvus.url, "--json", environment=environment)
        assert ran.returncode == 0, ran.stderr
        answers.append(json.loads(ran.stdout))

    moving, today, asked = threading.Thread(target=migrate), IndexEngine(make_index=embedded_index), 0
    moving.start()
    while moving.is_alive():
        assert world.found(today, asked % 12) == [f"ast_{asked % 12}"]
        asked += 1
    moving.join()
    [said] = answers
    assert (said["sequence"], said["is_right"], said["found_0_1"], said["sampled_searches"]) == (12, True, 1.0, 12)
    assert said["rows"]["works/video-phash-v1"] == world.expected_count()
    assert said["set"] == f"CLEARMARK_INDEX_URL={milvus.url}"
    assert world.found(world.process(), 3) == ["ast_3"]
    back = run_cli_here("index", "migrate", "--to", "faiss://", environment=environment)
    assert back.returncode == 1
    assert "every process builds it from the database" in back.stderr
    world.database.dispose()


@pytest.mark.timeout(300)
def test_a_service_never_clears_what_it_could_not_ask_and_goes_on_by_itself(
    milvus: MilvusServer, tmp_path: Path
) -> None:
    clip = media.clip_with_sound(tmp_path / "clip.mp4", seconds=8, seed=51)
    settings = {"sscd_model": "none", "catch_up_s": 8, "index_url": milvus.url}
    with running_service(tmp_path, **settings) as service, service.client() as client:
        client.headers["authorization"] = f"Bearer {service.key('Studio', 'works:write')}"
        work = ok(client.post("/v1/works", json={"title": "A", "kind": "clip", "policy": "block"}), 201)
        asset = ok(send(client, f"/v1/works/{work['id']}/assets", clip), 202)
        assert finished(client, f"/v1/assets/{asset['id']}")["status"] == "indexed"
        client.headers["authorization"] = f"Bearer {service.key('Pipeline', 'checks:write')}"
        assert _checked(client, clip) == ("milvus", asset["id"])
        milvus.kill()
        try:
            unknown = ok(send(client, "/v1/checks", clip))
            assert (unknown["verdict"], unknown["matches"]) == ("unknown", [])
            assert [reason["code"] for reason in unknown["reasons"]] == ["index_behind"]
            ready = ok(client.get("/readyz"))
            assert ("index", "engine-away") in {(one["part"], one["state"]) for one in ready["degraded"]}
            verified = ok(send(client, "/v1/verifications", clip))
            assert "could not be looked up" in verified["fingerprint_problem"]
            assert verified["registry_matches"] == []
        finally:
            milvus.start()
        assert until(lambda: _checked(client, clip)[1], timeout_s=90) == asset["id"]


def _checked(client: httpx.Client, clip: Path) -> tuple[str, str | None]:
    """Which engine answered, and what it found; it must have found it or say that it does not know."""
    found = ok(send(client, "/v1/checks", clip))
    assert found["verdict"] in ("block", "unknown"), found
    return found["index"]["engine"]["engine"], next((match["asset_id"] for match in found["matches"]), None)
