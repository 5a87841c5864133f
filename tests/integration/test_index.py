"""The index log and the engines that follow it: an index equals the database, or says that it does not."""

import threading
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from api.answers import search_works
from api.service import Service
from fingerprinting.document import descriptors_from_bytes
from fingerprinting.errors import BadSnapshot
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.index.protocol import Arrays
from fingerprinting.index.snapshot import read_snapshot
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from registry.checks import Unanswerable
from registry.database import Database
from registry.index import SEARCHED, IndexBehind, IndexEngine, fingerprint_of, head_sequence, remove_item, store_item
from registry.models import Corpus, Heads, IndexLogRow, Item, StoredDescriptors
from tests import factories
from tests.factories import AT, indexes_of
from tests.integration.at_once import at_once

# One item has rows of one algorithm here, so each change is one row of the log.
SHOWN = {seed: factories.fingerprint(seed, seconds=3.0) for seed in range(8)}


def add(database: Database, subject_id: str, *, seed: int = 1, corpus: Corpus = Corpus.WORKS) -> None:
    with database.transaction() as session:
        store_item(session, corpus, subject_id, SHOWN[seed], at=AT)


def remove(database: Database, subject_id: str) -> None:
    with database.transaction() as session:
        remove_item(session, subject_id, at=AT)


def found(database: Database, engine: IndexEngine, seed: int, *, corpus: Corpus = Corpus.WORKS) -> list[str]:
    with database.reading() as session:
        answer = engine.search(session, corpus, SHOWN[seed], timeout_s=30)
    return sorted(answer.subjects[segment.item] for segment in answer.segments)


def caught_up(database: Database, engine: IndexEngine) -> int:
    with database.reading() as session:
        return engine.catch_up(session, timeout_s=30)


def held(engine: IndexEngine, folder: Path) -> dict[str, dict[str, bytes]]:
    """Everything an engine of exact indexes holds, by corpus and algorithm."""
    engine.save(folder / "held")
    return {name: _bytes(dump) for name, dump in read_snapshot(folder / "held").dumps.items()}


def _bytes(dump: Arrays) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in dump.items()}


def expected(session: Session) -> dict[str, dict[str, bytes]]:
    """The same, built from the items alone, without a look at the log."""
    dumps = {}
    for corpus in SEARCHED:
        for algorithm in Algorithm:
            oracle = indexes_of(ExactIndex)(algorithm)
            rows = sa.select(StoredDescriptors).join(Item).where(Item.corpus == corpus).order_by(Item.number)
            for row in session.scalars(rows.where(StoredDescriptors.algorithm == algorithm)):
                described = descriptors_from_bytes(algorithm, row.times_ms, row.vectors)
                oracle.add(ItemNumber(row.item_number), described)
            dumps[f"{corpus}/{algorithm}"] = _bytes(oracle.dump())
    return dumps


# -- the log -----------------------------------------------------------------------------------


def test_a_fingerprint_is_kept_bit_for_bit(database: Database) -> None:
    add(database, "ast_1", seed=3)
    with database.reading() as session:
        stored = fingerprint_of(session, "ast_1")
        assert fingerprint_of(session, "ast_2") is None
    assert stored is not None
    [kept], [said] = stored.descriptors, SHOWN[3].descriptors
    assert (stored.duration_s, kept.algorithm) == (3.0, said.algorithm)
    assert (kept.times_s == said.times_s).all()
    assert (kept.vectors == said.vectors).all()


def test_what_is_only_looked_back_at_is_not_on_the_log(database: Database) -> None:
    add(database, "chk_1", corpus=Corpus.CHECKS)
    remove(database, "chk_1")
    with database.reading() as session:
        assert head_sequence(session) == 0
        assert session.scalars(sa.select(IndexLogRow)).all() == []


def test_an_items_number_is_never_used_again(database: Database) -> None:
    numbers = []
    for _ in range(3):
        add(database, "ast_1")
        with database.reading() as session:
            numbers.append(session.scalars(sa.select(Item.number)).one())
        remove(database, "ast_1")
    assert numbers == sorted(set(numbers))


