"""The pictures of the transparency report: bar charts as SVG that runs nothing, loads nothing and needs no style.

All that is seen of them is in attributes, so that they may stand in a page whose policy allows no style of theirs;
their text has the colour of the text around them. A picture never says what a table beside it does not.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from takedown.domain.track import TrackName
from takedown.domain.transparency import Outcome, Report, Timing, Way
from takedown.report_words import ENGLISH, N_, Tongue

# pygal leaves an importer behind that lacks what Python asks of one since 3.12; others stumble over it.
sys.meta_path[:] = [one for one in sys.meta_path if hasattr(one, "find_spec")]

# Light enough for dark figures upon them, and told apart by people who see fewer colours (after Okabe and Ito).
_SKY, _ORANGE, _GREEN, _PINK, _YELLOW = "#56b4e9", "#e69f00", "#2fc49a", "#d99bc4", "#f0e442"
_COLOURS: Mapping[str, str] = {
    "dmca_512": _SKY, "dsa_16": _ORANGE, "take_it_down": _GREEN, "likeness": _PINK,
    "open": "#cfcfcf", "cure_pending": _YELLOW, "defective": "#b9a58c", "declined": _ORANGE,
    "rejected_abuse": "#ef8354", "retracted": _PINK, "disabled": _SKY, "held": "#93a8e8", "restored": _GREEN,
    "complaint_pending": "#a6d96a",
    "median_h": _SKY, "p90_h": _ORANGE,
    "counter_notice": _SKY, "complaint": _GREEN, "dispute": _YELLOW, "retraction": _ORANGE, "rejection": _PINK,
}  # fmt: skip
_STYLE = Style(
    label_font_size=12, major_label_font_size=12, legend_font_size=12, value_font_size=11, title_font_size=13
)
# What pygal's classes look like; of several, all hold.
_LOOKS: Mapping[str, Mapping[str, str]] = {
    "background": {"fill": "none"},
    "title": {"text-anchor": "middle", "font-weight": "600", "font-size": "13"},
    "text-overlay": {"text-anchor": "middle", "fill": "#111", "font-size": "11"},
    "x": {"text-anchor": "middle"},
    "y": {"text-anchor": "end"},
    "line": {"fill": "none", "stroke": "currentColor", "stroke-opacity": ".2"},
}
_ROOT = {"fill": "currentColor", "font-family": "system-ui,sans-serif", "font-size": "12", "role": "img"}
_UNWANTED = frozenset({"script", "style", "defs", "desc", "title"})
_MEASURES = frozenset({"x", "y", "width", "height", "d", "transform"})
_DECIMALS = re.compile(r"-?\d+\.\d+")
# Bars that lie are drawn from below: the first track is to be the uppermost.
_UPWARDS = tuple(reversed(TrackName))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The bars of one colour, one value for each label of the axis; None draws nothing."""

    key: str
    label: str
    values: tuple[float | None, ...]


