"""The transparency report as people and machines read it: a page, a table of comma-separated values, pictures.

Decides how figures are named, written and drawn. It counts nothing (`domain.transparency`) and publishes nothing. The
page loads nothing and runs nothing: its pictures are SVG inside it, and their colours are the page's own, light or
dark. A picture never says what a table beside it does not.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pygal  # type: ignore[import-untyped]
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pygal.style import Style  # type: ignore[import-untyped]

from takedown.domain.track import TrackName
from takedown.domain.transparency import (
    TRUSTED_FLAGGER,
    Outcome,
    Report,
    Share,
    Split,
    Spread,
    Timing,
    Way,
    as_json,
)

# pygal leaves an importer behind that lacks what Python asks of one since 3.12; others stumble over it.
sys.meta_path[:] = [one for one in sys.meta_path if hasattr(one, "find_spec")]

_ALL = "all"
_CSV_HEAD = ("period_start", "period_end", "figure", "track", "tier", "value")
# A spreadsheet takes a cell that begins so for a formula (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_LABELS: Mapping[str, Mapping[str, str]] = {
    "track": {"dmca_512": "DMCA", "dsa_16": "DSA", "take_it_down": "Take It Down", "likeness": "Likeness"},
    "tier": {
        "trusted_flagger": "Trusted flagger", "vetted": "Vetted", "domain": "Domain", "email": "E-mail",
        "unverified": "Unverified", "anonymous": "Anonymous",
    },
    "outcome": {
        "open": "Not decided yet", "cure_pending": "Claimant asked to complete it", "defective": "Defective",
        "declined": "Declined", "rejected_abuse": "Rejected as abuse", "retracted": "Retracted",
        "disabled": "Disabled", "held": "Disabled, before a court", "restored": "Restored",
        "complaint_pending": "Complaint pending",
    },
    "action": {
        "disabled": "Material disabled", "declined": "Notices declined",
        "rejected_abuse": "Notices rejected as abuse", "retracted": "Notices retracted",
        "counter_notices": "Counter-notices received", "court_actions": "Court actions reported",
        "restored": "Material restored", "complaints_received": "Complaints received",
        "complaints_granted": "Complaints granted", "complaints_rejected": "Complaints rejected",
    },
    "ground": {"law": "Disabled on the ground of law", "terms": "Disabled under the terms of service"},
    "side": {"claimant": "The claimant complained", "uploader": "The uploader complained"},
    "timing": {
        "complete_to_decision": "From the complete notice to the decision",
        "submit_to_first_decision": "From submission to the first decision",
        "complaint_to_decision": "From a complaint to its decision",
    },
    "way": {
        "counter_notice": "after a counter-notice", "complaint": "after a complaint",
        "dispute": "by another body’s decision", "retraction": "the notice retracted",
        "rejection": "the notice rejected as abuse",
    },
}  # fmt: skip

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
    font_family="system-ui,sans-serif", label_font_size=12, major_label_font_size=12, legend_font_size=12,
    value_font_size=11, title_font_size=13,
)  # fmt: skip
_CHART_CSS = (
    "{id} .background{{fill:none}}{id} text{{fill:currentColor}}{id} .title{{text-anchor:middle;font-weight:600}}"
    "{id} .text-overlay text{{text-anchor:middle;fill:#111}}"
    "{id} .axis .line{{stroke:currentColor;stroke-opacity:.2;fill:none}}{id} .axis.x text{{text-anchor:middle}}"
    "{id} .axis.x text[transform]{{text-anchor:start}}{id} .axis.y text{{text-anchor:end}}"
    "{id} .vertical .axis.x .guide,{id} .horizontal .axis.y .guide{{stroke:none}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A line of a table: what it counts, and the cells as they are written."""

    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Rows under one caption; `plot` names the picture that shows the same."""

    caption: str
    rows: tuple[_Row, ...]
    plot: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """The bars of one colour, one value for each label of the axis; None draws nothing."""

    key: str
    label: str
    values: tuple[float | None, ...]


def as_csv(report: Report) -> str:
    """The figures in long form, one value a line; "all" where a line is not of one track or tier, RFC 4180.

    A value that nothing was there to measure for is empty. No cell begins as a spreadsheet's formula would.
    """
    told = as_json(report)
    period = (told.pop("start"), told.pop("end"))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_CSV_HEAD)
    for figure, track, tier, value in _lines("", told, track=_ALL, tier=_ALL):
        writer.writerow([*map(_harmless, (*period, figure, track, tier)), value])
    return text.getvalue()


def plots(report: Report) -> dict[str, str]:
    """The pictures by name, SVG; a picture of which nothing is to be seen is left out.

    The same report gives the same bytes.
    """
    drawn = {
        "received": _received(report),
        "outcomes": _outcomes(report),
        "times": _times(report),
        "restored": _restored(report),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def page(
    report: Report, *, operator: str, csv_href: str | None = None, json_href: str | None = None, language: str = "en"
) -> str:
    """The whole page.

    Args:
        operator: whose report it is.
        csv_href, json_href: where the same period's figures lie for machines.
        language: ISO 639-1; so far there is English.
    Raises:
        ValueError: the page is not written in that language.
    """
    name = f"transparency.{language}.html.j2"
    if name not in _templates().list_templates():
        raise ValueError(f"no page in language {language!r}")
    return (
        _templates()
        .get_template(name)
        .render(
            report=report,
            operator=operator,
            csv_href=csv_href,
            json_href=json_href,
            language=language,
            is_empty=not report.received.total and not any(of.total for of in report.actions.values()),
            last_day=report.end - timedelta.resolution,
            labels=_LABELS,
            groups=_tables(report),
            flagged=_flagged(report),
            misuse=_misuse(report),
            plots=plots(report),
        )
    )


# -- numbers and tables --------------------------------------------------------------------------


def _lines(figure: str, value: Any, *, track: str, tier: str) -> Iterator[tuple[str, str, str, Any]]:
    """Every number under a figure's name, with the track and the tier that it is of."""
    if not isinstance(value, dict):
        yield figure, track, tier, value
        return
    for key, each in value.items():
        if key == "total":
            yield from _lines(figure, each, track=track, tier=tier)
        elif key == "by_track":
            for name, of in each.items():
                yield from _lines(figure, of, track=name, tier=tier)
        elif key == "by_tier":
            for name, of in each.items():
                yield from _lines(figure, of, track=track, tier=name)
        else:
            of_tier = TRUSTED_FLAGGER if key == "trusted_flaggers" else tier
            yield from _lines(f"{figure}.{key}".lstrip("."), each, track=track, tier=of_tier)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _hours(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _percent(share: Share) -> str:
    return "–" if share.share_0_1 is None else f"{share.share_0_1:.1%}"


def _row[T](label: str, split: Split[T], written: Callable[[T], str]) -> _Row:
    values = (split.total, *split.by_track.values(), *split.by_tier.values())
    return _Row(label=label, cells=tuple(map(written, values)))


def _rows(kind: str, splits: Mapping[str, Split[int]]) -> tuple[_Row, ...]:
    return tuple(_row(_LABELS[kind][key], split, _number) for key, split in splits.items())


def _tables(report: Report) -> dict[str, tuple[_Table, ...]]:
    """The tables of each section of the page."""
    received = (
        _row("Notices received", report.received, _number),
        _row("of these, duplicates", report.duplicates, _number),
        _row("of these, found by automated means", report.automated_detection, _number),
        _row("Pieces of material named", report.materials_named, _number),
    )
    months = tuple(_row(_month(key), split, _number) for key, split in report.received_by_month.items())
    outcomes, complained = _rows("outcome", report.outcomes), _rows("side", report.complained)
    pieces = _row("Pieces of material disabled", report.materials_disabled, _number)
    back = report.restorations
    restored = (
        _row("Notices whose material was disabled", back.disabled, _number),
        *(_row(f"Restored, {_LABELS['way'][way]}", of, _number) for way, of in back.by_way.items()),
        _row("Restored, in all", back.share, lambda share: _number(share.part)),
        _row("Restored, share of those disabled", back.share, _percent),
    )
    return {
        "received": (
            _Table(caption="Notices received", rows=received),
            _Table(caption="Notices received, by month", rows=months, plot="received"),
        ),
        "outcomes": (
            _Table(caption="Where the notices received stand now", rows=outcomes, plot="outcomes"),
            _Table(caption="Notices received that somebody complained about", rows=complained),
        ),
        "actions": (
            _Table(caption="What was done in the period", rows=_rows("action", report.actions)),
            _Table(
                caption="What was disabled in the period", rows=(*_rows("ground", report.disabled_by_ground), pieces)
            ),
        ),
        "times": tuple(
            _Table(
                caption=f"{_LABELS['timing'][key]}, in hours",
                rows=tuple(_row(name, split, written) for name, written in _SPREAD),
                plot="times" if key == Timing.COMPLETE_TO_DECISION else None,
            )
            for key, split in report.times.items()
        ),
        "restorations": (
            _Table(caption="What became of what was disabled in the period", rows=restored, plot="restored"),
        ),
    }


_SPREAD: tuple[tuple[str, Callable[[Spread], str]], ...] = (
    ("Median", lambda spread: _hours(spread.median_h)),
    ("90th percentile", lambda spread: _hours(spread.p90_h)),
    ("How many", lambda spread: _number(spread.count)),
)


def _flagged(report: Report) -> tuple[_Row, ...]:
    flagged = report.trusted_flaggers
    pairs = [
        ("Notices received", _number(flagged.share.part)),
        ("Share of all notices received", _percent(flagged.share)),
        *((f"Received: {_LABELS['track'][key]}", _number(count)) for key, count in flagged.by_track.items()),
        *((f"Now: {_LABELS['outcome'][key].lower()}", _number(count)) for key, count in flagged.outcomes.items()),
        *(
            (f"Hours to the decision: {name.lower()}", written(flagged.complete_to_decision))
            for name, written in _SPREAD
        ),
    ]
    return tuple(_Row(label=label, cells=(value,)) for label, value in pairs)


def _misuse(report: Report) -> tuple[_Row, ...]:
    pairs = [
        ("Claimants suspended, for manifestly unfounded notices or complaints", report.misuse.suspended_claimants),
        ("Uploaders suspended, for manifestly illegal content", report.misuse.suspended_uploaders),
        *((f"Strikes: {kind.replace('_', ' ')}", count) for kind, count in report.misuse.strikes.items()),
    ]
    return tuple(_Row(label=label, cells=(_number(count),)) for label, count in pairs)


def _month(key: str) -> str:
    return f"{datetime.strptime(key, '%Y-%m'):%b %Y}"  # noqa: DTZ007 - a month's name, no moment


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "hours": _hours, "percent": _percent, "day": _day}
    return environment


