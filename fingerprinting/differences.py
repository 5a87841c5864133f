"""What was changed: how a file differs from the release that it was recognised as.

Decides from the two fingerprints and the segments found between them. The segments give the time line; what lies on
none of them is missing or inserted, and along it the vectors tell where picture or sound is another one. Nothing is
decoded, and what a difference means is for others to say.

What is the same all along is no difference: a scale, a crop, borders or a logo put every vector somewhat off, and only
what stands out against the rest of the clip is told. Two exceptions: a picture that the network finds unrelated
throughout, and sound that is at chance throughout, where no segment recognised it either. With hashes alone a crop
looks like another picture, so that where hashes are far off everywhere nothing is told of the picture.

It does not see what is shorter than a second (of sound: two) or small in the picture; other sound within 1.7 s of a
cut, where each row hears both sides of it; nor another order, or a part shown twice: both sides have all of it. It
sees as much as the segments do: of a slow scene without sound they may take a cut for another speed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fingerprinting import chromaprint
from fingerprinting.grid import Floats, Gains, Grid, Side, Ticks, likeness
from fingerprinting.model import Algorithm, Fingerprint, Modality, Segment
from fingerprinting.sscd import DIMENSIONS, embeddings_of
from fingerprinting.traits import TRAITS, Measure

# Ends of segments are off by so much at most, and so a shorter stretch is none.
_LEAST_S = 1.0
# Segments whose lines are this near at both ends are on one line: that of the most exact algorithm.
_SAME_LINE_S = 0.75
_MOST_EXACT = (
    Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_LANDMARK_V1, Algorithm.VIDEO_SSCD_V1, Algorithm.AUDIO_CHROMAPRINT_V1,
)  # fmt: skip
# At another speed the pitch is another one, and Chromaprint at chance.
_SAME_SPEED = 0.02
# Rows of sound hear 3.5 s and end a stretch up to 1.2 s off; a segment of peaks that ends there does so within 0.3 s.
_PEAKS_NEAR_S = 1.5
# This share of what is compared is taken for unaltered.
_USUAL_SHARE = 0.25
_TINY_S, _PAIRS_AT_ONCE = 1e-6, 512
# Of a stretch in either; a shorter one says nothing of how fast it runs.
_SHORTEST_S = 0.01

type Interval = tuple[float, float]


class Change(StrEnum):
    """What was done to the release: told to others, so values are never renamed."""

    MISSING = "missing"
    INSERTED = "inserted"
    ALTERED_PICTURE = "altered_picture"
    ALTERED_SOUND = "altered_sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One stretch that differs; both intervals are [start, end), seconds.

    Of what is missing, the file's interval is empty, and stands where it was taken out; so is the release's where
    something was inserted.
    """

    change: Change
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tell:
    """How vectors of one algorithm tell that something is altered.

    Attributes:
        contrast_bits: it is so much farther apart than is usual in this clip.
        most_usual_bits: where more than this is usual, contrasts say nothing.
        chance_bits: where even this is usual, all of it is something else.
        within_s: how far off the line a partner may be.
        smooth: of so many rows the median counts, an odd number.
        hears_s: so near to a run's ends, rows are of what is beyond them too.
        least_weight: rows that say less are not asked.
    """

    contrast_bits: float
    most_usual_bits: float
    chance_bits: float = np.inf
    within_s: float = 0.0
    smooth: int
    hears_s: float = 0.0
    least_weight: float = 0.0


# From `benchmarks/differences.py`, ten releases of 12 s: how far medians of `smooth` rows stand out. Hashes: of the
# same by 36 bits at most (small logo), of a box over 36 % by 52 or more, of another picture by 110; usual are at most
# 44 (logo), of a crop of 20 % 58 or more. Network: of the same by 48 at most (letterbox), of another picture in a crop
# by 131 or more; usual are at most 125, of a picture-in-picture 180 to 230, of another picture 243 or more. Sound: of
# the same by 18 at most, muted for 3 s by 73 or more; usual are at most 49, of other sound 91 or more.
_TELLS = {
    Algorithm.VIDEO_PHASH_V1: _Tell(contrast_bits=44, most_usual_bits=50, within_s=0.25, smooth=5),
    Algorithm.VIDEO_SSCD_V1: _Tell(contrast_bits=70, most_usual_bits=170, chance_bits=205, smooth=3),
    Algorithm.AUDIO_CHROMAPRINT_V1: _Tell(
        contrast_bits=45, most_usual_bits=64, chance_bits=80, within_s=0.13, smooth=5,
        hears_s=chromaprint.FIRST_ROW_S, least_weight=0.1,
    ),
}  # fmt: skip
_TOLD_BY = {
    Change.ALTERED_PICTURE: (Algorithm.VIDEO_PHASH_V1, Algorithm.VIDEO_SSCD_V1),
    Change.ALTERED_SOUND: (Algorithm.AUDIO_CHROMAPRINT_V1,),
}


