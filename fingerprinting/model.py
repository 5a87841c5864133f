"""The values of fingerprinting: what a file is, what it looks and sounds like, where it matches.

Every descriptor of every algorithm is a row of bytes with a time, so that storing, sending and
removing are the same for all. An algorithm has a version: changed output is a new name.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

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
    VIDEO_SSCD_V1 = "video-sscd-v1"
    AUDIO_CHROMAPRINT_V1 = "audio-chromaprint-v1"
    AUDIO_LANDMARK_V1 = "audio-landmark-v1"

    @property
    def modality(self) -> Modality:
        return Modality(self.value.partition("-")[0])

    @property
    def row_bytes(self) -> int:
        """The width of a row of `Descriptors.vectors`; each algorithm's module says what is in it."""
        return _ROW_BYTES[self]


_ROW_BYTES = {
    Algorithm.VIDEO_PHASH_V1: 32,
    Algorithm.VIDEO_SSCD_V1: 512,
    Algorithm.AUDIO_CHROMAPRINT_V1: 32,
    Algorithm.AUDIO_LANDMARK_V1: 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What the container says of itself; `duration_s` is None where it says nothing, `is_still` for an image."""

    container: str
    duration_s: float | None
    width: int | None
    height: int | None
    video_tracks: int
    audio_tracks: int
    is_still: bool = False

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
        times_s: float64 (n,), never descending, seconds from the start of the file; the middle of what
            each row describes. Some algorithms have several rows of one time.
        vectors: uint8 (n, algorithm.row_bytes). Rows without information (blank picture, silence)
            are left out rather than kept, so they can never match.
    """

    algorithm: Algorithm
    times_s: Times
    vectors: Vectors

    def __post_init__(self) -> None:
        expected = (len(self.times_s), self.algorithm.row_bytes)
        if self.vectors.dtype != np.uint8 or self.vectors.shape != expected:
            raise ValueError(f"vectors must be uint8 {expected}")

    def __len__(self) -> int:
        return len(self.times_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The versioned descriptors of one file; `duration_s` is what was decoded, not claimed; 0 for a still image."""

    duration_s: float
    descriptors: tuple[Descriptors, ...]

    @property
    def is_still(self) -> bool:
        return self.duration_s == 0

    def of(self, algorithm: Algorithm) -> Descriptors | None:
        return next((d for d in self.descriptors if d.algorithm is algorithm), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of a query that copies a reference; both intervals are [start, end), seconds.

    `confirmed` is False where the two are alike but nothing tells a copy from, say, another take of the
    same scene: that is for a person to look at.
    """

    item: ItemNumber
    algorithm: Algorithm
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score_0_1: float
    confirmed: bool = True

    @property
    def query_length_s(self) -> float:
        return self.query_end_s - self.query_start_s