def test_sequences_have_no_gaps_and_come_in_the_order_of_commits(database: Database) -> None:
    done = threading.Event()
    views: list[list[int]] = []

    def write(writer: int) -> None:
        for number in range(4):
            add(database, f"ast_{writer}_{number}")
            with pytest.raises(ZeroDivisionError), database.transaction() as session:
                add_and_crash(session, f"never_{writer}_{number}")
            if number % 2:
                remove(database, f"ast_{writer}_{number}")

    def add_and_crash(session: Session, subject_id: str) -> None:
        store_item(session, Corpus.WORKS, subject_id, SHOWN[2], at=AT)
        raise ZeroDivisionError

    def look() -> None:
        while not done.is_set():
            with database.reading() as session:
                views.append(list(session.scalars(sa.select(IndexLogRow.sequence).order_by(IndexLogRow.sequence))))
            done.wait(0.01)

    looking = threading.Thread(target=look)
    looking.start()
    assert at_once(*[lambda writer=writer: write(writer) for writer in range(4)]) == [None] * 4
    done.set()
    looking.join()
    with database.reading() as session:
        assert head_sequence(session) == 24
        views.append(list(session.scalars(sa.select(IndexLogRow.sequence).order_by(IndexLogRow.sequence))))
    assert len(views[-1]) == 24
    # Whoever looked at any time saw a beginning of the log, so no later commit can slip in before an earlier one.
    assert all(view == list(range(1, len(view) + 1)) for view in views)


# -- the engine --------------------------------------------------------------------------------


def test_an_engine_answers_for_all_that_was_committed_before_it_was_asked(
    database: Database, index: IndexEngine
) -> None:
    add(database, "ast_1", seed=1)
    assert found(database, index, 1) == ["ast_1"]
    add(database, "ast_2", seed=2)
    assert found(database, index, 2) == ["ast_2"]
    remove(database, "ast_1")
    assert (found(database, index, 1), found(database, index, 2)) == ([], ["ast_2"])


def test_two_processes_see_the_same(database: Database) -> None:
    engines = [IndexEngine(make_index=embedded_index), IndexEngine(make_index=embedded_index)]
    for seed in (1, 2, 3):
        add(database, f"ast_{seed}", seed=seed)
        assert found(database, engines[seed % 2], seed) == [f"ast_{seed}"]
    remove(database, "ast_2")
    for engine in engines:
        assert [found(database, engine, seed) for seed in (1, 2, 3)] == [["ast_1"], [], ["ast_3"]]


def test_works_and_releases_are_searched_apart(database: Database, index: IndexEngine) -> None:
    add(database, "ast_1", seed=1)
    add(database, "rel_1", seed=1, corpus=Corpus.RELEASES)
    assert found(database, index, 1) == ["ast_1"]
    assert found(database, index, 1, corpus=Corpus.RELEASES) == ["rel_1"]


def test_an_answer_names_the_sequence_that_it_saw(database: Database, index: IndexEngine) -> None:
    for seed in (1, 2):
        add(database, f"ast_{seed}", seed=seed)
    with database.reading() as session:
        assert index.search(session, Corpus.WORKS, SHOWN[1], timeout_s=30).sequence == 2


def test_rivals_leave_the_asker_out(database: Database, index: IndexEngine) -> None:
    add(database, "ast_1", seed=1)
    add(database, "ast_2", seed=1)
    with database.reading() as session:
        rivals = index.rivals(session, "ast_1")
        assert [rivals.subjects[segment.item] for segment in rivals.segments] == ["ast_2"]
        assert index.rivals(session, "ast_3").segments == []


def test_an_index_that_is_behind_says_so_and_keeps_what_it_has(database: Database, index: IndexEngine) -> None:
    add(database, "ast_1")
    with database.reading() as session:
        with pytest.raises(IndexBehind) as behind:
            index.catch_up(session, timeout_s=-1.0)
        assert (behind.value.sequence, behind.value.target) == (0, 1)
    assert caught_up(database, index) == 1
    with database.reading() as session:
        assert index.catch_up(session, timeout_s=-1.0) == 1  # nothing to do takes no time


