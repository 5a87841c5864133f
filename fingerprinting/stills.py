"""Stills: an image in a clip, a frame of a clip as an image, an image that copies an image.

Time says nothing here. What does is how near the nearest ticks are, and how long a clip stays near.
"""

import numpy as np

from fingerprinting.align import Alignment, best_runs
from fingerprinting.grid import Grid, Side, likeness
from fingerprinting.traits import Traits

# A clip must show an image for about a second: sampling takes a little from either end.
_SHOWN_S = 0.9
_MAX_SHOWN = 8


def align_still(query: Side, reference: Side, traits: Traits) -> list[Alignment]:
    """Find where a clip shows an image: `query`, `reference` or both are images, whose interval is [0, 0).

    Returns:
        Stretches of the clip, the best first.
    """
    ours, theirs = Grid.of(query, traits, traits.query_step_s), Grid.of(reference, traits, traits.query_step_s)
    ticks = np.meshgrid(np.arange(len(ours)), np.arange(len(theirs)), indexing="ij")
    bits = likeness(ours, theirs, traits)(*ticks)
    bits[~(ours.present[:, None] & theirs.present)] = traits.code_bits
    if query.is_still:
        row = int(bits[0].argmin())
        if bits[0, row] > traits.still_bits:
            return []
        shown = 0.0 if reference.is_still else theirs.step_s
        start_s = theirs.first_s + row * theirs.step_s
        return [_alignment((0.0, 0.0), (start_s, start_s + shown), float(bits[0, row]), traits)]
    found = []
    gains = 1 - bits[:, 0] / np.float32(traits.still_bits)
    for _ in range(_MAX_SHOWN):
        _, (start, *_), (end, *_) = best_runs(gains[None])
        if (end - start) * ours.step_s < _SHOWN_S:
            break
        shown_s = ours.first_s + float(start) * ours.step_s, ours.first_s + float(end) * ours.step_s
        found.append(_alignment(shown_s, (0.0, 0.0), float(bits[start:end, 0].mean()), traits))
        gains[start:end] = -len(gains)
    return found


def _alignment(
    query_s: tuple[float, float], reference_s: tuple[float, float], bits: float, traits: Traits
) -> Alignment:  # fmt: skip
    return Alignment(
        query_start_s=query_s[0],
        query_end_s=query_s[1],
        reference_start_s=reference_s[0],
        reference_end_s=reference_s[1],
        slope=1.0,
        agreement_0_1=max(0.0, 1 - bits / (traits.code_bits / 2)),
    )
