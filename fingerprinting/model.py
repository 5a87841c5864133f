"""The values of fingerprinting: what a file is, what it looks and sounds like, where it matches.

Every descriptor of every algorithm is a row of 256 bits with a time, so that one index type and
one alignment serve picture and sound. An algorithm has a version: changed output is a new name.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

VECTOR_BITS = 256
VECTOR_BYTES = VECTOR_BITS // 8

Vectors = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]

# The number under which one fingerprint's vectors stand in the indexes.
ItemNumber = NewType("ItemNumber", int)


class Modality(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"


class Algorithm(StrEnum):
    """Versioned descriptors. Stored and sent to others: values are never renamed."""

    VIDEO_PHASH_V1 = "video-phash-v1"
    AUDIO_CHROMAPRINT_V1 = "audio-chromaprint-v1"

    @property
    def modality(self) -> Modality:
        return Modality(self.value.partition("-")[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What the container says of itself; `duration_s` is None where it says nothing."""

    container: str
    duration_s: float | None
    width: int | None
    height: int | None
    video_tracks: int
    audio_tracks: int

    @property
    def has_video(self) -> bool:
        return self.video_tracks > 0

    @property
    def has_audio(self) -> bool:
        return self.audio_tracks > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What one algorithm says of one file.

    Attributes:
        times_s: float64 (n,), ascending, seconds from the start of the file; the middle of what
            each vector describes.
        vectors: uint8 (n, 32): 256 bits a row. Rows without information (blank picture,
            silence) are left out rather than kept, so they can never match.
    """

    algorithm: Algorithm
    times_s: Times
    vectors: Vectors

    def __post_init__(self) -> None:
        if self.vectors.dtype != np.uint8 or self.vectors.shape != (len(self.times_s), VECTOR_BYTES):
            raise ValueError(f"vectors must be uint8 ({len(self.times_s)}, {VECTOR_BYTES})")

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The versioned descriptors of one file; `duration_s` is what was decoded, not claimed."""

    duration_s: float
    descriptors: tuple[Descriptors, ...]

    def of(self, algorithm: Algorithm) -> Descriptors | None:
        return next((d for d in self.descriptors if d.algorithm is algorithm), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of a query that copies a reference; both intervals are [start, end), seconds."""

    item: ItemNumber
    algorithm: Algorithm
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score_0_1: float

    @property
    def query_length_s(self) -> float:
        return self.query_end_s - self.query_start_s