def differences(query: Fingerprint, reference: Fingerprint, segments: Sequence[Segment]) -> list[Difference]:
    """Say what was changed in a file, in its order.

    A track that the file lacks, where the release has one, is altered wherever the two go along; of a track that the
    release lacks nothing is told. Stills have no stretches, and without segments nothing says that the two have to do
    with one another: then there are no differences.

    Args:
        query: the whole fingerprint of the file, and so `reference`; either may lack embeddings.
        segments: all that `find_copies` found between the two, by every algorithm.
    """
    runs = _runs(segments)
    if query.is_still or reference.is_still or not runs:
        return []
    found = [*_inserted(runs, query.duration_s), *_missing(runs, reference.duration_s)]
    for change in _TOLD_BY:
        found += [_difference(change, run.query_of(s), s) for run, s in _altered(change, runs, query, reference)]
    return sorted(found, key=lambda d: (d.query_start_s, d.query_end_s, d.reference_start_s, d.change))


def _difference(change: Change, query: Interval, reference: Interval) -> Difference:
    return Difference(
        change=change,
        query_start_s=query[0],
        query_end_s=query[1],
        reference_start_s=reference[0],
        reference_end_s=reference[1],
    )


# -- the time line -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Line:
    """t_reference = slope * t_query + offset_s, and what segments put on it: stretches of the file."""

    slope: float
    offset_s: float
    stretches: list[Interval] = field(default_factory=list)
    support_s: float = 0.0
    kinds: set[Modality] = field(default_factory=set)
    peaks: list[Interval] = field(default_factory=list)

    @classmethod
    def of(cls, segment: Segment) -> "_Line":
        slope = (segment.reference_end_s - segment.reference_start_s) / segment.query_length_s
        return cls(slope, segment.reference_start_s - slope * segment.query_start_s)

    def holds(self, segment: Segment) -> bool:
        ends = (segment.query_start_s, segment.reference_start_s), (segment.query_end_s, segment.reference_end_s)
        return all(abs(self.slope * ours_s + self.offset_s - theirs_s) <= _SAME_LINE_S for ours_s, theirs_s in ends)

    def add(self, segment: Segment) -> None:
        self.stretches += _rest((segment.query_start_s, segment.query_end_s), self.stretches)
        self.support_s += segment.query_length_s
        self.kinds.add(segment.algorithm.modality)
        if segment.algorithm is Algorithm.AUDIO_LANDMARK_V1:
            self.peaks.append((segment.reference_start_s, segment.reference_end_s))

    def sharpened(self, sound: Interval) -> Interval:
        """A stretch of sound, reaching from where peaks of the release end to where they are there again."""
        ends_s, starts_s = [end for _, end in self.peaks], [start for start, _ in self.peaks]
        start_s, end_s = _nearest(sound[0], ends_s), _nearest(sound[1], starts_s)
        return (start_s, end_s) if end_s - start_s >= _LEAST_S else sound


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of the file, [start_s, end_s), on one line."""

    start_s: float
    end_s: float
    line: _Line

    @property
    def reference(self) -> Interval:
        return self.line.slope * self.start_s + self.line.offset_s, self.line.slope * self.end_s + self.line.offset_s

    def is_strange(self, kind: Modality) -> bool:
        """Whether vectors at chance mean another picture or sound: no segment found it in any view, at any pitch."""
        at_speed = abs(self.line.slope - 1) <= _SAME_SPEED
        return kind not in self.line.kinds and (at_speed or kind is Modality.VIDEO)

    def query_of(self, reference: Interval) -> Interval:
        start_s, end_s = ((at_s - self.line.offset_s) / self.line.slope for at_s in reference)
        return start_s, end_s


def _runs(segments: Sequence[Segment]) -> list[_Run]:
    """The file's stretches in order, none over another: confirmed ones first, of them what most segments say.

    Between two stretches of one line that have nothing else between them, it goes on.
    """
    lines: list[_Line] = []
    runs: list[_Run] = []
    long_enough = [s for s in segments if min(s.query_length_s, s.reference_end_s - s.reference_start_s) >= _SHORTEST_S]
    for sure in (True, False):
        chosen = [s for s in long_enough if s.confirmed is sure]
        for segment in sorted(chosen, key=lambda s: (_MOST_EXACT.index(s.algorithm), -s.query_length_s)):
            line = next((line for line in lines if line.holds(segment)), None)
            if line is None:
                lines.append(line := _Line.of(segment))
            line.add(segment)
        for line in sorted(lines, key=lambda line: -line.support_s):
            taken = [(run.start_s, run.end_s) for run in runs]
            runs += [_Run(*piece, line) for stretch in line.stretches for piece in _rest(stretch, taken)]
    joined: list[_Run] = []
    for run in sorted(runs, key=lambda run: run.start_s):
        if joined and joined[-1].line is run.line:
            run = _Run(joined.pop().start_s, run.end_s, run.line)
        joined.append(run)
    return joined


def _inserted(runs: Sequence[_Run], duration_s: float) -> Iterator[Difference]:
    for piece in _rest((0.0, duration_s), [(run.start_s, run.end_s) for run in runs]):
        before = [run for run in runs if run.start_s < piece[0]]
        at_s = before[-1].reference[1] if before else runs[0].reference[0]
        yield _difference(Change.INSERTED, piece, (at_s, at_s))


def _missing(runs: Sequence[_Run], duration_s: float) -> Iterator[Difference]:
    ordered = sorted(runs, key=lambda run: run.reference)
    for piece in _rest((0.0, duration_s), [run.reference for run in runs]):
        before = [run for run in ordered if run.reference[0] < piece[0]]
        at_s = before[-1].end_s if before else ordered[0].start_s
        yield _difference(Change.MISSING, (at_s, at_s), piece)


def _rest(interval: Interval, taken: Iterable[Interval]) -> list[Interval]:
    """The pieces of an interval that are not taken; the shortest are none."""
    pieces, (reached_s, end_s) = [], interval
    for taken_start_s, taken_end_s in [*sorted(taken), (end_s, end_s)]:
        pieces.append((reached_s, min(taken_start_s, end_s)))
        reached_s = max(reached_s, taken_end_s)
    return [(start, stop) for start, stop in pieces if stop - start >= _LEAST_S]


def _nearest(at_s: float, places_s: Iterable[float]) -> float:
    near = [place_s for place_s in places_s if abs(place_s - at_s) <= _PEAKS_NEAR_S]
    return min(near, key=lambda place_s: abs(place_s - at_s), default=at_s)


# -- what is altered along it ------------------------------------------------------------------


def _altered(
    change: Change, runs: Sequence[_Run], query: Fingerprint, reference: Fingerprint
) -> list[tuple[_Run, Interval]]:
    """Stretches of the release in which one kind of track is another one, by the first algorithm that can tell."""
    whole = [(run, run.reference) for run in runs]
    kept = [algorithm for algorithm in _TOLD_BY[change] if len(reference.of(algorithm) or ())]
    if kept and all(query.of(algorithm) is None for algorithm in _TOLD_BY[change]):
        return whole
    for algorithm in kept:
        mine, other, traits, tell = query.of(algorithm), reference.of(algorithm), TRAITS[algorithm], _TELLS[algorithm]
        if mine is None or other is None:
            continue
        ours = Grid.of(Side(descriptors=mine, duration_s=query.duration_s), traits, traits.query_step_s)
        theirs = Grid.of(Side(descriptors=other, duration_s=reference.duration_s), traits, traits.step_s)
        along = [_Along.of(run, ours, theirs, algorithm) for run in runs]
        bits = np.concatenate([one.bits for one in along])
        usual = float(np.quantile(bits[~np.isnan(bits)], _USUAL_SHARE)) if (~np.isnan(bits)).any() else np.inf
        if tell.chance_bits <= usual < np.inf:
            return whole if all(run.is_strange(algorithm.modality) for run in runs) else []
        if usual <= tell.most_usual_bits:
            found = [(one.run, s) for one in along for s in one.above(usual + tell.contrast_bits, usual, tell.smooth)]
            is_sound = algorithm.modality is Modality.AUDIO
            return [(run, run.line.sharpened(s) if is_sound else s) for run, s in found]
    return []


@dataclass(frozen=True, slots=True)
class _Along:
    """How far apart the two are along a run: float32 (n,) bits at rows of the release, NaN where nothing tells."""

    run: _Run
    times_s: Floats
    step_s: float
    bits: Gains

    @classmethod
    def of(cls, run: _Run, ours: Grid, theirs: Grid, algorithm: Algorithm) -> "_Along":
        traits, tell, all_s = TRAITS[algorithm], _TELLS[algorithm], theirs.times_s
        first_s, last_s = run.reference[0] + tell.hears_s, run.reference[1] - tell.hears_s
        middle = np.round(((all_s - run.line.offset_s) / run.line.slope - ours.first_s) / ours.step_s).astype(np.int64)
        inside = (all_s >= first_s - _TINY_S) & (all_s < last_s + _TINY_S) & (middle >= 0) & (middle < len(ours))
        rows, middle = np.flatnonzero(inside), middle[inside]
        reach = round(tell.within_s / ours.step_s)
        partner = (middle[:, None] + np.arange(-reach, reach + 1)).clip(0, len(ours) - 1)
        seen, is_there = ours.present[partner], theirs.present[rows]
        known = seen & is_there[:, None]
        bits = np.where(known, _bits(ours, theirs, algorithm, partner, rows), np.inf).min(axis=1)
        # What is blank on one side alone is altered; nothing tells where both are, or where both say little.
        bits[np.where(is_there, ~seen.any(axis=1), seen[:, reach])] = traits.code_bits / 2
        weight = np.maximum(ours.weight[middle] * ours.present[middle], theirs.weight[rows] * is_there)
        bits[~np.isfinite(bits) | (weight < tell.least_weight)] = np.nan
        return cls(run, all_s[rows], theirs.step_s, bits.astype(np.float32))

    def above(self, limit: float, usual: float, smooth: int) -> list[Interval]:
        """The stretches of the release that are farther apart; at the first or last row, up to the run's end."""
        if not len(self.bits):
            return []
        padded = np.pad(np.where(np.isnan(self.bits), usual, self.bits), smooth // 2, mode="edge")
        far = np.median(np.lib.stride_tricks.sliding_window_view(padded, smooth), axis=1) >= limit
        steps = np.diff(far.astype(np.int8), prepend=0, append=0)
        edges_s = np.append(self.times_s, self.times_s[-1] + self.step_s) - self.step_s / 2
        edges_s[[0, -1]] = self.run.reference
        found = list(zip(edges_s[steps > 0].tolist(), edges_s[steps < 0].tolist(), strict=True))
        between = _rest(self.run.reference, found)
        return _rest(self.run.reference, between)


def _bits(
    ours: Grid, theirs: Grid, algorithm: Algorithm, partner: Ticks, rows: Ticks
) -> npt.NDArray[np.floating]:  # fmt: skip
    """Distances of partners, int64 (n, m), from rows, int64 (n,).

    Of a file's embeddings that of the whole frame alone counts: not every frame was seen in every view.
    """
    traits = TRAITS[algorithm]
    if traits.measure is Measure.HAMMING:
        return likeness(ours, theirs, traits)(partner, np.broadcast_to(rows[:, None], partner.shape))
    cosines = np.empty(partner.shape)
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        kept = theirs.rows[rows[some]]
        seen = embeddings_of(ours.rows[partner[some, 0], 0])
        views = embeddings_of(kept.reshape(-1, DIMENSIONS)).reshape(kept.shape)
        cosines[some, 0] = np.einsum("nd,nvd->nv", seen, views).max(axis=1, initial=-1)
    return np.arccos(np.clip(cosines, -1, 1)) * (DIMENSIONS / np.pi)
