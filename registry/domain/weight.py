"""Weight: which stretches of what was found count, and for how much.

A segment is cut where its reference is excluded, or where the clip shows material of the negative bank:

- an excluded stretch of the reference has no weight;
- a stretch of the clip that the bank knows as well is doubted, not dropped: anyone can put public material
  into a corner of a copy, and would walk free. That the work itself holds the material is found by comparing
  the work with the bank, and becomes an exclusion (`registry.negatives`);
- what is not confirmed, or is from an asset in quarantine, is doubted.

Crumbs that are left beside a stretch without weight go with it: no boundary is known to the second.
It does not decide what weight leads to (policy).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from fingerprinting.match import covered_s
from fingerprinting.model import Modality, Segment
from registry.domain.policy import Doubt, NoWeight

# Boundaries of segments are right to about a second.
CRUMB_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """[start_s, end_s] of something, both ends included; of one modality, or of all."""

    start_s: float
    end_s: float
    modality: Modality | None = None
    cause: NoWeight = NoWeight.EXCLUDED

    def is_about(self, segment: Segment) -> bool:
        return self.modality in (None, segment.algorithm.modality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A piece of a segment: without weight, doubted, or beyond doubt."""

    segment: Segment
    no_weight: NoWeight | None = None
    doubts: frozenset[Doubt] = frozenset()

    @property
    def counts(self) -> bool:
        return self.no_weight is None

    @property
    def is_certain(self) -> bool:
        return self.counts and not self.doubts


def weigh(
    segment: Segment, *, excluded: Sequence[Stretch], bank: Sequence[Segment], quarantined: bool
) -> list[Weighed]:
    """Cut a segment into pieces that each have one weight, in order.

    Args:
        excluded: stretches of the segment's reference.
        bank: what the clip shows of the negative bank; only what is confirmed there counts against a work.
    """
    of_segment = frozenset(
        doubt
        for doubt, applies in ((Doubt.UNCONFIRMED, not segment.confirmed), (Doubt.QUARANTINED, quarantined))
        if applies
    )
    shared = [
        Stretch(start_s=b.query_start_s, end_s=b.query_end_s, modality=b.algorithm.modality)
        for b in bank
        if b.confirmed
    ]
    weighed = []
    for piece, inside in _split(segment, excluded, _reference, _cut_at_reference):
        if inside is not None:
            weighed.append(Weighed(segment=piece, no_weight=inside.cause))
            continue
        for part, also in _split(piece, shared, _query, _cut_at_query):
            doubts = of_segment if also is None else of_segment | {Doubt.SHARED_WITH_BANK}
            weighed.append(Weighed(segment=part, doubts=doubts))
    return weighed


def outside(segments: Sequence[Segment], stretches: Sequence[Stretch]) -> list[Segment]:
    """What is left of segments outside of these stretches of their query."""
    return [
        piece
        for segment in segments
        for piece, inside in _split(segment, stretches, _query, _cut_at_query)
        if inside is None
    ]


def seconds_of(weighed: Sequence[Weighed]) -> float:
    """Seconds of the clip that at least one of the pieces covers."""
    return covered_s([w.segment for w in weighed])


type _Span = Callable[[Segment], tuple[float, float]]
type _Cut = Callable[[Segment, float, float], Segment]


def _split(
    segment: Segment, stretches: Sequence[Stretch], span: _Span, cut: _Cut
) -> list[tuple[Segment, Stretch | None]]:
    """Pieces of a segment along one of its two time lines, each with the stretch that it lies in, if any."""
    start, end = span(segment)
    touching = [s for s in stretches if s.is_about(segment) and s.start_s <= end and s.end_s >= start]
    if not touching:
        return [(segment, None)]
    edges = sorted({start, end, *(t for s in touching for t in (s.start_s, s.end_s) if start < t < end)})
    if len(edges) == 1:  # a still: it has no length to be cut
        return [(segment, touching[0])]
    runs: list[tuple[float, float, Stretch | None]] = []
    for left, right in pairwise(edges):
        middle = (left + right) / 2
        inside = next((s for s in touching if s.start_s <= middle <= s.end_s), None)
        if inside is None and right - left < CRUMB_S and len(edges) > 2:
            inside = _nearest(touching, middle)
        if runs and runs[-1][2] is inside:
            left = runs.pop()[0]
        runs.append((left, right, inside))
    return [(cut(segment, left, right), inside) for left, right, inside in runs]


def _nearest(stretches: Sequence[Stretch], at_s: float) -> Stretch:
    return min(stretches, key=lambda s: min(abs(s.start_s - at_s), abs(s.end_s - at_s)))


def _query(segment: Segment) -> tuple[float, float]:
    return segment.query_start_s, segment.query_end_s


def _reference(segment: Segment) -> tuple[float, float]:
    return segment.reference_start_s, segment.reference_end_s


def _cut_at_query(segment: Segment, start_s: float, end_s: float) -> Segment:
    first, last = (_along(_query(segment), _reference(segment), t) for t in (start_s, end_s))
    return replace(segment, query_start_s=start_s, query_end_s=end_s, reference_start_s=first, reference_end_s=last)


def _cut_at_reference(segment: Segment, start_s: float, end_s: float) -> Segment:
    first, last = (_along(_reference(segment), _query(segment), t) for t in (start_s, end_s))
    return replace(segment, query_start_s=first, query_end_s=last, reference_start_s=start_s, reference_end_s=end_s)


def _along(here: tuple[float, float], there: tuple[float, float], at_s: float) -> float:
    """Where a time of one of a segment's two intervals lies in the other."""
    share = (at_s - here[0]) / (here[1] - here[0])
    return there[0] + share * (there[1] - there[0])
