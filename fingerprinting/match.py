"""Search and alignment put together: which items a fingerprint copies, and where.

Each algorithm has its own index; the items its hits point to are aligned one by one, and what lines
up long enough is a segment. What a segment means for anyone is decided elsewhere.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt

from fingerprinting.align import Alignment, align
from fingerprinting.confirm import confirmed
from fingerprinting.constellation import find_by_landmarks
from fingerprinting.grid import Side
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.index.protocol import FingerprintIndex, Hits, VectorIndex
from fingerprinting.layout import places
from fingerprinting.looks import Glance, Span
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment
from fingerprinting.stages import stage
from fingerprinting.stills import align_still
from fingerprinting.traits import TRAITS, Traits

# Items aligned for each algorithm, those with most near query rows first.
MAX_ITEMS = 24
# A query row that is near to more rows than this of one item says little about where.
_PAIRS_PER_ITEM = 20_000
# Where a glance finds something nearer than this, it becomes a closer look: so far around, which is more than
# lies between two frames that were seen in every view.
_HINT_BITS, _AROUND_S = 192, 6.0
# A segment so alike (cosine 0.7, 64 bits of a hash) needs no closer look, nor what lies so near to its ends. Where
# one item is so plain, another one must be nearer to be looked for: of 10^6 strange rows some are always near.
_SETTLED_SCORE, _BESIDE_S, _BEHIND_BITS = 0.5, 1.0, 150
# A stretch that is found anew by this share is the same stretch.
_SAME_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An item's fingerprint as it was stored."""

    item: ItemNumber
    fingerprint: Fingerprint


type ReferenceOf = Callable[[ItemNumber], Reference | None]


def find_copies(
    query: Fingerprint,
    indexes: Mapping[Algorithm, FingerprintIndex],
    *,
    reference_of: ReferenceOf,
    glance: Glance | None = None,
) -> list[Segment]:
    """Find every segment in which `query` copies an item, longest first.

    Args:
        reference_of: loads an item's stored fingerprint, asked once for each; None when it was withdrawn meanwhile.
        glance: can look closer at what the query's frames did not settle.
    """
    reference_of = functools.cache(reference_of)
    query = _with(query, glance.seen()) if glance is not None else query
    segments: list[Segment] = []
    for descriptors in query.descriptors:
        index = indexes.get(descriptors.algorithm)
        if index is None or not len(descriptors):
            continue
        if isinstance(index, LandmarkIndex):
            segments += find_by_landmarks(
                descriptors, index, query_duration_s=query.duration_s, reference_of=reference_of
            )
            continue
        search = _Search(query.duration_s, cast("VectorIndex", index), TRAITS[descriptors.algorithm], reference_of)
        # What hashes say plainly of an item, the network need not say less exactly.
        said = [s for s in _plain(segments) if s.algorithm.modality is descriptors.algorithm.modality]
        found = search.find(descriptors, said)
        if glance is not None and descriptors.algorithm is Algorithm.VIDEO_SSCD_V1:
            seen = glance.closer(*search.unsettled([*segments, *found]))
            if seen is not None:
                query = _with(query, seen)
                found = search.find(seen, said)
        segments += found
    return sorted(_judged(segments, query, reference_of), key=lambda s: (-s.query_length_s, s.item, s.algorithm))


def _with(query: Fingerprint, seen: Descriptors) -> Fingerprint:
    """The query with what was seen of it by now."""
    return replace(query, descriptors=tuple(seen if d.algorithm is seen.algorithm else d for d in query.descriptors))


def _judged(segments: list[Segment], query: Fingerprint, reference_of: ReferenceOf) -> Iterator[Segment]:
    """What of each item's segments is worth telling, and whether it is sure."""
    for item in dict.fromkeys(segment.item for segment in segments):
        reference = reference_of(item)
        if reference is not None:
            with stage("confirm"):
                told = list(confirmed([s for s in segments if s.item == item], query, reference.fingerprint))
            yield from told


def _plain(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.score_0_1 >= _SETTLED_SCORE]


class _Search:
    """One algorithm's part of a search."""

    def __init__(self, duration_s: float, index: VectorIndex, traits: Traits, reference_of: ReferenceOf) -> None:
        self._duration_s, self._index, self._traits, self._reference_of = duration_s, index, traits, reference_of
        self._hints: set[tuple[int, float, int, bool]] = set()

    def find(self, descriptors: Descriptors, said: Sequence[Segment]) -> list[Segment]:
        """Segments of the query as it is, then of the query turned each other way, where nothing is plain yet.

        Args:
            said: segments of an item within which nothing more is looked for of it.
        """
        found: list[Segment] = []
        for turn in self._traits.turns:
            turned = replace(descriptors, vectors=turn(descriptors.vectors))
            for segment in self._find(turned, said, settled=_plain(found)):
                if not any(_is_same(segment, other) for other in found):
                    found.append(segment)
        return found

    def unsettled(self, segments: list[Segment]) -> tuple[list[Span], list[int]]:
        """Around which moments, and in which views, something is near to an item that no segment there copies."""
        plain = _plain(segments)
        hints = []
        for item, at, view, is_near in self._hints:
            there = {segment.item for segment in plain if _covers(segment, at)}
            if item not in there and (is_near or not there):
                hints.append((at, view))
        spans = [(at - _AROUND_S, at + _AROUND_S) for at in sorted({at for at, _ in hints})]
        return spans, sorted({view for _, view in hints})

    def _find(self, descriptors: Descriptors, said: Sequence[Segment], *, settled: Sequence[Segment]) -> list[Segment]:
        asked = _thin(descriptors, self._traits, settled)
        radius_bits, limit = self._traits.search_radius_bits, self._traits.hits_a_row
        with stage("lookup"):
            hits = self._index.search(asked.vectors, radius_bits=radius_bits, limit=limit)
        near = hits.distances_bits <= _HINT_BITS
        rows = hits.query_rows[near]
        views = places(np.round(asked.times_s / self._traits.query_step_s))[rows]
        behind = hits.distances_bits[near] <= _BEHIND_BITS
        hinted = hits.items[near].tolist(), asked.times_s[rows].tolist(), views.tolist(), behind.tolist()
        self._hints = set(zip(*hinted, strict=True))
        segments = []
        for item in _promising(hits, asked.times_s, self._traits):
            reference = self._reference_of(item)
            stored = reference.fingerprint.of(descriptors.algorithm) if reference else None
            if reference is None or stored is None:
                continue
            ours = Side(descriptors=descriptors, duration_s=self._duration_s)
            theirs = Side(descriptors=stored, duration_s=reference.fingerprint.duration_s)
            pairs_s = _pairs(hits, item, asked.times_s, self._traits.pairs_a_moment)
            said_s = [(s.query_start_s, s.query_end_s) for s in said if s.item == item]
            with stage("align"):
                aligned = _aligned(ours, theirs, self._traits, pairs_s, said_s)
            segments += [_segment(item, descriptors.algorithm, alignment) for alignment in aligned]
        return segments


