"""What the index and the alignment must know of each algorithm, with the measurements behind it.

Adding an algorithm is adding a row here and a describer to `extract`: it then has its own index, and
its hits go through the same alignment.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.model import Algorithm


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
    min_gain: float
    min_run_s: float


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
        min_gain=2.5,
        min_run_s=1.5,
    ),
    Algorithm.AUDIO_CHROMAPRINT_V1: Traits(
        first_s=chromaprint.FIRST_ROW_S,
        step_s=chromaprint.STEP_S,
        query_step_s=chromaprint.STEP_S,
        search_every=1,
        search_radius_bits=72,
        match_bits=80,
        # Most of a word's filters look at the first part of what it spans: a row hears early. Excerpts of
        # 4 to 8 s inside other music: both ends within 0.8 s; 1.2 s on both sides was up to 1.9 s off.
        reach_before_s=0.7,
        reach_after_s=0.0,
        min_gain=3.0,
        min_run_s=2.0,
    ),
}
