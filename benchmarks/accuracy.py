"""Accuracy: are copies found, with both intervals, and is nothing else found.

Only segments of the algorithm that an edit is made for are judged: an excerpt of music lies under a
test picture that copies nothing.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from benchmarks.corpus import Corpus, Query
from benchmarks.edits import EXCERPT_S, Truth
from benchmarks.report import table
from fingerprinting.hamming import distances
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Segment
from fingerprinting.traits import TRAITS

WITHIN_S = 1.0


class Outcome(StrEnum):
    RIGHT = "right"
    REPEATED = "repeated"  # a stretch of the source that is the same as the one copied
    OFF = "off"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One query's result; `errors_s` are start and end in the query, then in the reference."""

    query: Query
    outcome: Outcome
    errors_s: tuple[float, float, float, float] | None
    wrong: list[Segment]
    took_s: float


def accuracy(corpus: Corpus) -> str:
    """Measure and tell, as Markdown."""
    judged = [_judge(corpus, query) for query in corpus.queries]
    swapped = [_swapped(corpus, query) for query in corpus.queries if query.edit == "5 s excerpt"]
    unedited, wrong = _unedited(corpus)
    parts = [corpus.summary(), ""]
    for algorithm in Algorithm:
        mine = [result for result in judged if result.query.algorithm is algorithm]
        if not mine:
            continue
        rows = [
            _row(edit, [r for r in mine if r.query.edit == edit]) for edit in dict.fromkeys(r.query.edit for r in mine)
        ]
        backwards = [result for result in swapped if result.query.algorithm is algorithm]
        if backwards:
            rows.append(_row("whole clip, 5 s of it registered", backwards))
        parts += [f"## {algorithm.value}", "", table(_HEADINGS, rows), "", *_bad(corpus, [*mine, *backwards]), ""]
    parts += ["## Unedited clips against all others", ""]
    parts += [f"{unedited} clips asked for; segments with a clip of another cluster: {len(wrong)}.", *wrong]
    return "\n".join(parts)


_HEADINGS = (
    "edit", "queries", "found", f"both intervals within {WITHIN_S:.0f} s", "another repetition",
    "median error, start / end", "wrong works", "search, ms",
)  # fmt: skip


def _row(edit: str, results: list[Judged]) -> list[str]:
    right = np.abs([r.errors_s for r in results if r.outcome is Outcome.RIGHT and r.errors_s])
    start, end = (np.median(right[:, [i, i + 2]].max(axis=1)) if len(right) else np.nan for i in (0, 1))
    return [
        edit,
        str(len(results)),
        str(sum(r.outcome is not Outcome.MISSED for r in results)),
        str(len(right)),
        str(sum(r.outcome is Outcome.REPEATED for r in results)),
        f"{start:.2f} / {end:.2f} s",
        str(sum(len({s.item for s in r.wrong}) for r in results)),
        f"{1000 * float(np.median([r.took_s for r in results])):.0f}",
    ]


def _bad(corpus: Corpus, results: Iterable[Judged]) -> list[str]:
    """A line for each copy that was missed or has a wrong interval, and for each wrong work."""
    lines = []
    for result in results:
        name = f"{corpus.clips[result.query.source].path.name}, {result.query.edit}"
        if result.outcome in (Outcome.MISSED, Outcome.OFF):
            lines.append(f"- {result.outcome}: {name}")
        for segment in result.wrong:
            other = corpus.clips[segment.item].path.name
            lines.append(
                f"- wrong work: {name}: {other}, {segment.query_length_s:.1f} s, score {segment.score_0_1:.2f}"
            )
    return lines


def _judge(corpus: Corpus, query: Query) -> Judged:
    begun = time.perf_counter()
    segments = find_copies(query.fingerprint, corpus.indexes, reference_of=corpus.references.get)
    took_s = time.perf_counter() - begun
    segments = [segment for segment in segments if segment.algorithm is query.algorithm]
    mine = [segment for segment in segments if segment.item == query.source]
    wrong = [s for s in segments if corpus.clips[s.item].cluster not in query.hosts]
    reference = corpus.references[query.source].fingerprint.of(query.algorithm)
    assert reference is not None
    outcome, errors_s = _outcome(mine, query.truth, reference)
    return Judged(query=query, outcome=outcome, errors_s=errors_s, wrong=wrong, took_s=took_s)


def _swapped(corpus: Corpus, query: Query) -> Judged:
    """The excerpt is registered, and the whole clip is asked for."""
    descriptors = query.fingerprint.of(query.algorithm)
    assert descriptors is not None
    index, excerpt = FaissIndex(), Reference(item=ItemNumber(0), fingerprint=query.fingerprint)
    index.add(excerpt.item, descriptors)
    whole = corpus.references[query.source].fingerprint
    begun = time.perf_counter()
    segments = find_copies(whole, {query.algorithm: index}, reference_of=lambda _: excerpt)
    took_s = time.perf_counter() - begun
    truth = Truth(query_start_s=query.truth.reference_start_s, reference_start_s=0.0, length_s=EXCERPT_S)
    outcome, errors_s = _outcome(segments, truth, descriptors)
    return Judged(query=query, outcome=outcome, errors_s=errors_s, wrong=[], took_s=took_s)


def _outcome(
    segments: list[Segment], truth: Truth, reference: Descriptors
) -> tuple[Outcome, tuple[float, float, float, float] | None]:
    if not segments:
        return Outcome.MISSED, None
    errors = [_errors(segment, truth) for segment in segments]
    best = min(errors, key=lambda four: max(map(abs, four)))
    if max(map(abs, best)) <= WITHIN_S:
        return Outcome.RIGHT, best
    for four in errors:
        if max(map(abs, four[:2])) <= WITHIN_S and _same(reference, truth, shift_s=four[2] - four[0]):
            return Outcome.REPEATED, four
    return Outcome.OFF, best


def _errors(found: Segment, truth: Truth) -> tuple[float, float, float, float]:
    return (
        found.query_start_s - truth.query_start_s,
        found.query_end_s - truth.query_start_s - truth.length_s,
        found.reference_start_s - truth.reference_start_s,
        found.reference_end_s - truth.reference_start_s - truth.length_s,
    )


def _same(reference: Descriptors, truth: Truth, *, shift_s: float) -> bool:
    """Whether the reference repeats the copied stretch `shift_s` later, as near as a copy would be."""
    times_s = reference.times_s
    rows = (times_s >= truth.reference_start_s) & (times_s < truth.reference_start_s + truth.length_s)
    later = np.abs(times_s[rows, None] + shift_s - times_s[None]).argmin(axis=1)
    bits = distances(reference.vectors[rows], reference.vectors)[np.arange(rows.sum()), later]
    return bool(rows.any()) and float(np.median(bits)) < TRAITS[reference.algorithm].match_bits


def _unedited(corpus: Corpus) -> tuple[int, list[str]]:
    lines = []
    for number, reference in corpus.references.items():
        clip = corpus.clips[number]
        for segment in find_copies(reference.fingerprint, corpus.indexes, reference_of=corpus.references.get):
            other = corpus.clips[segment.item]
            if other.cluster != clip.cluster:
                lines.append(
                    f"- {segment.algorithm}: {clip.path.name}: {other.path.name},"
                    f" {segment.query_length_s:.1f} s, score {segment.score_0_1:.2f}"
                )
    return len(corpus.references), lines
