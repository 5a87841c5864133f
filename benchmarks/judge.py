"""Asking and judging: what each system finds of the edited copies, where, and what else it finds.

A found pair (query, work) is right where the query copies the work, wrong where it does not and the work's
source is nowhere in the query; between two works of one source (the same set-up, another take) it is
neither, and is counted apart. Two recalls are told: at the system's own thresholds, and at the lowest
score at which nothing wrong is found in the whole run, which is the fairest way to compare systems whose
thresholds were set for other ends.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks import cache
from benchmarks.cache import Arrays
from benchmarks.corpus import Corpus, Query
from benchmarks.metrics import NO_BOXES, Boxes, Curve, Pair, Scored, boundary_errors_s, curve, vcsl, vsc2022
from benchmarks.systems import Found, System
from fingerprinting.errors import MediaError
from fingerprinting.model import ItemNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a system found in a query, and how long both steps took."""

    query: Query
    found: tuple[Found, ...]
    looked_s: float
    searched_s: float

    def score(self, item: ItemNumber) -> float:
        return sum(one.score for one in self.found if one.item == item)

    @property
    def items(self) -> set[ItemNumber]:
        return {one.item for one in self.found}

    @property
    def accepted(self) -> set[ItemNumber]:
        return {one.item for one in self.found if one.accepted}

    def boxes(self, item: ItemNumber) -> Boxes:
        boxes = [one.box for one in self.found if one.item == item and one.accepted and one.box is not None]
        return np.array(boxes, np.float64).reshape(-1, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One system's figures on some queries; shares are from 0 to 1, None where there was nothing to measure."""

    queries: int
    recall: float | None
    recall_at_no_false: float | None
    average_precision: float | None
    vcsl_f1: float | None
    vsc_f1: float | None
    vsc_average_precision: float | None
    boundary_s: float | None
    boundary_90_s: float | None
    wrong: int
    same_source: int
    looked_ms: float
    searched_ms: float


class Judged:
    """All answers of one system, judged."""

    def __init__(self, system: System[Any], corpus: Corpus, answers: Sequence[Answer], refused: Sequence[str]) -> None:
        self.system, self.answers, self.refused = system, answers, refused
        self._corpus = corpus
        wrong = [answer.score(item) for answer in answers for item in self._wrong(answer)]
        self.highest_wrong_score = max(wrong, default=-np.inf)

    def _stranger(self, answer: Answer, item: ItemNumber) -> bool:
        return self._corpus.works[item].source not in answer.query.sources

    def _wrong(self, answer: Answer) -> list[ItemNumber]:
        return [item for item in answer.items - answer.query.works if self._stranger(answer, item)]

    def row(self, answers: Sequence[Answer]) -> Row:
        """The figures on some of the answers."""
        pairs = [(answer, item) for answer in answers for item in answer.query.works]
        accepted = [item in answer.accepted for answer, item in pairs]
        clean = [item in answer.items and answer.score(item) > self.highest_wrong_score for answer, item in pairs]
        true = {_pair(answer, item): _boxes(answer.query, item) for answer, item in pairs}
        rates = [vcsl(answer.boxes(item), true[_pair(answer, item)]) for answer, item in pairs]
        localised = vsc2022(self._scored(answers), true)
        errors = [
            error for answer, item in pairs
            for error in boundary_errors_s(answer.boxes(item), true[_pair(answer, item)])
        ]  # fmt: skip
        strange = [self._stranger(answer, item) for answer in answers for item in answer.accepted - answer.query.works]
        return Row(
            queries=len(answers),
            recall=float(np.mean(accepted)) if pairs else None,
            recall_at_no_false=float(np.mean(clean)) if pairs else None,
            average_precision=self.curve(answers).average_precision if pairs else None,
            vcsl_f1=float(np.mean([one.f1 for one in rates])) if pairs else None,
            vsc_f1=localised.rates.f1 if pairs else None,
            vsc_average_precision=localised.average_precision if pairs else None,
            boundary_s=float(np.median(errors)) if errors else None,
            boundary_90_s=float(np.quantile(errors, 0.9)) if errors else None,
            wrong=sum(strange),
            same_source=len(strange) - sum(strange),
            looked_ms=1000 * float(np.median([answer.looked_s for answer in answers])),
            searched_ms=1000 * float(np.median([answer.searched_s for answer in answers])),
        )

    def curve(self, answers: Sequence[Answer]) -> Curve:
        """Precision over recall of pairs, all queries together."""
        right, wrong = self.scores(answers)
        found = np.concatenate([right, wrong])
        is_right = np.arange(len(found)) < len(right)
        return curve(found, is_right, to_find=sum(len(answer.query.works) for answer in answers))

    def scores(self, answers: Sequence[Answer]) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
        """Scores of the right pairs, and of the wrong ones: both float64 (n,)."""
        right = [answer.score(item) for answer in answers for item in answer.items & answer.query.works]
        wrong = [answer.score(item) for answer in answers for item in self._wrong(answer)]
        return np.array(right, np.float64), np.array(wrong, np.float64)

    def _scored(self, answers: Sequence[Answer]) -> list[Scored]:
        return [
            Scored(pair=_pair(answer, one.item), score=one.score, box=one.box)
            for answer in answers
            for one in answer.found
            if one.box is not None and one.accepted
            and (one.item in answer.query.works or self._stranger(answer, one.item))
        ]  # fmt: skip

    def wrong_works(self) -> list[str]:
        """A line for each wrong work that was accepted."""
        return [
            f"- {answer.query.edit}: {answer.query.path.name}: {self._corpus.works[item].path.name},"
            f" score {answer.score(item):.2f}"
            for answer in self.answers
            for item in sorted(answer.accepted - answer.query.works)
            if self._stranger(answer, item)
        ]


def _pair(answer: Answer, item: ItemNumber) -> Pair:
    return answer.query.path.name, int(item)


def _boxes(query: Query, item: ItemNumber) -> Boxes:
    boxes = [
        (piece.query_start_s, piece.query_end_s, piece.reference_start_s, piece.reference_end_s)
        for piece in query.pieces
        if piece.item == item
    ]
    return np.array(boxes, np.float64) if boxes else NO_BOXES


def ask(system: System[Any], corpus: Corpus, say: Callable[[str], None]) -> Judged:
    """Register all works with a system and ask it all queries; what it said before of the same is not asked again."""
    refused, works = [], ""
    for item, work in corpus.works.items():
        if work.modality in system.modalities:
            key = cache.digest("work 1", system.version, cache.content_of(work.path))
            works = cache.digest(works, item, key)
            try:
                system.register(item, cache.arrays(key, partial(system.describe, work.path)))
            except (MediaError, RuntimeError) as error:
                refused.append(f"- {system.name}: {work.path.name}: {error}")
    answers = []
    for query in corpus.queries:
        if query.modality in system.modalities:
            answers.append(_answer(system, works, query))
            if len(answers) % 200 == 0:
                say(f"{system.name}: {len(answers)} asked")
    return Judged(system, corpus, answers, refused)


def _answer(system: System[Any], works: str, query: Query) -> Answer:
    def ask() -> Arrays:
        begun = time.perf_counter()
        try:
            look = system.look(query.path)
        except (MediaError, RuntimeError):
            return _told((), 0.0, 0.0)
        looked = time.perf_counter()
        found = system.find(look)
        return _told(found, looked - begun, time.perf_counter() - looked)

    key = cache.digest("answer 2", system.name, system.setting, system.version, works, cache.content_of(query.path))
    told = cache.arrays(key, ask)
    boxes = [_box(box) for box in told["boxes"].astype(np.float64)]
    found = zip(told["items"].tolist(), told["scores"].tolist(), told["accepted"].tolist(), boxes, strict=True)
    return Answer(
        query=query,
        found=tuple(Found(item=item, score=score, accepted=accepted, box=box) for item, score, accepted, box in found),
        looked_s=float(told["looked_s"]),
        searched_s=float(told["searched_s"]),
    )


def _box(box: Boxes) -> tuple[float, float, float, float] | None:
    """None for what was told as nowhere, and for what has no extent."""
    query_start, query_end, reference_start, reference_end = box.tolist()
    is_somewhere = query_end > query_start and reference_end > reference_start
    return (query_start, query_end, reference_start, reference_end) if is_somewhere else None


def _told(found: Sequence[Found], looked_s: float, searched_s: float) -> Arrays:
    nowhere = (np.nan,) * 4
    return {
        "items": np.array([one.item for one in found], np.int64),
        "scores": np.array([one.score for one in found], np.float64),
        "accepted": np.array([one.accepted for one in found], bool),
        "boxes": np.array([one.box or nowhere for one in found], np.float64).reshape(-1, 4),
        "looked_s": np.array(looked_s),
        "searched_s": np.array(searched_s),
    }
