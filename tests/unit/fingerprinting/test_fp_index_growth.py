"""Growing is not seen: whatever settles and whenever, a search finds what was added and nothing that was removed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from fingerprinting.index import faiss_index
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.faiss_index import GROWTH, FaissIndex, Growth, in_background
from fingerprinting.index.protocol import Hits, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors

PHASH = Algorithm.VIDEO_PHASH_V1
CELLS = Growth(settle_rows=100, cells_from_rows=100, cells=8, probed=8)
FLAT = Growth(settle_rows=100)
type Work = Callable[[], None]


def rows(count: int, *, seed: int) -> Vectors:
    """Rows in crowds, as those of real scenes are."""
    random = np.random.default_rng(seed)
    scenes = random.integers(0, 256, (-(-count // 10), 32), np.uint8).repeat(10, axis=0)[:count]
    return scenes ^ np.packbits(random.random((count, 256)) < 0.04, axis=1)


def described(vectors: Vectors) -> Descriptors:
    return Descriptors(algorithm=PHASH, times_s=np.arange(len(vectors), dtype=np.float64), vectors=vectors)


def listed(hits: Hits) -> list[tuple[int, int, float, int]]:
    columns = (hits.query_rows, hits.items, hits.times_s, hits.distances_bits)
    return list(zip(*(column.tolist() for column in columns), strict=True))


class Later:
    """Keeps the work that an index puts aside, until a test runs it."""

    def __init__(self) -> None:
        self.work: list[Work] = []

    def __call__(self, work: Work) -> None:
        self.work.append(work)

    def run(self) -> None:
        self.work.pop(0)()


def changes(later: Later, monkeypatch: pytest.MonkeyPatch, meanwhile: Work) -> None:
    """Let the first work run, with `meanwhile` in its midst: after it looked at the rows, before it puts any back."""
    build = faiss_index._settled

    def interrupted(*given: object) -> object:
        settled = build(*given)  # type: ignore[arg-type]  # passes on what it is given
        meanwhile()
        return settled

    with monkeypatch.context() as patch:
        patch.setattr(faiss_index, "_settled", interrupted)
        later.run()


@pytest.fixture(params=[FLAT, CELLS], ids=["flat", "cells"])
def growth(request: pytest.FixtureRequest) -> Growth:
    given: Growth = request.param
    return given


def both(*indexes: VectorIndex) -> Callable[[int, Vectors], None]:
    def add(item: int, vectors: Vectors) -> None:
        for index in indexes:
            index.add(ItemNumber(item), described(vectors))

    return add


def same(index: VectorIndex, oracle: VectorIndex, queries: Vectors) -> bool:
    asked = {"radius_bits": 60, "limit": 500}
    return (
        listed(index.search(queries, **asked)) == listed(oracle.search(queries, **asked))
        and index.size == oracle.size
        and index.items() == oracle.items()
    )


def test_a_small_index_puts_nothing_aside(growth: Growth) -> None:
    later = Later()
    index = FaissIndex(PHASH, growth=growth, aside=later)
    index.add(ItemNumber(1), described(rows(99, seed=1)))
    assert later.work == []
    index.add(ItemNumber(2), described(rows(1, seed=2)))
    index.add(ItemNumber(3), described(rows(500, seed=3)))
    assert len(later.work) == 1, "one settling at a time"


def test_before_during_and_after_settling_the_answers_are_the_same(
    growth: Growth, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, oracle = Later(), ExactIndex(PHASH)
    index = FaissIndex(PHASH, growth=growth, aside=later)
    add = both(index, oracle)
    for item in range(6):
        add(item, rows(40, seed=item))
    queries = np.concatenate([rows(40, seed=item)[::7] for item in range(9)])
    assert same(index, oracle, queries)

    def meanwhile() -> None:
        assert same(index, oracle, queries)
        add(7, rows(40, seed=7))
        for item in (0, 5, 99):
            assert index.remove(ItemNumber(item)) == oracle.remove(ItemNumber(item))
        add(5, rows(40, seed=8))  # back, and another
        assert same(index, oracle, queries)

    changes(later, monkeypatch, meanwhile)
    assert same(index, oracle, queries)
    assert index.remove(ItemNumber(5)) == oracle.remove(ItemNumber(5)) == 40
    assert same(index, oracle, queries)


def test_an_index_settles_again_and_again(growth: Growth) -> None:
    later, oracle = Later(), ExactIndex(PHASH)
    index = FaissIndex(PHASH, growth=growth, aside=later)
    add, settled = both(index, oracle), 0
    for item in range(60):
        add(item, rows(30, seed=item))
        while later.work:
            later.run()
            settled += 1
        if item % 3 == 0:
            assert index.remove(ItemNumber(item // 2)) == oracle.remove(ItemNumber(item // 2))
    assert settled >= 5
    assert same(index, oracle, np.concatenate([rows(30, seed=item)[::10] for item in range(60)]))


def test_much_removed_is_settled_away(growth: Growth) -> None:
    later = Later()
    index = FaissIndex(PHASH, growth=growth, aside=later)
    for item in range(4):
        index.add(ItemNumber(item), described(rows(100, seed=item)))
    while later.work:
        later.run()
    index.remove(ItemNumber(0))
    later.run()
    assert sum(len(array) for name, array in index.dump().items() if name.endswith("_ids")) == index.size == 300


def test_what_was_loaded_while_settling_stays(growth: Growth, monkeypatch: pytest.MonkeyPatch) -> None:
    later, other = Later(), FaissIndex(PHASH)
    other.add(ItemNumber(9), described(rows(5, seed=9)))
    index = FaissIndex(PHASH, growth=growth, aside=later)
    index.add(ItemNumber(1), described(rows(200, seed=1)))
    changes(later, monkeypatch, lambda: index.load(other.dump()))
    assert index.items() == {9}
    assert index.size == 5


def test_a_settling_that_fails_loses_nothing_and_is_tried_again(
    growth: Growth, monkeypatch: pytest.MonkeyPatch
) -> None:
    later, vectors = Later(), rows(200, seed=1)
    index = FaissIndex(PHASH, growth=growth, aside=later)
    index.add(ItemNumber(1), described(vectors))

    def full() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        changes(later, monkeypatch, full)
    assert len(index.search(vectors, radius_bits=0, limit=1)) == 200
    index.add(ItemNumber(2), described(vectors[:1]))
    later.run()
    assert index.items() == {1, 2}
    assert len(index.dump()["block_ids"]) == 201


def test_a_search_does_not_wait_for_settling(growth: Growth, monkeypatch: pytest.MonkeyPatch) -> None:
    """In threads, as the service does it: the settling stands still until searches, an add and a remove are done."""
    begun, go_on, put = threading.Event(), threading.Event(), threading.Event()
    build = faiss_index._settled

    def held_up(*given: object) -> object:
        begun.set()
        assert go_on.wait(30)
        return build(*given)  # type: ignore[arg-type]  # passes on what it is given

    def in_background_and_told(work: Work) -> None:
        def told() -> None:
            work()
            put.set()

        in_background(told)

    monkeypatch.setattr(faiss_index, "_settled", held_up)
    index, vectors = FaissIndex(PHASH, growth=growth, aside=in_background_and_told), rows(200, seed=1)
    index.add(ItemNumber(1), described(vectors))
    assert begun.wait(30)
    index.add(ItemNumber(2), described(vectors[:10]))
    assert index.remove(ItemNumber(1)) == 200
    assert index.search(vectors, radius_bits=0, limit=3).items.tolist() == [2] * 10
    go_on.set()
    assert put.wait(30)
    assert index.search(vectors, radius_bits=0, limit=3).items.tolist() == [2] * 10
    assert index.size == 10


@contextmanager
def few_rows(count: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(faiss_index, "_FEW_ROWS", count)
        yield


def test_long_stretches_give_what_short_ones_do(growth: Growth, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are searched otherwise: the nearest are asked for, and dead rows may take the places of living ones."""
    oracle, index = ExactIndex(PHASH), FaissIndex(PHASH, growth=growth, aside=lambda work: work())
    add, vectors = both(index, oracle), rows(60, seed=1)
    for item in range(8):
        add(item, vectors)
    for item in range(6):
        assert index.remove(ItemNumber(item)) == oracle.remove(ItemNumber(item))
    for limit in (1, 2, 3, 100):
        with few_rows(0, monkeypatch):
            found = index.search(vectors, radius_bits=30, limit=limit)
        wanted = oracle.search(vectors, radius_bits=30, limit=limit)
        assert found.distances_bits.tolist() == wanted.distances_bits.tolist()
        assert found.query_rows.tolist() == wanted.query_rows.tolist()
        assert set(found.items.tolist()) <= {6, 7}


def test_a_quarter_of_the_cells_holds_nearly_all_that_is_near() -> None:
    """The shipped share, at a size that a test can afford. Chance is harder than real rows, of which it holds 0.98."""
    shipped = GROWTH[PHASH]
    share = shipped.probed / shipped.cells
    growth = Growth(settle_rows=20_000, cells_from_rows=20_000, cells=64, probed=int(64 * share))
    vectors, oracle = rows(20_000, seed=1), ExactIndex(PHASH)
    index = FaissIndex(PHASH, growth=growth, aside=lambda work: work())
    both(index, oracle)(1, vectors)
    queries = vectors[::400] ^ np.packbits(np.random.default_rng(2).random((50, 256)) < 0.15, axis=1)
    found, wanted = (each.search(queries, radius_bits=56, limit=64) for each in (index, oracle))
    assert len(index.dump()["block_centres"]) == 64
    assert len(wanted) > 200
    assert len(set(listed(found)) & set(listed(wanted))) >= 0.9 * len(wanted)


def test_every_algorithm_of_codes_has_its_growth() -> None:
    assert set(GROWTH) == set(Algorithm) - {Algorithm.AUDIO_LANDMARK_V1}