def _day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


# -- pictures ------------------------------------------------------------------------------------


# Bars that lie are drawn from below: the first track is to be the uppermost.
_UPWARDS = tuple(reversed(TrackName))
_UPWARD_LABELS = tuple(_LABELS["track"][track] for track in _UPWARDS)


def _received(report: Report) -> str | None:
    months = list(report.received_by_month.values())
    return _drawn(
        pygal.StackedBar,
        name="received",
        title="Notices received, by month and track",
        labels=list(map(_month, report.received_by_month)),
        series=[
            _Series(key=track, label=_LABELS["track"][track], values=tuple(of.by_track[track] for of in months))
            for track in TrackName
        ],
        written=_number,
        order_min=0,
    )


def _outcomes(report: Report) -> str | None:
    return _drawn(
        pygal.HorizontalStackedBar,
        name="outcomes",
        title="Where the notices received stand now, by track",
        labels=_UPWARD_LABELS,
        series=[
            _Series(
                key=outcome,
                label=_LABELS["outcome"][outcome],
                values=tuple(report.outcomes[outcome].by_track[track] for track in _UPWARDS),
            )
            for outcome in Outcome
            if report.outcomes[outcome].total
        ],
        written=_number,
        order_min=0,
    )


def _times(report: Report) -> str | None:
    spreads = [report.times[Timing.COMPLETE_TO_DECISION].by_track[track] for track in _UPWARDS]
    return _drawn(
        pygal.HorizontalBar,
        name="times",
        title="Hours from the complete notice to the decision, by track",
        labels=_UPWARD_LABELS,
        series=[
            _Series(key="median_h", label="Median", values=tuple(spread.median_h for spread in spreads)),
            _Series(key="p90_h", label="90th percentile", values=tuple(spread.p90_h for spread in spreads)),
        ],
        written=lambda hours: f"{hours:,.1f}",
    )


