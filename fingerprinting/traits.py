"""What the index and the alignment must know of each algorithm, with the measurements behind it.

Adding an algorithm is adding a row here and a describer to `extract`: it then has its own index, and
its hits go through the same alignment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fingerprinting import chromaprint, phash, sscd
from fingerprinting.layout import LAYOUTS, Layout
from fingerprinting.looks import HELD_S
from fingerprinting.model import Algorithm, Vectors


def _as_they_are(vectors: Vectors) -> Vectors:
    return vectors


class Measure(StrEnum):
    """How two rows are compared when they are aligned."""

    HAMMING = "hamming"
    ANGLE = "angle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How vectors of one algorithm are compared.

    Attributes:
        code_bits: width of the codes that stand in the index.
        codes: an algorithm's rows as codes: uint8 (n, row_bytes) -> uint8 (n, code_bits / 8).
        layout: where the vectors stand.
        pairs_a_moment: how many of the moments nearest to one of the query may propose a line: where a scene is slow,
            all of it is near, and only the nearest tell its speed.
        measure: how rows are compared when they are aligned; the index compares codes.
        turns: how a query's vectors are turned before they are looked for: as they are, mirrored.
        same_bits: narrower measures, the narrowest first, by which what is the very same is found before the rest.
        still_bits: an image and a frame closer than this are a copy by themselves.
        held_s: how long a vector stands for what follows it without one of its own.
        search_every: every how many query vectors the index is asked.
        search_radius_bits: the index returns nothing farther than this.
        hits_a_row: nearest rows asked for each query row, enough that a still scene of one item does not hide another.
        min_worth_bits: an item is aligned when its hits are nearer than the radius by so much in all.
        match_bits: a pair closer than this speaks for a copy, a pair farther speaks against it.
        reach_before_s: where a run starts in the midst of both files, what it copies starts so much before
            the middle of its first row; and ends `reach_after_s` after the middle of its last one.
        weigh: how much each row says, 0 to 1: uint8 (n, 32) -> float32 (n,).
        min_weight: the index is not asked for rows that say less.
        min_gain: a run whose rows are worth less in all is chance; an identical row is worth 1.
        min_run_s: a shorter run is chance.
    """

    code_bits: int
    codes: Callable[[Vectors], Vectors]
    layout: Layout
    search_every: int
    search_radius_bits: int
    hits_a_row: int
    min_worth_bits: int
    match_bits: int
    still_bits: int
    reach_before_s: float
    reach_after_s: float
    weigh: Callable[[Vectors], npt.NDArray[np.float32]]
    min_weight: float
    min_gain: float
    min_run_s: float
    turns: tuple[Callable[[Vectors], Vectors], ...] = (_as_they_are,)
    held_s: float = 0.0
    pairs_a_moment: int = 1 << 30
    measure: Measure = Measure.HAMMING
    same_bits: tuple[int, ...] = ()

    @property
    def step_s(self) -> float:
        return self.layout.step_s

    @property
    def query_step_s(self) -> float:
        return self.layout.query_step_s

    @property
    def first_s(self) -> float:
        return self.layout.first_s


def _alike(vectors: Vectors) -> npt.NDArray[np.float32]:
    return np.ones(len(vectors), np.float32)


# Chosen from what `python -m benchmarks calibrate` tells; docs/benchmarks/calibration.md is the last run that bore them
# out, and names it.
TRAITS: Mapping[Algorithm, Traits] = {
    Algorithm.VIDEO_PHASH_V1: Traits(
        code_bits=256,
        codes=_as_they_are,
        layout=LAYOUTS[Algorithm.VIDEO_PHASH_V1],
        turns=(_as_they_are, phash.mirrored),
        search_every=2,
        search_radius_bits=56,
        hits_a_row=64,
        min_worth_bits=2,
        match_bits=72,
        # Exact frames are 0 to 2 bits apart, at crf 35 6 in the median; a slow scene's next moments 10 to 30.
        same_bits=(12, 24),
        still_bits=44,
        reach_before_s=0.125,
        reach_after_s=0.125,
        weigh=_alike,
        min_weight=0.0,
        min_gain=2.5,
        min_run_s=1.5,
    ),
    # Codes are signs of embeddings, distances are angles: 512 bits are half a turn. A pair at cosine 0.4 is at 189
    # bits, one at 0.6 at 151, unrelated ones around 240.
    Algorithm.VIDEO_SSCD_V1: Traits(
        code_bits=sscd.DIMENSIONS,
        codes=sscd.signs,
        layout=LAYOUTS[Algorithm.VIDEO_SSCD_V1],
        search_every=1,
        search_radius_bits=200,
        # In a crowd of 10^6 rows the nearest 64 hold 0.83 of far copies, 256 hold 0.92, at no more time.
        hits_a_row=256,
        # Two rows of unrelated pictures within the radius come to 10 bits, two of a hard copy to 50.
        min_worth_bits=30,
        match_bits=189,
        still_bits=158,
        reach_before_s=0.25,
        reach_after_s=0.25,
        weigh=_alike,
        min_weight=0.0,
        min_gain=0.5,
        min_run_s=1.5,
        held_s=HELD_S,
        measure=Measure.ANGLE,
        pairs_a_moment=2,
    ),
    Algorithm.AUDIO_CHROMAPRINT_V1: Traits(
        code_bits=256,
        codes=_as_they_are,
        layout=LAYOUTS[Algorithm.AUDIO_CHROMAPRINT_V1],
        search_every=1,
        search_radius_bits=48,
        hits_a_row=64,
        min_worth_bits=2,
        match_bits=64,
        still_bits=0,
        # Most of a word's filters look at the first part of what it spans: a row hears early. Excerpts of
        # 5 s inside music, speech, ambience and silence, from 0.5 s off a file's end on: within 0.9 s.
        reach_before_s=0.65,
        reach_after_s=0.05,
        weigh=chromaprint.weights,
        min_weight=0.3,
        min_gain=3.0,
        min_run_s=2.5,
    ),
}

# For each algorithm that takes the place of an earlier one, that one; until it has come to all, both are searched
# (`registry.rollouts`). None has so far.
SUCCESSION: Mapping[Algorithm, Algorithm] = {}
