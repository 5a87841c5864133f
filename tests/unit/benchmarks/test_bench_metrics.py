"""The benchmarks' figures, on examples worked by hand."""

import numpy as np
import pytest

from benchmarks.metrics import NO_BOXES, Scored, boundary_errors_s, curve, union_s, vcsl, vsc2022


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


ONE = boxes((0, 10, 20, 30))


def test_overlapping_intervals_count_once() -> None:
    assert union_s(np.array([[0.0, 10.0], [2.0, 3.0], [9.0, 12.0], [20.0, 21.0]])) == 13.0


def test_an_exact_segment_is_perfect_by_vcsl() -> None:
    assert vcsl(ONE, ONE).f1 == 1.0


def test_nothing_found_is_precise_and_finds_nothing() -> None:
    rates = vcsl(NO_BOXES, ONE)
    assert (rates.precision, rates.recall, rates.f1) == (1.0, 0.0, 0.0)


def test_something_found_where_nothing_is_has_no_precision() -> None:
    rates = vcsl(ONE, NO_BOXES)
    assert (rates.precision, rates.recall) == (0.0, 1.0)


def test_half_of_a_segment_has_a_quarter_of_the_recall_by_vcsl() -> None:
    # Half on each axis, and the axes are multiplied.
    rates = vcsl(boxes((0, 5, 20, 25)), ONE)
    assert (rates.precision, rates.recall) == (1.0, 0.25)
    assert rates.f1 == pytest.approx(0.4)


def test_two_halves_are_as_good_as_the_whole() -> None:
    assert vcsl(boxes((0, 5, 20, 25), (5, 10, 25, 30)), ONE).f1 == 1.0


def test_a_box_that_meets_the_truth_on_one_axis_only_is_wrong() -> None:
    rates = vcsl(boxes((0, 10, 50, 60)), ONE)
    assert (rates.precision, rates.recall) == (0.0, 0.0)


def test_vsc2022_takes_the_root_over_both_axes() -> None:
    # Precision: 5/5 in the query, 5/10 in the reference. Recall: 5/10 on both.
    result = vsc2022(
        [Scored(pair=("a", 0), score=1.0, box=(0, 5, 20, 30))], {("a", 0): boxes((0, 10, 20, 25), (30, 30, 0, 5))}
    )
    assert result.rates.precision == pytest.approx(np.sqrt(1.0 * 0.5))
    assert result.rates.recall == pytest.approx(np.sqrt(0.5 * 0.5))
    assert result.average_precision == pytest.approx(np.sqrt(0.5) * 0.5)


def test_vsc2022_pays_for_a_false_pair_only_below_its_score() -> None:
    true = {("a", 0): ONE, ("b", 0): ONE}
    right = [
        Scored(pair=("a", 0), score=0.9, box=(0, 10, 20, 30)),
        Scored(pair=("b", 0), score=0.5, box=(0, 10, 20, 30)),
    ]
    false = (0.0, 10.0, 0.0, 10.0)
    assert vsc2022(right, true).average_precision == pytest.approx(1.0)
    late = vsc2022([*right, Scored(pair=("c", 0), score=0.1, box=false)], true)
    assert late.average_precision == pytest.approx(1.0)
    assert late.rates.precision == pytest.approx(2 / 3)
    # Half of the recall at precision 1, the other half at 20 of 30 seconds.
    between = vsc2022([*right, Scored(pair=("c", 0), score=0.7, box=false)], true)
    assert between.average_precision == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_micro_average_precision_counts_what_was_never_found() -> None:
    scores, right = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    # 1/4 at precision 1, 1/4 more at precision 2/3, two of four never.
    assert curve(scores, right, to_find=4).average_precision == pytest.approx(0.25 + 0.25 * 2 / 3)


def test_equal_scores_are_one_point_whatever_their_order() -> None:
    scores = np.array([0.5, 0.5])
    for right in ([True, False], [False, True]):
        result = curve(scores, np.array(right), to_find=1)
        assert result.precision.tolist() == [0.5]
        assert result.recall.tolist() == [1.0]


def test_boundaries_are_missed_by_the_mean_of_both_ends() -> None:
    found = boxes((1, 4, 0, 0), (5, 9.5, 0, 0), (31, 40, 0, 0))
    true = boxes((0, 10, 0, 0), (30, 40, 0, 0), (60, 70, 0, 0))
    assert boundary_errors_s(found, true) == [0.75, 0.5]
