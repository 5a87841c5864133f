"""Timeline: which stretches of a clip come from where, as lanes to be drawn or told in a table.

Decides what of the many matched segments is one stretch to a reader, and which lanes there are. It does not decide
what is a copy (fingerprinting.match) nor what was changed (fingerprinting.differences); stills have no time line.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

# Segments that go on within this, of both sides, are one stretch.
_SAME_S: Final = 1.0
_SHORTEST_S: Final = 0.5
_MOST_LANES: Final = 12
_MOST_TICKS: Final = 6
_TICK_STEPS_S: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


class What(StrEnum):
    """What a stretch is; of a clip, or (the last two) of the release that it came from."""

    EMBEDDED = "embedded"
    SAME = "same"
    INSERTED = "inserted"
    ALTERED_PICTURE = "altered_picture"
    ALTERED_SOUND = "altered_sound"
    CUT = "cut"
    WORK = "work"
    HERE = "here"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch [start_s, end_s) of what the time line is of; `other` is where that is in the other of the two.

    A cut has no length: it stands where `other` was taken out.
    """

    what: What
    start_s: float
    end_s: float
    other_start_s: float | None = None
    other_end_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Stretches that are about one thing.

    Attributes:
        of: the release or work; empty: the clip itself.
        title: its title, as its owner wrote it.
        modality: video or audio; None: both, or it does not matter.
    """

    of: str
    title: str
    modality: str | None = None
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Lanes over [0, length_s)."""

    length_s: float
    lanes: tuple[Lane, ...]

    @property
    def ticks_s(self) -> list[float]:
        """Where the axis is labelled: at round times, and not at many."""
        step_s = next((step for step in _TICK_STEPS_S if self.length_s / step <= _MOST_TICKS), _TICK_STEPS_S[-1] * 4)
        return [number * step_s for number in range(int(self.length_s / step_s) + 1)]

    @property
    def kinds(self) -> list[What]:
        """What is to be explained."""
        shown = {stretch.what for lane in self.lanes for stretch in lane.stretches}
        return [what for what in What if what in shown]

    def share(self, at_s: float) -> float:
        """A time as a share of the length, 0 to 1."""
        return min(max(at_s / self.length_s, 0.0), 1.0)


def of_clip(
    recovered: Iterable[Mapping[str, Any]], works: Iterable[Mapping[str, Any]], *, embedded_s: float | None = None
) -> Timeline | None:
    """The time line of a verified clip; None where nothing with a length was found in it.

    Args:
        recovered, works: as verifications tell them.
        embedded_s: length of a clip that is as the credentials in it say.
    """
    lanes: list[Lane] = []
    if embedded_s:
        whole = Stretch(what=What.EMBEDDED, start_s=0.0, end_s=embedded_s)
        lanes.append(Lane(of="", title="", stretches=(whole,)))
    for one in recovered:
        lanes += _of_release(one)
    for one in works:
        lanes += _by_modality(one["work_id"], one["title"], one["segments"], What.WORK)
    ends = [stretch.end_s for lane in lanes for stretch in lane.stretches]
    lengths = [float(one.get("query_duration_s") or 0.0) for one in works]
    return _timeline(lanes, max([*ends, *lengths], default=0.0))


def of_release(recovered: Mapping[str, Any]) -> Timeline | None:
    """The time line of a release that a clip came from: what of it is there; None where nothing says that any is not.

    Args:
        recovered: as verifications tell it.
    """
    missing = [one for one in recovered["differences"] if one["change"] == What.MISSING]
    if not missing:
        return None
    here = [
        Stretch(what=What.HERE, start_s=one["reference_start_s"], end_s=one["reference_end_s"])
        for one in recovered["segments"]
    ]
    gone = [
        Stretch(what=What.MISSING, start_s=one["reference_start_s"], end_s=one["reference_end_s"]) for one in missing
    ]
    stretches = tuple(sorted([*_united(here), *gone], key=lambda s: s.start_s))
    lane = Lane(of=recovered["release_id"], title=recovered["title"], stretches=stretches)
    return _timeline([lane], max(stretch.end_s for stretch in stretches))


def _timeline(lanes: Sequence[Lane], length_s: float) -> Timeline | None:
    drawn = tuple(lane for lane in lanes if lane.stretches)[:_MOST_LANES]
    return Timeline(length_s=length_s, lanes=drawn) if drawn and length_s >= _SHORTEST_S else None


def _of_release(one: Mapping[str, Any]) -> list[Lane]:
    of, title = one["release_id"], one["title"]
    lanes = _by_modality(of, title, one["segments"], What.SAME)
    if not one["segments"] and one["query_end_s"]:  # the very same file
        whole = Stretch(what=What.SAME, start_s=0.0, end_s=one["query_end_s"])
        lanes = [Lane(of=of, title=title, stretches=(whole,))]
    changed = tuple(
        Stretch(
            what=What.CUT if change["change"] == What.MISSING else What(change["change"]),
            start_s=change["query_start_s"],
            end_s=change["query_end_s"],
            other_start_s=change["reference_start_s"],
            other_end_s=change["reference_end_s"],
        )
        for change in one["differences"]
    )
    return [*lanes, Lane(of=of, title=title, stretches=changed)] if changed else lanes


def _by_modality(of: str, title: str, segments: Sequence[Mapping[str, Any]], what: What) -> list[Lane]:
    found = {modality: [s for s in segments if s["modality"] == modality] for modality in ("video", "audio")}
    return [
        Lane(of=of, title=title, modality=modality, stretches=tuple(_joined(some, what)))
        for modality, some in found.items()
        if some
    ]


def _joined(segments: Iterable[Mapping[str, Any]], what: What) -> list[Stretch]:
    """Segments, of whichever algorithm, as stretches: those that go on in the clip and in the other are one."""
    joined: list[Stretch] = []
    for segment in sorted(segments, key=lambda one: (one["query_start_s"], one["reference_start_s"])):
        stretch = Stretch(
            what=what, start_s=segment["query_start_s"], end_s=segment["query_end_s"],
            other_start_s=segment["reference_start_s"], other_end_s=segment["reference_end_s"],
        )  # fmt: skip
        if stretch.end_s - stretch.start_s < _SHORTEST_S:
            continue
        at = next((i for i, known in enumerate(joined) if _goes_on(known, stretch)), None)
        if at is None:
            joined.append(stretch)
        else:
            joined[at] = _both(joined[at], stretch)
    return joined


def _goes_on(one: Stretch, other: Stretch) -> bool:
    """Whether another stretch, which begins no sooner, is of the same line as one and leaves no gap after it."""
    if one.other_start_s is None or other.other_start_s is None or other.start_s > one.end_s + _SAME_S:
        return False
    ahead_s, reference_ahead_s = other.start_s - one.start_s, other.other_start_s - one.other_start_s
    return abs(ahead_s - reference_ahead_s) <= _SAME_S


def _both(one: Stretch, other: Stretch) -> Stretch:
    assert one.other_start_s is not None
    assert one.other_end_s is not None
    assert other.other_start_s is not None
    assert other.other_end_s is not None
    return replace(
        one,
        end_s=max(one.end_s, other.end_s),
        other_start_s=min(one.other_start_s, other.other_start_s),
        other_end_s=max(one.other_end_s, other.other_end_s),
    )


def _united(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Stretches that overlap, or nearly, as one."""
    united: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: s.start_s):
        if united and stretch.start_s <= united[-1].end_s + _SAME_S:
            last = united.pop()
            stretch = replace(last, end_s=max(last.end_s, stretch.end_s))
        united.append(stretch)
    return united
