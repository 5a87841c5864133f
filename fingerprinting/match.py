"""Search and alignment put together: which items a fingerprint copies, and where.

Each algorithm has its own index; the items its hits point to are aligned one by one, and what lines
up long enough is a segment. What a segment means for anyone is decided elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinting.align import Side, align
from fingerprinting.index.protocol import FingerprintIndex, Hits
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment
from fingerprinting.traits import TRAITS, Traits

# Nearest rows asked for each query row: enough that a still scene of one item does not hide another item.
HITS_PER_ROW = 64
# Items aligned for each algorithm, those with most query rows hit first.
MAX_ITEMS = 24
# A query row that is near to more rows than this of one item says little about where.
_PAIRS_PER_ITEM = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An item's fingerprint as it was stored."""

    item: ItemNumber
    fingerprint: Fingerprint


def find_copies(
    query: Fingerprint,
    indexes: Mapping[Algorithm, FingerprintIndex],
    *,
    reference_of: Callable[[ItemNumber], Reference | None],
) -> list[Segment]:
    """Find every segment in which `query` copies an item, longest first.

    Args:
        reference_of: loads an item's stored fingerprint; None when it was withdrawn meanwhile.
    """
    segments = []
    for descriptors in query.descriptors:
        index = indexes.get(descriptors.algorithm)
        if index is None or not len(descriptors):
            continue
        traits = TRAITS[descriptors.algorithm]
        asked = _thin(descriptors, traits)
        hits = index.search(asked.vectors, radius_bits=traits.search_radius_bits, limit=HITS_PER_ROW)
        for item in _promising(hits):
            reference = reference_of(item)
            stored = reference.fingerprint.of(descriptors.algorithm) if reference else None
            if reference is None or stored is None:
                continue
            alignments = align(
                Side(descriptors=descriptors, duration_s=query.duration_s),
                Side(descriptors=stored, duration_s=reference.fingerprint.duration_s),
                traits,
                pairs_s=_pairs(hits, item, asked.times_s),
            )
            segments += [
                Segment(
                    item=item,
                    algorithm=descriptors.algorithm,
                    query_start_s=found.query_start_s,
                    query_end_s=found.query_end_s,
                    reference_start_s=found.reference_start_s,
                    reference_end_s=found.reference_end_s,
                    score_0_1=found.agreement_0_1,
                )
                for found in alignments
                if found.query_end_s - found.query_start_s >= traits.min_run_s
            ]
    return sorted(segments, key=lambda s: (-s.query_length_s, s.item, s.algorithm))


def covered_s(segments: list[Segment]) -> float:
    """Seconds of the query that at least one of the segments covers."""
    total, reached = 0.0, 0.0
    for start, end in sorted((s.query_start_s, s.query_end_s) for s in segments):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _thin(descriptors: Descriptors, traits: Traits) -> Descriptors:
    """The rows that the index is asked for: the alignment uses all of them."""
    telling = traits.weigh(descriptors.vectors) >= traits.min_weight
    rows = np.flatnonzero(telling)[:: traits.search_every]
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[rows], vectors=descriptors.vectors[rows]
    )


def _promising(hits: Hits) -> list[ItemNumber]:
    """Items by how many query rows point to them; a single row proves nothing."""
    pairs = np.unique(np.stack([hits.items, hits.query_rows], axis=1), axis=0)
    items, rows = np.unique(pairs[:, 0], return_counts=True)
    order = np.argsort(-rows, kind="stable")
    return [ItemNumber(int(items[i])) for i in order[:MAX_ITEMS] if rows[i] >= 2]


def _pairs(hits: Hits, item: ItemNumber, query_times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mine = np.flatnonzero(hits.items == item)
    mine = mine[np.argsort(hits.distances_bits[mine], kind="stable")[:_PAIRS_PER_ITEM]]
    return np.stack([query_times_s[hits.query_rows[mine]], hits.times_s[mine]], axis=1)
