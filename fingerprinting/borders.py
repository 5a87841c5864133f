"""Borders: the letterbox, pillarbox or coloured frame around a picture.

A copy often has borders that its original lacks, and hashes of the whole frame are then far apart. So
pictures within borders are hashed with and without them, and either may meet either.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

# A line belongs to a border when its values spread no more than this (but for a few, which compression
# bends) and its mean is that of the outermost line.
_SPREAD, _DRIFT = 14, 10
_FEW = 0.02
# What is left must be the greater part of a picture; a frame within a frame is taken off too.
_LEAST_SHARE = 0.35
_NESTED = 2

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """What of a square frame is picture, in pixels: rows [top, bottom), columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def all_of(cls, px: int) -> "Box":
        return cls(0, px, 0, px)


def borders(frames: Grey) -> Box:
    """Find what lies within the borders that all frames have: uint8 (n, px, px) luma, n > 0."""
    box = Box.all_of(frames.shape[1])
    for _ in range(_NESTED):
        inner = crop_view(frames, box)
        top, bottom = _flat_lines(inner), _flat_lines(inner[:, ::-1])
        sides = inner.transpose(0, 2, 1)
        left, right = _flat_lines(sides), _flat_lines(sides[:, ::-1])
        found = Box(box.top + top, box.bottom - bottom, box.left + left, box.right - right)
        least = _LEAST_SHARE * frames.shape[1]
        if found == box or found.bottom - found.top < least or found.right - found.left < least:
            break
        box = found
    return box


def crop_view(frames: Grey, box: Box) -> Grey:
    return frames[:, box.top : box.bottom, box.left : box.right]


def crop(frames: Grey, box: Box) -> Grey:
    """The picture within the borders, at the size of the whole: uint8 (n, px, px)."""
    size = frames.shape[2], frames.shape[1]
    cut = [Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR) for frame in crop_view(frames, box)]
    return np.array(cut, np.uint8).reshape(-1, *frames.shape[1:])


def _flat_lines(frames: Grey) -> int:
    """How many of the first rows are border in every frame."""
    outermost = frames[:, 0].mean(axis=1)
    few = int(_FEW * frames.shape[2])
    for number in range(frames.shape[1]):
        line = np.sort(frames[:, number], axis=1).astype(np.int16)
        spread, drift = line[:, -1 - few] - line[:, few], np.abs(line.mean(axis=1) - outermost)
        if (spread > _SPREAD).any() or (drift > _DRIFT).any():
            return number
    return int(frames.shape[1])
