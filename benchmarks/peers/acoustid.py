"""Chromaprint as AcoustID compares it: one offset for two whole fingerprints, then the share of equal bits.

The offset is the one that most words vote for by their first 14 bits; the score is the share of the
shorter fingerprint that overlaps, times 1 - 2 * (share of bits that differ there), lowered where a
fingerprint repeats itself. A lookup also wants files whose lengths differ by 7 s at most.

Source: acoustid/pg_acoustid, `acoustid_compare2`, and acoustid-server's constants (offsets up to 80 words,
score from 0.4 on for a track).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import ffmpeg
from benchmarks.cache import Arrays
from benchmarks.systems import Found
from fingerprinting.chromaprint import STEP_S, heard_s
from fingerprinting.model import ItemNumber, Modality

_KEY_BITS = 14
_LEAST_SCORE, _LEAST_VOTE_SHARE = 0.4, 0.02
_MOST_LENGTH_DIFFERENCE_S, _MOST_OFFSET_WORDS = 7.0, 80

Words = npt.NDArray[np.uint32]


class AcoustID:
    """The comparison; with `whole_files`, under the conditions of a lookup."""

    modalities = frozenset({Modality.AUDIO})
    version = "chromaprint words of ffmpeg"

    def __init__(self, *, whole_files: bool) -> None:
        self._whole_files = whole_files
        self.name = "AcoustID's lookup" if whole_files else "AcoustID's comparison alone"
        self._works: dict[ItemNumber, Words] = {}

    @property
    def setting(self) -> str:
        if self._whole_files:
            return "acoustid_compare2, score ≥ 0.4, offset ≤ 80 words, lengths within 7 s: it looks up whole files"
        return "acoustid_compare2, score ≥ 0.4, any offset and any length, kinder than AcoustID is"

    def describe(self, path: Path) -> Arrays:
        return {"words": ffmpeg.chromaprint(path)}

    def look(self, path: Path) -> Arrays:
        return self.describe(path)

    def register(self, item: ItemNumber, described: Arrays) -> None:
        self._works[item] = described["words"].astype(np.uint32)

    def find(self, look: Arrays) -> list[Found]:
        query = look["words"].astype(np.uint32)
        found = []
        for item, work in self._works.items():
            if self._whole_files and abs(heard_s(query) - heard_s(work)) > _MOST_LENGTH_DIFFERENCE_S:
                continue
            score, offset = compare(query, work, most_offset=_MOST_OFFSET_WORDS if self._whole_files else None)
            if score > 0:
                start, end = max(0, -offset), min(len(query), len(work) - offset)
                times_s = np.array([start, end, start + offset, end + offset]) * STEP_S
                box = (float(times_s[0]), float(times_s[1]), float(times_s[2]), float(times_s[3]))
                found.append(Found(item=item, score=score, accepted=score >= _LEAST_SCORE, box=box))
        return found


def compare(query: Words, work: Words, *, most_offset: int | None) -> tuple[float, int]:
    """Score 0 to 1, and how many words later the query's first one stands in the work."""
    if not len(query) or not len(work):
        return 0.0, 0
    ours, theirs = _places(query), _places(work)
    shared = (ours >= 0) & (theirs >= 0)
    offsets = theirs[shared] - ours[shared]
    if most_offset is not None:
        offsets = offsets[np.abs(offsets) <= most_offset]
    if not len(offsets):
        return 0.0, 0
    values, votes = np.unique(offsets, return_counts=True)
    offset = int(values[votes.argmax()])
    kinds = max(_kinds(query), _kinds(work))
    if votes.max() < _LEAST_VOTE_SHARE * kinds:
        return 0.0, offset
    left, right = query[max(0, -offset) :], work[max(0, offset) :]
    size = min(len(left), len(right))
    differing = int(np.bitwise_count(left[:size] ^ right[:size]).sum())
    score = max(0.0, size / min(len(query), len(work)) * (1 - 2 * differing / (32 * size)))
    variety = min(1.0, *(0.5 + (_kinds(words) + 10) / len(words) for words in (left, right)))
    return score ** (8 - 7 * variety), offset


def _places(words: Words) -> npt.NDArray[np.int64]:
    """For each key, the last place of a word with it, or -1."""
    places = np.full(1 << _KEY_BITS, -1, np.int64)
    places[words >> np.uint32(32 - _KEY_BITS)] = np.arange(len(words))
    return places


def _kinds(words: Words) -> int:
    return len(np.unique(words >> np.uint32(32 - _KEY_BITS)))
