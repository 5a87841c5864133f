"""Plots as PNG, small enough to stand in the documents: the only module that imports matplotlib."""

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.corpus import UNREGISTERED
from benchmarks.judge import Answer, Judged
from fingerprinting.model import Modality

_DPI = 80
_COLOURS = 48
_BINS = 40


def accuracy(sides: Sequence[Judged], modality: Modality) -> dict[str, bytes]:
    """Recall by edit, scores of right and of wrong pairs, and precision over recall."""
    return {
        "recall": _recall(sides, modality),
        "scores": _scores(sides[0], modality),
        "precision": _precision(sides, modality),
    }


def growth(title: str, unit: str, lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> bytes:
    """Lines over the number of rows held, both axes logarithmic."""
    figure, axes = _axes(6, 4)
    for name, (rows, values) in lines.items():
        axes.loglog(rows, values, marker="o", label=name)
    axes.set(title=title, xlabel="rows held", ylabel=unit)
    axes.legend(fontsize="small")
    return _png(figure)


def distances(
    title: str, sides: Mapping[str, Sequence[float]], limits: Mapping[str, float], *, axis: str = "bits apart"
) -> bytes:
    """A histogram of shares for copies and one for the rest, with lines at the limits."""
    figure, axes = _axes(6, 3.5)
    everything = [0.0, *(value for side in sides.values() for value in side)]
    bins = np.linspace(min(everything), max(everything), 2 * _BINS)
    for (name, bits), colour in zip(sides.items(), ("tab:green", "tab:red"), strict=True):
        shares = np.full(len(bits), 1 / max(1, len(bits)))
        axes.hist(bits, bins=bins.tolist(), weights=shares, label=name, color=colour, alpha=0.6)
    for (name, limit), style in zip(limits.items(), ("--", ":"), strict=False):
        axes.axvline(limit, color="black", linestyle=style, label=f"{name} {limit:g}")
    axes.set(title=title, xlabel=axis, ylabel="share")
    axes.legend(fontsize="small")
    return _png(figure)


def _mine(judged: Judged, modality: Modality) -> list[Answer]:
    return [answer for answer in judged.answers if answer.query.modality is modality]


def _recall(sides: Sequence[Judged], modality: Modality) -> bytes:
    edits = list(dict.fromkeys(a.query.edit for a in _mine(sides[0], modality) if a.query.edit != UNREGISTERED))
    shares = np.zeros((len(edits), len(sides)))
    for column, judged in enumerate(sides):
        for row, edit in enumerate(edits):
            found = judged.row([answer for answer in _mine(judged, modality) if answer.query.edit == edit])
            shares[row, column] = found.recall_at_no_false or 0.0
    figure, axes = _axes(2.5 + 0.8 * len(sides), 1.5 + 0.19 * len(edits))
    axes.imshow(shares, aspect="auto", cmap="RdYlGn", vmin=0, vmax=1)
    axes.set_yticks(range(len(edits)), edits, fontsize=7)
    axes.set_xticks(range(len(sides)), [one.system.name for one in sides], rotation=40, ha="right", fontsize=7)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6)
    axes.set_title("recall at no false, %", fontsize=9)
    return _png(figure)


def _scores(judged: Judged, modality: Modality) -> bytes:
    right, wrong = judged.scores(_mine(judged, modality))
    figure, axes = _axes(6, 3.5)
    bins = np.linspace(0, max(1.0, *right, *wrong), _BINS)
    for scores, name, colour in ((right, "right pairs", "tab:green"), (wrong, "wrong pairs", "tab:red")):
        axes.hist(scores, bins=bins.tolist(), label=f"{name} ({len(scores)})", color=colour, alpha=0.6)
    axes.set(title=f"{judged.system.name}: scores (seconds in agreement)", xlabel="score", ylabel="pairs")
    axes.legend(fontsize="small")
    return _png(figure)


def _precision(sides: Sequence[Judged], modality: Modality) -> bytes:
    figure, axes = _axes(6, 4.5)
    for judged in sides:
        points = judged.curve(_mine(judged, modality))
        name = f"{judged.system.name}, µAP {points.average_precision:.2f}"
        axes.plot(np.append(0, points.recall), np.append(1, points.precision), label=name)
    axes.set(
        title=f"{modality}: precision over recall", xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05)
    )
    axes.legend(fontsize="x-small", loc="lower left")
    return _png(figure)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = plt.figure(figsize=(width, height))
    return figure, figure.add_subplot()


def _png(figure: Figure) -> bytes:
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(packed, format="png", optimize=True)
    return packed.getvalue()
