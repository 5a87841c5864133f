"""Accuracy: every system asked about every edited copy, told by system and by edit, with plots."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any

import numpy as np

from benchmarks import plots
from benchmarks.corpus import UNREGISTERED, Corpus
from benchmarks.judge import Answer, Judged, Row, ask
from benchmarks.report import Report, percent, table
from benchmarks.systems import System
from fingerprinting.model import Modality

_EXPLANATION = """
A pair (query, work) is found when the system reports it at its own thresholds. *Recall at no false* takes
instead the lowest score at which nothing wrong is found in the whole run. *µAP* is the micro average
precision of all pairs. *Segment F1* is that of VCSL (mean over pairs) and of VSC2022 (over all seconds);
*boundaries* are how far the starts and ends of found copies are off in the query, their mean. *Wrong*
counts works found in files that hold nothing of their source; *same source* works of a source that is in
the file (another take, the same set-up), which are neither right nor wrong. What *not registered* lists
are edited files of which nothing is registered. Times are medians for one query, on a shared machine.
""".strip()


def accuracy(corpus: Corpus, systems: Sequence[System[Any]], say: Callable[[str], None]) -> Report:
    """Ask every system, and tell; what is told by edit is told of the first one."""
    judged = []
    for system in systems:
        say(system.name)
        judged.append(ask(system, corpus, say))
    parts, images = [corpus.summary(), "", _EXPLANATION, ""], {}
    for modality in Modality:
        sides = [one for one in judged if _answers(one, modality)]
        if not sides:
            continue
        parts += [f"## {modality.value.capitalize()}", "", _systems_table(sides, modality), ""]
        parts += [_edits_table(sides[0], modality), "", _recall_table(sides, modality), ""]
        for name, image in plots.accuracy(sides, modality).items():
            images[f"accuracy-{modality}-{name}.png"] = image
            parts += [f"![{name}](accuracy-{modality}-{name}.png)", ""]
    parts += ["## Settings", "", *(f"- **{one.system.name}**: {one.system.setting}." for one in judged), ""]
    parts += [
        "## Works that could not be registered",
        "",
        *_or_none(line for one in judged for line in one.refused),
        "",
    ]
    parts += [f"## Wrong works, {judged[0].system.name}", "", *_or_none(judged[0].wrong_works())]
    figures = {"run": corpus.run, "systems": {one.system.name: _figures(one) for one in judged}}
    return Report(title="Accuracy", body="\n".join(parts), figures=figures, plots=images)


def _or_none(lines: Iterable[str]) -> list[str]:
    return list(lines) or ["None."]


def _answers(judged: Judged, modality: Modality) -> list[Answer]:
    return [answer for answer in judged.answers if answer.query.modality is modality]


def _by_edit(judged: Judged, modality: Modality) -> dict[str, list[Answer]]:
    """Answers by edit, the edits in their order."""
    edits: dict[str, list[Answer]] = {}
    for answer in _answers(judged, modality):
        edits.setdefault(answer.query.edit, []).append(answer)
    return edits


_FIGURES = (
    "recall", "at no false", "µAP", "F1, VCSL", "F1, VSC", "AP, VSC", "boundaries, median", "90 %", "wrong",
    "same source", "look, ms", "search, ms",
)  # fmt: skip


def _cells(row: Row) -> list[str]:
    seconds = ["–" if value is None else f"{value:.2f} s" for value in (row.boundary_s, row.boundary_90_s)]
    shares = (row.vcsl_f1, row.vsc_f1, row.vsc_average_precision)
    return [
        percent(row.recall),
        percent(row.recall_at_no_false),
        *("–" if value is None else f"{value:.3f}" for value in (row.average_precision, *shares)),
        *seconds,
        str(row.wrong),
        str(row.same_source),
        f"{row.looked_ms:.0f}",
        f"{row.searched_ms:.1f}",
    ]


def _systems_table(sides: Sequence[Judged], modality: Modality) -> str:
    rows = [[one.system.name, *_cells(one.row(_answers(one, modality)))] for one in sides]
    return table(("system", *_FIGURES), rows)


def _edits_table(judged: Judged, modality: Modality) -> str:
    rows = [
        [edit, str(len(answers)), *_cells(judged.row(answers))] for edit, answers in _by_edit(judged, modality).items()
    ]
    return table((f"{judged.system.name}, by edit", "queries", *_FIGURES), rows)


def _recall_table(sides: Sequence[Judged], modality: Modality) -> str:
    """Recall of all systems by edit, at no false."""
    edits = [_by_edit(one, modality) for one in sides]
    rows = [
        [edit, *(percent(one.row(answers[edit]).recall_at_no_false) for one, answers in zip(sides, edits, strict=True))]
        for edit in edits[0]
        if edit != UNREGISTERED
    ]
    return table(("recall at no false, by edit", *(one.system.name for one in sides)), rows)


def _figures(judged: Judged) -> dict[str, object]:
    figures: dict[str, object] = {"setting": judged.system.setting, "columns": [one.name for one in fields(Row)]}
    for modality in Modality:
        edits = _by_edit(judged, modality)
        if edits:
            least = judged.highest_wrong_score
            figures[modality] = {
                "all": _rounded(judged.row(_answers(judged, modality))),
                "highest_wrong_score": least if np.isfinite(least) else None,
                "by_edit": {edit: _rounded(judged.row(answers)) for edit, answers in edits.items()},
            }
    return figures


def _rounded(row: Row) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in astuple(row)]
