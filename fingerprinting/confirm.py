"""Confirmation: whether what looks alike is a copy, or may be another take of the same scene.

Two takes by the same camera in the same room look alike from frame to frame, but not at the same
moments. Two things tell a copy: along its line the two sides are more alike than beside it, and where
the one moves, the other moves. Where neither does, as in a picture that hardly changes, nothing tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinting.grid import Floats, Grid, Side, Ticks, likeness
from fingerprinting.model import Algorithm, Fingerprint, Modality, Segment
from fingerprinting.traits import TRAITS

# Beside the line means so far from it, in seconds of the reference; nearer, a slow scene is still the same.
_BESIDE_S = (1.5, 6.0)
_STEP_S = 0.5
# A shift says something when so much of the segment has a partner there.
_LEAST_SHARE = 0.6
_LEAST_MOMENTS = 12
# Of 306 copies of 46 clips by fifteen hard edits these confirm 3 in 4, of 77 segments between such a copy and other
# moments of the same clip none: there, contrasts reach 72 bits in 2 s but 15 in 4 s (36 where a bent line was chosen
# among many), correlations 0.67.
_LEAST_CONTRAST_BITS = {Algorithm.VIDEO_PHASH_V1: 8.0, Algorithm.VIDEO_SSCD_V1: 16.0}
_LEAST_CONTRASTED_S, _UNBENT, _LEAST_CORRELATION = 4.0, (0.9, 1.1), 0.7
# A hard copy's hashes say nothing, so what the network found is told by itself alone.
_TOLD_BY = {
    Algorithm.VIDEO_PHASH_V1: (Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1),
    Algorithm.VIDEO_SSCD_V1: (Algorithm.VIDEO_SSCD_V1,),
}
# So near, frames are the same frames; takes of one scene were 12 bits apart.
_SAME_SCORE = {Algorithm.VIDEO_PHASH_V1: 1 - 3 / 128, Algorithm.VIDEO_SSCD_V1: 1.0}
# An image has no moments: it is confirmed by its nearness alone, 30 bits of a hash or cosine 0.75.
_STILL_SCORE = {Algorithm.VIDEO_PHASH_V1: 1 - 30 / 128, Algorithm.VIDEO_SSCD_V1: 1 - 118 / 256}
# What is not confirmed and less alike than this, cosine 0.48, is not worth a person's time.
_LEAST_SCORE = 0.32


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for a copy.

    Attributes:
        contrast_bits: how much nearer the two sides are on the line than beside it, by each algorithm that can
            tell; none can where the reference has nothing beside it.
        correlation: of how much the two sides change from moment to moment; None where too little is seen.
        correlation_beside: the highest one with one side shifted.
    """

    contrast_bits: Mapping[Algorithm, float]
    correlation: float | None
    correlation_beside: float


def confirmed(segments: Iterable[Segment], query: Fingerprint, reference: Fingerprint) -> list[Segment]:
    """Judge one item's segments: pictures that are confirmed, those left to a person, and all sound.

    Args:
        query: the whole fingerprint that the segments come from, and so `reference`.
    """
    judged = []
    for segment in segments:
        is_copy = segment.algorithm.modality is Modality.AUDIO or _is_copy(segment, query, reference)
        if is_copy or segment.score_0_1 >= _LEAST_SCORE:
            judged.append(replace(segment, confirmed=is_copy))
    sure = [s for s in judged if s.confirmed and s.algorithm.modality is Modality.VIDEO]
    return [replace(s, confirmed=True) if any(_overlap(s, other) for other in sure) else s for s in judged]


def _is_copy(segment: Segment, query: Fingerprint, reference: Fingerprint) -> bool:
    algorithm = segment.algorithm
    if query.is_still or reference.is_still:
        return segment.score_0_1 >= _STILL_SCORE[algorithm]
    if segment.score_0_1 >= _SAME_SCORE[algorithm]:
        return True
    found = evidence(segment, query, reference)
    unbent = _UNBENT[0] <= _Line.of(segment).slope <= _UNBENT[1] and segment.query_length_s >= _LEAST_CONTRASTED_S
    if unbent and any(bits >= _LEAST_CONTRAST_BITS[by] for by, bits in found.contrast_bits.items()):
        return True
    return found.correlation is not None and found.correlation >= max(_LEAST_CORRELATION, found.correlation_beside)


def _overlap(one: Segment, other: Segment) -> bool:
    shared_s = min(one.query_end_s, other.query_end_s) - max(one.query_start_s, other.query_start_s)
    return shared_s >= min(one.query_length_s, other.query_length_s) / 2


@dataclass(frozen=True, slots=True)
class _Line:
    """t_reference = slope * t_query + offset_s, within the segment."""

    slope: float
    offset_s: float
    start_s: float
    end_s: float

    @classmethod
    def of(cls, segment: Segment) -> "_Line":
        length_s = segment.reference_end_s - segment.reference_start_s
        slope = length_s / segment.query_length_s
        offset_s = segment.reference_start_s - slope * segment.query_start_s
        return cls(slope, offset_s, segment.reference_start_s, segment.reference_end_s)

    def query_s(self, reference_s: Floats) -> Floats:
        return (reference_s - self.offset_s) / self.slope