def _covers(segment: Segment, at_s: float) -> bool:
    return segment.query_start_s - _BESIDE_S <= at_s < segment.query_end_s + _BESIDE_S


def _aligned(
    query: Side,
    reference: Side,
    traits: Traits,
    pairs_s: npt.NDArray[np.float64],
    said_s: Sequence[tuple[float, float]],
) -> list[Alignment]:
    if query.is_still or reference.is_still:
        return align_still(query, reference, traits)
    alignments = align(query, reference, traits, pairs_s=pairs_s, said_s=said_s)
    return [a for a in alignments if a.query_end_s - a.query_start_s >= traits.min_run_s]


def _segment(item: ItemNumber, algorithm: Algorithm, found: Alignment) -> Segment:
    return Segment(
        item=item,
        algorithm=algorithm,
        query_start_s=found.query_start_s,
        query_end_s=found.query_end_s,
        reference_start_s=found.reference_start_s,
        reference_end_s=found.reference_end_s,
        score_0_1=found.agreement_0_1,
    )


def _is_same(one: Segment, other: Segment) -> bool:
    if one.item != other.item:
        return False
    shared_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    return shared_s >= _SAME_SHARE * min(one.query_length_s, other.query_length_s)


def covered_s(segments: list[Segment]) -> float:
    """Seconds of the query that at least one of the segments covers."""
    return union_s((s.query_start_s, s.query_end_s) for s in segments)


def union_s(intervals: Iterable[tuple[float, float]]) -> float:
    """Seconds that at least one of the intervals covers, each from its start to its end."""
    total, reached = 0.0, 0.0
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _thin(descriptors: Descriptors, traits: Traits, settled: Sequence[Segment]) -> Descriptors:
    """The rows that the index is asked for, all of every so many moments: the alignment uses all moments.

    Args:
        settled: segments within which nothing more is asked.
    """
    open_to = traits.weigh(descriptors.vectors) >= traits.min_weight
    for segment in settled:
        open_to &= (descriptors.times_s < segment.query_start_s) | (descriptors.times_s >= segment.query_end_s)
    telling = np.flatnonzero(open_to)
    moments = np.unique(descriptors.times_s[telling], return_inverse=True)[1]
    rows = telling[moments % traits.search_every == 0]
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[rows], vectors=descriptors.vectors[rows]
    )


def _promising(hits: Hits, query_times_s: npt.NDArray[np.float64], traits: Traits) -> list[ItemNumber]:
    """Items by how many moments of the query are near to them, and how near; a single one must be very near."""
    times = np.unique(query_times_s, return_inverse=True)[1]
    order = np.lexsort((hits.distances_bits, times[hits.query_rows], hits.items))
    items, moments = hits.items[order], times[hits.query_rows[order]]
    nearest = (np.diff(items, prepend=-1) != 0) | (np.diff(moments, prepend=-1) != 0)
    worth = traits.search_radius_bits + 1 - hits.distances_bits[order][nearest]
    numbers, which = np.unique(items[nearest], return_inverse=True)
    total = np.bincount(which, weights=worth, minlength=len(numbers))
    best = np.zeros(len(numbers))
    np.maximum.at(best, which, worth)
    enough = (total > best) & (total >= traits.min_worth_bits) | (best > traits.search_radius_bits - traits.still_bits)
    ranked = np.argsort(-np.where(enough, total, 0), kind="stable")[:MAX_ITEMS]
    return [ItemNumber(int(numbers[i])) for i in ranked if enough[i]]


def _pairs(
    hits: Hits, item: ItemNumber, query_times_s: npt.NDArray[np.float64], most_a_moment: int
) -> npt.NDArray[np.float64]:
    """Times (query, reference) of an item's hits, the nearest ones: of all, and of each moment of the query."""
    mine = np.flatnonzero(hits.items == item)
    mine = mine[np.argsort(hits.distances_bits[mine], kind="stable")[:_PAIRS_PER_ITEM]]
    pairs_s = np.stack([query_times_s[hits.query_rows[mine]], hits.times_s[mine]], axis=1)
    order = np.argsort(pairs_s[:, 0], kind="stable")
    moments_s = pairs_s[order, 0]
    rank = np.arange(len(order)) - np.searchsorted(moments_s, moments_s)
    kept: npt.NDArray[np.float64] = pairs_s[np.sort(order[rank < most_a_moment])]
    return kept
