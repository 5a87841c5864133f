"""What the operator tells the public about a period's notices, in figures.

Decides what is counted, to which period it belongs, and how times and shares are reckoned. It does not say how the
figures look (`report_page`), nor where the cases come from. No figure names a person, a work or a notice.

Two bases, never mixed. What was *received* is counted by the time of submission, and its outcomes are as they stand
now. What was *done* (actions, times, restorations) is counted by the time of the event, whenever the notice came.
A period is [start, end): nothing is counted in two periods, nothing between them.

Where Regulation (EU) 2022/2065 (DSA) asks for a figure:

- 15(1)(b): `received` (by track, which is the type of alleged illegality; trusted flaggers by tier), `actions` and
  `disabled_by_ground` (law, or terms and conditions), `times` (the median time to the action);
- 15(1)(d): the complaints in `actions` (a granted one is a decision reversed), `complained`, `complaint_to_decision`;
- 22, with 15(1)(b): `trusted_flaggers`;
- 24(1)(b): `misuse`, the suspensions under 23(1) and 23(2).

Not here, for nothing in a notice's course tells them: orders of authorities (15(1)(a)), notices processed by automated
means alone (15(1)(b); `automated_detection` is how the claimant found the material), the operator's own initiative and
its automated means (15(1)(c) and (e)), and disputes before other bodies (24(1)(a)).
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from takedown.domain.states import PUTS_BACK, Actor, Event, State
from takedown.domain.track import TrackName
from takedown.errors import IncompleteHistory, NaiveDatetime

TRUSTED_FLAGGER = "trusted_flagger"
TIERS = (TRUSTED_FLAGGER, "vetted", "domain", "email", "unverified", "anonymous")
SUBMIT = "submit"  # a history's first event, which no table of transitions has
SIDES = (Actor.CLAIMANT, Actor.UPLOADER)

_HOUR = timedelta(hours=1)
TAKE_IT_DOWN_LIMIT = 48 * _HOUR  # 47 U.S.C. 223a(a)(3): "not later than 48 hours after receiving such request"


class Outcome(StrEnum):
    """Where a notice stands, as the public is told. Published: values are never renamed."""

    OPEN = "open"
    CURE_PENDING = "cure_pending"
    DEFECTIVE = "defective"
    DECLINED = "declined"
    REJECTED_ABUSE = "rejected_abuse"
    RETRACTED = "retracted"
    DISABLED = "disabled"
    HELD = "held"
    RESTORED = "restored"
    COMPLAINT_PENDING = "complaint_pending"


_COMPLAINTS = frozenset({State.CLAIMANT_COMPLAINT, State.UPLOADER_COMPLAINT})
_OUTCOME_OF: Mapping[str, Outcome] = {
    **{outcome: outcome for outcome in Outcome if outcome.value in State},  # most are called as the state is
    **dict.fromkeys((State.SUBMITTED, State.EMAIL_CONFIRMED, State.TRIAGE, State.VALID), Outcome.OPEN),
    State.CURE_REQUESTED: Outcome.CURE_PENDING,
    # The material stays down while a counter-notice is on its way, and where the decision was upheld.
    **dict.fromkeys((State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED, State.FORWARDED, State.UPHELD), Outcome.DISABLED),
    **dict.fromkeys(_COMPLAINTS, Outcome.COMPLAINT_PENDING),
}
# `closed` says that the claimant got nothing, and not by which of these.
_REFUSALS = frozenset({State.DECLINED, State.REJECTED_ABUSE})


class Action(StrEnum):
    """What happened to notices in a period. Published: values are never renamed."""

    DISABLED = "disabled"
    DECLINED = "declined"
    REJECTED_ABUSE = "rejected_abuse"
    RETRACTED = "retracted"
    COUNTER_NOTICES = "counter_notices"
    COURT_ACTIONS = "court_actions"
    RESTORED = "restored"
    COMPLAINTS_RECEIVED = "complaints_received"
    COMPLAINTS_GRANTED = "complaints_granted"
    COMPLAINTS_REJECTED = "complaints_rejected"


class Ground(StrEnum):
    """On what material was disabled (DSA 15(1)(b)). Published: values are never renamed."""

    LAW = "law"
    TERMS = "terms"


# What the operator's own policy forbids is taken down under its terms; the other tracks rest on a statute.
_GROUND = dict.fromkeys(TrackName, Ground.LAW) | {TrackName.LIKENESS: Ground.TERMS}


class Timing(StrEnum):
    """From when to when. Published: values are never renamed."""

    COMPLETE_TO_DECISION = "complete_to_decision"
    SUBMIT_TO_FIRST_DECISION = "submit_to_first_decision"
    COMPLAINT_TO_DECISION = "complaint_to_decision"


class Way(StrEnum):
    """How disabled material came back. Published: values are never renamed."""

    COUNTER_NOTICE = "counter_notice"
    COMPLAINT = "complaint"
    DISPUTE = "dispute"  # a court or an out-of-court body (DSA 21) undid what stood
    RETRACTION = "retraction"
    REJECTION = "rejection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One notice without personal data.

    Args:
        history: event, the state it led to, and when; oldest first, beginning with `submit`.
        materials: how many pieces of material the notice names.
        automated_detection: whether a machine found the material, not a person.
        complaints: the side of each complaint about the notice.
    Raises:
        IncompleteHistory: the history does not begin with `submit`.
        NaiveDatetime: a time names no time zone.
        ValueError: a track, tier, state or side is unknown; left out, it would falsify the totals.
    """

    notice_id: str
    track: str
    tier: str
    state: str
    history: tuple[tuple[str, str, datetime], ...]
    materials: int
    automated_detection: bool
    is_duplicate: bool
    complaints: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.history or self.history[0][0] != SUBMIT:
            raise IncompleteHistory(missing=State.SUBMITTED)
        for _, _, at in self.history:
            _aware(at)
        known = self.track in list(TrackName) and self.tier in TIERS and set(self.complaints) <= set(SIDES)
        if not known or self.state not in list(State):
            raise ValueError(f"unknown in {self.track=}, {self.tier=}, {self.state=}, {self.complaints=}")

    @property
    def received_at(self) -> datetime:
        return self.history[0][2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Times in hours, rounded to hundredths; None where there are none."""

    count: int
    median_h: float | None
    p90_h: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of a whole; `share_0_1` is rounded to four places, None where there is no whole."""

    part: int
    whole: int
    share_0_1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split[T]:
    """One figure: of all, of each track, of each tier. Every track and tier is named, those with nothing too."""

    total: T
    by_track: Mapping[str, T]
    by_tier: Mapping[str, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restorations:
    """Notices whose material was disabled in the period, each counted once; those whose material is back, by how."""

    disabled: Split[int]
    by_way: Mapping[str, Split[int]]
    share: Split[Share]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedFlaggers:
    """The notices of trusted flaggers (DSA 22) alone; `share` is theirs of all that were received."""

    share: Share
    by_track: Mapping[str, int]
    outcomes: Mapping[str, int]
    complete_to_decision: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Misuse:
    """Measures against misuse (DSA 23); strikes by their kind."""

    strikes: Mapping[str, int]
    suspended_claimants: int
    suspended_uploaders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A period's figures.

    Args:
        received_by_month: keys are "2026-01" and so on, every month of the period, in `start`'s time zone.
        complained: notices received about which that side complained.
        take_it_down_in_time: requests that fell due in the period; the part was disabled within 48 hours.
    """

    start: datetime
    end: datetime
    received: Split[int]
    received_by_month: Mapping[str, Split[int]]
    duplicates: Split[int]
    automated_detection: Split[int]
    materials_named: Split[int]
    materials_disabled: Split[int]
    outcomes: Mapping[str, Split[int]]
    complained: Mapping[str, Split[int]]
    actions: Mapping[str, Split[int]]
    disabled_by_ground: Mapping[str, Split[int]]
    times: Mapping[str, Split[Spread]]
    take_it_down_in_time: Share
    restorations: Restorations
    trusted_flaggers: TrustedFlaggers
    misuse: Misuse


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One event of a notice; `before` is the state it was in, None at its submission."""

    case: Case
    event: str
    before: str | None
    after: str
    at: datetime

    @property
    def grants(self) -> bool:
        """Whether a complaint succeeded; where none is pending, another body said so, not the operator."""
        return self.before in _COMPLAINTS and self.event in {Event.RESTORE, Event.REJECT_ABUSE, Event.REINSTATE}


_IS: dict[Action, Callable[[_Step], bool]] = {
    Action.DISABLED: lambda step: step.event == Event.DISABLE,
    Action.DECLINED: lambda step: step.event == Event.DECLINE,
    Action.REJECTED_ABUSE: lambda step: step.event == Event.REJECT_ABUSE,
    Action.RETRACTED: lambda step: step.event == Event.RETRACT,
    # What completes a counter-notice is received too, but is not another one.
    Action.COUNTER_NOTICES: lambda step: step.event == Event.RECEIVE_COUNTER and step.before != step.after,
    Action.COURT_ACTIONS: lambda step: step.event == Event.COURT_ACTION,
    Action.RESTORED: lambda step: step.event == Event.RESTORE,
    Action.COMPLAINTS_RECEIVED: lambda step: step.event == Event.COMPLAIN,
    Action.COMPLAINTS_GRANTED: lambda step: step.grants,
    Action.COMPLAINTS_REJECTED: lambda step: step.event == Event.UPHOLD,
}


def figures(
    cases: Iterable[Case],
    *,
    start: datetime,
    end: datetime,
    suspended_claimants: int = 0,
    suspended_uploaders: int = 0,
    strikes: Mapping[str, int] = MappingProxyType({}),
) -> Report:
    """Count a period's figures.

    Args:
        cases: every notice received or acted upon in the period; others may be among them.
        start: in.
        end: not in, and not in the future: what falls due before it and is not done counts as late.
    Raises:
        NaiveDatetime: `start` or `end` names no time zone.
        ValueError: the period is empty, or a notice comes twice.
    """
    if _aware(start) >= _aware(end):
        raise ValueError(f"a period cannot begin at {start} and end at {end}")
    cases = tuple(cases)
    if len({case.notice_id for case in cases}) < len(cases):
        raise ValueError("a notice comes twice")
    received = [case for case in cases if start <= case.received_at < end]
    done = [step for case in cases for step in _steps(case) if start <= step.at < end]
    disabled = [step.case for step in done if _IS[Action.DISABLED](step)]
    outcomes = _each(Outcome, [(outcome_of(case), case) for case in received])
    times = _times(cases, start=start, end=end)
    return Report(
        start=start,
        end=end,
        received=_count(received),
        received_by_month=_each(_months(start, end), [(_month(case.received_at, start), case) for case in received]),
        duplicates=_count([case for case in received if case.is_duplicate]),
        automated_detection=_count([case for case in received if case.automated_detection]),
        materials_named=_split([(case, case.materials) for case in received], sum),
        materials_disabled=_split([(case, case.materials) for case in disabled], sum),
        outcomes=outcomes,
        complained=_each(SIDES, [(side, case) for case in received for side in set(case.complaints)]),
        actions=_each(Action, [(action, step.case) for step in done for action in Action if _IS[action](step)]),
        disabled_by_ground=_each(Ground, [(_GROUND[TrackName(case.track)], case) for case in disabled]),
        times=times,
        take_it_down_in_time=_share([ok for due, ok in filter(None, map(_due, cases)) if start <= due < end]),
        restorations=_restorations(disabled),
        trusted_flaggers=_flagged(received, outcomes, times[Timing.COMPLETE_TO_DECISION]),
        misuse=Misuse(
            strikes=MappingProxyType(dict(strikes)),
            suspended_claimants=suspended_claimants,
            suspended_uploaders=suspended_uploaders,
        ),
    )


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON has it: fields by their names, times in ISO 8601."""
    return {field.name: _plain(getattr(report, field.name)) for field in fields(report)}


def outcome_of(case: Case) -> Outcome:
    """Where a notice stands; once closed, by the last refusal."""
    if case.state != State.CLOSED:
        return _OUTCOME_OF[case.state]
    refusals = [state for _, state, _ in case.history if state in _REFUSALS]
    if not refusals:
        raise ValueError(f"notice {case.notice_id} is closed, and was never refused")
    return _OUTCOME_OF[refusals[-1]]


def _steps(case: Case) -> Iterator[_Step]:
    before: str | None = None
    for event, after, at in case.history:
        yield _Step(case=case, event=event, before=before, after=after, at=at)
        before = after


def _timings(case: Case) -> Iterator[tuple[Timing, datetime, float]]:
    """Each time that came to its end: which, when it ended, how many hours it took.

    A decision is that the material goes down or that it does not; a rejection for abuse is counted but not timed, for
    it may come long after the notice was acted on. A complaint that is withdrawn with its notice was not decided.
    """
    valid_at, complained_at, is_decided = case.received_at, None, False
    for step in _steps(case):
        if step.event == Event.FIND_VALID:
            valid_at = step.at
        elif step.event == Event.COMPLAIN:
            complained_at = step.at
        elif complained_at and (step.grants or step.event == Event.UPHOLD):
            yield Timing.COMPLAINT_TO_DECISION, step.at, (step.at - complained_at) / _HOUR
        elif step.event in {Event.DISABLE, Event.DECLINE}:
            yield Timing.COMPLETE_TO_DECISION, step.at, (step.at - valid_at) / _HOUR
            if not is_decided:
                yield Timing.SUBMIT_TO_FIRST_DECISION, step.at, (step.at - case.received_at) / _HOUR
            is_decided = True


def _due(case: Case) -> tuple[datetime, bool] | None:
    """When a take-it-down request fell due and whether it was met by then; None where no removal was owed.

    The time runs from the complete request: its submission, or the last cure before the removal. A request that is
    still open counts as complete and unmet: that nobody has looked at it is no excuse.
    """
    if case.track != TrackName.TAKE_IT_DOWN:
        return None
    due = case.received_at + TAKE_IT_DOWN_LIMIT
    for event, _, at in case.history:
        if event == Event.CURE:
            due = at + TAKE_IT_DOWN_LIMIT
        elif event == Event.DISABLE:
            return due, at <= due
    return (due, False) if outcome_of(case) is Outcome.OPEN else None


def _way_back(case: Case) -> Way | None:
    """How the material last came back; None while it is down, or if it never was."""
    is_down, way = False, None
    for step in _steps(case):
        if step.event == Event.DISABLE:
            is_down, way = True, None
        elif is_down and step.after in PUTS_BACK:
            is_down, way = False, _way(step)
    return way


def _way(step: _Step) -> Way:
    if step.after != State.RESTORED:
        return Way.RETRACTION if step.after == State.RETRACTED else Way.REJECTION
    if step.before == State.UPLOADER_COMPLAINT:
        return Way.COMPLAINT
    return Way.DISPUTE if step.before == State.UPHELD else Way.COUNTER_NOTICE


def _times(cases: Sequence[Case], *, start: datetime, end: datetime) -> Mapping[str, Split[Spread]]:
    ended: dict[str, list[tuple[Case, float]]] = {str(timing): [] for timing in Timing}
    for case in cases:
        for timing, at, hours in _timings(case):
            if start <= at < end:
                ended[timing].append((case, hours))
    return MappingProxyType({timing: _split(of, _spread) for timing, of in ended.items()})


def _flagged(received: Sequence[Case], outcomes: Mapping[str, Split[int]], times: Split[Spread]) -> TrustedFlaggers:
    return TrustedFlaggers(
        share=_share([case.tier == TRUSTED_FLAGGER for case in received]),
        by_track=_count([case for case in received if case.tier == TRUSTED_FLAGGER]).by_track,
        outcomes=MappingProxyType({outcome: of.by_tier[TRUSTED_FLAGGER] for outcome, of in outcomes.items()}),
        complete_to_decision=times.by_tier[TRUSTED_FLAGGER],
    )


def _restorations(disabled: Sequence[Case]) -> Restorations:
    once = {case.notice_id: case for case in disabled}.values()
    ways = [(_way_back(case), case) for case in once]
    return Restorations(
        disabled=_count(once),
        by_way=_each(Way, [(way, case) for way, case in ways if way]),
        share=_split([(case, way is not None) for way, case in ways], _share),
    )


def _months(start: datetime, end: datetime) -> Iterator[str]:
    """Every month that the period touches, in `start`'s time zone."""
    month, last = start, (end - timedelta.resolution).astimezone(start.tzinfo)
    while (month.year, month.month) <= (last.year, last.month):
        yield _month(month, start)
        month = (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def _month(at: datetime, start: datetime) -> str:
    return f"{at.astimezone(start.tzinfo):%Y-%m}"


def _split[V, T](of: Iterable[tuple[Case, V]], fold: Callable[[list[V]], T]) -> Split[T]:
    """Fold the values of all cases, of those of each track, and of those of each tier."""
    values: list[V] = []
    tracks: dict[str, list[V]] = {track: [] for track in TrackName}
    tiers: dict[str, list[V]] = {tier: [] for tier in TIERS}
    for case, value in of:
        for group in (values, tracks[case.track], tiers[case.tier]):
            group.append(value)
    return Split(
        total=fold(values),
        by_track=MappingProxyType({track: fold(group) for track, group in tracks.items()}),
        by_tier=MappingProxyType({tier: fold(group) for tier, group in tiers.items()}),
    )


def _count(cases: Iterable[Case]) -> Split[int]:
    return _split([(case, 1) for case in cases], sum)


def _each(keys: Iterable[str], pairs: Iterable[tuple[str, Case]]) -> Mapping[str, Split[int]]:
    """How many cases go with each key, those with none too."""
    groups: dict[str, list[Case]] = {str(key): [] for key in keys}
    for key, case in pairs:
        groups[key].append(case)
    return MappingProxyType({key: _count(group) for key, group in groups.items()})


def _spread(hours: Sequence[float]) -> Spread:
    """Median and 90th percentile of all of a period's times.

    They are everything there is, not a sample of more: so the percentile is the "inclusive" one of
    `statistics.quantiles`, which never leaves their range.
    """
    if not hours:
        return Spread(count=0, median_h=None, p90_h=None)
    # Of one value there are no quantiles to cut: said twice, it is its own.
    p90_h = statistics.quantiles(hours if len(hours) > 1 else [*hours] * 2, n=10, method="inclusive")[-1]
    return Spread(count=len(hours), median_h=round(statistics.median(hours), 2), p90_h=round(p90_h, 2))


def _share(kept: Sequence[bool]) -> Share:
    part, whole = sum(kept), len(kept)
    return Share(part=part, whole=whole, share_0_1=round(part / whole, 4) if whole else None)


def _aware(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise NaiveDatetime(at=at)
    return at


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return value.isoformat() if isinstance(value, datetime) else value