def test_who_waits_too_long_for_another_to_catch_up_is_told(database: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    class Slow(ExactIndex):
        def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
            inside.set()
            go_on.wait(10)
            super().add(item, descriptors)

    engine = IndexEngine(make_index=indexes_of(Slow))
    add(database, "ast_1")
    other = threading.Thread(target=caught_up, args=(database, engine))
    other.start()
    assert inside.wait(10)
    with database.reading() as session, pytest.raises(IndexBehind):
        engine.search(session, Corpus.WORKS, SHOWN[1], timeout_s=0.05)
    go_on.set()
    other.join()
    assert found(database, engine, 1) == ["ast_1"]


def test_a_check_that_the_index_is_behind_for_is_unknown_and_never_clear(service: Service) -> None:
    service.settings.catch_up_s = 1e-9
    add(service.database, "ast_1", seed=1)
    answer = search_works(service, SHOWN[2])
    assert isinstance(answer, Unanswerable)
    assert answer.code == "index_behind"


def test_a_check_that_the_engine_fails_on_is_unknown_and_never_clear(service: Service) -> None:
    class Broken(ExactIndex):
        def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
            raise MemoryError(item, descriptors)

    service.index = IndexEngine(make_index=indexes_of(Broken))
    add(service.database, "ast_1", seed=1)
    answer = search_works(service, SHOWN[2])
    assert isinstance(answer, Unanswerable)
    assert answer.code == "engine_error"


def test_an_older_view_does_not_send_the_index_back(database: Database) -> None:
    """Who began to read before a change asks an engine that has seen it: no reason to begin again."""
    made: list[ExactIndex] = []

    def make(algorithm: Algorithm) -> ExactIndex:
        made.append(ExactIndex(algorithm))
        return made[-1]

    engine = IndexEngine(make_index=indexes_of(make))
    add(database, "ast_1", seed=1)
    caught_up(database, engine)
    at_first = len(made)
    with database.reading() as earlier:
        assert head_sequence(earlier) == 1
        add(database, "ast_2", seed=2)
        assert caught_up(database, engine) == 2
        answer = engine.search(earlier, Corpus.WORKS, SHOWN[1], timeout_s=30)
        assert [answer.subjects[segment.item] for segment in answer.segments] == ["ast_1"]
    assert (engine.sequence, len(made)) == (2, at_first)


# -- snapshots ---------------------------------------------------------------------------------


def test_a_snapshot_and_what_the_log_adds_equal_a_rebuild(database: Database, tmp_path: Path) -> None:
    first = IndexEngine(make_index=embedded_index)
    for seed in (1, 2, 3):
        add(database, f"ast_{seed}", seed=seed)
    assert caught_up(database, first) == first.save(tmp_path / "snapshot") == 3
    remove(database, "ast_1")
    add(database, "ast_4", seed=4)
    second = IndexEngine(make_index=embedded_index)
    assert second.restore(tmp_path / "snapshot") == 3
    rebuilt = IndexEngine(make_index=embedded_index)
    for engine in (second, rebuilt):
        assert [found(database, engine, seed) for seed in (1, 2, 3, 4)] == [[], ["ast_2"], ["ast_3"], ["ast_4"]]
    assert (second.sequence, second.sizes) == (rebuilt.sequence, rebuilt.sizes)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "other algorithms"])
def test_a_damaged_snapshot_is_refused_and_the_index_rebuilt(database: Database, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "snapshot"
    add(database, "ast_1")
    saved = IndexEngine(make_index=embedded_index)
    caught_up(database, saved)
    saved.save(path)
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[:-1])
    elif damage == "flipped":
        path.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "foreign":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("index", "x")
    engine = IndexEngine(make_index=indexes_of(ExactIndex if damage == "other algorithms" else FaissIndex))
    with pytest.raises(BadSnapshot):
        engine.restore(path)
    assert engine.sequence == 0
    assert found(database, engine, 1) == ["ast_1"]