def plots(report: Report, tongue: Tongue = ENGLISH) -> dict[str, str]:
    """The pictures by name, SVG; a picture of which nothing is to be seen is left out.

    The same report gives the same bytes.
    """
    drawn = {
        "received": _received(report, tongue),
        "outcomes": _outcomes(report, tongue),
        "times": _times(report, tongue),
        "restored": _restored(report, tongue),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def _received(report: Report, tongue: Tongue) -> str | None:
    months = list(report.received_by_month.values())
    return _drawn(
        pygal.StackedBar,
        name="received",
        title=tongue.say(N_("Notices received, by month and track")),
        labels=list(map(tongue.month, report.received_by_month)),
        series=[
            _Series(key=track, label=tongue.label("track", track), values=tuple(of.by_track[track] for of in months))
            for track in TrackName
        ],
        written=tongue.number,
        nothing=tongue.say(N_("nothing")),
        order_min=0,
    )


def _outcomes(report: Report, tongue: Tongue) -> str | None:
    return _drawn(
        pygal.HorizontalStackedBar,
        name="outcomes",
        title=tongue.say(N_("Where the notices received stand now, by track")),
        labels=_tracks(tongue),
        series=[
            _Series(
                key=outcome,
                label=tongue.label("outcome", outcome),
                values=tuple(report.outcomes[outcome].by_track[track] for track in _UPWARDS),
            )
            for outcome in Outcome
            if report.outcomes[outcome].total
        ],
        written=tongue.number,
        nothing=tongue.say(N_("nothing")),
        order_min=0,
    )


def _times(report: Report, tongue: Tongue) -> str | None:
    spreads = [report.times[Timing.COMPLETE_TO_DECISION].by_track[track] for track in _UPWARDS]
    median, p90 = tongue.say(N_("Median")), tongue.say(N_("90th percentile"))
    return _drawn(
        pygal.HorizontalBar,
        name="times",
        title=tongue.say(N_("Hours from the complete notice to the decision, by track")),
        labels=_tracks(tongue),
        series=[
            _Series(key="median_h", label=median, values=tuple(spread.median_h for spread in spreads)),
            _Series(key="p90_h", label=p90, values=tuple(spread.p90_h for spread in spreads)),
        ],
        written=tongue.tenths,
        nothing=tongue.say(N_("nothing")),
    )


def _restored(report: Report, tongue: Tongue) -> str | None:
    back = report.restorations
    whole = back.disabled.by_track
    return _drawn(
        pygal.HorizontalStackedBar,
        name="restored",
        title=tongue.say(N_("Share restored of what was disabled, by track")),
        labels=_tracks(tongue),
        series=[
            _Series(
                key=way,
                label=tongue.label("way", way),
                values=tuple(
                    back.by_way[way].by_track[track] / whole[track] if whole[track] else None for track in _UPWARDS
                ),
            )
            for way in Way
            if back.by_way[way].total
        ],
        written=lambda share: f"{share:.0%}",
        nothing=tongue.say(N_("nothing")),
        range=(0, 1),
    )


def _tracks(tongue: Tongue) -> tuple[str, ...]:
    return tuple(tongue.label("track", track) for track in _UPWARDS)


def _drawn(
    kind: Callable[..., Any],
    *,
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[_Series],
    written: Callable[[Any], str],
    nothing: str,
    **options: Any,
) -> str | None:
    """A bar chart; None when every bar would be empty."""
    if not any(value for one in series for value in one.values):
        return None
    chart = kind(
        css=(),
        js=(),
        style=_STYLE,
        disable_xml_declaration=True,
        title=title,
        x_labels=labels,
        x_label_rotation=45 if len(labels) > 6 else 0,
        width=560,
        height=290 + 9 * len(series),
        margin=8,
        margin_bottom=8 + 18 * (len(series) % 2),  # pygal forgets the last row of a legend when it is half full
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        truncate_legend=-1,
        truncate_label=-1,
        print_values=True,
        print_zeroes=False,
        value_formatter=lambda value: written(value) if value else "0",  # which `print_zeroes` knows
        no_data_text="",
        **options,
    )
    chart.uuid = name  # what its ids begin with; pygal's own is random
    for one in series:
        chart.add(one.label, one.values)
    colours = {f"color-{position}": _COLOURS[one.key] for position, one in enumerate(series)}
    desc = _said(labels, series, written, nothing)
    chart.add_xml_filter(lambda root: _described(_bared(root, colours), name=name, title=title, desc=desc))
    return str(chart.render(is_unicode=True))


def _said(
    labels: Sequence[str], series: Sequence[_Series], written: Callable[[Any], str], nothing: str
) -> str:  # fmt: skip
    """The picture in words, for those who do not see it."""
    said = (
        (label, ", ".join(f"{one.label} {written(one.values[at])}" for one in series if one.values[at]))
        for at, label in enumerate(labels)
    )
    return " ".join(f"{label}: {bars or nothing}." for label, bars in said)


def _bared(root: Any, colours: Mapping[str, str]) -> Any:
    """Take away what would run, lead elsewhere or change from day to day, and say by attributes how it looks.

    pygal writes a script into every picture, whether or not it may use scripts, the day's date into a comment, and a
    `desc` for its own tooltips into every bar.
    """
    lies = any("horizontal" in _classes(element) for element in root.iter())
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or _kind(child) in _UNWANTED or "tooltip" in _classes(child):
                parent.remove(child)
    for axis in root.iter():
        if {"axis", "y" if lies else "x"} <= set(_classes(axis)):  # between bars there is nothing to read off
            for guides in axis:
                for line in [child for child in guides if "guide" in _classes(child)]:
                    guides.remove(line)
    for overlay in [element for element in root.iter() if "text-overlay" in _classes(element)]:
        for element in overlay.iter():  # figures upon the bars, which are not of their colour
            element.set("class", " ".join(token for token in _classes(element) if token not in colours))
    for element in root.iter():
        for token in _classes(element):
            looks = {"fill": colours[token]} if token in colours else _LOOKS.get(token, {})
            for attribute, value in looks.items():
                element.set(attribute, value)
        element.attrib.pop("class", None)
        if element is not root:
            element.attrib.pop("id", None)  # the legends', the same in every picture
        if _kind(element) == "text" and element.get("transform"):
            element.set("text-anchor", "start")
        for attribute in _MEASURES & set(element.attrib):  # lxml, which pygal takes where it is, has keys in a list
            element.set(attribute, _DECIMALS.sub(lambda found: f"{float(found[0]):.5g}", element.get(attribute)))
    return root


def _kind(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _classes(element: Any) -> list[str]:
    return (element.get("class") or "").split()


def _described(root: Any, *, name: str, title: str, desc: str) -> Any:
    for position, (tag, text) in enumerate((("title", title), ("desc", desc))):
        told = root.makeelement(tag, {"id": f"chart-{name}-{tag}"})
        told.text = text
        root.insert(position, told)
    for attribute, value in _ROOT.items():
        root.set(attribute, value)
    root.set("aria-labelledby", f"chart-{name}-title")
    root.set("aria-describedby", f"chart-{name}-desc")
    return root
