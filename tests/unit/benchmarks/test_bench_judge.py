"""What counts as right, as wrong and as neither, on answers made up by hand."""

from pathlib import Path

import pytest

from benchmarks.corpus import Corpus, Query, Work
from benchmarks.edits.truth import Piece
from benchmarks.judge import Answer, Judged
from benchmarks.systems import Found
from fingerprinting.model import ItemNumber, Modality

COPIED, TAKE_OF_COPIED, STRANGER = ItemNumber(0), ItemNumber(1), ItemNumber(2)


class Silent:
    name, setting, version, modalities = "made up", "none", "1", frozenset(Modality)


def work(source: str) -> Work:
    return Work(path=Path(f"{source}.mp4"), source=source, modality=Modality.VIDEO, duration_s=60.0)


CORPUS = Corpus(
    run="r", works={COPIED: work("home"), TAKE_OF_COPIED: work("home"), STRANGER: work("elsewhere")}, queries=[]
)
BOX = (0.0, 5.0, 20.0, 25.0)


def found(item: ItemNumber, score: float, *, accepted: bool = True) -> Found:
    return Found(item=item, score=score, accepted=accepted, box=BOX)


def answer(*finds: Found, copies: bool = True, name: str = "query.mp4") -> Answer:
    piece = Piece(item=COPIED, query_start_s=0, query_end_s=5, reference_start_s=20, reference_end_s=25)
    query = Query(
        group="g",
        edit="e",
        modality=Modality.VIDEO,
        path=Path(name),
        pieces=(piece,) if copies else (),
        sources=frozenset({"home"}),
    )
    return Answer(query=query, found=finds, looked_s=0.1, searched_s=0.01)


def judged(*answers: Answer) -> Judged:
    return Judged(Silent(), CORPUS, answers, [])  # type: ignore[arg-type]


def test_a_copy_found_in_its_place_is_perfect() -> None:
    answers = [answer(found(COPIED, 5.0))]
    row = judged(*answers).row(answers)
    assert (row.recall, row.recall_at_no_false, row.average_precision) == (1.0, 1.0, 1.0)
    assert (row.vcsl_f1, row.boundary_s, row.wrong, row.same_source) == (1.0, 0.0, 0, 0)


def test_another_take_of_the_same_source_is_neither_right_nor_wrong() -> None:
    answers = [answer(found(COPIED, 5.0), found(TAKE_OF_COPIED, 9.0))]
    row = judged(*answers).row(answers)
    assert (row.wrong, row.same_source) == (0, 1)
    assert row.recall_at_no_false == 1.0


def test_one_stranger_anywhere_raises_the_bar_for_all() -> None:
    weak, strong = answer(found(COPIED, 2.0), name="weak"), answer(found(COPIED, 8.0), name="strong")
    negative = answer(found(STRANGER, 3.0), copies=False, name="negative")
    everything = judged(weak, strong, negative)
    row = everything.row([weak, strong])
    assert (row.recall, row.recall_at_no_false) == (1.0, 0.5)
    assert everything.row([negative]).wrong == 1


def test_what_stays_below_the_systems_threshold_is_not_found_but_can_be_at_no_false() -> None:
    answers = [answer(found(COPIED, 0.3, accepted=False))]
    row = judged(*answers).row(answers)
    assert (row.recall, row.recall_at_no_false, row.vcsl_f1) == (0.0, 1.0, 0.0)


def test_a_query_without_copies_has_no_recall() -> None:
    answers = [answer(copies=False)]
    row = judged(*answers).row(answers)
    assert (row.recall, row.average_precision, row.vsc_f1) == (None, None, None)


def test_several_stretches_of_one_work_add_up() -> None:
    one = answer(found(COPIED, 2.0), found(COPIED, 3.0))
    assert one.score(COPIED) == pytest.approx(5.0)
