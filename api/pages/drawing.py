"""Drawings: what is counted and measured, as places in a picture. `parts/drawings.html.j2` draws them.

Across, everything is in percent of the picture, so that it fits any screen while its texts keep their size; down, in
pixels. Nothing here knows words or colours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

HEIGHT_PX: Final = 220
_TOP_PX, _BOTTOM_PX = 18.0, 192.0
_MOST_TICKS, _MOST_LABELS = 4, 4
_LEFT: Final = 5.0  # percent, for the values of the lines across
_BAR_SHARE: Final = 0.72  # of the room that a bar has
_EDGE: Final = 12.0  # percent, within which a word in the middle of its place would be cut off

type Values = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A line across, and the value that it stands for."""

    value: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word below; `anchor` as SVG's text-anchor."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A piece of a stacked bar; `row` and `column` say of which series and label it is."""

    row: int
    column: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    row: int
    column: int
    x: float
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all drawings have: lines across with their values, and words below."""

    ticks: tuple[Tick, ...]
    labels: tuple[Label, ...]
    bottom: float = _BOTTOM_PX
    height: int = HEIGHT_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    frame: Frame
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """`strokes` join points that follow each other; where a value is missing, the line is broken."""

    frame: Frame
    points: tuple[Point, ...]
    strokes: tuple[tuple[Point, Point], ...]


def nice_ticks(highest: float, *, whole: bool = False) -> list[float]:
    """Round values from 0 up to `highest` or a little more: 1, 2 or 5 times a power of ten apart.

    Args:
        whole: they count things.
    """
    rough = max(highest, 1.0 if whole else 1e-9) / _MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    return [round(step * number, 12) for number in range(math.ceil(highest / step - 1e-9) + 1)]


def bars(labels: Sequence[str], series: Sequence[Values]) -> Bars:
    """Bars that stand beside each other, each stacked of one value of every series, the first at the bottom."""
    sums = [sum(values[column] or 0 for values in series) for column in range(len(labels))]
    ticks = nice_ticks(max(sums, default=0), whole=True)
    width = _room(labels) * _BAR_SHARE
    drawn = []
    for column in range(len(labels)):
        below = 0.0
        for row, values in enumerate(series):
            value = values[column] or 0
            if value > 0:
                top, height = _y(below + value, ticks), _y(below, ticks) - _y(below + value, ticks)
                x = _x(column, labels) - width / 2
                drawn.append(Bar(row=row, column=column, x=_2(x), y=top, width=_2(width), height=_2(height)))
                below += value
    return Bars(frame=_frame(labels, ticks), bars=tuple(drawn))


def lines(labels: Sequence[str], series: Sequence[Values]) -> Lines:
    """A line for each series, over the same labels."""
    ticks = nice_ticks(max((value for values in series for value in values if value is not None), default=0.0))
    points: list[Point] = []
    strokes: list[tuple[Point, Point]] = []
    for row, values in enumerate(series):
        before: Point | None = None
        for column, value in enumerate(values):
            point = None
            if value is not None:
                point = Point(row=row, column=column, x=_2(_x(column, labels)), y=_y(value, ticks))
                points.append(point)
                if before is not None:
                    strokes.append((before, point))
            before = point
    return Lines(frame=_frame(labels, ticks), points=tuple(points), strokes=tuple(strokes))


def _frame(labels: Sequence[str], ticks: Sequence[float]) -> Frame:
    across = tuple(Tick(value=value, y=_y(value, ticks)) for value in ticks)
    return Frame(ticks=across, labels=tuple(_shown(labels)))


def _shown(labels: Sequence[str]) -> list[Label]:
    """As many as there is room for, evenly apart, and the last of them always: of days it is today."""
    every = max(1, math.ceil(len(labels) / _MOST_LABELS))
    last = len(labels) - 1
    shown = []
    for column in range(last % every, len(labels), every):
        x, anchor = _x(column, labels), "middle"
        if len(labels) > 1 and column == last:
            x, anchor = 100.0, "end"
        elif x < _EDGE:
            x, anchor = _LEFT, "start"
        shown.append(Label(x=_2(x), text=labels[column], anchor=anchor))
    return shown


def _room(labels: Sequence[str]) -> float:
    """How wide a column is."""
    return (100 - _LEFT) / max(1, len(labels))


def _x(column: int, labels: Sequence[str]) -> float:
    """The middle of a column."""
    return _LEFT + _room(labels) * (column + 0.5)


def _y(value: float, ticks: Sequence[float]) -> float:
    return _2(_BOTTOM_PX - (_BOTTOM_PX - _TOP_PX) * value / (ticks[-1] or 1.0))


def _2(value: float) -> float:
    return round(value, 2)
