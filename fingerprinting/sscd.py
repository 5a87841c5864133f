"""`video-sscd-v1`: what a frame looks like to a network trained to know copies, from several views.

SSCD puts frames that copy one another near each other, and keeps near what was mirrored, tilted or
graded. It is blind to most of a frame that was cut away, so frames are seen as a whole and in
parts: a reference in three views, a query in thirteen and in the rectangles that stand in it
(`insets`). Rows of one time are views of one frame, in one order: a row's place says which view it
is, and a reference keeps the first three.

Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from fingerprinting.model import Algorithm, Vectors

# Frames come squashed to a square of this many pixels, so that half of one is the network's input.
FRAME_PX = 320
FRAME_RATE_HZ = 2
# At 224 pixels the network takes 1.8 times as long and the median similarity of copies rises by 0.01 at
# most, of PiP and narrow strips not at all (46 clips, 15 edits).
INPUT_PX = 160
DIMENSIONS = Algorithm.VIDEO_SSCD_V1.row_bytes

# (left, top, right, bottom) as shares of the frame.
type Box = tuple[float, float, float, float]

# The third, the upright strip that a 9:16 cut keeps, and
# the fourth, the lying strip of a wide picture between blurred bars, change places in tall pictures.
_WHOLE, _CENTRE = (0.0, 0.0, 1.0, 1.0), (0.2, 0.2, 0.8, 0.8)
_UPRIGHT, _LYING = (0.34, 0.0, 0.66, 1.0), (0.0, 0.34, 1.0, 0.66)


def _corners(size: float) -> list[Box]:
    far = 1 - size
    return [(x, y, x + size, y + size) for y in (0.0, far) for x in (0.0, far)]


_PARTS = [*_corners(0.6), *_corners(0.5), (0.25, 0.25, 0.75, 0.75)]
_WIDE_VIEWS = (_WHOLE, _CENTRE, _UPRIGHT, _LYING, *_PARTS)
_TALL_VIEWS = (_WHOLE, _CENTRE, _LYING, _UPRIGHT, *_PARTS)
REFERENCE_VIEWS = 3
QUERY_VIEWS = len(_WIDE_VIEWS)

# Components of a unit vector of 512 dimensions lie within 0.25 (the largest of 6 million was 0.244).
_SCALE = 127 / 0.25

Frames = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]


class FrameEmbedder(Protocol):
    """Turns pictures into embeddings; safe for use by several threads."""

    @property
    def name(self) -> str:
        """Which network it is, for evidence and operators."""

    def embed(self, pictures: Frames) -> Embeddings:
        """uint8 (n, INPUT_PX, INPUT_PX, 3) RGB -> float32 (n, 512), L2-normalised."""


def boxes_of(*, tall: bool) -> tuple[Box, ...]:
    """The views that every frame of a query can be seen in, a reference's first.

    Args:
        tall: the picture was higher than wide before it was squashed.
    """
    return _TALL_VIEWS if tall else _WIDE_VIEWS


def views_of(frames: Frames, boxes: Sequence[Box]) -> Frames:
    """Cut boxes out of frames: uint8 (n, FRAME_PX, FRAME_PX, 3) -> (n * len(boxes), INPUT_PX, INPUT_PX, 3)."""
    cut = np.empty((len(frames), len(boxes), INPUT_PX, INPUT_PX, 3), np.uint8)
    for row, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        for column, (left, top, right, bottom) in enumerate(boxes):
            box = (left * FRAME_PX, top * FRAME_PX, right * FRAME_PX, bottom * FRAME_PX)
            cut[row, column] = np.asarray(picture.resize((INPUT_PX, INPUT_PX), Image.Resampling.BILINEAR, box))
    return cut.reshape(-1, INPUT_PX, INPUT_PX, 3)


def quantised(embeddings: Embeddings) -> Vectors:
    """As rows: float32 (n, 512) -> uint8 (n, 512), the bits of int8 components. Cosines keep to 0.001."""
    codes: Vectors = np.clip(np.round(embeddings * _SCALE), -127, 127).astype(np.int8).view(np.uint8)
    return codes


def embeddings_of(vectors: Vectors) -> Embeddings:
    """Undo `quantised`: uint8 (n, 512) -> float32 (n, 512), L2-normalised."""
    rows: Embeddings = np.ascontiguousarray(vectors).view(np.int8).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    return rows


def signs(vectors: Vectors) -> Vectors:
    """Codes for the index, a bit a component: uint8 (n, 512) -> uint8 (n, 64).

    Two codes differ in about 512 * angle / pi bits. Of pairs at cosine 0.45 to 0.5, 99 in 100 differ in at
    most 196 bits; of unrelated ones, 1 in 100,000.
    Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002.
    """
    return np.packbits(np.ascontiguousarray(vectors).view(np.int8) >= 0, axis=1)
