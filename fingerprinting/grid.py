"""Descriptors on a time line, and how alike two of them are from tick to tick."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinting.layout import places
from fingerprinting.model import Descriptors, Vectors
from fingerprinting.sscd import DIMENSIONS, embeddings_of
from fingerprinting.traits import Measure, Traits

# Query ticks whose views are multiplied with a whole reference at once.
_QUERIES_AT_ONCE = 64

Floats = npt.NDArray[np.float64]
Ticks = npt.NDArray[np.int64]
Gains = npt.NDArray[np.float32]

# Distances in bits of query ticks from reference ticks: int64 of one shape, twice -> float32 of that shape.
type Likeness = Callable[[Ticks, Ticks], Gains]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One file's descriptors and its whole length."""

    descriptors: Descriptors
    duration_s: float

    @property
    def is_still(self) -> bool:
        return self.duration_s == 0


@dataclass(frozen=True, slots=True)
class Grid:
    """Descriptors on a regular time line: tick i at first_s + i * step_s; absent ones carry no weight.

    Attributes:
        rows: uint8 (n, views, row_bytes); a tick with fewer views has its first one repeated.
        present: bool (n,).
        weight: float32 (n,), the largest of a tick's rows.
    """

    first_s: float
    step_s: float
    rows: Vectors
    present: npt.NDArray[np.bool_]
    weight: Gains

    @classmethod
    def of(cls, side: Side, traits: Traits, step_s: float) -> "Grid":
        times_s, vectors = side.descriptors.times_s, side.descriptors.vectors
        ticks = np.round((times_s - traits.first_s) / step_s).astype(np.int64)
        place = places(ticks)
        # The last row stands as far before the end as the first one after the start, at least a step.
        spanned_s = side.duration_s - traits.first_s - max(traits.first_s, step_s)
        size = max(round(spanned_s / step_s), int(ticks.max(initial=-1)), 0) + 1
        rows = np.zeros((size, int(place.max(initial=0)) + 1, vectors.shape[1]), np.uint8)
        first = np.flatnonzero(place == 0)
        rows[ticks[first]] = vectors[first, None]
        rows[ticks, place] = vectors
        stands_for = np.full(size, -1)
        stands_for[ticks] = ticks
        weight = np.zeros(size, np.float32)
        np.maximum.at(weight, ticks, traits.weigh(vectors))
        source = _held(stands_for, round(traits.held_s / step_s))
        return cls(traits.first_s, step_s, rows[source], source >= 0, weight[source])

    def __len__(self) -> int:
        return len(self.rows)

    def parts(self, longest: int) -> Iterator["Grid"]:
        """The same in pieces of at most `longest` ticks."""
        for start in range(0, len(self), longest):
            piece = slice(start, start + longest)
            first_s = self.first_s + start * self.step_s
            yield Grid(first_s, self.step_s, self.rows[piece], self.present[piece], self.weight[piece])

    @property
    def times_s(self) -> Floats:
        return (self.first_s + np.arange(len(self)) * self.step_s).astype(np.float64)


def likeness(query: Grid, reference: Grid, traits: Traits, *, sharpened: bool = False) -> Likeness:
    """How far apart the two are, by the algorithm's own measure, in the most alike of a tick's views.

    Args:
        sharpened: add how much nearer the query tick is to another moment of the reference, where the measure
            knows it. A slow scene is like itself at other moments too: what tells is where it is most alike.
    """
    if traits.measure is Measure.HAMMING:
        return _hamming(query.rows, reference.rows)
    bits = _angles(query.rows, reference.rows)
    if sharpened:
        bits += bits - bits.min(axis=1, keepdims=True)
    return lambda partner, rows: np.asarray(bits[partner, rows])


def _held(stands_for: Ticks, longest: int) -> Ticks:
    """Which tick each tick's row comes from: its own, or one up to `longest` earlier; -1 for none."""
    last = np.maximum.accumulate(stands_for)
    return np.where(np.arange(len(last)) - last <= longest, last, -1)


def _hamming(query: Vectors, reference: Vectors) -> Likeness:
    """Bits in which ticks differ, in the most alike of their views."""
    ours, theirs = (np.ascontiguousarray(rows).view(np.uint64) for rows in (query, reference))

    def bits(partner: Ticks, rows: Ticks) -> Gains:
        least = np.full(partner.shape, np.iinfo(np.uint16).max, np.uint16)
        for mine, other in itertools.product(range(ours.shape[1]), range(theirs.shape[1])):
            total = np.zeros(partner.shape, np.uint16)
            for word in range(ours.shape[2]):
                total += np.bitwise_count(ours[partner, mine, word] ^ theirs[rows, other, word])
            np.minimum(least, total, out=least)
        return least.astype(np.float32)

    return bits


def _angles(query: Vectors, reference: Vectors) -> Gains:
    """Angles between ticks' embeddings in the most alike of their views: float32, 512 for half a turn."""
    ours, theirs = (embeddings_of(rows.reshape(-1, rows.shape[2])) for rows in (query, reference))
    views = reference.shape[1]
    cosines = np.empty((len(query), len(reference)), np.float32)
    for start in range(0, len(query), _QUERIES_AT_ONCE):
        end = min(start + _QUERIES_AT_ONCE, len(query))
        block = ours[start * query.shape[1] : end * query.shape[1]] @ theirs.T
        cosines[start:end] = block.reshape(end - start, query.shape[1], len(reference), views).max(axis=(1, 3))
    return np.arccos(np.clip(cosines, -1, 1)) * np.float32(DIMENSIONS / np.pi)
