"""The contract of an index, kept by every engine; the exact one is held against plain counting."""

import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.hamming import distances
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.faiss_index import FaissIndex, Growth
from fingerprinting.index.protocol import Arrays, OwnIndex, VectorIndex
from fingerprinting.model import Algorithm, ItemNumber
from tests.index_contract import IndexContract, described, flipped, listed, rows

type MakeIndex = Callable[[], OwnVectorIndex]


class OwnVectorIndex(VectorIndex, OwnIndex, Protocol):
    """An index of vectors that can be dumped."""


def at_once(work: Callable[[], None]) -> None:
    work()


def exact() -> ExactIndex:
    return ExactIndex(Algorithm.VIDEO_PHASH_V1)


def lately_added() -> FaissIndex:
    """Everything stands in the head."""
    return FaissIndex(Algorithm.VIDEO_PHASH_V1)


def flat() -> FaissIndex:
    """Everything is settled as soon as a few rows are there."""
    return FaissIndex(Algorithm.VIDEO_PHASH_V1, growth=Growth(settle_rows=3), aside=at_once)


def celled() -> FaissIndex:
    """The same, into cells; all of them are probed, so that nothing is missed."""
    growth = Growth(settle_rows=3, settle_share=0.0, cells_from_rows=3, cells=3, probed=3)
    return FaissIndex(Algorithm.VIDEO_PHASH_V1, growth=growth, aside=at_once)


def settling() -> FaissIndex:
    """A settling that began with the first row and never ends."""
    return FaissIndex(Algorithm.VIDEO_PHASH_V1, growth=Growth(settle_rows=1), aside=lambda _work: None)


@pytest.fixture(params=[exact, lately_added, flat, celled, settling])
def make(request: pytest.FixtureRequest) -> MakeIndex:
    engine: MakeIndex = request.param
    return engine


class TestEmbeddedEngines(IndexContract):
    """The contract of all engines."""


def test_a_loaded_dump_answers_as_the_dumped_index_did(make: MakeIndex) -> None:
    index, vectors = make(), rows(40, seed=1)
    for item in range(4):
        index.add(ItemNumber(item), described(vectors[item * 10 : item * 10 + 10]))
    index.remove(ItemNumber(1))
    other = make()
    other.add(ItemNumber(99), described(vectors))
    other.load(index.dump())
    assert other.items() == {0, 2, 3}
    assert listed(other.search(vectors, radius_bits=90, limit=7)) == listed(
        index.search(vectors, radius_bits=90, limit=7)
    )
    assert other.remove(ItemNumber(2)) == 10
    other.add(ItemNumber(5), described(vectors[:3]))
    assert other.items() == {0, 3, 5}
    assert index.items() == {0, 2, 3}


def test_an_empty_index_survives_its_dump(make: MakeIndex) -> None:
    other = make()
    other.add(ItemNumber(1), described(rows(3, seed=1)))
    other.load(make().dump())
    assert other.size == 0
    other.add(ItemNumber(2), described(rows(3, seed=1)))
    assert other.items() == {2}


BAD_DUMPS: dict[str, Arrays] = {
    "nothing": {},
    "other arrays": {"a": np.zeros(3)},
    "rows without items": {"ids": np.zeros(1, np.int64), "vectors": np.zeros((2, 32), np.uint8)},
    "rows of another width": {"ids": np.zeros(2, np.int64), "vectors": np.zeros((2, 64), np.uint8)},
    "rows of another type": {"ids": np.zeros(2, np.int64), "vectors": np.zeros((2, 32), np.int8)},
    "a table of items": {"ids": np.zeros((2, 1), np.int64), "vectors": np.zeros((2, 32), np.uint8)},
}


@pytest.mark.parametrize("arrays", BAD_DUMPS.values(), ids=BAD_DUMPS.keys())
def test_what_is_no_dump_is_refused_and_changes_nothing(make: MakeIndex, arrays: Arrays) -> None:
    index, vectors = make(), rows(5, seed=1)
    index.add(ItemNumber(1), described(vectors))
    with pytest.raises(ValueError, match="not a dump"):
        index.load(arrays)
    assert len(index.search(vectors, radius_bits=0, limit=1)) == 5


def test_a_dump_with_any_array_missing_or_cut_is_refused_and_changes_nothing(make: MakeIndex) -> None:
    index, vectors = make(), rows(50, seed=1)
    index.add(ItemNumber(1), described(vectors))
    dump = index.dump()
    for name, array in dump.items():
        broken = [{key: other for key, other in dump.items() if key != name}]
        if len(array):
            broken.append({**dump, name: array[:-1]})
        for each in broken:
            with pytest.raises(ValueError, match="not a dump"):
                index.load(each)
    assert len(index.search(vectors, radius_bits=0, limit=1)) == 50


@pytest.mark.parametrize("starts", [[0, 5, 2, 50], [1, 2, 3, 50], [0, 0, 60, 50], [-1, 0, 0, 50], [0, 0, 0, 49]])
def test_cells_that_do_not_hold_their_rows_are_refused(starts: list[int]) -> None:
    index = celled()
    index.add(ItemNumber(1), described(rows(50, seed=1)))
    dump = {**index.dump(), "block_starts": np.array(starts, np.int64)}
    with pytest.raises(ValueError, match="not a dump"):
        index.load(dump)


