"""Bags of frame hashes, one a second: vPDQ's method, and the same with 64-bit perceptual hashes.

Two files match by the share of one's frames that have a near frame in the other; order and time play no
part. The stretch from the first to the last matched frame is taken for the segment, which neither promises.

Source: vPDQ's README ("Comparison (Matching) Algorithm") in facebook/ThreatExchange.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image

from benchmarks import ffmpeg
from benchmarks.cache import Arrays
from benchmarks.systems import Found
from fingerprinting.decode import probe
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.hamming import distances
from fingerprinting.model import ItemNumber, Modality

_RATE_HZ = 1
_VIDEO = frozenset({Modality.VIDEO})


def frames_of(path: Path) -> npt.NDArray[np.uint8]:
    """One frame a second, uint8 (n, height, width, 3)."""
    media = probe(path)
    if not media.width or not media.height:
        raise MediaError(fault=MediaFault.NO_MEDIA, problem="no picture")
    return ffmpeg.frames(path, rate_hz=_RATE_HZ, width=media.width, height=media.height)


class _FrameBag(ABC):
    """Frames of a query against frames of each work; subclasses hash."""

    modalities = _VIDEO
    name: str
    _near_bits: int
    _least_percent: float
    _of_the_query = True

    def __init__(self) -> None:
        self._works: dict[ItemNumber, tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]] = {}

    @abstractmethod
    def describe(self, path: Path) -> Arrays: ...

    def look(self, path: Path) -> Arrays:
        return self.describe(path)

    def register(self, item: ItemNumber, described: Arrays) -> None:
        self._works[item] = self._kept(described)

    def find(self, look: Arrays) -> list[Found]:
        hashes, times_s = self._kept(look)
        found = []
        for item, (theirs, their_times_s) in self._works.items():
            if not len(hashes) or not len(theirs):
                continue
            near = distances(hashes, theirs) <= self._near_bits
            ours_hit, theirs_hit = near.any(axis=1), near.any(axis=0)
            percent = 100 * float((ours_hit if self._of_the_query else theirs_hit).mean())
            if percent:
                box = (*_span(times_s[ours_hit]), *_span(their_times_s[theirs_hit]))
                found.append(Found(item=item, score=percent, accepted=percent >= self._least_percent, box=box))
        return found

    def _kept(self, described: Arrays) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        """The hashes that are compared, with their times."""
        hashes = described["hashes"].astype(np.uint8)
        return hashes, np.arange(len(hashes)) / _RATE_HZ


def _span(times_s: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(times_s.min()), float(times_s.max()) + 1 / _RATE_HZ


class VPdq(_FrameBag):
    """vPDQ's method and defaults.

    Its README asks for 80 % of the frames of the *compared* video, the one in the bank, and 0 % of the
    query's; its Python package (threatexchange) for 80 % of the *query's* and 0 % of the bank's.
    """

    version = "pdqhash 0.2, 1 fps, size as it is"
    _near_bits, _least_quality, _least_percent = 31, 50, 80.0

    def __init__(self, *, of_the_query: bool) -> None:
        super().__init__()
        self._of_the_query = of_the_query
        self.name = "vPDQ, 80 % of the query" if of_the_query else "vPDQ, 80 % of the work"

    @property
    def setting(self) -> str:
        whose = "the query's (threatexchange's default)" if self._of_the_query else "the work's (its README's example)"
        return f"PDQ of one frame a second, quality ≥ 50, distance ≤ 31, at least 80 % of {whose} frames"

    def describe(self, path: Path) -> Arrays:
        hashed = [pdqhash.compute(frame) for frame in frames_of(path)]
        bits = np.array([bits for bits, _ in hashed], np.uint8).reshape(-1, 256)
        return {"hashes": np.packbits(bits, axis=1), "quality": np.array([quality for _, quality in hashed], np.int32)}

    def _kept(self, described: Arrays) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
        hashes, times_s = super()._kept(described)
        telling = described["quality"].astype(np.int32) >= self._least_quality
        return hashes[telling], times_s[telling]


class FramePHash(_FrameBag):
    """imagehash's 64-bit pHash of frames; it publishes no rule for videos, so vPDQ's is used."""

    name = "imagehash pHash frames"
    setting = "64-bit pHash of one frame a second, distance ≤ 8, at least 80 % of the query's frames (vPDQ's rule)"
    version = "imagehash 4.3, 1 fps"
    _near_bits, _least_percent = 8, 80.0

    def describe(self, path: Path) -> Arrays:
        bits = [imagehash.phash(Image.fromarray(frame)).hash.reshape(-1) for frame in frames_of(path)]
        return {"hashes": np.packbits(np.array(bits, np.uint8).reshape(-1, 64), axis=1)}
