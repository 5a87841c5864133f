"""Calibration: how near copies come, how near other works, and what thresholds follow.

A look of a copy is compared with what the reference shows at the same moment, on the true line, a step of
the reference more or less; where either has several rows of one time, or a query is turned before it is
looked for, the nearest pair counts, as it does in the alignment. Landmarks have no distance: of them the
strongest run counts that the index proposes between a query and a work, believed or not.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks import cache, plots
from benchmarks.corpus import UNREGISTERED, Corpus, Query
from benchmarks.report import Report, table
from benchmarks.systems import Clearmark, arrays_of, fingerprint_in
from fingerprinting import sscd
from fingerprinting.constellation import evidence
from fingerprinting.errors import MediaError
from fingerprinting.hamming import distances
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.match import Reference
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Modality, Vectors
from fingerprinting.traits import TRAITS, Measure, Traits

# Of what is not copied, so many rows are asked about each query: neighbours say the same.
_ASKED_ROWS = 24
_LET_IN = 0.001

Bits = npt.NDArray[np.float64]
_NONE: Bits = np.empty(0)


def calibrate(corpus: Corpus, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    system = Clearmark("everything", Algorithm)
    works = {}
    for item, work in corpus.works.items():
        key = cache.digest("work 1", system.version, cache.content_of(work.path))
        try:
            works[item] = fingerprint_in(cache.arrays(key, partial(system.describe, work.path)), Algorithm)
        except (MediaError, RuntimeError) as error:
            say(f"{work.path.name} is left out: {error}")
    say("works are described")
    # The picture beside an edited sound is not what is measured.
    ears = Clearmark("sound", [algorithm for algorithm in Algorithm if algorithm.modality is Modality.AUDIO])
    sides = {Modality.VIDEO: system, Modality.AUDIO: ears}
    samples = [_Sample.of(sides[one.modality], one) for one in corpus.queries]
    say("queries are described")
    parts, images = [corpus.summary(), "", _HOW, ""], dict[str, bytes]()
    figures: dict[str, object] = {}
    for algorithm, traits in TRAITS.items():
        edits, unrelated = _distances(samples, corpus, works, algorithm)
        if not edits:
            continue
        together, image = np.concatenate(list(edits.values())), f"calibration-{algorithm}.png"
        rows = [_EditRow.of(edit, bits, traits) for edit, bits in edits.items()]
        parts += [f"## {algorithm.value}", "", _thresholds(together, unrelated, traits), ""]
        parts += [f"![distances]({image})", "", table(_HEADINGS, [row.cells() for row in rows]), ""]
        figures[algorithm.value] = [asdict(row) for row in rows]
        images[image] = plots.distances(
            algorithm.value,
            {"looks of copies": together.tolist(), "unrelated rows, the nearest": unrelated.tolist()},
            {"search_radius_bits": traits.search_radius_bits, "match_bits": traits.match_bits},
        )
    strengths, wrong = _strengths(samples, corpus, works)
    if strengths:
        together, image = np.concatenate(list(strengths.values())), f"calibration-{Algorithm.AUDIO_LANDMARK_V1}.png"
        parts += [f"## {Algorithm.AUDIO_LANDMARK_V1.value}", "", _HOW_STRONG, "", _strength_table(together, wrong), ""]
        parts += [f"![strengths]({image})", "", _strengths_by_edit(strengths), ""]
        figures[Algorithm.AUDIO_LANDMARK_V1.value] = {
            edit: np.sort(found).tolist() for edit, found in strengths.items()
        }
        images[image] = plots.distances(
            Algorithm.AUDIO_LANDMARK_V1.value,
            {"copies": np.log10(together).tolist(), "other works, the strongest": np.log10(wrong).tolist()},
            {"believed": 0.0},
            axis="strength, powers of ten",
        )
    return Report(
        title="Calibration", body="\n".join(parts), figures={"run": corpus.run, "edits": figures}, plots=images
    )


def _distances(
    samples: Sequence["_Sample"], corpus: Corpus, works: dict[ItemNumber, Fingerprint], algorithm: Algorithm
) -> tuple[dict[str, Bits], Bits]:
    """Of one algorithm: distances of copies by edit, and those of unrelated rows."""
    traits, copied = TRAITS[algorithm], dict[str, list[Bits]]()
    mine = [one for one in samples if one.query.modality is algorithm.modality and one.query.edit != UNREGISTERED]
    for one in mine:
        copied.setdefault(one.query.edit, []).append(_copied(one, works, algorithm, traits))
    edits = {edit: bits for edit, several in copied.items() if len(bits := np.concatenate(several))}
    unrelated = [_unrelated(one, corpus, works, algorithm, traits) for one in mine]
    return edits, np.concatenate([_NONE, *unrelated])


_HOW = """
Distances in bits: of the rows as they stand, and for `video-sscd-v1` of the angle between embeddings, half a turn
being 512 bits. *Looks* are the moments of a copy that have a row, each with its nearest reference row on the true
line; *unrelated* are rows of the same queries, each with its nearest row of all works of other sources.
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A query and everything that can be seen and heard of it."""

    query: Query
    fingerprint: Fingerprint | None

    @classmethod
    def of(cls, system: Clearmark, query: Query) -> "_Sample":
        key = cache.digest("sample 1", system.version, cache.content_of(query.path))
        try:
            described = cache.arrays(key, lambda: arrays_of(system.look_closely(query.path)))
        except (MediaError, RuntimeError):
            return cls(query=query, fingerprint=None)
        return cls(query=query, fingerprint=fingerprint_in(described, Algorithm))

    def rows(self, algorithm: Algorithm) -> Descriptors | None:
        found = self.fingerprint.of(algorithm) if self.fingerprint else None
        return found if found is not None and len(found) else None


def _apart(ours: Vectors, theirs: Vectors, traits: Traits) -> Bits:
    """Distances of every pair, float64 (m, n); of our rows turned in the nearest way."""
    turned = [turn(ours) for turn in traits.turns]
    if traits.measure is Measure.ANGLE:
        cosines = [np.clip(sscd.embeddings_of(rows) @ sscd.embeddings_of(theirs).T, -1, 1) for rows in turned]
        apart = [traits.code_bits / np.pi * np.arccos(cosine) for cosine in cosines]
    else:
        apart = [distances(traits.codes(rows), traits.codes(theirs)) for rows in turned]
    return np.min(apart, axis=0).astype(np.float64)


def _copied(one: _Sample, works: dict[ItemNumber, Fingerprint], algorithm: Algorithm, traits: Traits) -> Bits:
    """For each moment of the copied pieces that has a row: the distance of its nearest row on the true line."""
    rows, found = one.rows(algorithm), [_NONE]
    for piece in one.query.pieces if rows is not None else ():
        theirs = works[piece.item].of(algorithm) if piece.item in works else None
        if rows is None or theirs is None or not len(theirs):
            continue
        # A row that spans the edge of the piece describes what is beside it as well.
        inside = (rows.times_s >= piece.query_start_s + traits.first_s) & (
            rows.times_s < piece.query_end_s - traits.first_s
        )
        speed = (piece.reference_end_s - piece.reference_start_s) / (piece.query_end_s - piece.query_start_s)
        wanted_s = piece.reference_start_s + (rows.times_s[inside] - piece.query_start_s) * speed
        late_s = wanted_s[:, None] - theirs.times_s[None]
        # A query may look more often than a reference: what counts is the look next to each reference row.
        if traits.query_step_s < traits.step_s:
            late_s[np.abs(late_s).min(axis=1) > traits.query_step_s] = np.inf
        near = (late_s >= -traits.step_s) & (late_s <= max(traits.step_s, traits.held_s))
        apart = np.where(near, _apart(rows.vectors[inside], theirs.vectors, traits), np.inf).min(axis=1, initial=np.inf)
        moments, groups = np.unique(wanted_s, return_inverse=True)
        nearest = np.full(len(moments), np.inf)
        np.minimum.at(nearest, groups, apart)
        found.append(nearest[np.isfinite(nearest)])
    return np.concatenate(found)


def _unrelated(
    one: _Sample, corpus: Corpus, works: dict[ItemNumber, Fingerprint], algorithm: Algorithm, traits: Traits
) -> Bits:
    """The nearest row of any work of another source, for some rows that the index would be asked for."""
    rows = one.rows(algorithm)
    strange = [
        theirs.vectors
        for item, work in works.items()
        if corpus.works[item].source not in one.query.sources and (theirs := work.of(algorithm)) is not None
    ]
    if rows is None or not strange:
        return _NONE
    asked = rows.vectors[traits.weigh(rows.vectors) >= traits.min_weight]
    asked = asked[:: max(1, len(asked) // _ASKED_ROWS)]
    return _apart(asked, np.concatenate(strange), traits).min(axis=1) if len(asked) else _NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class _EditRow:
    edit: str
    looks: int
    quantiles_bits: list[float]
    within_search: float
    within_match: float

    @classmethod
    def of(cls, edit: str, bits: Bits, traits: Traits) -> "_EditRow":
        return cls(
            edit=edit,
            looks=len(bits),
            quantiles_bits=np.quantile(bits, [0.1, 0.5, 0.9, 0.99]).tolist(),
            within_search=float((bits <= traits.search_radius_bits).mean()),
            within_match=float((bits <= traits.match_bits).mean()),
        )

    def cells(self) -> list[str]:
        shares = (self.within_search, self.within_match)
        return [
            self.edit, str(self.looks), *(f"{q:.0f}" for q in self.quantiles_bits), *(f"{one:.1%}" for one in shares)
        ]  # fmt: skip


_HEADINGS = ("looks of a copy, bits apart", "looks", "10 %", "median", "90 %", "99 %", "within search", "within match")


def _thresholds(copied: Bits, unrelated: Bits, traits: Traits) -> str:
    """What each threshold would keep of the copies and let in of the rest."""
    names = {traits.search_radius_bits: "search_radius_bits", traits.match_bits: "match_bits"}
    step = traits.code_bits // 32
    rows = [
        [
            f"{bits} `{names[bits]}`" if bits in names else str(bits),
            f"{(copied <= bits).mean():.2%}",
            f"{(unrelated <= bits).mean():.3%}" if len(unrelated) else "–",
        ]
        for bits in sorted({*range(2 * step, traits.code_bits // 2, step), *names})
    ]
    shares = table(
        ("bits", f"of {len(copied)} looks of copies", f"of {len(unrelated)} unrelated rows, the nearest"), rows
    )
    if not len(unrelated):
        return shares
    kept = np.quantile(unrelated, _LET_IN)
    return f"{shares}\n\nOne unrelated row in {1 / _LET_IN:.0f} has a nearer one than {kept:.0f} bits."


# -- landmarks ----------------------------------------------------------------------------------------

_WEAKEST = 0.01
_STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0)
_HOW_STRONG = """
*Strength* is gain times rarity over what is asked of a run of that length: 1 is believed, where both also come to
their least. Of a copied work and of all works of other sources, the strongest run of each query counts, also of
queries of which nothing is registered.
""".strip()


def _strengths(
    samples: Sequence[_Sample], corpus: Corpus, works: dict[ItemNumber, Fingerprint]
) -> tuple[dict[str, Bits], Bits]:
    """Of each copied work the strongest run, by edit; of each query the strongest on a work of another source."""
    index = LandmarkIndex()
    for item, work in works.items():
        peaks = work.of(Algorithm.AUDIO_LANDMARK_V1)
        if peaks is not None:
            index.add(item, peaks)
    references = {item: Reference(item=item, fingerprint=work) for item, work in works.items()}
    right, wrong = dict[str, list[float]](), list[float]()
    for one in samples:
        peaks = one.rows(Algorithm.AUDIO_LANDMARK_V1)
        if one.query.modality is not Modality.AUDIO or peaks is None:
            continue
        best = dict[ItemNumber, float]()
        for found in evidence(peaks, index, reference_of=references.get):
            is_enough = found.is_copy or found.strength < 1
            best[found.item] = max(best.get(found.item, _WEAKEST), found.strength if is_enough else 1 - _WEAKEST)
        for item in one.query.works:
            right.setdefault(one.query.edit, []).append(best.pop(item, _WEAKEST))
        strange = [s for item, s in best.items() if corpus.works[item].source not in one.query.sources]
        wrong.append(max(strange, default=_WEAKEST))
    return {edit: np.array(found) for edit, found in right.items()}, np.array(wrong)


def _strength_table(copied: Bits, wrong: Bits) -> str:
    rows = [
        [
            f"{least:g}" + " (believed)" * (least == 1),
            f"{(copied >= least).mean():.2%}",
            f"{(wrong >= least).mean():.3%}",
        ]
        for least in _STRENGTHS
    ]
    shares = table(
        ("strength at least", f"of {len(copied)} copied works", f"of {len(wrong)} queries, another work"), rows
    )
    return f"{shares}\n\nThe strongest run on another work came to {wrong.max(initial=0):.2f}."


def _strengths_by_edit(strengths: dict[str, Bits]) -> str:
    rows = [
        [
            edit,
            str(len(found)),
            *(f"{q:.2f}" for q in np.quantile(found, [0.0, 0.1, 0.5])),
            f"{(found >= 1).mean():.1%}",
        ]
        for edit, found in strengths.items()
    ]
    return table(("strength of copies", "works", "least", "10 %", "median", "believed"), rows)
