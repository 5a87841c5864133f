"""What of a segment counts: cut by what is excluded of the work, doubted where the bank is in the clip."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.model import Algorithm, ItemNumber, Modality, Segment
from registry.domain.policy import NoWeight
from registry.domain.weight import Stretch, outside, seconds_of, weigh

FOUND = Segment(
    item=ItemNumber(1),
    algorithm=Algorithm.VIDEO_PHASH_V1,
    query_start_s=0.0,
    query_end_s=10.0,
    reference_start_s=100.0,
    reference_end_s=110.0,
    score_0_1=0.9,
)
AUDIO = Algorithm.AUDIO_CHROMAPRINT_V1


def weighed(
    segment: Segment = FOUND, *excluded: tuple[float, float], bank: tuple[Segment, ...] = (), quarantined: bool = False
) -> list[tuple[float, float, str | None, set[str]]]:
    stretches = [Stretch(start_s=start, end_s=end) for start, end in excluded]
    pieces = weigh(segment, excluded=stretches, bank=bank, quarantined=quarantined)
    return [(p.segment.query_start_s, p.segment.query_end_s, p.no_weight, {d.value for d in p.doubts}) for p in pieces]


def test_what_nothing_speaks_against_counts_whole() -> None:
    assert weighed() == [(0.0, 10.0, None, set())]
    assert weighed(FOUND, (0.0, 90.0), (120.0, 130.0)) == [(0.0, 10.0, None, set())]


def test_an_excluded_interval_is_cut_out_of_the_work_s_time() -> None:
    assert weighed(FOUND, (103.0, 106.0)) == [
        (0.0, 3.0, None, set()),
        (3.0, 6.0, "excluded", set()),
        (6.0, 10.0, None, set()),
    ]


def test_a_changed_speed_is_cut_where_the_work_is_excluded() -> None:
    fast = replace(FOUND, reference_end_s=120.0)
    assert weighed(fast, (110.0, 120.0)) == [(0.0, 5.0, None, set()), (5.0, 10.0, "excluded", set())]


def test_a_wholly_excluded_segment_does_not_count() -> None:
    assert weighed(FOUND, (0.0, 1e6)) == [(0.0, 10.0, "excluded", set())]


def test_crumbs_beside_an_excluded_interval_go_with_it() -> None:
    assert weighed(FOUND, (100.9, 109.2)) == [(0.0, 10.0, "excluded", set())]
    assert weighed(FOUND, (100.9, 108.0)) == [(0.0, 8.0, "excluded", set()), (8.0, 10.0, None, set())]


def test_overlapping_intervals_are_one() -> None:
    pieces = weigh(FOUND, excluded=[Stretch(start_s=102, end_s=106), Stretch(start_s=104, end_s=108)], bank=[],
                   quarantined=False)  # fmt: skip
    assert seconds_of([p for p in pieces if p.counts]) == pytest.approx(4.0)


def test_an_interval_of_one_modality_leaves_the_other() -> None:
    sound = Stretch(start_s=100, end_s=110, modality=Modality.AUDIO, cause=NoWeight.NEGATIVE)
    [picture] = weigh(FOUND, excluded=[sound], bank=[], quarantined=False)
    [heard] = weigh(replace(FOUND, algorithm=AUDIO), excluded=[sound], bank=[], quarantined=False)
    assert (picture.no_weight, heard.no_weight) == (None, NoWeight.NEGATIVE)


def test_the_bank_in_the_clip_is_a_doubt_and_never_an_escape() -> None:
    """Anyone can put public material into a corner of a copy."""
    shown = replace(FOUND, query_start_s=4.0, query_end_s=20.0)
    assert weighed(FOUND, bank=(shown,)) == [(0.0, 4.0, None, set()), (4.0, 10.0, None, {"shared_with_bank"})]


def test_what_is_not_sure_to_be_the_bank_s_casts_no_doubt() -> None:
    assert weighed(FOUND, bank=(replace(FOUND, confirmed=False),)) == [(0.0, 10.0, None, set())]
    assert weighed(FOUND, bank=(replace(FOUND, algorithm=AUDIO),)) == [(0.0, 10.0, None, set())]


def test_the_doubts_of_a_segment_are_those_of_its_pieces() -> None:
    unsure = replace(FOUND, confirmed=False)
    assert weighed(unsure, (105.0, 110.0), quarantined=True) == [
        (0.0, 5.0, None, {"unconfirmed", "quarantined"}),
        (5.0, 10.0, "excluded", set()),
    ]


def test_a_still_is_excluded_as_a_whole_or_not_at_all() -> None:
    still = replace(FOUND, reference_start_s=0.0, reference_end_s=0.0)
    assert weighed(still, (0.0, 0.0)) == [(0.0, 10.0, "excluded", set())]
    assert weighed(still, (1.0, 2.0)) == [(0.0, 10.0, None, set())]
    asked = replace(FOUND, query_start_s=0.0, query_end_s=0.0, reference_end_s=100.06)
    assert weighed(asked, (90.0, 105.0)) == [(0.0, 0.0, "excluded", set())]
    shown = replace(asked, item=ItemNumber(2))
    assert weighed(asked, bank=(shown,)) == [(0.0, 0.0, None, {"shared_with_bank"})]


def test_what_lies_outside_of_stretches_of_the_query_is_left() -> None:
    left = outside([FOUND], [Stretch(start_s=0.0, end_s=6.0)])
    assert [(s.query_start_s, s.query_end_s, s.reference_start_s) for s in left] == [(6.0, 10.0, 106.0)]
    assert outside([FOUND], []) == [FOUND]


TIMES = st.floats(0, 300, allow_nan=False)


@given(
    st.lists(st.tuples(TIMES, TIMES).map(sorted), max_size=6), st.lists(st.tuples(TIMES, TIMES).map(sorted), max_size=4)
)
def test_pieces_cover_a_segment_once_in_order(excluded: list[list[float]], shown: list[list[float]]) -> None:
    bank = [replace(FOUND, query_start_s=a, query_end_s=b) for a, b in shown]
    stretches = [Stretch(start_s=a, end_s=b) for a, b in excluded]
    pieces = [p.segment for p in weigh(FOUND, excluded=stretches, bank=bank, quarantined=False)]
    assert pieces[0].query_start_s == pytest.approx(0.0)
    assert pieces[-1].query_end_s == pytest.approx(10.0)
    for left, right in pairwise(pieces):
        assert left.query_end_s == pytest.approx(right.query_start_s)
        assert left.reference_end_s == pytest.approx(right.reference_start_s)
    for piece in pieces:
        assert piece.reference_start_s - piece.query_start_s == pytest.approx(100.0)
