"""The index of landmarks: which item has three peaks that lie to each other as three of a query's do.

Three peaks make a posting: how far the second and the third lie from the first in bands and how their
times divide, which neither a pitch shift nor another tempo changes. All else about them, and where they
are, stands beside it in the same 64 bits, so the index is sorted numbers and a lookup is a range:

    16 bits hash | 8 bits band of the first peak | 6 bits frames to the third | 34 bits position

A position is a frame on one line on which all items lie, one after another. New items make a small
sorted level; levels of like size are merged, so that adding costs the same however much is held. Levels
never change: a search takes those that it finds and needs no lock, while a large merge goes on beside it.
What was removed is passed over at once and dropped at the next merge.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinting.index.protocol import Arrays
from fingerprinting.landmark import frames_of, strongest
from fingerprinting.model import Descriptors, ItemNumber

# A reference has every three peaks of an anchor and the first four near it; a query has more peaks, hence
# tries more. Farther apart fewer survive together, nearer they say less.
# 140 postings a second of music; some 110 peaks of a 5 s excerpt point to its place when it is clean, 50 under
# speech as loud and 20 under speech 6 dB louder, in the median.
_REFERENCE_FAN, _QUERY_FAN = 4, 10
_NEAR_FRAMES, _FAR_FRAMES, _REACH_BANDS = 2, 40, 32
_RATIOS = 12
# Of an anchor no more than the next so many peaks are looked at.
_LOOKAHEAD = 64
_ANCHORS_AT_ONCE = 4096

# Two semitones and one band of error; a tenth faster or slower and the error of short times.
_MAX_SHIFT_BANDS = 9
_STRETCHES = np.array(sorted(np.round(np.arange(0.87, 1.14, 0.01), 2), key=lambda stretch: abs(stretch - 1)))
_SPAN_SHARE, _SPAN_FRAMES = 0.12, 1

# Rare hashes are looked up first, and no more than so many postings are read for one query: latency is
# bounded however large the index is, and what all music has in common is left out first.
_MAX_POSTINGS = 400_000
# Five seconds of sound have some 300 peaks; only what was made up has more than this.
_MAX_PEAKS_ASKED = 1_500
# Hits vote for cells of sixteen frames and one band: a stretch of a tenth moves a hit by eleven at most.
_CELL_FRAMES_LOG2 = 4
_MIN_VOTES = 3
_CELLS_FITTED = 96
_CANDIDATES_PER_ITEM = 4
_FIT_FRAMES = 2

_POSITION_BITS, _SPAN_BITS, _BAND_BITS = 34, 6, 8
_SPAN_SHIFT, _BAND_SHIFT = _POSITION_BITS, _POSITION_BITS + _SPAN_BITS
_HASH_SHIFT = _BAND_SHIFT + _BAND_BITS
# Empty frames between items, so that no vote for one falls on another.
_GAP_FRAMES = 1024
# Merges of more postings than this go on beside whoever adds.
_LARGE_MERGE = 1 << 20

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place where an item may be copied; nothing is proved yet.

    The query's frame `query_frame` is the item's `reference_frame`; per frame of the query the item moves on
    by `stretch` frames, and its peaks lie `shift_bands` above the query's. `votes` are triplets that say so.
    """

    item: ItemNumber
    query_frame: float
    reference_frame: float
    stretch: float
    shift_bands: int
    votes: int


@dataclass(frozen=True, slots=True)
class _Level:
    """Sorted postings of some items.

    Attributes:
        keys: uint64 (n,), ascending.
        starts: int64 (m,), ascending; the position of each item's first frame.
        items: int64 (m,).
        sizes: int64 (m,), each item's postings.
        alive: bool (m,), False once an item was removed.
        live: how many of the keys are of items that are alive.
    """

    keys: Keys
    starts: Ints
    items: Ints
    sizes: Ints
    alive: npt.NDArray[np.bool_]
    live: int

    @property
    def name(self) -> int:
        """What tells a level from the others, whoever was removed from it."""
        return int(self.starts[0])

    def without(self, item: ItemNumber) -> "_Level":
        return self.keeping(self.items != item)

    def keeping(self, kept: npt.NDArray[np.bool_]) -> "_Level":
        alive = self.alive & kept
        return replace(self, alive=alive, live=int(self.sizes[alive].sum()))

    def entries(self, positions: Ints) -> Ints:
        """Which of the level's items each position belongs to."""
        return np.searchsorted(self.starts, positions, side="right") - 1


