"""Verification of landmarks: does a stretch of a query have the peaks of a stretch of a reference?

The index proposes lines (`LandmarkIndex.candidates`); here a line is believed or not. Along it every peak
of the reference either stands in the query or does not, and is worth the logarithm of how much likelier
that is for a copy than by chance. Chance is what the query has around that place anyway: where its peaks
are dense, on bands on which a tone is held, at moments when everything sounds at once, a hit is worth
little. The run of peaks with the largest sum is the segment, which so begins and ends where the copy does.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from fingerprinting.index.landmarks import Candidate, LandmarkIndex
from fingerprinting.landmark import BANDS, FIRST_FRAME_S, FRAME_S, frames_of, strongest
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Segment

if TYPE_CHECKING:
    from fingerprinting.match import Reference

# A run must be likelier as a copy than by chance, in nats, and its line must stand out among lines that it was
# not found on (`_Passage._rarity`); the product decides, and of a short run more is asked, for it could have been
# picked from more places. Wrong runs of 600 excerpts of 5 s, edited, against an hour of other music reached 20
# nats and a rarity of 4, at 2 s. Those of 80 tunes all of one tempo and one scale reached 45 nats at 3.9 (2.8 s)
# and 39 at 2.8 (6 s). A product of 80 would find 2 in 100 more excerpts under reverberation.
_MIN_GAIN_NATS, _MIN_RARITY = 20.0, 1.5
_MIN_PRODUCT, _SHORT_S = 100.0, 240.0
_MIN_RUN_S = 1.5
# Lines to compare with: a sample of the run's peaks, moved by so many frames and bands.
_PEAKS_MOVED, _MOVES, _MOVED_FRAMES, _MOVED_BANDS = 200, 96, 6, 14
# What is worth less is not made more exact; and nothing bridges a gap that speaks so much against a copy.
_HOPELESS_NATS, _GAP_NATS = 10.0, 30.0
# A long query is searched in passages, which bounds memory; the index is asked for every few seconds of one.
_PASSAGE_FRAMES, _BLOCK_FRAMES = 1290, 215
_CANDIDATES_PER_BLOCK = 24
# Of the peaks of a copy, how many are left: from a few under loud speech to nearly all in a clean one. With
# fewer still, two tunes of one tempo and one scale would pass for copies.
_SURVIVALS = (0.3, 0.55, 0.85)
# Of those, how many on the very band, and on one beside it; within one frame each.
_EXACT_SHARE, _NEAR_SHARE = 0.75, 0.25
# Chance is looked up this far around: two seconds; a quarter of an octave, for a beat half of one.
_AROUND_FRAMES, _AROUND_BANDS, _ACROSS_BANDS = 86, 12, 24
_LEAST_CHANCE = 0.004
# What begins this near to where a file does begins with it, and so at the end.
_SNAP_S = 0.5
# Parts of one copy, found on both sides of a passage's end.
_JOIN_S = 0.6
_REFERENCES_KEPT = 64

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def find_by_landmarks(
    query: Descriptors,
    index: LandmarkIndex,
    *,
    query_duration_s: float,
    reference_of: Callable[[ItemNumber], "Reference | None"],
) -> list[Segment]:
    """Find every segment in which `query` copies an item, longest first.

    Args:
        query: audio-landmark-v1, all peaks of it.
        reference_of: loads an item's stored fingerprint; None when it was withdrawn meanwhile.
    """

    sky_of = _skies(reference_of)
    runs: list[_Run] = []
    for passage, candidates in _passages(query, index):
        found: list[_Run] = []
        for candidate in candidates:
            sky = sky_of(candidate.item)
            if sky is not None and not any(run.explains(candidate) for run in found):
                found += [run for run in passage.runs(candidate, sky) if passage.evidence(run).is_copy]
        runs += _distinct(found)
    segments = _joined([_segment(run, query_duration_s) for run in runs])
    return sorted(segments, key=lambda s: (-s.query_length_s, s.item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What speaks for one run being a copy."""

    item: ItemNumber
    length_s: float
    gain_nats: float
    rarity: float

    @property
    def strength(self) -> float:
        """Gain and rarity, by what is asked of a run of this length: 1 is enough."""
        return self.gain_nats * self.rarity / (_MIN_PRODUCT + _SHORT_S / self.length_s)

    @property
    def is_copy(self) -> bool:
        return self.gain_nats >= _MIN_GAIN_NATS and self.rarity >= _MIN_RARITY and self.strength >= 1


