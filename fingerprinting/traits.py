"""What the index and the alignment must know of each algorithm, with the measurements behind it.

Adding an algorithm is adding a row here and a describer to `extract`: it then has its own index, and
its hits go through the same alignment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.model import Algorithm, Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How vectors of one algorithm are compared.

    Attributes:
        first_s: time of a file's first vector; every other lies on the grid from there.
        step_s: time between two vectors of a reference.
        query_step_s: time between two vectors of a query, which may look more often.
        search_every: every how many query vectors the index is asked.
        search_radius_bits: the index returns nothing farther than this.
        match_bits: a pair closer than this speaks for a copy, a pair farther speaks against it.
        reach_before_s: where a run starts in the midst of both files, what it copies starts so much before
            the middle of its first row; and ends `reach_after_s` after the middle of its last one.
        weigh: how much each row says, 0 to 1: uint8 (n, 32) -> float32 (n,).
        min_weight: the index is not asked for rows that say less.
        min_gain: a run whose rows are worth less in all is chance; an identical row is worth 1.
        min_run_s: a shorter run is chance.
    """

    first_s: float
    step_s: float
    query_step_s: float
    search_every: int
    search_radius_bits: int
    match_bits: int
    reach_before_s: float
    reach_after_s: float
    weigh: Callable[[Vectors], npt.NDArray[np.float32]]
    min_weight: float
    min_gain: float
    min_run_s: float


def _alike(vectors: Vectors) -> npt.NDArray[np.float32]:
    return np.ones(len(vectors), np.float32)


# Measured by `python -m benchmarks calibrate`, see docs/benchmarks/calibration.md.
TRAITS: Mapping[Algorithm, Traits] = {
    Algorithm.VIDEO_PHASH_V1: Traits(
        first_s=0.0,
        step_s=0.25,
        query_step_s=1 / FRAME_RATE_HZ,
        search_every=2,
        search_radius_bits=56,
        match_bits=72,
        reach_before_s=0.125,
        reach_after_s=0.125,
        weigh=_alike,
        min_weight=0.0,
        min_gain=2.5,
        min_run_s=1.5,
    ),
    Algorithm.AUDIO_CHROMAPRINT_V1: Traits(
        first_s=chromaprint.FIRST_ROW_S,
        step_s=chromaprint.STEP_S,
        query_step_s=chromaprint.STEP_S,
        search_every=1,
        search_radius_bits=48,
        match_bits=64,
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