def _restored(report: Report) -> str | None:
    back = report.restorations
    whole = back.disabled.by_track
    return _drawn(
        pygal.HorizontalStackedBar,
        name="restored",
        title="Share restored of what was disabled, by track",
        labels=_UPWARD_LABELS,
        series=[
            _Series(
                key=way,
                label=_LABELS["way"][way].capitalize(),
                values=tuple(
                    back.by_way[way].by_track[track] / whole[track] if whole[track] else None for track in _UPWARDS
                ),
            )
            for way in Way
            if back.by_way[way].total
        ],
        written=lambda share: f"{share:.0%}",
        range=(0, 1),
    )


def _drawn(
    kind: Callable[..., Any],
    *,
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[_Series],
    written: Callable[[Any], str],
    **options: Any,
) -> str | None:
    """A bar chart; None when every bar would be empty."""
    if not any(value for one in series for value in one.values):
        return None
    identity = f"#chart-{name}"
    colours = "".join(
        f"{identity} .color-{position}{{fill:{_COLOURS[one.key]};stroke:none}}" for position, one in enumerate(series)
    )
    chart = kind(
        css=(f"inline:{_CHART_CSS.format(id=identity)}{colours}",),
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
    chart.uuid = name  # what its ids and its style begin with; pygal's own is random
    for one in series:
        chart.add(one.label, one.values)
    chart.add_xml_filter(lambda root: _bared(root, name=name, title=title, desc=_said(labels, series, written)))
    return str(chart.render(is_unicode=True))


def _said(labels: Sequence[str], series: Sequence[_Series], written: Callable[[Any], str]) -> str:
    """The picture in words, for those who do not see it."""
    return " ".join(
        f"{label}: "
        + (", ".join(f"{s.label} {written(s.values[at])}" for s in series if s.values[at]) or "nothing")
        + "."
        for at, label in enumerate(labels)
    )


def _bared(root: Any, *, name: str, title: str, desc: str) -> Any:
    """Take away what would run, lead elsewhere or change from day to day, and say in words what is shown.

    pygal writes a script into every picture, whether or not it may use scripts, the day's date into a comment, and a
    `desc` for its own tooltips into every bar.
    """
    for parent in list(root.iter()):
        for child in list(parent):
            is_comment = not isinstance(child.tag, str)
            if is_comment or child.tag in {"script", "desc", "title"} or child.get("class") == "tooltip":
                parent.remove(child)
            else:
                child.attrib.pop("id", None)  # the legends', the same in every picture
    for position, (tag, text) in enumerate((("title", title), ("desc", desc))):
        told = root.makeelement(tag, {"id": f"chart-{name}-{tag}"})
        told.text = text
        root.insert(position, told)
    root.set("role", "img")
    root.set("aria-labelledby", f"chart-{name}-title")
    root.set("aria-describedby", f"chart-{name}-desc")
    return root