def evidence(
    query: Descriptors, index: LandmarkIndex, *, reference_of: Callable[[ItemNumber], "Reference | None"]
) -> Iterator[Evidence]:
    """What speaks for every run that the index proposes, believed or not: what the thresholds are chosen from."""
    sky_of = _skies(reference_of)
    for passage, candidates in _passages(query, index):
        for candidate in candidates:
            sky = sky_of(candidate.item)
            yield from (passage.evidence(run, in_full=True) for run in (passage.runs(candidate, sky) if sky else ()))


def _skies(reference_of: Callable[[ItemNumber], "Reference | None"]) -> Callable[[ItemNumber], "_Sky | None"]:
    @functools.lru_cache(_REFERENCES_KEPT)
    def sky_of(item: ItemNumber) -> _Sky | None:
        reference = reference_of(item)
        stored = reference.fingerprint.of(Algorithm.AUDIO_LANDMARK_V1) if reference else None
        return _Sky.of(item, stored, reference.fingerprint.duration_s) if reference and stored else None

    return sky_of


def _passages(query: Descriptors, index: LandmarkIndex) -> Iterator[tuple["_Passage", Iterator[Candidate]]]:
    """The query in passages, each with what the index proposes for it."""
    frames, bands = frames_of(query), query.vectors[:, 0].astype(np.int64)
    end = int(frames.max(initial=-1)) + 1
    for begin in range(0, end, _PASSAGE_FRAMES - _BLOCK_FRAMES):
        inside = slice(*np.searchsorted(frames, [begin, begin + _PASSAGE_FRAMES]))
        passage = _Passage.of(frames[inside] - begin, bands[inside], begin)
        blocks = _blocks(frames, begin, min(begin + _PASSAGE_FRAMES, end))
        asked = (replace(query, times_s=query.times_s[block], vectors=query.vectors[block]) for block in blocks)
        yield passage, (found for one in asked for found in index.candidates(one, limit=_CANDIDATES_PER_BLOCK))


@dataclass(frozen=True, slots=True)
class _Sky:
    """A reference's peaks: frames, ascending, and bands, int64 (n,)."""

    item: ItemNumber
    frames: Ints
    bands: Ints
    duration_s: float

    @classmethod
    def of(cls, item: ItemNumber, stored: Descriptors, duration_s: float) -> "_Sky":
        kept = strongest(stored)
        return cls(item, frames_of(kept), kept.vectors[:, 0].astype(np.int64), duration_s)


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a query's frames lie in a reference: at `reference_frame + stretch * (frame - query_frame)`."""

    query_frame: float
    reference_frame: float
    stretch: float
    shift_bands: int

    def at(self, query_frame: float) -> float:
        return self.reference_frame + self.stretch * (query_frame - self.query_frame)

    def bent(self, begin: float, end: float, begin_frames: float, end_frames: float, shift_bands: int) -> "_Line":
        """The line that passes `begin_frames` later at the query's frame `begin`, and `end_frames` at `end`."""
        first, last = self.at(begin) + begin_frames, self.at(end) + end_frames
        return _Line(begin, first, (last - first) / (end - begin), self.shift_bands + shift_bands)


@dataclass(frozen=True, slots=True)
class _Run:
    """The query's frames [begin, end] on a line.

    Attributes:
        places: where the reference's peaks fall, frames and bands of the passage.
        survival: which of `_SURVIVALS` makes most of it.
        found_0_1: the share of the reference's peaks that stand in the query.
    """

    sky: _Sky
    line: _Line
    begin: float
    end: float
    places: tuple[Ints, Ints]
    survival: int
    gain_nats: float
    found_0_1: float

    @property
    def length_s(self) -> float:
        return (self.end - self.begin) * FRAME_S

    def explains(self, candidate: Candidate) -> bool:
        """Whether the candidate lies on this line."""
        aside = self.line.at(candidate.query_frame) - candidate.reference_frame
        return self.sky.item == candidate.item and self.begin <= candidate.query_frame <= self.end and abs(aside) < 8