class LandmarkIndex:
    """Triplets of peaks, by item. Safe for use by several threads."""

    def __init__(self) -> None:
        self._levels: tuple[_Level, ...] = ()
        self._next_start = 0
        self._merging: set[int] = set()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return sum(level.live for level in self._levels)

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        kept = strongest(descriptors)
        frames = frames_of(kept)
        keys = np.sort(_triplets(frames, kept.vectors[:, 0].astype(np.int64), fan=_REFERENCE_FAN).keys())
        if not len(keys):
            return
        with self._lock:
            if self._next_start + int(frames[-1]) >> _POSITION_BITS:
                raise OverflowError("the index has had more sound than it can number: rebuild it")
            level = _Level(
                keys=keys + np.uint64(self._next_start),
                starts=np.array([self._next_start]),
                items=np.array([item], np.int64),
                sizes=np.array([len(keys)]),
                alive=np.ones(1, bool),
                live=len(keys),
            )
            self._next_start += int(frames[-1]) + _GAP_FRAMES
            self._levels += (level,)
        self._tidy()

    def remove(self, item: ItemNumber) -> int:
        with self._lock:
            before = self.size
            self._levels = tuple(level.without(item) if item in level.items else level for level in self._levels)
            removed = before - self.size
        self._tidy()
        return removed

    def items(self) -> set[ItemNumber]:
        return {ItemNumber(int(item)) for level in self._levels for item in level.items[level.alive]}

    def dump(self) -> Arrays:
        level = _merged(self._levels)
        return {"keys": level.keys, "starts": level.starts, "items": level.items, "sizes": level.sizes}

    def load(self, arrays: Arrays) -> None:
        try:
            keys, starts, items, sizes = (arrays[name] for name in ("keys", "starts", "items", "sizes"))
        except KeyError as error:
            raise ValueError(f"not a dump of this index: it lacks {error}") from error
        if (
            keys.dtype != np.uint64
            or any(array.dtype != np.int64 or array.shape != starts.shape for array in (starts, items, sizes))
            or starts.ndim != 1
            or keys.shape != (sizes.sum(),)
            or (keys[1:] < keys[:-1]).any()
            or (starts[1:] <= starts[:-1]).any()
        ):
            raise ValueError("not a dump of this index: other arrays")
        level = _Level(keys, starts, items, sizes, np.ones(len(starts), bool), len(keys))
        with self._lock:
            self._levels = (level,) if len(starts) else ()
            self._next_start = int(_positions(keys).max(initial=-_GAP_FRAMES)) + _GAP_FRAMES
            self._merging = set()

    def candidates(self, query: Descriptors, *, limit: int) -> list[Candidate]:
        """Where items may be copied, most votes first.

        Args:
            query: some seconds of peaks, at most twenty: a candidate's line must fit all of it.
        """
        if not len(query):
            return []
        kept = np.sort(np.argsort(query.vectors[:, 1], kind="stable")[:_MAX_PEAKS_ASKED])
        levels, frames = self._levels, frames_of(query)[kept]
        middle = int(frames[0] + frames[-1]) // 2
        asked = _triplets(frames - middle, query.vectors[kept, 0].astype(np.int64), fan=_QUERY_FAN)
        hits = _hits(levels, asked)
        found: list[Candidate] = []
        for cell, shift_bands in _cells(hits):
            stretch, place, votes = _fitted(hits, cell, shift_bands)
            item, start = _item_at(levels, place)
            candidate = Candidate(
                item=item,
                query_frame=middle,
                reference_frame=place - start,
                stretch=stretch,
                shift_bands=shift_bands,
                votes=votes,
            )
            found.append(candidate)
        return _varied(sorted(found, key=lambda c: -c.votes))[:limit]

    def _tidy(self) -> None:
        """Merge while there is something to merge; what is large is merged beside the caller."""
        while due := self._due():
            if sum(len(level.keys) for level in due) > _LARGE_MERGE:
                threading.Thread(target=self._merge_and_tidy, args=(due,), daemon=True).start()
            else:
                self._merge(due)

    def _due(self) -> tuple[_Level, ...]:
        """Levels to make one of: two neighbours of like size, or one that is half removed; none when tidy."""
        with self._lock:
            free = [level.name not in self._merging for level in self._levels]
            for last in reversed(range(len(self._levels))):
                for due in (self._levels[last : last + 1], self._levels[last - 1 : last + 1] if last else ()):
                    wanted = len(due) == 2 and len(due[0].keys) < 2 * len(due[1].keys)
                    wanted = wanted or (len(due) == 1 and 2 * due[0].live < len(due[0].keys))
                    if wanted and all(free[last + 1 - len(due) : last + 1]):
                        self._merging |= {level.name for level in due}
                        return due
        return ()

    def _merge_and_tidy(self, due: tuple[_Level, ...]) -> None:
        self._merge(due)
        self._tidy()

    def _merge(self, due: tuple[_Level, ...]) -> None:
        merging, names = self._merging, {level.name for level in due}
        merged = _merged(due)
        with self._lock:
            if merging is not self._merging:
                return  # everything was replaced meanwhile
            now = [level for level in self._levels if level.name in names]
            removed = np.concatenate([level.starts[~level.alive] for level in now])
            place = next(i for i, level in enumerate(self._levels) if level.name in names)
            others = [level for level in self._levels if level.name not in names]
            others[place:place] = [merged.keeping(~np.isin(merged.starts, removed))] if len(merged.starts) else []
            self._levels = tuple(others)
            self._merging -= names


