"""How good answers are: figures from scores and intervals alone, in numpy.

A box is a copied stretch, float64 (query start, query end, reference start, reference end) in seconds.
Boxes of several are float64 (n, 4).

Sources:
    VCSL: He et al., "A Large-scale Comprehensive Dataset and Copy-overlap Aware Evaluation Protocol for
        Segment-level Video Copy Detection" (CVPR 2022), section 4.
    VSC2022: Pizzi et al., "The 2023 Video Similarity Dataset and Challenge" (2023), section 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
# A query, by its name, and a work, by its number.
Pair = tuple[str, int]
NO_BOXES: Boxes = np.empty((0, 4))
_QUERY, _REFERENCE = slice(0, 2), slice(2, 4)
_AXES = (_QUERY, _REFERENCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of what was found that is right, and of what is right that was found."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def union_s(intervals: Boxes) -> float:
    """Seconds that at least one of the intervals, float64 (n, 2), covers."""
    total, reached = 0.0, -np.inf
    for start, end in intervals[np.argsort(intervals[:, 0], kind="stable")]:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return float(total)


def vcsl(found: Boxes, true: Boxes) -> Rates:
    """VCSL's precision and recall of one pair of files.

    Per axis, a found box is worth the length of the union of its intersections with the true boxes that
    it overlaps in area; precision on the axis is the sum of that over the found boxes by the sum of their
    lengths. Recall is the same with found and true exchanged. Precision is the product of both axes', and
    so recall. Nothing found has precision 1, nothing to find has recall 1.
    """
    if not len(found) or not len(true):
        return Rates(precision=float(not len(found)), recall=float(not len(true)))
    return Rates(precision=_covered(found, true), recall=_covered(true, found))


def _covered(boxes: Boxes, by: Boxes) -> float:
    share = 1.0
    for axis in _AXES:
        inside = sum(union_s(_cut(box, by)[:, axis]) for box in boxes)
        share *= inside / float((boxes[:, axis][:, 1] - boxes[:, axis][:, 0]).sum())
    return share


def _cut(box: Boxes, others: Boxes) -> Boxes:
    """The rectangles that `box` shares with others, without those of no area."""
    low = np.maximum(box[[0, 2]], others[:, [0, 2]])
    high = np.minimum(box[[1, 3]], others[:, [1, 3]])
    overlap = (high > low).all(axis=1)
    return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)[overlap]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One found box of a pair of files, with its score: higher is surer."""

    pair: Pair
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Localised:
    """VSC2022's matching metric over a set: average precision, and the rates with everything counted in."""

    average_precision: float
    rates: Rates


def vsc2022(found: Sequence[Scored], true: Mapping[Pair, Boxes]) -> Localised:
    """VSC2022's segment-level micro average precision, over all pairs of files.

    Found boxes are taken in, highest score first. After each, per axis, over all pairs: intersected is the
    length of the intersection of the union of the found boxes with the union of those true boxes that some
    found box of the pair overlaps in area; found is the length of the union of the found boxes; true that
    of all true boxes. Precision is sqrt(P_query * P_reference) with P = intersected / found, recall is
    sqrt(R_query * R_reference) with R = intersected / true. The average precision is the sum of precision
    times the growth of recall, boxes of one score being taken in together.
    """
    whole = np.array([sum(union_s(boxes[:, axis]) for boxes in true.values()) for axis in _AXES])
    taken: dict[Pair, list[tuple[float, float, float, float]]] = {}
    parts: dict[Pair, npt.NDArray[np.float64]] = {}
    sums, precision, recall, average = np.zeros((2, 2)), 1.0, 0.0, 0.0
    ordered = sorted(found, key=lambda one: -one.score)
    for i, one in enumerate(ordered):
        taken.setdefault(one.pair, []).append(one.box)
        part = _matched(np.array(taken[one.pair]), true.get(one.pair, NO_BOXES))
        sums += part - parts.get(one.pair, 0)
        parts[one.pair] = part
        if i + 1 < len(ordered) and ordered[i + 1].score == one.score:
            continue
        precision = float(np.sqrt(np.prod(sums[0] / sums[1])))
        grown = float(np.sqrt(np.prod(sums[0] / whole))) if whole.all() else 0.0
        average += precision * (grown - recall)
        recall = grown
    return Localised(average_precision=average, rates=Rates(precision=precision, recall=recall))


def _matched(found: Boxes, true: Boxes) -> npt.NDArray[np.float64]:
    """Of one pair: float64 (2, 2), rows intersected and found, columns query and reference."""
    met = np.array([box for box in true if len(_cut(box, found))]).reshape(-1, 4)
    rows = np.empty((2, 2))
    for column, axis in enumerate(_AXES):
        ours, theirs = found[:, axis], met[:, axis]
        rows[1, column] = union_s(ours)
        rows[0, column] = rows[1, column] + union_s(theirs) - union_s(np.concatenate([ours, theirs]))
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Precision and recall as the threshold falls: float64 (n,), one point for each score there is."""

    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """Micro average precision: precision times the growth of recall, summed."""
        return float((self.precision * np.diff(self.recall, prepend=0.0)).sum())


def curve(scores: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], *, to_find: int) -> Curve:
    """Precision over recall of scored pairs (query, work), all queries together; equal scores are one point.

    Args:
        to_find: how many right pairs there are, found or not.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    return Curve(precision=hits[last] / (last + 1), recall=hits[last] / max(1, to_find))


def boundary_errors_s(found: Boxes, true: Boxes) -> list[float]:
    """For each true box that was found: the mean of how far its start and its end were missed, in the query.

    A found box belongs to the true box that it overlaps longest in the query; several of one count as
    one, from the first start to the last end.
    """
    if not len(found) or not len(true):
        return []
    low, high = np.maximum(found[:, None, 0], true[None, :, 0]), np.minimum(found[:, None, 1], true[None, :, 1])
    shared = np.maximum(0.0, high - low)
    owner = np.where(shared.max(axis=1) > 0, shared.argmax(axis=1), -1)
    errors = []
    for i, box in enumerate(true):
        mine = found[owner == i]
        if len(mine):
            errors.append(float(abs(mine[:, 0].min() - box[0]) + abs(mine[:, 1].max() - box[1])) / 2)
    return errors
