"""When each algorithm's rows stand: the grid of times that queries have and references keep."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fingerprinting import chromaprint, landmark, sscd
from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.insets import MOST_INSETS
from fingerprinting.model import Algorithm, Descriptors


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where the rows of one algorithm stand.

    Attributes:
        first_s: time of a file's first row; every other lies on the grid from there.
        query_step_s: time between two rows of a query, which may look more often than a reference.
        step_s: time between two rows of a reference; a multiple of `query_step_s`.
        rows_a_time: how many rows of one time a query may have.
        reference_rows_a_time: how many of them a reference keeps, the first ones.
        first_bytes: how many values a row's first byte may have.
    """

    first_s: float
    query_step_s: float
    step_s: float
    rows_a_time: int = 1
    reference_rows_a_time: int = 1
    first_bytes: int = 256


LAYOUTS: Mapping[Algorithm, Layout] = {
    # A picture within borders has a row with them and one without.
    Algorithm.VIDEO_PHASH_V1: Layout(
        first_s=0.0, query_step_s=1 / FRAME_RATE_HZ, step_s=0.25, rows_a_time=2, reference_rows_a_time=2
    ),
    Algorithm.VIDEO_SSCD_V1: Layout(
        first_s=0.0,
        query_step_s=1 / sscd.FRAME_RATE_HZ,
        step_s=1 / sscd.FRAME_RATE_HZ,
        rows_a_time=sscd.QUERY_VIEWS + MOST_INSETS,
        reference_rows_a_time=sscd.REFERENCE_VIEWS,
    ),
    Algorithm.AUDIO_CHROMAPRINT_V1: Layout(
        first_s=chromaprint.FIRST_ROW_S, query_step_s=chromaprint.STEP_S, step_s=chromaprint.STEP_S
    ),
    # A moment may have a peak in every band; which ones a reference keeps is for their strength to say.
    Algorithm.AUDIO_LANDMARK_V1: Layout(
        first_s=landmark.FIRST_FRAME_S,
        query_step_s=landmark.FRAME_S,
        step_s=landmark.FRAME_S,
        rows_a_time=landmark.BANDS,
        reference_rows_a_time=landmark.BANDS,
        first_bytes=landmark.BANDS,
    ),
}


def thinned(descriptors: Descriptors) -> Descriptors:
    """The rows that a reference keeps."""
    if descriptors.algorithm is Algorithm.AUDIO_LANDMARK_V1:
        return landmark.strongest(descriptors)
    layout = LAYOUTS[descriptors.algorithm]
    ticks = np.round((descriptors.times_s - layout.first_s) / layout.query_step_s).astype(np.int64)
    kept = ticks % round(layout.step_s / layout.query_step_s) == 0
    kept &= places(ticks) < layout.reference_rows_a_time
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[kept], vectors=descriptors.vectors[kept]
    )


def places(ticks: np.ndarray) -> np.ndarray:
    """The place of each row among the rows of its time: [4, 4, 5] -> [0, 1, 0]."""
    starts = np.flatnonzero(np.diff(ticks, prepend=-1))
    return np.arange(len(ticks)) - np.repeat(starts, np.diff(starts, append=len(ticks)))
