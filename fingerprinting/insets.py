"""Pictures within the picture: rectangles whose edges stay where they are while what they hold moves.

A clip that is shown in a corner of another one, beside its blurred self, under a caption or on a screen is
seen best when exactly its rectangle is cut out, wherever it lies and whatever its shape. Such a rectangle
has straight edges along the axes that stay for seconds; edges of what is filmed are rarely straight for so
long, and move. What is found is only worth another look: that it shows a copy is for the network to say.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from fingerprinting.sscd import FRAME_PX, Box, Frames

# Of 13 pictures in pictures, narrow ones too, and captions, each was among the first three.
MOST_INSETS = 3
# So many grey values of mean contrast, over the largest of what runs beside it, make an edge.
_EDGE_GREY, _BESIDE_PX = 6.0, (3, 4, 5)
# An edge counts as a line where so much of a stretch of so many pixels is one; the best lines are tried as sides.
_STRETCH_PX, _LINE_SHARE, _APART_PX, _MOST_LINES = 48, 0.35, 5, 20
# Each side of a rectangle must be an edge for so much of its length; what is smaller shows too little.
_SIDE_SHARE, _LEAST_PX, _MOST_AREA = 0.4, 36, 0.9
_SAME, _RANKED = 0.7, 256

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def find_insets(frames: Frames) -> tuple[Box, ...]:
    """The rectangles that stand in some seconds of frames, the most convincing first.

    Args:
        frames: uint8 (n, FRAME_PX, FRAME_PX, 3), n > 0.
    """
    across, down = _edges(frames)
    columns, rows = _lines(across), _lines(down)
    # Sides by the share of their length that is an edge: (lines, pairs of the other lines).
    xs, ys = _pairs(columns), _pairs(rows)
    upright, lying = _shares(across, columns, rows, ys), _shares(down, rows, columns, xs)
    width, height = np.diff(columns[xs]), np.diff(rows[ys]).T
    sides = np.stack([upright[xs[:, 0]], upright[xs[:, 1]], lying[ys[:, 0]].T, lying[ys[:, 1]].T])
    lengths = np.stack(np.broadcast_arrays(height, height, width, width)) * np.isfinite(sides)
    least = np.where(lengths.any(axis=0), sides.min(axis=0), 0)
    worth = (np.where(lengths > 0, sides, 0) * lengths).sum(axis=0) / FRAME_PX * least
    worth[(least < _SIDE_SHARE) | (width * height > _MOST_AREA * FRAME_PX**2)] = 0
    ranked = np.argsort(-worth, axis=None)[:_RANKED]
    found: list[tuple[int, int, int, int]] = []
    for x, y in zip(*np.unravel_index(ranked, worth.shape), strict=True):
        (left, right), (top, bottom) = columns[xs[x]].tolist(), rows[ys[y]].tolist()
        box = left, top, right, bottom
        if worth[x, y] <= 0 or len(found) == MOST_INSETS:
            break
        if not any(_is_same(box, other) for other in found):
            found.append(box)
    return tuple((a / FRAME_PX, b / FRAME_PX, c / FRAME_PX, d / FRAME_PX) for a, b, c, d in found)


def _edges(frames: Frames) -> tuple[Floats, Floats]:
    """How surely an upright edge runs left of each pixel but the first, and a lying one above: 0 to 1.

    Returns:
        float32 (FRAME_PX, FRAME_PX - 1) twice: along the edge, then across it.
    """
    grey = frames.astype(np.float32).mean(axis=3)
    across, down = (np.abs(np.diff(grey, axis=axis)).mean(axis=0).astype(np.float32) for axis in (2, 1))
    return _ridges(across), _ridges(down.T)


def _ridges(contrast: Floats) -> Floats:
    """Where neighbours across an edge differ, along it, and those beside them do not."""
    beside = np.stack([np.roll(contrast, side * px, axis=1) for px in _BESIDE_PX for side in (-1, 1)]).max(axis=0)
    ridges: Floats = np.clip((contrast - beside) / _EDGE_GREY, 0, 1)
    return ridges


def _lines(edges: Floats) -> Ints:
    """Where the straightest edges run, and both ends of the frame: pixels, ascending."""
    longest = uniform_filter1d(edges, _STRETCH_PX, axis=0, mode="constant").max(axis=0)
    peaks = np.flatnonzero((longest == maximum_filter1d(longest, _APART_PX)) & (longest > _LINE_SHARE))
    best = peaks[np.argsort(-longest[peaks], kind="stable")[:_MOST_LINES]]
    return np.unique(np.concatenate([[0], best + 1, [FRAME_PX]])).astype(np.int64)


def _pairs(lines: Ints) -> Ints:
    """Indices of lines far enough apart: int64 (pairs, 2); never empty, for the frame's ends are."""
    first, second = np.triu_indices(len(lines), 1)
    far = lines[second] - lines[first] >= _LEAST_PX
    return np.stack([first[far], second[far]], axis=1)


def _shares(edges: Floats, lines: Ints, others: Ints, pairs: Ints) -> Floats:
    """How much of each line is an edge between each pair of the others; infinite at the frame's own ends."""
    # A side may waver by a pixel.
    wide = maximum_filter1d(edges, 3, axis=1)
    sums = np.concatenate([np.zeros((1, edges.shape[1])), np.cumsum(wide, axis=0)])
    place = (lines - 1).clip(0, edges.shape[1] - 1)
    first, last = others[pairs[:, 0]], others[pairs[:, 1]]
    shares: Floats = ((sums[last][:, place] - sums[first][:, place]) / (last - first)[:, None]).T
    shares[(lines == 0) | (lines == FRAME_PX)] = np.inf
    return shares


def _is_same(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared >= _SAME * (sum(areas) - shared)
