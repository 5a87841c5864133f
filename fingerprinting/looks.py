"""Which frames and views the network is shown: enough of a reference, little of an easy query.

A reference is seen in three views and keeps a frame only where they changed. A query is glanced at:
every frame as a whole, and a frame now and then in every view and in each rectangle that stands in it, so
that a copy of any kind leaves some trace. Where the glance did not settle what a stretch is,
`Glance.closer` sees the rest of it, in the views that left the trace.
"""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from fingerprinting import sscd
from fingerprinting.insets import MOST_INSETS, find_insets
from fingerprinting.model import Algorithm, Descriptors, Vectors
from fingerprinting.sscd import Box, FrameEmbedder, Frames

type Span = tuple[float, float]
# A time and uint8 (views, 512), the rows of that time.
type Seen = tuple[float, Vectors]

# A frame without picture says nothing: no colour of it spreads.
_BLANK_SPREAD = 4.0
# A reference's frame is left out while each view stays this near to that of the last one kept, but not for
# longer than HELD_S. Of 46 clips of all kinds this keeps 1.3 frames a second of 2.
_UNCHANGED_COSINE = 0.9
HELD_S = 4.0
# A query's frame is left out only when nothing in it moved, not even a small picture in a picture: no block
# of 20 x 20 pixels changed its mean by so many grey values.
_UNCHANGED_GREY, _BLOCK_PX = 6.0, 20
# Every so many frames the glance takes every view, and of one that is held; of frames that nobody can come back
# to, every second.
_THOROUGH_EVERY, _THOROUGH_EVERY_LATE = 4, 2
# Frames after which none is kept for a closer look, 300 KB each: 100 s of film.
_KEPT_FRAMES = 200
# Frames come in blocks of so many, 8 s; insets are sought in a block and in the half before it, so that what
# begins late in one, or ends a file with a few frames, is seen for some seconds all the same.
_BATCH = 16
ALL_VIEWS = range(sscd.QUERY_VIEWS + MOST_INSETS)


class ReferenceLooks:
    """Takes a reference's frames as they are decoded."""

    def __init__(self, embedder: FrameEmbedder, *, tall: bool) -> None:
        self._embedder, self._boxes = embedder, sscd.boxes_of(tall=tall)[: sscd.REFERENCE_VIEWS]
        self._frames = _FrameStream()
        self._kept: list[Seen] = []
        self._last = -HELD_S, np.zeros((1, sscd.DIMENSIONS), np.float32)

    def take(self, chunk: bytes) -> None:
        for times_s, frames in self._frames.take(chunk):
            self._see(times_s, frames)

    def finish(self) -> Descriptors:
        for times_s, frames in self._frames.rest():
            self._see(times_s, frames)
        return _descriptors(self._kept)

    def _see(self, times_s: list[float], frames: Frames) -> None:
        cut = sscd.views_of(frames, self._boxes)
        seen = self._embedder.embed(cut).reshape(len(frames), sscd.REFERENCE_VIEWS, -1)
        for time_s, views in zip(times_s, seen, strict=True):
            last_s, last = self._last
            if time_s - last_s < HELD_S and (views * last).sum(axis=1).min() >= _UNCHANGED_COSINE:
                continue
            self._last = time_s, views
            self._kept.append((time_s, sscd.quantised(views)))


