"""Alignment: which stretch of a query copies which stretch of a reference.

Decides from the vectors of one query and one reference, for any algorithm. It does not decide which
references are worth aligning (match) nor what to do about a copy (registry.domain.policy).

A copy is a line t_reference = slope * t_query + offset. Along a candidate line every reference row is
worth its gain against the query row that falls on it: +1 for an identical pair, 0 at `match_bits`, -1
far beyond. The run of rows with the largest sum is the segment: it bridges a few bad rows and ends
where the copy ends.

One run after another is not always the best that can be said: a slow scene is like itself at other moments too,
so that one line across the places where it was cut gains more than each of its pieces. Where something was found,
it is looked for again with what is the very same first, and what explains more in all is kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprinting.grid import Floats, Gains, Grid, Side, Ticks, likeness
from fingerprinting.traits import Measure, Traits

# Speeds from half to double, 3 % apart: half a step of error drifts by 0.15 s in 10 s. Unchanged speed
# comes first and wins unless another explains clearly more: a still scene fits any speed.
_OTHER_SLOPES = 2.0 ** (np.array([k for k in range(-24, 25) if k]) / 24)
_FINER = 2.0 ** (np.arange(-2, 3) / 120)
_ALL_SLOPES = np.outer(_OTHER_SLOPES, _FINER).ravel()
_OTHER_SPEED_FACTOR = 1.3
_MAX_SEGMENTS = 32
# Each piece must explain so much of the least gain more than fewer pieces would.
_PIECE_SHARE = 0.5
# Ticks of a query aligned at once: all products of embeddings of ten minutes with a film's fill 140 MB.
_LONGEST_PART = {Measure.HAMMING: 1 << 30, Measure.ANGLE: 1200}
# Pairs compared at once: bounds memory to about 60 MB.
_PAIRS_AT_ONCE = 1 << 19
# Up to this many pairs every offset is tried, beyond it those that the index hits propose.
_EXHAUSTIVE_PAIRS = 2_000_000
_PROPOSALS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """A matched stretch; both intervals are [start, end), seconds; `agreement_0_1` is the mean of its rows."""

    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    slope: float
    agreement_0_1: float


def align(
    query: Side, reference: Side, traits: Traits, *, pairs_s: Floats, said_s: Sequence[tuple[float, float]] = ()
) -> list[Alignment]:
    """Find the segments in which `query` copies `reference`, longest first; empty when nothing lines up.

    Args:
        pairs_s: float64 (n, 2), times (query, reference) of near pairs that the index found; they
            propose lines where trying all would take too long.
        said_s: intervals [start, end) of the query of which all is said already.
    """
    ours, theirs = Grid.of(query, traits, traits.query_step_s), Grid.of(reference, traits, traits.step_s)
    found: list[Alignment] = []
    for part in ours.parts(_LONGEST_PART[traits.measure]):
        end_s = part.first_s + len(part) * part.step_s
        search = _Search(part, theirs, traits, (query.duration_s, reference.duration_s), said_s)
        pairs_here_s = pairs_s[(pairs_s[:, 0] >= part.first_s) & (pairs_s[:, 0] < end_s)]
        found += search.explained(pairs_here_s)
    return _merged(found[:_MAX_SEGMENTS], traits.step_s)


@dataclass(frozen=True, slots=True)
class _Run:
    """Reference rows [start, end) on the line t_reference = slope * t_query + offset_s."""

    gain: float
    start: int
    end: int
    slope: float
    offset_s: float
    agreement: float

    @property
    def rows(self) -> Ticks:
        return np.arange(self.start, self.end)[None]

    @property
    def worth(self) -> float:
        """The gain, comparable between speeds: of a slowed copy each reference row explains more of the query."""
        return self.gain * max(1.0, 1 / self.slope)


class _Search:
    """Finds the best runs one after another; what one has used is closed to the next."""

    def __init__(
        self,
        query: Grid,
        reference: Grid,
        traits: Traits,
        durations_s: tuple[float, float],
        said_s: Sequence[tuple[float, float]],
    ) -> None:
        self._query, self._reference, self._traits = query, reference, traits
        self._durations_s, self._said_s = durations_s, said_s
        self._bits = likeness(query, reference, traits, sharpened=True)
        self._open = np.ones(len(query), bool)
        self._weights = -np.sort(-np.where(reference.present, reference.weight, 0))

    def explained(self, pairs_s: Floats) -> list[Alignment]:
        """What explains most of the query: with all pairs that are alike, or with the very same ones first."""
        if not len(pairs_s):
            return []
        limits = (*self._traits.same_bits, self._traits.match_bits)
        best, most = self._pieces(pairs_s, limits[-1:])
        if not best or self._is_itself(best):
            return best
        for first in range(len(limits) - 1):
            pieces, worth = self._pieces(pairs_s, limits[first:])
            if worth > most:
                best, most = pieces, worth
        return best

    def _is_itself(self, found: Sequence[Alignment]) -> bool:
        """Whether one run says it all: the query is the very same throughout, and nothing could explain more."""
        return len(found) == 1 and found[0].agreement_0_1 == 1 and not self._open.any()

    def _pieces(self, pairs_s: Floats, limits_bits: Sequence[int]) -> tuple[list[Alignment], float]:
        """Runs by one measure after another, and what of the query they explain together by the widest."""
        self._open[:] = True
        for start_s, end_s in self._said_s:
            self._close(start_s, end_s)
        found: list[Alignment] = []
        worth = 0.0
        for limit_bits in limits_bits:
            while len(found) < _MAX_SEGMENTS:
                run = self.best_run(pairs_s, limit_bits)
                if run is None or run.gain < self._traits.min_gain:
                    break
                gain = self._gains(run.slope, np.array([run.offset_s]), run.rows, limits_bits[-1]).sum()
                worth += float(gain) / run.slope - _PIECE_SHARE * self._traits.min_gain
                found.append(self.alignment(run, *self._durations_s))
                self._close(found[-1].query_start_s, found[-1].query_end_s)
        return found, worth

    def best_run(self, pairs_s: Floats, limit_bits: int) -> _Run | None:
        """The best run at unchanged speed, or at another one that explains clearly more.

        Args:
            limit_bits: a pair so far apart is worth nothing.
        """
        query, reference = self._query, self._reference
        if not self._open.any() or not len(reference):
            return None
        pairs_s = pairs_s[self._open[self._row_of(pairs_s[:, 0])]]
        if len(query) * len(reference) <= _EXHAUSTIVE_PAIRS:
            reach_s = len(query) * query.step_s
            offsets = np.arange(-reach_s, len(reference) * reference.step_s, query.step_s)
        else:
            offsets = self._around(self._proposed(pairs_s, 1.0))
        best = self._best_on_lines(1.0, offsets, limit_bits)
        least = best.worth * _OTHER_SPEED_FACTOR if best else 0.0
        if not len(pairs_s) or all(self._most_worth(slope) <= least for slope in _ALL_SLOPES):
            return best
        for slope in sorted(_OTHER_SLOPES, key=lambda slope: -self._support(pairs_s, slope))[:3]:
            around = self._around(self._proposed(pairs_s, slope)[:4])
            for finer in slope * _FINER:
                run = self._best_on_lines(float(finer), around, limit_bits)
                if run and (best is None or run.worth > best.worth * (_OTHER_SPEED_FACTOR if best.slope == 1 else 1)):
                    best = run
        return best

    def alignment(self, run: _Run, query_duration_s: float, reference_duration_s: float) -> Alignment:
        """The run as intervals, reaching over blank rows at its ends and cut where either file ends."""
        reference, line = self._reference, run.offset_s
        first, last = self._over_blanks(run)
        earliest, latest = max(0.0, line), min(reference_duration_s, run.slope * query_duration_s + line)
        before_s, after_s = self._reaches(run)
        start, end = reference.times_s[first] - before_s, reference.times_s[last - 1] + after_s
        # What begins this near to where a file does begins with it, and so at the end.
        near_s = 2 * self._traits.step_s
        start = earliest if start - earliest < near_s else start
        end = latest if latest - end < near_s else end
        return Alignment(
            query_start_s=(start - run.offset_s) / run.slope,
            query_end_s=(end - run.offset_s) / run.slope,
            reference_start_s=start,
            reference_end_s=end,
            slope=run.slope,
            agreement_0_1=run.agreement,
        )

    def _reaches(self, run: _Run) -> tuple[float, float]:
        """How far a run reaches past the middle of its first row and of its last one.

        In the midst of both files a run ends with a row that is half copied and hardly alike. Where a file
        ends, it ends with a row as alike as its others, and then all that the row describes is copied.
        """
        rows = np.arange(run.start, run.end)
        bits, inside, partner = self._compare(run.slope, np.array([run.offset_s]), rows[None])
        counts = inside & self._query.present[partner] & self._reference.present[rows]
        likeness = 1 - bits[counts] / self._traits.match_bits
        shares = np.clip(2 * likeness[[0, -1]] / max(float(np.median(likeness)), 1e-6) - 1, 0, 1)
        least_s = np.array([self._traits.reach_before_s, self._traits.reach_after_s])
        before_s, after_s = least_s + shares * np.maximum(0, self._traits.first_s - least_s)
        return float(before_s), float(after_s)

    def _close(self, start_s: float, end_s: float) -> None:
        times_s = self._query.times_s
        self._open[(times_s >= start_s) & (times_s < end_s)] = False

    def _row_of(self, query_times_s: Floats) -> Ticks:
        rows = np.round((query_times_s - self._query.first_s) / self._query.step_s)
        return rows.astype(np.int64).clip(0, len(self._query) - 1)

    def _proposed(self, pairs_s: Floats, slope: float) -> Floats:
        """Offsets with most votes of the index hits, in steps of the reference."""
        cells, votes = np.unique(
            np.round((pairs_s[:, 1] - slope * pairs_s[:, 0]) / self._traits.step_s), return_counts=True
        )
        best: Floats = cells[np.argsort(-votes, kind="stable")[:_PROPOSALS]] * self._traits.step_s
        return best

    def _around(self, offsets: Floats) -> Floats:
        """Each offset with its neighbours, up to a step of the reference away, as fine as the query is."""
        fine = round(self._traits.step_s / self._traits.query_step_s)
        near = np.arange(-fine - 1, fine + 2) * self._traits.query_step_s
        return np.unique(np.round((offsets[:, None] + near).ravel(), 6))

    def _support(self, pairs_s: Floats, slope: float) -> int:
        """How many query rows have a hit on the best line of this slope."""
        offset = self._proposed(pairs_s, slope)[0]
        near = np.abs(pairs_s[:, 1] - slope * pairs_s[:, 0] - offset) <= self._traits.step_s
        return len(np.unique(pairs_s[near, 0]))

    def _most_worth(self, slope: float) -> float:
        """What no run on a line of this slope is worth more than: each reference row at its full weight."""
        spanned = int(len(self._query) * self._query.step_s * slope / self._reference.step_s) + 1
        return float(self._weights[:spanned].sum()) * max(1.0, 1 / slope)

    def _best_on_lines(self, slope: float, offsets: Floats, limit_bits: int) -> _Run | None:
        best: _Run | None = None
        reachable = self._rows_reached(slope)
        for chunk in _chunks(offsets, max(1, _PAIRS_AT_ONCE // reachable)):
            rows = self._first_row(slope, chunk)[:, None] + np.arange(reachable)
            gains = self._gains(slope, chunk, rows, limit_bits)
            sums, starts, ends = best_runs(gains)
            line = int(sums.argmax())
            if best is None or sums[line] > best.gain:
                start, end = int(rows[line, 0] + starts[line]), int(rows[line, 0] + ends[line])
                agreement = self._agreement(slope, float(chunk[line]), np.arange(start, end))
                best = _Run(float(sums[line]), start, end, slope, float(chunk[line]), agreement)
        return best

    def _rows_reached(self, slope: float) -> int:
        """How many reference rows the whole query spans on a line of this slope."""
        spanned = len(self._query) * self._query.step_s * slope / self._reference.step_s
        return min(len(self._reference), int(spanned) + 2)

    def _first_row(self, slope: float, offsets: Floats) -> Ticks:
        """The reference row on which the query begins on each line, kept within the reference."""
        begins_s = slope * self._query.first_s + offsets - self._reference.first_s
        rows = np.floor(begins_s / self._reference.step_s).astype(np.int64)
        return rows.clip(0, len(self._reference) - self._rows_reached(slope))

    def _partners(self, slope: float, offsets: Floats, rows: Ticks) -> Ticks:
        """The query row that falls on reference rows, int64 of the shape of `rows`; also out of range."""
        times_s = (self._reference.first_s + rows * self._reference.step_s - offsets[:, None]) / slope
        return np.round((times_s - self._query.first_s) / self._query.step_s).astype(np.int64)

    def _compare(self, slope: float, offsets: Floats, rows: Ticks) -> tuple[Gains, npt.NDArray[np.bool_], Ticks]:
        """Distance in bits of reference rows, int64 (lines, n), from their partners, where there is one; partners."""
        partner = self._partners(slope, offsets, rows)
        inside = (partner >= 0) & (partner < len(self._query))
        partner[~inside] = 0
        return self._bits(partner, np.broadcast_to(rows, partner.shape)), inside, partner

    def _gains(self, slope: float, offsets: Floats, rows: Ticks, limit_bits: int) -> Gains:
        """Worth of reference rows, int64 (lines, n), on their lines: float32 (lines, n)."""
        query, reference = self._query, self._reference
        bits, inside, partner = self._compare(slope, offsets, rows)
        gains: Gains = np.clip(1 - bits / np.float32(limit_bits), -1, 1)
        # What says little speaks for a copy only so much; a difference counts in full.
        gains *= np.where(gains > 0, np.minimum(query.weight[partner], reference.weight[rows]), 1)
        gains[~(query.present[partner] & reference.present[rows])] = 0
        # Past the query's end, or where another segment already stands, nothing can be bridged.
        gains[~(inside & self._open[partner])] = -gains.shape[1]
        return gains

    def _agreement(self, slope: float, offset_s: float, rows: Ticks) -> float:
        """1 for identical rows, 0 for rows as far apart as chance puts them."""
        bits, inside, partner = self._compare(slope, np.array([offset_s]), rows[None])
        counts = inside & self._query.present[partner] & self._reference.present[rows]
        return float(np.clip(1 - bits[counts].mean() / (self._traits.code_bits / 2), 0, 1)) if counts.any() else 0.0

    def _over_blanks(self, run: _Run) -> tuple[int, int]:
        """Reach over rows next to the run that are blank in both files: a fade belongs to what fades."""
        rows = np.arange(len(self._reference))
        partner = self._partners(run.slope, np.array([run.offset_s]), rows[None])[0]
        inside = (partner >= 0) & (partner < len(self._query))
        partner[~inside] = 0
        blank = inside & ~self._reference.present & ~self._query.present[partner] & self._open[partner]
        start, end = run.start, run.end
        while start > 0 and blank[start - 1]:
            start -= 1
        while end < len(blank) and blank[end]:
            end += 1
        return start, end


def _chunks(values: Floats, size: int) -> Iterator[Floats]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def best_runs(gains: Gains) -> tuple[Floats, Ticks, Ticks]:
    """The run with the largest sum on each line, [start, end): Kadane's algorithm on all lines at once."""
    lines = len(gains)
    current, best = np.zeros(lines), np.zeros(lines)
    start, best_start, best_end = (np.zeros(lines, np.int64) for _ in range(3))
    for row, gain in enumerate(np.ascontiguousarray(gains.T)):
        fresh = current <= 0
        start[fresh] = row
        current = np.where(fresh, gain, current + gain)
        better = current > best
        best[better], best_start[better], best_end[better] = current[better], start[better], row + 1
    return best, best_start, best_end


def _merged(found: list[Alignment], step_s: float) -> list[Alignment]:
    """Join neighbours whose lines differ by no more than the sampling can tell."""
    merged: list[Alignment] = []
    near_s = 4 * step_s
    for piece in sorted(found, key=lambda a: a.query_start_s):
        last = merged[-1] if merged else None
        if (
            last is not None
            and abs(piece.query_start_s - last.query_end_s) <= near_s
            and abs(piece.reference_start_s - last.reference_end_s) <= near_s
            and abs(piece.slope / last.slope - 1) < 0.1
        ):
            share = (last.query_end_s - last.query_start_s) / (piece.query_end_s - last.query_start_s)
            agreement = share * last.agreement_0_1 + (1 - share) * piece.agreement_0_1
            merged[-1] = replace(
                last,
                query_end_s=piece.query_end_s,
                reference_end_s=piece.reference_end_s,
                agreement_0_1=agreement,
            )
        else:
            merged.append(piece)
    return sorted(merged, key=lambda a: a.query_start_s - a.query_end_s)
