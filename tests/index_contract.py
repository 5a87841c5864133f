"""The contract of an index of vectors, kept by every engine: one suite, for whatever `make` makes.

A test module gives it a `make` fixture and a class of its own: `class TestEngine(IndexContract)`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from fingerprinting.index.protocol import Hits, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors

type MakeIndex = Callable[[], VectorIndex]

LARGEST_ITEM = ItemNumber((1 << 31) - 2)


def rows(count: int, *, seed: int) -> Vectors:
    return np.random.default_rng(seed).integers(0, 256, (count, 32)).astype(np.uint8)


def described(vectors: Vectors, *, times_s: Sequence[float] | None = None) -> Descriptors:
    times = np.array([i * 0.25 for i in range(len(vectors))] if times_s is None else times_s, np.float64)
    return Descriptors(algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times, vectors=vectors)


def flipped(vectors: Vectors, bits: int) -> Vectors:
    """The same rows with their first `bits` bits turned over."""
    mask = np.packbits(np.arange(256) < bits)
    return vectors ^ mask


def listed(hits: Hits) -> list[tuple[int, int, float, int]]:
    return [
        (int(row), int(item), float(time_s), int(bits))
        for row, item, time_s, bits in zip(hits.query_rows, hits.items, hits.times_s, hits.distances_bits, strict=True)
    ]


class IndexContract:
    """What every engine does."""

    def test_an_empty_index_finds_nothing(self, make: MakeIndex) -> None:
        index = make()
        assert index.size == 0
        assert index.items() == set()
        assert listed(index.search(rows(3, seed=1), radius_bits=256, limit=5)) == []
        assert index.remove(ItemNumber(1)) == 0

    def test_what_was_added_is_found_with_its_item_and_time(self, make: MakeIndex) -> None:
        index, vectors = make(), rows(4, seed=1)
        index.add(ItemNumber(7), described(vectors, times_s=[0.0, 0.062, 3599.999, 86_400.0]))
        found = index.search(vectors, radius_bits=0, limit=5)
        assert listed(found) == [(0, 7, 0.0, 0), (1, 7, 0.062, 0), (2, 7, 3599.999, 0), (3, 7, 86_400.0, 0)]
        assert index.size == 4
        assert index.items() == {7}

    def test_no_queries_get_no_hits(self, make: MakeIndex) -> None:
        index = make()
        index.add(ItemNumber(1), described(rows(2, seed=1)))
        assert len(index.search(rows(0, seed=1), radius_bits=256, limit=5)) == 0

    def test_the_radius_is_the_last_distance_that_counts(self, make: MakeIndex) -> None:
        index, vectors = make(), rows(1, seed=1)
        index.add(ItemNumber(1), described(vectors))
        assert listed(index.search(flipped(vectors, 40), radius_bits=40, limit=5)) == [(0, 1, 0.0, 40)]
        assert listed(index.search(flipped(vectors, 41), radius_bits=40, limit=5)) == []

    def test_hits_come_by_query_row_then_distance_then_item_then_time(self, make: MakeIndex) -> None:
        index, row = make(), rows(1, seed=1)
        index.add(ItemNumber(9), described(np.concatenate([row, flipped(row, 3)]), times_s=[1.0, 2.0]))
        index.add(ItemNumber(2), described(np.concatenate([row, row, flipped(row, 9)]), times_s=[5.0, 6.0, 7.0]))
        nearest = [(2, 5.0, 0), (2, 6.0, 0), (9, 1.0, 0), (9, 2.0, 3), (2, 7.0, 9)]
        found = index.search(np.concatenate([row, row]), radius_bits=20, limit=10)
        assert listed(found) == [(query, *hit) for query in (0, 1) for hit in nearest]

    def test_the_limit_counts_for_each_query_row_and_keeps_the_nearest(self, make: MakeIndex) -> None:
        index, row = make(), rows(1, seed=1)
        near = [flipped(row, bits) for bits in (5, 1, 9, 3, 7)]
        index.add(ItemNumber(1), described(np.concatenate(near)))
        found = index.search(np.concatenate([row, flipped(row, 9)]), radius_bits=256, limit=2)
        assert found.query_rows.tolist() == [0, 0, 1, 1]
        assert found.distances_bits.tolist() == [1, 3, 0, 2]

    def test_hits_are_typed_as_they_say(self, make: MakeIndex) -> None:
        index = make()
        nothing = index.search(rows(1, seed=1), radius_bits=9, limit=1)
        index.add(ItemNumber(1), described(rows(1, seed=1)))
        for found in (nothing, index.search(rows(1, seed=1), radius_bits=9, limit=1)):
            columns = (found.query_rows, found.items, found.times_s, found.distances_bits)
            assert [str(column.dtype) for column in columns] == ["int64", "int64", "float64", "int32"]

    def test_a_removed_item_is_gone_from_the_next_search(self, make: MakeIndex) -> None:
        index, vectors = make(), rows(50, seed=1)
        for item in (1, 2, 3):
            index.add(ItemNumber(item), described(vectors))
        assert index.remove(ItemNumber(2)) == 50
        assert set(index.search(vectors, radius_bits=0, limit=9).items.tolist()) == {1, 3}
        assert index.items() == {1, 3}
        assert index.size == 100
        assert index.remove(ItemNumber(2)) == 0

    def test_a_removed_item_leaves_no_gap_for_those_behind_it(self, make: MakeIndex) -> None:
        """A removed row must not take the place of a living one under the limit."""
        index, row = make(), rows(1, seed=1)
        index.add(ItemNumber(1), described(np.repeat(row, 30, axis=0)))
        index.add(ItemNumber(2), described(flipped(row, 8)))
        index.remove(ItemNumber(1))
        assert listed(index.search(row, radius_bits=20, limit=3)) == [(0, 2, 0.0, 8)]

    def test_an_item_can_come_back(self, make: MakeIndex) -> None:
        index = make()
        index.add(ItemNumber(1), described(rows(3, seed=1)))
        index.remove(ItemNumber(1))
        index.add(ItemNumber(1), described(rows(2, seed=2)))
        assert index.size == 2
        assert len(index.search(rows(3, seed=1), radius_bits=0, limit=5)) == 0
        assert len(index.search(rows(2, seed=2), radius_bits=0, limit=5)) == 2

    def test_neighbouring_and_extreme_item_numbers_are_kept_apart(self, make: MakeIndex) -> None:
        index, vectors = make(), rows(1, seed=1)
        longest_s = ((1 << 32) - 1) / 1000
        for item in (ItemNumber(0), ItemNumber(1), LARGEST_ITEM):
            index.add(item, described(np.repeat(vectors, 2, axis=0), times_s=[0.0, longest_s]))
        assert index.items() == {0, 1, LARGEST_ITEM}
        assert index.remove(ItemNumber(0)) == 2
        assert index.remove(LARGEST_ITEM) == 2
        assert listed(index.search(vectors, radius_bits=0, limit=9)) == [(0, 1, 0.0, 0), (0, 1, longest_s, 0)]

    @pytest.mark.parametrize("item", [-1, LARGEST_ITEM + 1, 1 << 31])
    def test_a_number_that_fits_no_row_is_refused(self, make: MakeIndex, item: int) -> None:
        index = make()
        with pytest.raises(ValueError, match="31 bits"):
            index.add(ItemNumber(item), described(rows(1, seed=1)))
        assert index.size == 0

    def test_an_item_without_rows_adds_none(self, make: MakeIndex) -> None:
        index = make()
        index.add(ItemNumber(1), described(rows(0, seed=1)))
        assert (index.size, index.items()) == (0, set())

    def test_rows_of_one_time_are_all_kept(self, make: MakeIndex) -> None:
        """A picture is seen in several views at once: they share a time, and none takes the place of another."""
        index, vectors = make(), rows(3, seed=1)
        index.add(ItemNumber(4), described(vectors, times_s=[2.5, 2.5, 2.5]))
        found = index.search(vectors, radius_bits=0, limit=5)
        assert listed(found) == [(0, 4, 2.5, 0), (1, 4, 2.5, 0), (2, 4, 2.5, 0)]
        assert index.remove(ItemNumber(4)) == 3