class Glance:
    """Takes a query's frames as they are decoded, and keeps them for a closer look."""

    def __init__(self, embedder: FrameEmbedder, *, tall: bool) -> None:
        self._embedder, self._boxes = embedder, sscd.boxes_of(tall=tall)
        self._frames = _FrameStream()
        self._last = -HELD_S, np.zeros((1, 1))
        self._before = np.empty((0, *_FRAME_SHAPE), np.uint8)
        self._seen: list[Seen] = []
        self._put_by: list[_PutBy] = []
        self._changed = 0

    def take(self, chunk: bytes) -> None:
        for times_s, frames in self._frames.take(chunk):
            self._see(times_s, frames)

    def finish(self) -> Descriptors:
        """What the glance saw; some rows are views of frames, most a frame as a whole."""
        for times_s, frames in self._frames.rest():
            self._see(times_s, frames)
        # Only for frames that follow; of one that is kept for long it would be most of what is held.
        self._frames, self._before = _FrameStream(), np.empty((0, *_FRAME_SHAPE), np.uint8)
        return self.seen()

    def seen(self) -> Descriptors:
        """All rows seen so far."""
        return _descriptors(self._seen)

    def again(self) -> "Glance":
        """As this one is now, for another search: what either sees closer, the other has not seen."""
        return copy.copy(self)

    @property
    def size_bytes(self) -> int:
        """What the frames and rows take that it keeps."""
        return sum(kept.frame.nbytes for kept in self._put_by) + sum(rows.nbytes for _, rows in self._seen)

    def closer(self, spans: Iterable[Span], views: Sequence[int] = ALL_VIEWS) -> Descriptors | None:
        """See more of the frames within `spans` that were only seen as a whole; None when there are none.

        Args:
            views: which ones, ascending; the whole is always among them.

        Returns:
            All rows seen so far, the new ones among them.
        """
        wanted, chosen = list(spans), sorted({0, *views})
        now = [kept for kept in self._put_by if any(start <= kept.time_s < end for start, end in wanted)]
        if not now:
            return None
        fresh: dict[float, Vectors] = {}
        for boxes, block in itertools.groupby(now, key=lambda kept: kept.boxes):
            several, cut = list(block), [boxes[view] for view in chosen if view < len(boxes)]
            frames = np.stack([kept.frame for kept in several])
            fresh |= self._views([kept.time_s for kept in several], frames, cut)
        self._seen = [(time_s, fresh.get(time_s, rows)) for time_s, rows in self._seen]
        self._put_by = [kept for kept in self._put_by if kept.time_s not in fresh]
        return self.seen()

    def _see(self, times_s: list[float], frames: Frames) -> None:
        boxes = (*self._boxes, *find_insets(np.concatenate([self._before, frames])))
        self._before = frames[-(_BATCH // 2) :].copy()
        changed = [i for i, time_s in enumerate(times_s) if self._changes(time_s, frames[i])]
        # A frame that is held, as a still is, is seen this once.
        held = {i for i, later in itertools.pairwise([*changed, len(times_s)]) if later > i + 1}
        thorough = [i for number, i in enumerate(changed, self._changed) if i in held or _is_thorough(number)]
        brief = [i for i in changed if i not in thorough]
        seen = self._views([times_s[i] for i in thorough], frames[thorough], boxes)
        seen |= self._views([times_s[i] for i in brief], frames[brief], boxes[:1])
        self._seen += sorted(seen.items())
        if self._changed < _KEPT_FRAMES:
            self._put_by += [_PutBy(time_s=times_s[i], frame=frames[i].copy(), boxes=boxes) for i in brief]
        self._changed += len(changed)

    def _views(self, times_s: list[float], frames: Frames, boxes: Sequence[Box]) -> dict[float, Vectors]:
        cut = sscd.views_of(frames, boxes)
        seen = sscd.quantised(self._embedder.embed(cut)).reshape(len(frames), len(boxes), sscd.DIMENSIONS)
        return dict(zip(times_s, seen, strict=True))

    def _changes(self, time_s: float, frame: Frames) -> bool:
        blocks = sscd.FRAME_PX // _BLOCK_PX
        grey = frame.reshape(blocks, _BLOCK_PX, blocks, -1).mean(axis=(1, 3))
        last_s, last = self._last
        if time_s - last_s < HELD_S and np.abs(grey - last).max() < _UNCHANGED_GREY:
            return False
        self._last = time_s, grey
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _PutBy:
    """A frame that was seen as a whole only, with all views that it can be seen in."""

    time_s: float
    frame: Frames
    boxes: tuple[Box, ...]


@dataclass(slots=True)
class _FrameStream:
    """Raw bytes as they come, frames with a picture in blocks: the same blocks however the bytes are cut."""

    _pending: bytearray = field(default_factory=bytearray)
    _number: int = 0

    def take(self, chunk: bytes) -> Iterator[tuple[list[float], Frames]]:
        self._pending += chunk
        while len(self._pending) >= _BATCH * _FRAME_BYTES:
            yield from self._next(_BATCH)

    def rest(self) -> Iterator[tuple[list[float], Frames]]:
        yield from self._next(len(self._pending) // _FRAME_BYTES)

    def _next(self, count: int) -> Iterator[tuple[list[float], Frames]]:
        raw = np.frombuffer(bytes(self._pending[: count * _FRAME_BYTES]), np.uint8).reshape(count, *_FRAME_SHAPE)
        del self._pending[: count * _FRAME_BYTES]
        shown = [i for i in range(count) if raw[i, ::4, ::4].std(axis=(0, 1)).max() >= _BLANK_SPREAD]
        if shown:
            yield [(self._number + i) / sscd.FRAME_RATE_HZ for i in shown], raw[shown]
        self._number += count


def _is_thorough(number: int) -> bool:
    return number % (_THOROUGH_EVERY if number < _KEPT_FRAMES else _THOROUGH_EVERY_LATE) == 0


_FRAME_SHAPE = (sscd.FRAME_PX, sscd.FRAME_PX, 3)
_FRAME_BYTES = 3 * sscd.FRAME_PX**2


def _descriptors(seen: list[Seen]) -> Descriptors:
    times_s = np.array([t for t, views in seen for _ in views], np.float64)
    rows = [np.empty((0, sscd.DIMENSIONS), np.uint8), *(views for _, views in seen)]
    return Descriptors(algorithm=Algorithm.VIDEO_SSCD_V1, times_s=times_s, vectors=np.concatenate(rows))
