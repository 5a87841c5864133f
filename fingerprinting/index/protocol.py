"""What every index does, whatever engine is behind it.

An index is a cache of the database: it can always be rebuilt, so it never decides what is true. It
knows nothing of works, holders or verdicts. A vector index holds codes, rows of bits, each with the
number of its item and its time, and answers which lie near a query's; the landmark index
(`fingerprinting.index.landmarks`) is asked otherwise, and kept the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fingerprinting.model import Descriptors, ItemNumber, Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """Near pairs, ordered by query row, then distance, then item and time.

    Attributes:
        query_rows: int64 (n,) row of the query that was near.
        items: int64 (n,) number of the item it was near to.
        times_s: float64 (n,) where in that item.
        distances_bits: int32 (n,).
    """

    query_rows: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    times_s: npt.NDArray[np.float64]
    distances_bits: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.query_rows)


# A dump: arrays by name, C-contiguous, of integers, floats or truth values.
type Arrays = Mapping[str, npt.NDArray[Any]]


class FingerprintIndex(Protocol):
    """The rows of one algorithm, by item. Safe for use by several threads."""

    @property
    def size(self) -> int:
        """Rows held."""

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        """Add an item's rows; the next search sees them. Adding an item twice is the caller's fault."""

    def remove(self, item: ItemNumber) -> int:
        """Remove an item's rows; no later search sees them. Returns how many there were."""

    def items(self) -> set[ItemNumber]:
        """Numbers of all items that have rows here."""


class OwnIndex(FingerprintIndex, Protocol):
    """One that a process has for itself, and saves."""

    def dump(self) -> Arrays:
        """Everything held, for `load` of the same class; what is added or removed later does not change it."""

    def load(self, arrays: Arrays) -> None:
        """Replace everything held, by arrays that may be read-only and shared.

        Raises:
            ValueError: this is no dump of this class and algorithm; what was held still is.
        """


class VectorIndex(FingerprintIndex, Protocol):
    """Nearest codes: what `Traits.codes` makes of an algorithm's rows."""

    def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        """For each query row, its nearest rows, at most `limit`, none farther than `radius_bits`.

        Args:
            queries: uint8 (n, algorithm.row_bytes), rows as descriptors have them.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far rows that processes share have come.

    Attributes:
        sequence: all rows of the index log up to this one are applied.
        at_ms: when that row was logged, milliseconds since 1970: what tells one log from another.
        birth: random bytes, as wide as a code, that these rows have had since they were made.
    """

    sequence: int
    at_ms: int
    birth: bytes


class SharedRows(Protocol):
    """One algorithm's rows in an engine outside, in parts that are searched apart; processes share them.

    Whoever writes takes turns with the others; adding what is there already and removing what is not changes nothing.
    Every method raises `EngineAway` where the engine does not answer in time.
    """

    def mark(self, *, is_certain: bool) -> Mark | None:
        """How far they have come; None where they are not there, or not whole.

        Args:
            is_certain: wait until all that anybody wrote is seen; only for whose turn it is. Else they may be farther
                by now, never less far.
        """

    def begin(self) -> Mark:
        """Make them anew: empty, at the beginning of the log."""

    def advance(self, mark: Mark, *, sequence: int, at_ms: int) -> Mark:
        """Say that all of the log is applied up to a row of it."""

    def add(self, part: str, item: ItemNumber, descriptors: Descriptors, *, timeout_s: float) -> None:
        """Write an item's rows, over those that it has already."""

    def remove(self, part: str, item: ItemNumber, *, timeout_s: float) -> int:
        """Delete an item's rows; returns how many there were."""

    def counts(self, *, is_certain: bool) -> dict[str, int]:
        """Rows in each part; see `mark` for how certain."""

    def as_of(self, part: str, mark: Mark) -> VectorIndex:
        """A part, to be searched as it is at a mark or later; never an earlier one, nor rows made anew since."""


# A row's identity packs its item and its time: 31 bits of item number, 32 bits of milliseconds (49 days).
_MS_BITS = 32
_MS_MASK = (1 << _MS_BITS) - 1


def row_ids(item: ItemNumber, descriptors: Descriptors) -> npt.NDArray[np.int64]:
    """Identities of an item's rows."""
    if not 0 <= item < (1 << 31) - 1:  # the end of the last one's range must fit 63 bits
        raise ValueError(f"item number {item} does not fit 31 bits")
    return (np.int64(item) << _MS_BITS) | np.round(descriptors.times_s * 1000).astype(np.int64)


def id_range(item: ItemNumber) -> tuple[int, int]:
    """All identities of an item: [first, last)."""
    return item << _MS_BITS, (item + 1) << _MS_BITS


def hits_of(
    query_rows: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    distances: npt.NDArray[np.int32],
    *,
    limit: int,
) -> Hits:
    """Unpack identities and put hits in their order, the first `limit` of each query row."""
    order = np.lexsort((ids, distances, query_rows))
    sorted_rows = query_rows[order]
    order = order[np.arange(len(order)) - np.searchsorted(sorted_rows, sorted_rows) < limit]
    ids = ids[order]
    return Hits(
        query_rows=query_rows[order],
        items=ids >> _MS_BITS,
        times_s=(ids & _MS_MASK) / 1000,
        distances_bits=distances[order],
    )


def items_of(ids: npt.NDArray[np.int64]) -> set[ItemNumber]:
    return {ItemNumber(int(number)) for number in np.unique(ids >> _MS_BITS)}