def test_a_service_starts_from_its_snapshot_and_says_when_it_could_not(service: Service) -> None:
    path = service.settings.snapshot_path
    add(service.database, "ast_1", seed=1)
    service.load_index()
    assert (service.index.sequence, service.index_problem, service.index_ready.is_set()) == (1, None, True)
    service.index.save(path)
    path.write_bytes(path.read_bytes()[:-1])
    service.index = IndexEngine(make_index=embedded_index)
    service.load_index()
    assert found(service.database, service.index, 1) == ["ast_1"]
    assert service.index_problem is not None
    assert "checksum" in service.index_problem


@pytest.mark.parametrize("from_snapshot", [False, True], ids=["running", "from its snapshot"])
def test_an_index_that_is_ahead_of_a_restored_backup_is_rebuilt(
    database: Database, tmp_path: Path, *, from_snapshot: bool
) -> None:
    engine = IndexEngine(make_index=embedded_index)
    for seed in (1, 2, 3):
        add(database, f"ast_{seed}", seed=seed)
    caught_up(database, engine)
    if from_snapshot:
        engine.save(tmp_path / "snapshot")
        engine = IndexEngine(make_index=embedded_index)
        assert engine.restore(tmp_path / "snapshot") == 3
    with database.transaction() as session:  # the database as it was after the first of them
        for subject_id in ("ast_2", "ast_3"):
            session.delete(session.scalars(sa.select(Item).where(Item.subject_id == subject_id)).one())
        session.execute(sa.delete(IndexLogRow).where(IndexLogRow.sequence > 1))
        session.execute(sa.update(Heads).values(index_sequence=1))
    assert [found(database, engine, seed) for seed in (1, 2, 3)] == [["ast_1"], [], []]
    assert engine.sequence == 1
    add(database, "ast_4", seed=4)
    assert found(database, engine, 4) == ["ast_4"]


# -- any history -------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(sorted(SHOWN)), st.sampled_from(SEARCHED)),
        st.tuples(st.just("fail to add"), st.sampled_from(sorted(SHOWN)), st.sampled_from(SEARCHED)),
        st.tuples(st.just("withdraw"), st.integers(0, 99)),
        st.tuples(st.sampled_from(["catch up", "save", "restart", "restart from nothing", "restart from a bad one"])),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=timedelta(seconds=20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happened_an_index_equals_the_database(
    database: Database, tmp_path: Path, steps: list[tuple[object, ...]]
) -> None:
    """The database is not emptied between the examples: each history goes on where the one before ended."""
    engine, path = IndexEngine(make_index=indexes_of(ExactIndex)), tmp_path / "snapshot"
    for step in steps:
        match step:
            case ("add" | "fail to add" as verb, int(seed), Corpus() as corpus):
                with database.transaction() as session:
                    number = session.scalar(sa.select(sa.func.max(Item.number))) or 0
                    with session.begin_nested() as inner:
                        store_item(session, corpus, f"ast_{number + 1}", SHOWN[seed], at=AT)
                        if verb == "fail to add":
                            inner.rollback()
            case ("withdraw", int(which)):
                with database.transaction() as session:
                    subjects = session.scalars(sa.select(Item.subject_id).order_by(Item.number)).all()
                    if subjects:
                        remove_item(session, subjects[which % len(subjects)], at=AT)
            case ("catch up",):
                caught_up(database, engine)
            case ("save",):
                engine.save(path)
            case _:
                if step == ("restart from a bad one",) and path.exists():
                    path.write_bytes(path.read_bytes()[:-7])
                if step == ("restart from nothing",):
                    path.unlink(missing_ok=True)
                engine = IndexEngine(make_index=indexes_of(ExactIndex))
                try:
                    engine.restore(path)
                except BadSnapshot:
                    assert engine.sequence == 0
    caught_up(database, engine)
    with database.reading() as session:
        assert held(engine, tmp_path) == expected(session)
        assert engine.sequence == head_sequence(session)