@dataclass(frozen=True, slots=True)
class _Passage:
    """Some of a query's frames, with what finding a peak of a reference in each place is worth.

    Attributes:
        first: number of the passage's first frame.
        present: bool (frames, BANDS): a peak of the query is within a frame and a band.
        gains: float32 (survivals, frames, BANDS), nats, for each share of peaks that a copy may keep.
    """

    first: int
    present: npt.NDArray[np.bool_]
    gains: npt.NDArray[np.float32]

    @classmethod
    def of(cls, frames: Ints, bands: Ints, first: int) -> "_Passage":
        peaks = np.zeros((int(frames.max(initial=0)) + 1, BANDS), bool)
        peaks[frames, bands] = True
        exact = maximum_filter1d(peaks, 3, axis=0, mode="constant")
        present = maximum_filter1d(exact, 3, axis=1, mode="constant")
        near = present & ~exact
        exact_nats, near_nats = _EXACT_SHARE / _chance(exact), _NEAR_SHARE / _chance(near)
        odds = np.where(exact, exact_nats, np.where(near, near_nats, 0))
        gains = np.stack([np.log(1 - survival + survival * odds) for survival in _SURVIVALS])
        return cls(first, present, gains.astype(np.float32))

    def runs(self, candidate: Candidate, sky: _Sky) -> list[_Run]:
        """The stretches of the passage that copy the reference on the candidate's line, once it is made exact."""
        line = _Line(
            candidate.query_frame - self.first,
            candidate.reference_frame,
            candidate.stretch,
            candidate.shift_bands,
        )
        begin = max(0.0, line.query_frame - _BLOCK_FRAMES / 2)
        end = min(len(self.present) - 1.0, line.query_frame + _BLOCK_FRAMES / 2)
        if (end - begin) * FRAME_S < _MIN_RUN_S:
            return []
        runs: list[_Run] = []
        for reach_frames, reach_bands in ((4, 1), (2, 0), (2, 0)):
            line = self._exact(line, sky, begin, end, reach_frames=reach_frames, reach_bands=reach_bands)
            runs = self._runs(line, sky)
            if not runs:
                break
            best = max(runs, key=lambda run: run.gain_nats)
            begin, end = best.begin, best.end
        first = self.first
        moved = replace(line, query_frame=line.query_frame + first)
        return [replace(run, line=moved, begin=run.begin + first, end=run.end + first) for run in runs]

    def _exact(self, line: _Line, sky: _Sky, begin: float, end: float, *, reach_frames: int, reach_bands: int) -> _Line:
        """The best line of those that pass within `reach_frames` of this one at both ends."""
        inside = slice(*np.searchsorted(sky.frames, [line.at(begin), line.at(end)]))
        shifts, firsts, lasts = _bends(reach_frames, reach_bands)
        starts, ends = line.at(begin) + firsts[:, None], line.at(end) + lasts[:, None]
        frames = begin + (sky.frames[inside] - starts) * (end - begin) / (ends - starts)
        bands = sky.bands[inside] - line.shift_bands - shifts[:, None]
        cells = np.round(frames).astype(np.int64).clip(0, len(self.present) - 1)
        worth = self.gains[0][cells, bands.clip(0, BANDS - 1)] * ((bands >= 0) & (bands < BANDS))
        best = int(worth.sum(axis=1).argmax())
        return line.bent(begin, end, int(firsts[best]), int(lasts[best]), int(shifts[best]))

    def _places(self, line: _Line, sky: _Sky) -> tuple[Floats, tuple[Ints, Ints]]:
        """Where the reference's peaks fall in the passage: frames, and the cells of `present`."""
        inside = slice(*np.searchsorted(sky.frames, [line.at(0), line.at(len(self.present) - 1)]))
        frames = line.query_frame + (sky.frames[inside].astype(np.float64) - line.reference_frame) / line.stretch
        bands = sky.bands[inside] - line.shift_bands
        heard = (bands >= 0) & (bands < BANDS)
        cells = np.round(frames[heard]).astype(np.int64).clip(0, len(self.present) - 1)
        return frames[heard], (cells, bands[heard])

    def _runs(self, line: _Line, sky: _Sky) -> list[_Run]:
        """The runs on a line, for the share of surviving peaks that makes most of it."""
        frames, (cells, bands) = self._places(line, sky)
        gains = self.gains[:, cells, bands]
        survival = max(range(len(gains)), key=lambda survival: _rise(gains[survival])[2])
        runs = [
            _Run(
                sky=sky,
                line=line,
                begin=float(frames[first]),
                end=float(frames[last]),
                places=(cells[first : last + 1], bands[first : last + 1]),
                survival=survival,
                gain_nats=float(gains[survival, first : last + 1].sum()),
                found_0_1=float(self.present[cells, bands][first : last + 1].mean()),
            )
            for first, last in _stretches(gains[survival])
        ]
        return [run for run in runs if run.length_s >= _MIN_RUN_S]

    def evidence(self, run: _Run, *, in_full: bool = False) -> Evidence:
        """What speaks for one of the passage's runs; of one that gains too little, rarity is only told in full."""
        rarity = self._rarity(run) if in_full or run.gain_nats >= _MIN_GAIN_NATS else 0.0
        return Evidence(item=run.sky.item, length_s=run.length_s, gain_nats=run.gain_nats, rarity=rarity)

    def _rarity(self, run: _Run) -> float:
        """How far the run's line stands above the best hundredth of others, in steps from the best tenth to that.

        Two tunes of one tempo and one scale meet wherever both have a beat and a note. But they do so on any
        line that shifts beats to beats and notes to notes: on a copy's, far more meet than on any other.
        """
        cells, bands = (part[:: len(part) // _PEAKS_MOVED + 1] for part in run.places)
        gains, begin, length = self.gains[run.survival], cells[0], cells[-1] + 1 - cells[0]
        later = np.unique(np.linspace(_MOVED_FRAMES, length - _MOVED_FRAMES, _MOVES).astype(np.int64))
        higher = np.arange(-_MOVED_BANDS, _MOVED_BANDS + 1)
        others = gains[
            (begin + (cells - begin + later[:, None]) % length)[:, None], (bands + higher[:, None]) % BANDS
        ].sum(axis=2)
        tenth, hundredth = np.quantile(others, [0.9, 0.99])
        return float((gains[cells, bands].sum() - hundredth) / max(hundredth - tenth, 1.0))


def _rise(gains: npt.NDArray[np.float32]) -> tuple[int, int, float]:
    """The stretch [first, last) with the largest sum, and the sum; that of nothing is 0."""
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    rises = sums - np.minimum.accumulate(sums)
    last = int(rises.argmax())
    return int(sums[: last + 1].argmin()), last, float(rises[last])


def _stretches(gains: npt.NDArray[np.float32], begin: int = 0) -> Iterator[tuple[int, int]]:
    """All stretches [first, last] worth a look, none of which holds a gap that costs more than `_GAP_NATS`."""
    first, last, gain = _rise(gains)
    if gain < _HOPELESS_NATS:
        return
    gap_first, gap_last, cost = _rise(-gains[first:last])
    if cost > _GAP_NATS:
        parts = [slice(0, first + gap_first), slice(first + gap_last, len(gains))]
    else:
        yield begin + first, begin + last - 1
        parts = [slice(0, first), slice(last, len(gains))]
    for part in parts:
        yield from _stretches(gains[part], begin + part.start)


def _bends(reach_frames: int, reach_bands: int) -> tuple[Ints, Ints, Ints]:
    """All ways to move a line: bands, frames at its begin and at its end, the smallest first."""
    steps, shifts = np.arange(-reach_frames, reach_frames + 1), np.arange(-reach_bands, reach_bands + 1)
    ways = np.stack(np.meshgrid(shifts, steps, steps, indexing="ij")).reshape(3, -1)
    shifted, first, last = ways[:, np.argsort(np.abs(ways).sum(axis=0), kind="stable")]
    return shifted, first, last


def _blocks(frames: Ints, begin: int, end: int) -> Iterator[slice]:
    """Stretches of a few seconds, each half over the one before; the last one ends where the frames do."""
    starts = range(begin, max(begin + 1, end - _BLOCK_FRAMES // 2), _BLOCK_FRAMES // 2)
    for start in starts:
        yield slice(*np.searchsorted(frames, [start, min(start + _BLOCK_FRAMES, end)]))


def _chance(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """How likely a place is taken anyway: float32 (frames, BANDS).

    By what is around it; where its band holds a tone or its moment is a beat, by half of that too; and where
    both meet, by both.
    """
    taken = present.astype(np.float32)
    row = uniform_filter1d(taken, 2 * _AROUND_FRAMES + 1, axis=0)
    around = np.maximum(uniform_filter1d(row, 2 * _AROUND_BANDS + 1, axis=1), np.float32(_LEAST_CHANCE))
    beat = uniform_filter1d(taken, 2 * _ACROSS_BANDS + 1, axis=1)
    held, struck = (row + around) / 2, (beat + around) / 2
    chance: npt.NDArray[np.float32] = np.maximum(np.maximum(held, beat), np.maximum(around, held * struck / around))
    return np.minimum(chance, 1)


def _distinct(found: list[_Run]) -> list[_Run]:
    """Without runs that say again, of the same item, what a better one says."""
    kept: list[_Run] = []
    for run in sorted(found, key=lambda r: -r.gain_nats):
        others = [other for other in kept if other.sky.item == run.sky.item]
        if not any(min(run.end, o.end) - max(run.begin, o.begin) > 0.5 * (run.end - run.begin) for o in others):
            kept.append(run)
    return kept


def _segment(run: _Run, query_duration_s: float) -> Segment:
    """The run in seconds, cut where either file ends."""
    line = run.line
    start_s, end_s = (FIRST_FRAME_S + frame * FRAME_S for frame in (run.begin, run.end))
    offset_s = FIRST_FRAME_S + line.at(0) * FRAME_S - line.stretch * FIRST_FRAME_S
    earliest_s = max(0.0, -offset_s / line.stretch)
    latest_s = min(query_duration_s, (run.sky.duration_s - offset_s) / line.stretch)
    start_s = earliest_s if start_s - earliest_s < _SNAP_S else start_s
    end_s = latest_s if latest_s - end_s < _SNAP_S else end_s
    return Segment(
        item=run.sky.item,
        algorithm=Algorithm.AUDIO_LANDMARK_V1,
        query_start_s=start_s,
        query_end_s=end_s,
        reference_start_s=offset_s + line.stretch * start_s,
        reference_end_s=offset_s + line.stretch * end_s,
        score_0_1=run.found_0_1,
    )


def _joined(segments: list[Segment]) -> list[Segment]:
    """Join what continues another segment on its line: a copy goes on where a passage of the query ends."""
    joined: list[Segment] = []
    for piece in sorted(segments, key=lambda s: (s.item, s.query_start_s)):
        for place, last in enumerate(joined):
            beyond_s = piece.query_start_s - last.query_end_s
            stretch = (last.reference_end_s - last.reference_start_s) / last.query_length_s
            aside_s = piece.reference_start_s - last.reference_end_s - stretch * beyond_s
            if last.item == piece.item and beyond_s < _JOIN_S and abs(aside_s) < _JOIN_S:
                joined[place] = _union(last, piece)
                break
        else:
            joined.append(piece)
    return joined


def _union(first: Segment, second: Segment) -> Segment:
    whole_s = first.query_length_s + second.query_length_s
    score = (first.query_length_s * first.score_0_1 + second.query_length_s * second.score_0_1) / whole_s
    return replace(
        first,
        query_end_s=max(first.query_end_s, second.query_end_s),
        reference_end_s=max(first.reference_end_s, second.reference_end_s),
        score_0_1=score,
    )