def evidence(segment: Segment, query: Fingerprint, reference: Fingerprint) -> Evidence:
    """Weigh a segment of pictures: `query` and `reference` are the whole fingerprints it came from."""
    line = _Line.of(segment)
    contrasts = {by: _contrast(line, by, query, reference) for by in _TOLD_BY[segment.algorithm]}
    moving = _grids(Algorithm.VIDEO_PHASH_V1, query, reference)
    # A document may hold embeddings alone: nothing is known then of what moves.
    correlation, beside = _correlation(line, *moving) if moving else (None, 0.0)
    return Evidence(
        contrast_bits={by: bits for by, bits in contrasts.items() if bits is not None},
        correlation=correlation,
        correlation_beside=beside,
    )


def _grids(algorithm: Algorithm, query: Fingerprint, reference: Fingerprint) -> tuple[Grid, Grid] | None:
    """Both sides of an algorithm; None where one of them has none."""
    ours, theirs, traits = query.of(algorithm), reference.of(algorithm), TRAITS[algorithm]
    if ours is None or theirs is None:
        return None
    return (
        Grid.of(Side(descriptors=ours, duration_s=query.duration_s), traits, traits.query_step_s),
        Grid.of(Side(descriptors=theirs, duration_s=reference.duration_s), traits, traits.step_s),
    )


def _contrast(line: _Line, by: Algorithm, query: Fingerprint, reference: Fingerprint) -> float | None:
    """Mean distance beside the line, where it is least, less that on the line."""
    grids = _grids(by, query, reference)
    if grids is None:
        return None
    (ours, theirs), traits = grids, TRAITS[by]
    ticks = np.flatnonzero((theirs.times_s >= line.start_s) & (theirs.times_s < line.end_s))
    partner = np.round((line.query_s(theirs.times_s[ticks]) - ours.first_s) / ours.step_s).astype(np.int64)
    bits = likeness(ours, theirs, traits)
    nearest: list[float] = []
    beside: list[float] = []
    for shift_s in _shifts():
        moved = ticks + round(shift_s / theirs.step_s)
        both = _both(ours, partner, theirs, moved)
        if both.sum() >= max(2, _LEAST_SHARE * len(ticks)):
            mean = float(bits(partner[both], moved[both]).mean())
            (nearest if abs(shift_s) <= _STEP_S else beside).append(mean)
    return min(beside) - min(nearest) if beside and nearest else None


def _correlation(line: _Line, ours: Grid, theirs: Grid) -> tuple[float | None, float]:
    """How the changes between neighbouring moments go together: on the line, and beside it at most."""
    ticks = np.flatnonzero((theirs.times_s >= line.start_s) & (theirs.times_s + theirs.step_s < line.end_s))
    changes = _changes(theirs, ticks, ticks + 1)
    on: float | None = None
    off = 0.0
    for shift_s in _shifts():
        begin, end = (
            np.round((line.query_s(theirs.times_s[ticks] + s) + shift_s) / ours.step_s).astype(np.int64)
            for s in (0.0, theirs.step_s)
        )
        both = (begin >= 0) & (end < len(ours))
        both[both] &= ours.present[begin[both]] & ours.present[end[both]]
        both &= theirs.present[ticks] & theirs.present[np.minimum(ticks + 1, len(theirs) - 1)]
        if both.sum() < _LEAST_MOMENTS:
            continue
        found = _pearson(changes[both], _changes(ours, begin[both], end[both]))
        if shift_s == 0:
            on = found
        elif abs(shift_s) >= _BESIDE_S[0]:
            off = max(off, found)
    return on, off


def _shifts() -> Iterator[float]:
    first, last = _BESIDE_S
    near = [-_STEP_S, 0.0, _STEP_S]
    far = np.arange(first, last + _STEP_S / 2, _STEP_S)
    yield from [*(-far[::-1]), *near, *far]


def _both(ours: Grid, mine: Ticks, theirs: Grid, other: Ticks) -> npt.NDArray[np.bool_]:
    inside = (mine >= 0) & (mine < len(ours)) & (other >= 0) & (other < len(theirs))
    inside[inside] &= ours.present[mine[inside]] & theirs.present[other[inside]]
    return np.asarray(inside, bool)


def _changes(grid: Grid, begin: Ticks, end: Ticks) -> Floats:
    first = grid.rows[begin, 0] ^ grid.rows[np.minimum(end, len(grid) - 1), 0]
    changed: Floats = np.log1p(np.bitwise_count(first).sum(axis=1).astype(np.float64))
    return changed


def _pearson(one: Floats, other: Floats) -> float:
    if one.std() < 1e-9 or other.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