@dataclass(frozen=True, slots=True)
class _Triplets:
    """Three peaks each, int64 (n,): hash, band and frame of the first, frames from the first to the third."""

    hashes: Ints
    bands: Ints
    spans: Ints
    frames: Ints

    def keys(self) -> Keys:
        return _keys(self.hashes, self.bands, self.spans) | self.frames.astype(np.uint64)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Pairs of a query's triplet and an item's, int64 (n,), by place.

    Attributes:
        places: position at which the query's frame 0 then lies, were it played at the item's speed.
        shifts: bands by which the item's peaks lie higher.
        frames: the query's frame.
    """

    places: Ints
    shifts: Ints
    frames: Ints


def _keys(hashes: Ints, bands: Ints, spans: Ints | int) -> Keys:
    return ((hashes << _HASH_SHIFT) | (bands << _BAND_SHIFT) | (spans << _SPAN_SHIFT)).view(np.uint64)


def _positions(keys: Keys) -> Ints:
    return (keys & np.uint64((1 << _POSITION_BITS) - 1)).view(np.int64)


def _field(keys: Keys, shift: int, bits: int) -> Ints:
    return ((keys >> np.uint64(shift)) & np.uint64((1 << bits) - 1)).view(np.int64)


def _triplets(frames: Ints, bands: Ints, *, fan: int) -> _Triplets:
    """All triplets of each peak and the first `fan` near it."""
    seconds, thirds = np.triu_indices(fan, 1)
    parts = [np.empty((4, 0), np.int64)]
    for begin in range(0, len(frames), _ANCHORS_AT_ONCE):
        anchors = np.arange(begin, min(begin + _ANCHORS_AT_ONCE, len(frames)))
        near = _near(frames, bands, anchors, fan)
        first, second, third = np.repeat(anchors, len(seconds)), near[:, seconds].ravel(), near[:, thirds].ravel()
        there = (third >= 0) & (frames[third] > frames[second])
        first, second, third = first[there], second[there], third[there]
        steps, spans = frames[second] - frames[first], frames[third] - frames[first]
        rises = [bands[other] - bands[first] + _REACH_BANDS for other in (second, third)]
        hashes = (rises[0] * (2 * _REACH_BANDS + 1) + rises[1]) * _RATIOS + steps * _RATIOS // spans
        parts.append(np.stack([hashes, bands[first], spans, frames[first]]))
    return _Triplets(*np.concatenate(parts, axis=1))


def _near(frames: Ints, bands: Ints, anchors: Ints, fan: int) -> Ints:
    """The first peaks near each anchor: int64 (n, fan), -1 where there are fewer."""
    others = anchors[:, None] + np.arange(1, _LOOKAHEAD + 1)
    there = others < len(frames)
    others = np.minimum(others, len(frames) - 1)
    gaps, rises = frames[others] - frames[anchors, None], bands[others] - bands[anchors, None]
    there &= (gaps >= _NEAR_FRAMES) & (gaps <= _FAR_FRAMES) & (np.abs(rises) <= _REACH_BANDS)
    ordinals = np.cumsum(there, axis=1) - 1
    there &= ordinals < fan
    near = np.full((len(anchors), fan), -1)
    rows, columns = np.nonzero(there)
    near[rows, ordinals[rows, columns]] = others[rows, columns]
    return near


def _hits(levels: Sequence[_Level], asked: _Triplets) -> _Hits:
    """Look up triplets of which the pitch may be shifted and the tempo another."""
    lowest = _keys(asked.hashes, np.maximum(asked.bands - _MAX_SHIFT_BANDS, 0), 0)
    highest = _keys(asked.hashes, asked.bands + _MAX_SHIFT_BANDS + 1, 0)
    ranges = [np.searchsorted(level.keys, [lowest, highest]) for level in levels]
    postings = sum((last - first for first, last in ranges), np.zeros(len(lowest), np.int64))
    rarest = np.argsort(postings, kind="stable")
    rarest = rarest[np.cumsum(postings[rarest]) <= _MAX_POSTINGS]
    parts = [np.empty((3, 0), np.int64)]
    for level, (first, last) in zip(levels, ranges, strict=True):
        counts = (last - first)[rarest]
        rows = np.repeat(rarest, counts)
        keys = level.keys[np.arange(len(rows)) + np.repeat(first[rarest] - np.cumsum(counts) + counts, counts)]
        slack = _SPAN_SHARE * asked.spans[rows] + _SPAN_FRAMES
        fits = np.abs(_field(keys, _SPAN_SHIFT, _SPAN_BITS) - asked.spans[rows]) <= slack
        rows, keys = rows[fits], keys[fits]
        positions = _positions(keys)
        if level.live < len(level.keys):
            alive = level.alive[level.entries(positions)]
            rows, keys, positions = rows[alive], keys[alive], positions[alive]
        shifts = _field(keys, _BAND_SHIFT, _BAND_BITS) - asked.bands[rows]
        parts.append(np.stack([positions - asked.frames[rows], shifts, asked.frames[rows]]))
    found = np.concatenate(parts, axis=1)
    return _Hits(*found[:, np.argsort(found[0], kind="stable")])


def _cells(hits: _Hits) -> Iterator[tuple[int, int]]:
    """Cells of place and shift on which most of the query's frames agree, those around them included."""
    shifts = 2 * _MAX_SHIFT_BANDS + 3
    cells = (hits.places >> _CELL_FRAMES_LOG2) * shifts + hits.shifts + _MAX_SHIFT_BANDS + 1
    frame_bits = 12
    voters = np.unique((cells << frame_bits) | (hits.frames & ((1 << frame_bits) - 1))) >> frame_bits
    cells, votes = np.unique(voters, return_counts=True)
    promising = np.flatnonzero(votes >= min(2, votes.max(initial=0)))
    totals = np.zeros(len(promising), np.int64)
    for aside in (step * shifts + shift for step in (-1, 0, 1) for shift in (-1, 0, 1)):
        at = np.searchsorted(cells, cells[promising] + aside).clip(0, len(cells) - 1)
        totals += votes[at] * (cells[at] == cells[promising] + aside)
    best = np.argsort(-totals, kind="stable")[:_CELLS_FITTED]
    for cell in cells[promising[best[totals[best] >= _MIN_VOTES]]]:
        yield int(cell // shifts), int(cell % shifts) - _MAX_SHIFT_BANDS - 1


def _fitted(hits: _Hits, cell: int, shift_bands: int) -> tuple[float, float, int]:
    """The stretch and the place of the query's frame 0 on which most hits around a cell agree, and how many do."""
    begin, end = np.searchsorted(hits.places, [(cell - 1) << _CELL_FRAMES_LOG2, (cell + 2) << _CELL_FRAMES_LOG2])
    near = begin + np.flatnonzero(np.abs(hits.shifts[begin:end] - shift_bands) <= 1)
    places = hits.places[near] + (1 - _STRETCHES[:, None]) * hits.frames[near]
    lowest = places.min()
    bins = ((places - lowest) // _FIT_FRAMES).astype(np.int64)
    width = int(bins.max()) + 2
    counts = np.bincount((bins + np.arange(len(bins))[:, None] * width).ravel(), minlength=len(bins) * width)
    pairs = counts[:-1] + counts[1:]
    best = int(pairs.argmax())
    return float(_STRETCHES[best // width]), float(lowest + (best % width + 1) * _FIT_FRAMES), int(pairs[best])


def _item_at(levels: Sequence[_Level], place: float) -> tuple[ItemNumber, int]:
    """The item to which a place belongs, which may lie some way before its start, and that start."""
    inside = round(place) + _GAP_FRAMES // 2
    level = next(level for level in reversed(levels) if level.name <= inside)
    entry = int(level.entries(np.array([inside]))[0])
    return ItemNumber(int(level.items[entry])), int(level.starts[entry])


def _varied(ranked: list[Candidate]) -> list[Candidate]:
    """Without those that say what a better one says, and with only the best few of each item."""
    kept: list[Candidate] = []
    for candidate in ranked:
        same_item = [other for other in kept if other.item == candidate.item]
        near = 1 << _CELL_FRAMES_LOG2
        said = any(abs(other.reference_frame - candidate.reference_frame) < near for other in same_item)
        if not said and len(same_item) < _CANDIDATES_PER_ITEM:
            kept.append(candidate)
    return kept


def _merged(levels: Sequence[_Level]) -> _Level:
    """One level of several that follow one another, without what was removed."""
    keys = [np.empty(0, np.uint64)]
    entries = [np.empty((3, 0), np.int64)]
    for level in levels:
        whole = level.live == len(level.keys)
        keys.append(level.keys if whole else level.keys[level.alive[level.entries(_positions(level.keys))]])
        entries.append(np.stack([level.starts, level.items, level.sizes])[:, level.alive])
    starts, items, sizes = np.concatenate(entries, axis=1)
    # A stable sort merges what is sorted already.
    merged = np.sort(np.concatenate(keys), kind="stable")
    return _Level(merged, starts, items, sizes, np.ones(len(starts), bool), len(merged))