def test_a_dump_is_not_changed_by_what_comes_after(make: MakeIndex) -> None:
    index, vectors = make(), rows(6, seed=1)
    index.add(ItemNumber(1), described(vectors[:3]))
    index.add(ItemNumber(2), described(vectors[3:]))
    dump = index.dump()
    index.remove(ItemNumber(1))
    index.add(ItemNumber(3), described(vectors))
    other = make()
    other.load(dump)
    assert other.items() == {1, 2}
    assert len(other.search(vectors, radius_bits=0, limit=9)) == 6


def test_what_is_loaded_may_be_read_only_and_is_never_written_to(make: MakeIndex) -> None:
    index, vectors = make(), rows(8, seed=1)
    for item in (1, 2):
        index.add(ItemNumber(item), described(vectors))
    dump = {
        name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape) for name, array in index.dump().items()
    }
    other = make()
    other.load(dump)
    assert other.remove(ItemNumber(1)) == 8
    other.add(ItemNumber(3), described(vectors))
    assert other.items() == {2, 3}
    other.load(dump)
    assert other.items() == {1, 2}


def test_one_engine_refuses_the_dump_of_another() -> None:
    for one, other in ((exact(), flat()), (flat(), exact())):
        with pytest.raises(ValueError, match="not a dump"):
            one.load(other.dump())


def test_codes_of_another_width_are_refused() -> None:
    index, other = flat(), FaissIndex(Algorithm.AUDIO_CHROMAPRINT_V1)
    index.add(ItemNumber(1), described(rows(5, seed=1)))
    dump = {name: array[:, :16] if array.ndim == 2 else array for name, array in index.dump().items()}
    with pytest.raises(ValueError, match="not a dump"):
        other.load(dump)


def test_threads_may_add_remove_and_search_at_once(make: MakeIndex) -> None:
    index, vectors = make(), rows(120, seed=1)
    kept = described(vectors[:20])
    index.add(ItemNumber(1_000), kept)
    failures: list[BaseException] = []
    begin = threading.Barrier(6)

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                begin.wait()
                work()
            except BaseException as error:  # a thread's failure must reach the test
                failures.append(error)

        return run

    def write(first: int) -> Callable[[], None]:
        def work() -> None:
            for item in range(first, first + 20):
                index.add(ItemNumber(item), described(vectors[20:]))
                if item % 2:
                    assert index.remove(ItemNumber(item)) == 100

        return work

    def read() -> None:
        for _ in range(30):
            found = index.search(kept.vectors, radius_bits=0, limit=3)
            assert [found.items[found.query_rows == row].tolist() for row in range(20)] == [[1_000]] * 20
            assert 1_000 in index.items()
            index.dump()

    work = [write(0), write(100), write(200), read, read, read]
    threads = [threading.Thread(target=guarded(each)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert index.items() == {1_000, *(n for first in (0, 100, 200) for n in range(first, first + 20, 2))}
    assert index.size == 20 + 30 * 100


# --- The engine against the oracle ----------------------------------------------------------------------

# Few distinct rows, close together, so that ties and equal distances are the rule.
POOL = np.concatenate([flipped(rows(1, seed=3), bits) for bits in range(0, 60, 6)] + [rows(3, seed=4)])
additions = st.tuples(st.integers(0, 6), st.lists(st.integers(0, len(POOL) - 1), max_size=6))
steps = st.lists(st.one_of(additions, st.integers(0, 6)), max_size=25)


@settings(max_examples=80)
@given(steps, st.lists(st.integers(0, len(POOL) - 1), max_size=4), st.integers(0, 256), st.integers(1, 12))
@pytest.mark.parametrize("make", [lately_added, flat, celled], ids=lambda make: make.__name__)
def test_the_embedded_engine_equals_the_oracle_after_any_history(
    make: MakeIndex, history: list[tuple[int, list[int]] | int], asked: list[int], radius_bits: int, limit: int
) -> None:
    engine, oracle = make(), exact()
    for step in history:
        if isinstance(step, int):
            assert engine.remove(ItemNumber(step)) == oracle.remove(ItemNumber(step))
        elif ItemNumber(step[0]) not in oracle.items():
            for index in (engine, oracle):
                index.add(ItemNumber(step[0]), described(POOL[np.array(step[1], np.int64)]))
    assert (engine.size, engine.items()) == (oracle.size, oracle.items())
    queries = POOL[np.array(asked, np.int64)]
    everything = listed(oracle.search(queries, radius_bits=radius_bits, limit=max(1, oracle.size)))
    assert listed(engine.search(queries, radius_bits=radius_bits, limit=max(1, engine.size))) == everything
    # Under a limit, which of several rows at the last distance are kept is the engine's choice.
    found = engine.search(queries, radius_bits=radius_bits, limit=limit)
    wanted = oracle.search(queries, radius_bits=radius_bits, limit=limit)
    assert found.query_rows.tolist() == wanted.query_rows.tolist()
    assert found.distances_bits.tolist() == wanted.distances_bits.tolist()
    assert set(listed(found)) <= set(everything)
    assert len(set(listed(found))) == len(found)


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 256), st.integers(1, 40))
def test_the_oracle_says_what_counting_says(seed: int, count: int, radius_bits: int, limit: int) -> None:
    held, asked = rows(count, seed=seed), rows(3, seed=seed + 1)
    held[:, 8:], asked[:, 8:] = 0, 0  # close enough for ties
    index = exact()
    for item, row in enumerate(held):
        index.add(ItemNumber(item), described(row[None]))
    near = distances(asked, held)
    counted = [
        (query, item, 0.0, bits)
        for query in range(len(asked))
        for bits, item in sorted((int(near[query, item]), item) for item in range(count))[:limit]
        if bits <= radius_bits
    ]
    assert listed(index.search(asked, radius_bits=radius_bits, limit=limit)) == counted
