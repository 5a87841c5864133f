"""Calibration: how far apart rows of a copy lie, how far rows of other works, and what thresholds follow.

Rows of a copy are those whose time lies in the copied stretch, each with the reference row on the true
line; a row is taken as the nearest one within a step, as the alignment may take it.
"""

import numpy as np
import numpy.typing as npt

from benchmarks.corpus import Corpus, Query
from benchmarks.report import table
from fingerprinting.hamming import distances
from fingerprinting.model import VECTOR_BITS, Algorithm, Descriptors
from fingerprinting.traits import TRAITS, Traits

_ROWS_AT_ONCE = 512
# Every so many rows of a reference are compared with all others: neighbours say the same.
_EVERY = 4

Bits = npt.NDArray[np.uint16]


def calibrate(corpus: Corpus) -> str:
    """Measure and tell, as Markdown."""
    parts = [corpus.summary(), ""]
    for algorithm in Algorithm:
        queries = [query for query in corpus.queries if query.algorithm is algorithm]
        if not queries:
            continue
        traits = TRAITS[algorithm]
        edits = dict.fromkeys(query.edit for query in queries)
        copies = {edit: np.concatenate([_copied(corpus, q) for q in queries if q.edit == edit]) for edit in edits}
        nearest, counts = _unrelated(corpus, algorithm)
        parts += [f"## {algorithm.value}", ""]
        parts += [table(_COPY_HEADINGS, [_copy_row(edit, bits, traits) for edit, bits in copies.items()]), ""]
        parts += [_threshold_table(np.concatenate(list(copies.values())), nearest, counts, traits), ""]
    return "\n".join(parts)


_COPY_HEADINGS = (
    "rows of a copy, bits apart",
    "rows",
    "median",
    "90 %",
    "99 %",
    "99.9 %",
    "within search",
    "within match",
)


def _copy_row(edit: str, bits: Bits, traits: Traits) -> list[str]:
    quantiles = [f"{q:.0f}" for q in np.quantile(bits, [0.5, 0.9, 0.99, 0.999])]
    shares = [f"{(bits <= limit).mean():.2%}" for limit in (traits.search_radius_bits, traits.match_bits)]
    return [edit, str(len(bits)), *quantiles, *shares]


def _threshold_table(copies: Bits, nearest: Bits, counts: npt.NDArray[np.int64], traits: Traits) -> str:
    """What each threshold would keep of the copies and let in of the rest."""
    pairs = np.cumsum(counts) / max(1, int(counts.sum()))
    names = {traits.search_radius_bits: "search_radius_bits", traits.match_bits: "match_bits"}
    rows = [
        [
            f"{bits} `{names[bits]}`" if bits in names else str(bits),
            f"{(copies <= bits).mean():.2%}",
            f"{(nearest <= bits).mean():.2%}" if len(nearest) else "-",
            f"{pairs[bits]:.1e}",
        ]
        for bits in sorted({*range(24, 105, 16), *names})
    ]
    headings = ("bits", "copied rows within", "rows with an unrelated row within", "unrelated pairs within")
    return table(headings, rows)


def _copied(corpus: Corpus, query: Query) -> Bits:
    """Distances of the rows in the copied stretch from the reference rows on the true line."""
    mine, theirs = (
        query.fingerprint.of(query.algorithm),
        corpus.references[query.source].fingerprint.of(query.algorithm),
    )
    assert mine is not None
    assert theirs is not None
    traits, truth = TRAITS[query.algorithm], query.truth
    # A vector that spans the edge of the stretch describes what is beside it as well.
    inside = (mine.times_s >= truth.query_start_s + traits.first_s) & (
        mine.times_s <= truth.query_start_s + truth.length_s - traits.first_s
    )
    wanted_s = mine.times_s[inside] - truth.query_start_s + truth.reference_start_s
    if query.algorithm is Algorithm.VIDEO_PHASH_V1:
        # A query looks more often than a reference: what counts is the look next to each reference row.
        near = np.abs(wanted_s[:, None] - theirs.times_s[None]).min(axis=1, initial=np.inf) <= traits.query_step_s
        inside[np.flatnonzero(inside)[~near]] = False
        wanted_s = wanted_s[near]
    if not len(wanted_s) or not len(theirs):
        return np.empty(0, np.uint16)
    best = np.full(len(wanted_s), VECTOR_BITS, np.uint16)
    apart = distances(mine.vectors[inside], theirs.vectors)
    apart[np.abs(wanted_s[:, None] - theirs.times_s[None]) > traits.step_s] = VECTOR_BITS
    best = apart.min(axis=1)
    return best[best < VECTOR_BITS]


def _unrelated(corpus: Corpus, algorithm: Algorithm) -> tuple[Bits, npt.NDArray[np.int64]]:
    """Of rows that the index is asked for: the nearest row of another cluster, and all pairs by distance."""
    traits = TRAITS[algorithm]
    held = {
        number: descriptors
        for number, reference in corpus.references.items()
        if (descriptors := reference.fingerprint.of(algorithm)) is not None and len(descriptors)
    }
    nearest, counts = [np.empty(0, np.uint16)], np.zeros(VECTOR_BITS + 1, np.int64)
    for number, descriptors in held.items():
        others = [o.vectors for n, o in held.items() if corpus.clips[n].cluster != corpus.clips[number].cluster]
        asked = _asked(descriptors, traits)
        if not others or not len(asked):
            continue
        rest = np.concatenate(others)
        for start in range(0, len(asked), _ROWS_AT_ONCE):
            apart = distances(asked[start : start + _ROWS_AT_ONCE], rest)
            nearest.append(apart.min(axis=1))
            counts += np.bincount(apart.ravel(), minlength=VECTOR_BITS + 1)
    return np.concatenate(nearest), counts


def _asked(descriptors: Descriptors, traits: Traits) -> npt.NDArray[np.uint8]:
    telling: npt.NDArray[np.uint8] = descriptors.vectors[traits.weigh(descriptors.vectors) >= traits.min_weight]
    return telling[::_EVERY]
