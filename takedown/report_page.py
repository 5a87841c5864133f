"""The transparency report as people and machines read it: a page, a table of comma-separated values, pictures.

Decides how figures are named and written; `report_pictures` draws them. It counts nothing (`domain.transparency`) and
publishes nothing. The report is the same wherever it stands: in a page of its own, which loads nothing and runs
nothing, or within another's.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from takedown.domain.transparency import TRUSTED_FLAGGER, Report, Split, Spread, Timing, as_json
from takedown.report_pictures import plots
from takedown.report_words import ENGLISH, LABELS, N_, NOTHING, Tongue

_ALL = "all"
_CSV_HEAD = ("period_start", "period_end", "figure", "track", "tier", "value")
# A spreadsheet takes a cell that begins so for a formula (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
        writer.writerow([*map(harmless, (*period, figure, track, tier)), value])
    return text.getvalue()


def body(report: Report, tongue: Tongue = ENGLISH) -> str:
    """What the report says, from its key figures to how they are counted: HTML to stand in some page.

    Its texts are escaped; it has no style of its own, and no heading above `h2`.
    """
    return _templates().get_template("report.html.j2").render(_context(report, tongue))


def page(
    report: Report, *, operator: str, csv_href: str | None = None, json_href: str | None = None, language: str = "en"
) -> str:
    """The report as one file that stands on its own.

    Args:
        operator: whose report it is.
        csv_href, json_href: where the same period's figures lie for machines.
        language: ISO 639-1; so far there is English.
    Raises:
        ValueError: the page is not written in that language.
    """
    if language != ENGLISH.locale:
        raise ValueError(f"no page in language {language!r}")
    template = _templates().get_template("transparency.html.j2")
    return template.render(
        _context(report, ENGLISH), operator=operator, csv_href=csv_href, json_href=json_href, language=language
    )


def _context(report: Report, tongue: Tongue) -> dict[str, Any]:
    return {
        "report": report,
        "_": tongue.say,
        "tongue": tongue,
        "nothing": ("0", NOTHING),
        "is_empty": not report.received.total and not any(of.total for of in report.actions.values()),
        "last_day": report.end - timedelta.resolution,
        "tracks": [tongue.label("track", key) for key in LABELS["track"]],
        "tiers": [tongue.label("tier", key) for key in LABELS["tier"]],
        "groups": _tables(report, tongue),
        "flagged": _flagged(report, tongue),
        "misuse": _misuse(report, tongue),
        "plots": plots(report, tongue),
    }


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


def harmless(text: str) -> str:
    """A cell of a table that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _row[T](label: str, split: Split[T], written: Callable[[T], str]) -> _Row:
    values = (split.total, *split.by_track.values(), *split.by_tier.values())
    return _Row(label=label, cells=tuple(map(written, values)))


def _rows(kind: str, splits: Mapping[str, Split[int]], tongue: Tongue) -> tuple[_Row, ...]:
    return tuple(_row(tongue.label(kind, key), split, tongue.number) for key, split in splits.items())


def _tables(report: Report, tongue: Tongue) -> dict[str, tuple[_Table, ...]]:
    """The tables of each section of the page."""
    say, number = tongue.say, tongue.number
    received = (
        _row(say(N_("Notices received")), report.received, number),
        _row(say(N_("of these, duplicates")), report.duplicates, number),
        _row(say(N_("of these, found by automated means")), report.automated_detection, number),
        _row(say(N_("Pieces of material named")), report.materials_named, number),
    )
    months = tuple(_row(tongue.month(key), split, number) for key, split in report.received_by_month.items())
    outcomes, complained = _rows("outcome", report.outcomes, tongue), _rows("side", report.complained, tongue)
    pieces = _row(say(N_("Pieces of material disabled")), report.materials_disabled, number)
    return {
        "received": (
            _Table(caption=say(N_("Notices received")), rows=received),
            _Table(caption=say(N_("Notices received, by month")), rows=months, plot="received"),
        ),
        "outcomes": (
            _Table(caption=say(N_("Where the notices received stand now")), rows=outcomes, plot="outcomes"),
            _Table(caption=say(N_("Notices received that somebody complained about")), rows=complained),
        ),
        "actions": (
            _Table(caption=say(N_("What was done in the period")), rows=_rows("action", report.actions, tongue)),
            _Table(
                caption=say(N_("What was disabled in the period")),
                rows=(*_rows("ground", report.disabled_by_ground, tongue), pieces),
            ),
        ),
        "times": tuple(
            _Table(
                caption=tongue.label("timing", key),
                rows=tuple(_row(name, split, written) for name, written in _spread(tongue)),
                plot="times" if key == Timing.COMPLETE_TO_DECISION else None,
            )
            for key, split in report.times.items()
        ),
        "restorations": (_restored(report, tongue),),
    }


def _restored(report: Report, tongue: Tongue) -> _Table:
    say, back = tongue.say, report.restorations
    rows = (
        _row(say(N_("Notices whose material was disabled")), back.disabled, tongue.number),
        *(_row(tongue.label("restored", way), of, tongue.number) for way, of in back.by_way.items()),
        _row(say(N_("Restored, in all")), back.share, lambda share: tongue.number(share.part)),
        _row(say(N_("Restored, share of those disabled")), back.share, tongue.percent),
    )
    return _Table(caption=say(N_("What became of what was disabled in the period")), rows=rows, plot="restored")


def _spread(tongue: Tongue) -> tuple[tuple[str, Callable[[Spread], str]], ...]:
    return (
        (tongue.say(N_("Median")), lambda spread: tongue.hours(spread.median_h)),
        (tongue.say(N_("90th percentile")), lambda spread: tongue.hours(spread.p90_h)),
        (tongue.say(N_("How many")), lambda spread: tongue.number(spread.count)),
    )


def _flagged(report: Report, tongue: Tongue) -> tuple[_Row, ...]:
    say, flagged = tongue.say, report.trusted_flaggers
    pairs = [
        (say(N_("Notices received")), tongue.number(flagged.share.part)),
        (say(N_("Share of all notices received")), tongue.percent(flagged.share)),
        *(
            (say(N_("Received: %(track)s"), track=tongue.label("track", key)), tongue.number(count))
            for key, count in flagged.by_track.items()
        ),
        *(
            (say(N_("Now: %(outcome)s"), outcome=tongue.label("outcome", key)), tongue.number(count))
            for key, count in flagged.outcomes.items()
        ),
        *(
            (say(N_("Hours to the decision: %(figure)s"), figure=name), written(flagged.complete_to_decision))
            for name, written in _spread(tongue)
        ),
    ]
    return tuple(_Row(label=label, cells=(value,)) for label, value in pairs)


def _misuse(report: Report, tongue: Tongue) -> tuple[_Row, ...]:
    say = tongue.say
    claimants = N_("Claimants suspended, for manifestly unfounded notices or complaints")
    uploaders = N_("Uploaders suspended, for manifestly illegal content")
    strikes = {
        kind: say(LABELS["strike"][kind]) if kind in LABELS["strike"] else say(N_("Strikes: %(kind)s"), kind=kind)
        for kind in report.misuse.strikes
    }
    pairs = [
        (say(claimants), report.misuse.suspended_claimants),
        (say(uploaders), report.misuse.suspended_uploaders),
        *((strikes[kind], count) for kind, count in report.misuse.strikes.items()),
    ]
    return tuple(_Row(label=label, cells=(tongue.number(count),)) for label, count in pairs)


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
