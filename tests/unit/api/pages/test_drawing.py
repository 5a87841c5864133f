"""Drawings: round values on the axis, bars and lines at their places, and words that do not run into each other."""

import pytest

from api.pages import drawing


@pytest.mark.parametrize(
    ("highest", "whole", "ticks"),
    [
        (0, True, [0]),
        (1, True, [0, 1]),
        (3, True, [0, 1, 2, 3]),
        (9, True, [0, 5, 10]),
        (40, True, [0, 10, 20, 30, 40]),
        (1999, True, [0, 500, 1000, 1500, 2000]),
        (0.7, False, [0, 0.2, 0.4, 0.6, 0.8]),
        (0.003, False, [0, 0.001, 0.002, 0.003]),
    ],
)
def test_ticks_are_round_and_reach_the_highest(highest: float, *, whole: bool, ticks: list[float]) -> None:
    assert drawing.nice_ticks(highest, whole=whole) == pytest.approx(ticks)


def test_bars_stand_on_each_other() -> None:
    drawn = drawing.bars(["a", "b"], [[1, 0], [3, 2]])
    first, second, other = drawn.bars
    zero, highest = drawn.frame.ticks[0], drawn.frame.ticks[-1]
    assert (first.row, first.column, second.row, second.column) == (0, 0, 1, 0)
    assert (other.row, other.column) == (1, 1)  # nothing is drawn of nothing
    assert first.y + first.height == pytest.approx(zero.y)
    assert second.y + second.height == pytest.approx(first.y)
    assert highest.value == 4
    assert second.y == pytest.approx(highest.y)
    assert 0 <= first.x < first.x + first.width < other.x < other.x + other.width <= 100


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    drawn = drawing.lines(["a", "b", "c", "d"], [[1.0, 2.0, None, 4.0]])
    assert [point.column for point in drawn.points] == [0, 1, 3]
    assert [(start.column, end.column) for start, end in drawn.strokes] == [(0, 1)]
    assert drawn.points[2].y == pytest.approx(drawn.frame.ticks[-1].y)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 30, 90, 365])
def test_few_words_stand_below_and_the_last_is_one_of_them(count: int) -> None:
    labels = [str(number) for number in range(count)]
    shown = drawing.bars(labels, [[1] * count]).frame.labels
    assert 1 <= len(shown) <= 4
    assert shown[-1].text == labels[-1]
    places = [label.x for label in shown]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)


def test_nothing_at_all_can_be_drawn() -> None:
    assert drawing.bars([], []).bars == ()
    assert drawing.lines(["a"], [[None]]).points == ()
