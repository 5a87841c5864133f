"""A notice's course and its dates against a model: any event, by anybody, at any time.

The model is written from the law and from `docs/takedown.md`, as rights: what may happen where, who may cause it, what
must have happened by when. It reads none of the tables that it judges, and counts the business days of the United
States by 5 U.S.C. 6103. `Case` is the model of one notice; tests of the service and of its API compare with it too.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from takedown.domain.deadlines import (
    BusinessCalendar,
    DeadlineName,
    court_action_in_time,
    deadlines_of,
    due_events,
)
from takedown.domain.states import ACTOR, COMPLAINANT, Actor, Event, State, events_from, transition
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.errors import IllegalTransition
from tests.effort import examples

CALENDAR = BusinessCalendar(country="US", subdivision=None, time_zone="America/New_York")
_HERE = ZoneInfo(CALENDAR.time_zone)
_TICK, _DAY = timedelta(microseconds=1), timedelta(days=1)

# -- the model: what may happen where ------------------------------------------------------------

UNDECIDED = frozenset({State.SUBMITTED, State.EMAIL_CONFIRMED, State.TRIAGE, State.CURE_REQUESTED, State.VALID})
_REFUSED = frozenset({State.DECLINED, State.CLAIMANT_COMPLAINT})
_ANSWERED = frozenset({State.DISABLED, State.UPLOADER_NOTIFIED})
# The material is down while its uploader answers: by a counter-notice (512(g)), or by a complaint (DSA art. 20).
_SWORN_ANSWER = _ANSWERED | {State.COUNTER_RECEIVED, State.FORWARDED, State.HELD}
_COMPLAINT_ANSWER = _ANSWERED | {State.UPLOADER_COMPLAINT}

LEADS_TO = {
    Event.CONFIRM_EMAIL: State.EMAIL_CONFIRMED,
    Event.BEGIN_TRIAGE: State.TRIAGE,
    Event.FIND_VALID: State.VALID,
    Event.REQUEST_CURE: State.CURE_REQUESTED,
    Event.FIND_DEFECTIVE: State.DEFECTIVE,
    Event.CURE: State.TRIAGE,
    Event.DISABLE: State.DISABLED,
    Event.DECLINE: State.DECLINED,
    Event.NOTIFY_UPLOADER: State.UPLOADER_NOTIFIED,
    Event.RECEIVE_COUNTER: State.COUNTER_RECEIVED,
    Event.FORWARD_COUNTER: State.FORWARDED,
    Event.COURT_ACTION: State.HELD,
    Event.RESTORE: State.RESTORED,
    Event.RETRACT: State.RETRACTED,
    Event.REJECT_ABUSE: State.REJECTED_ABUSE,
    Event.REINSTATE: State.TRIAGE,
}
# What a refused complaint, or none in time, leaves as it was: the refusal of a claim, or the material that is down.
_COMPLAINT_OF = {Actor.CLAIMANT: State.CLAIMANT_COMPLAINT, Actor.UPLOADER: State.UPLOADER_COMPLAINT}
_LEFT_AS_IT_WAS = {Actor.CLAIMANT: State.CLOSED, Actor.UPLOADER: State.UPHELD}
_ANYWHERE = {
    Event.CONFIRM_EMAIL: {State.SUBMITTED},
    Event.BEGIN_TRIAGE: {State.EMAIL_CONFIRMED},
    Event.FIND_VALID: {State.TRIAGE},
    Event.REQUEST_CURE: {State.TRIAGE},
    Event.FIND_DEFECTIVE: {State.TRIAGE, State.CURE_REQUESTED},
    Event.CURE: {State.CURE_REQUESTED},
    Event.DISABLE: {State.VALID},
    Event.DECLINE: {State.VALID},
    Event.NOTIFY_UPLOADER: {State.DISABLED},
    # By a complaint, or because a court or an out-of-court body (DSA art. 21) says so.
    Event.REINSTATE: {State.CLAIMANT_COMPLAINT, State.CLOSED},
}
_SWORN = _ANYWHERE | {
    Event.RECEIVE_COUNTER: {State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED},
    Event.FORWARD_COUNTER: {State.COUNTER_RECEIVED},
    Event.COURT_ACTION: {State.FORWARDED},
    Event.RESTORE: {State.FORWARDED, State.HELD},
    Event.COMPLAIN: {State.DECLINED, State.REJECTED_ABUSE},
    Event.UPHOLD: {State.CLAIMANT_COMPLAINT},
    Event.CLOSE: {State.DECLINED},
    Event.RETRACT: UNDECIDED | _SWORN_ANSWER | _REFUSED,
    Event.REJECT_ABUSE: UNDECIDED | _SWORN_ANSWER - {State.HELD},
}
_COMPLAINT = _ANYWHERE | {
    Event.RESTORE: {State.UPLOADER_COMPLAINT, State.UPHELD},
    Event.COMPLAIN: {State.DECLINED, State.REJECTED_ABUSE, State.UPLOADER_NOTIFIED},
    Event.UPHOLD: {State.CLAIMANT_COMPLAINT, State.UPLOADER_COMPLAINT},
    Event.CLOSE: {State.DECLINED, State.UPLOADER_NOTIFIED},
    Event.RETRACT: UNDECIDED | _COMPLAINT_ANSWER | _REFUSED,
    Event.REJECT_ABUSE: UNDECIDED | _COMPLAINT_ANSWER,
}

_BY_FORM = {Event.BEGIN_TRIAGE, Event.FIND_VALID, Event.REQUEST_CURE, Event.FIND_DEFECTIVE}
# What each may cause; that a complaint is of one side alone depends on where the notice stands.
CAUSES = {
    Actor.CLAIMANT: {Event.CURE, Event.RETRACT, Event.COURT_ACTION, Event.COMPLAIN},
    Actor.UPLOADER: {Event.RECEIVE_COUNTER, Event.COMPLAIN},
    Actor.SYSTEM: _BY_FORM
    | {Event.CONFIRM_EMAIL, Event.NOTIFY_UPLOADER, Event.FORWARD_COUNTER, Event.RESTORE, Event.CLOSE},
    Actor.REVIEWER: set(Event) - {Event.CLOSE},
}
# Most of what can go wrong lies beyond these.
ENDINGS = {Event.RETRACT, Event.REJECT_ABUSE, Event.FIND_DEFECTIVE}
# Ways to where much can be refused; the last step of each may come too early, too late or again.
COURSES = [
    [Event.DISABLE, Event.RECEIVE_COUNTER, Event.RESTORE],
    [Event.DISABLE, Event.RECEIVE_COUNTER, Event.COURT_ACTION],
    [Event.DISABLE, Event.REJECT_ABUSE, Event.COMPLAIN, Event.REINSTATE, Event.DISABLE, Event.COMPLAIN],
    [Event.DECLINE, Event.COMPLAIN, Event.REINSTATE, Event.DECLINE, Event.COMPLAIN],
]
COMPLAINS = {
    State.DECLINED: Actor.CLAIMANT,
    State.REJECTED_ABUSE: Actor.CLAIMANT,
    State.UPLOADER_NOTIFIED: Actor.UPLOADER,
}

# -- the model: by when --------------------------------------------------------------------------

_WINDOW = {
    DeadlineName.COURT_ACTION_BY: 10, DeadlineName.RESTORE_NOT_BEFORE: 10, DeadlineName.RESTORE_NOT_AFTER: 14,
}  # fmt: skip
# Business days, hours or months, and whether somebody at the operator's must act by then.
_DUTIES = {
    DeadlineName.TRIAGE_TARGET, DeadlineName.DISABLE_TARGET, DeadlineName.REMOVE_BY,
    DeadlineName.UPLOADER_NOTICE_TARGET, DeadlineName.RESTORE_NOT_AFTER, DeadlineName.COMPLAINT_DECISION_TARGET,
}  # fmt: skip
_BY_TIME = {
    DeadlineName.CURE_BY: Event.FIND_DEFECTIVE,
    DeadlineName.RESTORE_NOT_BEFORE: Event.RESTORE,
    DeadlineName.COMPLAINT_BY: Event.CLOSE,
}


@cache
def _federal_holidays(year: int) -> frozenset[date]:
    """5 U.S.C. 6103(a); on a Saturday kept the day before (b), on a Sunday the day after (E.O. 11582)."""

    def nth(month: int, weekday: int, n: int) -> date:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))

    fixed = [date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    fixed += [date(year + 1, 1, 1)]
    kept = [day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0)) for day in fixed]
    last_of_may = nth(5, 0, 5) if nth(5, 0, 5).month == 5 else nth(5, 0, 4)
    moving = [nth(1, 0, 3), nth(2, 0, 3), last_of_may, nth(9, 0, 1), nth(10, 0, 2), nth(11, 3, 4)]
    return frozenset(kept + moving)


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + _DAY, time(), _HERE).astimezone(UTC) - _TICK


def _is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in _federal_holidays(day.year)


def business_days_after(at: datetime, count: int) -> datetime:
    """The last moment of the `count`-th business day after a moment's own day."""
    day = at.astimezone(_HERE).date()
    while count:
        day += _DAY
        count -= _is_business_day(day)
    return _midnight_after(day)


def _six_months_after(at: datetime) -> datetime:
    """Regulation 1182/71, article 3(2)(c) and (4): the same day, else that month's last; a working day in any case."""
    day = at.astimezone(_HERE).date()
    first = date(day.year + (day.month > 6), (day.month + 5) % 12 + 1, 1)
    ends = min(first + (day.day - 1) * _DAY, (first + 31 * _DAY).replace(day=1) - _DAY)
    while not _is_business_day(ends):
        ends += _DAY
    return _midnight_after(ends)


# -- the model: one notice -----------------------------------------------------------------------


@dataclass(slots=True)
class Case:
    """One notice as the law has it."""

    track: TrackName
    filed_at: datetime
    state: State = State.SUBMITTED
    is_down: bool = False
    steps: list[tuple[Event | None, State, datetime]] = field(default_factory=list)
    complete_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.steps.append((None, State.SUBMITTED, self.filed_at))
        self.complete_at = self.filed_at

    @property
    def is_sworn(self) -> bool:
        return self.track is TrackName.DMCA_512

    @property
    def history(self) -> list[tuple[State, datetime]]:
        return [(state, at) for _, state, at in self.steps]

    @property
    def is_open(self) -> bool:
        """Whether somebody or something is still waited for."""
        return self.may(Event.RETRACT)

    def may(self, event: Event) -> bool:
        return self.state in (_SWORN if self.is_sworn else _COMPLAINT).get(event, ())

    def possible(self) -> set[Event]:
        return {event for event in Event if self.may(event)}

    def follows(self, event: Event) -> State:
        if event is Event.COMPLAIN:
            return _COMPLAINT_OF[COMPLAINS[self.state]]
        if event in (Event.UPHOLD, Event.CLOSE):
            return _LEFT_AS_IT_WAS[Actor.UPLOADER if self.is_down else Actor.CLAIMANT]
        return LEADS_TO[event]

    def happens(self, event: Event, at: datetime) -> None:
        self.state = self.follows(event)
        self.steps.append((event, self.state, at))
        if event is Event.CURE:
            self.complete_at = at
        if event is Event.DISABLE:
            self.is_down = True
        elif event in (Event.RESTORE, Event.RETRACT, Event.REJECT_ABUSE):
            self.is_down = False

    def had(self, event: Event) -> bool:
        return any(one is event for one, _, _ in self.steps)

    def entered(self, state: State) -> datetime:
        return max(at for passed, at in self.history if passed is state)

    def dates(self) -> dict[DeadlineName, datetime]:
        """What must have happened by when, or can at the earliest."""
        at = self.entered(self.state)
        match self.state:
            case State.SUBMITTED | State.EMAIL_CONFIRMED | State.TRIAGE | State.VALID:
                return self._until_decided(at)
            case State.CURE_REQUESTED:
                return {DeadlineName.CURE_BY: business_days_after(at, 20)}
            case State.DISABLED:
                return {DeadlineName.UPLOADER_NOTICE_TARGET: business_days_after(at, 1)}
            case State.FORWARDED:
                received = self.entered(State.COUNTER_RECEIVED)
                return {name: business_days_after(received, days) for name, days in _WINDOW.items()}
            case State.CLAIMANT_COMPLAINT | State.UPLOADER_COMPLAINT:
                return {DeadlineName.COMPLAINT_DECISION_TARGET: business_days_after(at, 10)}
        if self.may(Event.COMPLAIN):
            return {DeadlineName.COMPLAINT_BY: _six_months_after(at)}
        return {}

    def _until_decided(self, at: datetime) -> dict[DeadlineName, datetime]:
        if self.track is TrackName.TAKE_IT_DOWN:  # whatever is still looked into
            return {DeadlineName.REMOVE_BY: self.complete_at + timedelta(hours=48)}
        if self.state is State.SUBMITTED:
            return {}
        if self.state is State.VALID:
            return {DeadlineName.DISABLE_TARGET: business_days_after(self.entered(State.TRIAGE), 2)}
        return {DeadlineName.TRIAGE_TARGET: business_days_after(at, 1)}

    def warnings(self) -> dict[DeadlineName, datetime]:
        """When somebody is told that a duty is near: a day before, or after half of a short time."""
        since = self.entered(State.TRIAGE) if self.state is State.VALID else self.entered(self.state)
        if self.state is State.FORWARDED:
            since = self.entered(State.COUNTER_RECEIVED)
        due = {name: at for name, at in self.dates().items() if name in _DUTIES}
        lasts = {
            name: timedelta(hours=48) if name is DeadlineName.REMOVE_BY else at - since for name, at in due.items()
        }
        return {name: at - min(_DAY, lasts[name] / 2) for name, at in due.items()}

    def due(self, at: datetime) -> list[Event]:
        """What time brings about. That a notice was called abuse stands, whether or not somebody complains."""
        if self.state is State.REJECTED_ABUSE:
            return []
        return [_BY_TIME[name] for name, due in self.dates().items() if name in _BY_TIME and due <= at]

    def hears_a_court(self, at: datetime) -> bool:
        last = self.dates().get(DeadlineName.RESTORE_NOT_AFTER)
        return last is not None and at <= last


# -- the machine ---------------------------------------------------------------------------------

_BEGINNINGS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 12, 31), timezones=st.just(UTC))


class Notices(RuleBasedStateMachine):
    """One notice on one track, walked by the domain and by the model."""

    @initialize(track=st.sampled_from([TrackName.DMCA_512, *TrackName]), at=_BEGINNINGS)
    def filed(self, track: TrackName, at: datetime) -> None:
        self.now, self.model = at, Case(track=track, filed_at=at)
        self.table, self.terms = TRACKS[track].transitions, TRACKS[track].terms
        self.history = [(State.SUBMITTED, at)]
        self.decided_by: list[Actor] = []

    @property
    def state(self) -> State:
        return self.history[-1][0]

    @rule(days=st.sampled_from([0, 1, 3, 7, 14, 20, 30, 190]), hours=st.integers(0, 30))
    def time_passes(self, days: int, hours: int) -> None:
        self.now += timedelta(days=days, hours=hours)

    @rule(event=st.sampled_from(Event))
    def anything_is_tried(self, event: Event) -> None:
        if self.model.may(event):
            assert transition(self.table, self.state, event) is self.model.follows(event)
            return
        before = list(self.history)
        with pytest.raises(IllegalTransition) as refused:
            transition(self.table, self.state, event)
        assert (refused.value.current, refused.value.event) == (self.state, event)
        assert set(refused.value.allowed) == self.model.possible()
        assert self.history == before

    @rule(choices=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def somebody_does_what_they_may(self, choices: list[int]) -> None:
        """A few steps; what ends a notice is seldom among them, for most of its course lies beyond."""
        for choice in choices:
            possible = [
                (event, actor)
                for event in Event
                for actor in Actor
                if self.model.may(event) and self._may_cause(actor, event) and (event in ENDINGS) == (choice // 10 == 7)
            ]
            if possible:
                self._happens(*possible[choice % len(possible)])

    @rule()
    def time_brings_about_what_it_does(self) -> None:
        due = due_events(self.history, self.terms, at=self.now, calendar=CALENDAR)
        assert list(due) == self.model.due(self.now)
        for event in due:
            if event is Event.RESTORE:
                assert self.model.state is State.FORWARDED, "a court action holds the material back"
                assert self.now >= business_days_after(self.model.entered(State.COUNTER_RECEIVED), 10)
            self._happens(event, Actor.SYSTEM)

    @rule(is_serious=st.integers(0, 9).map(lambda n: n == 7))
    def the_claimant_retracts(self, *, is_serious: bool) -> None:
        if is_serious and self.model.is_open:
            self._happens(Event.RETRACT, Actor.CLAIMANT)
            assert not self.model.is_down

    def _may_cause(self, actor: Actor, event: Event) -> bool:
        if actor is Actor.SYSTEM and event in _BY_TIME.values():
            return event is Event.FIND_DEFECTIVE and self.model.state is State.TRIAGE
        if event is Event.RESTORE and self.model.state is State.FORWARDED:
            return actor is Actor.REVIEWER and Event.RESTORE in self.model.due(self.now)
        if event is Event.COURT_ACTION and not self.model.hears_a_court(self.now):
            return False
        if event is Event.COMPLAIN and actor is not Actor.REVIEWER:
            return actor is COMPLAINS[self.model.state]
        return event in CAUSES[actor]

    def _happens(self, event: Event, actor: Actor) -> None:
        assert actor in ACTOR[event]
        after = transition(self.table, self.state, event)
        self.history.append((after, self.now))
        self.model.happens(event, self.now)
        if event is Event.DISABLE:
            self.decided_by.append(actor)

    # -- what always holds

    @invariant()
    def both_say_the_same(self) -> None:
        assert self.history == self.model.history
        assert set(events_from(self.table, self.state)) == self.model.possible()

    @invariant()
    def both_know_the_same_dates(self) -> None:
        pending = deadlines_of(self.history, self.terms, calendar=CALENDAR)
        assert {one.name: one.at for one in pending} == self.model.dates()
        assert {one.name: one.warn_at for one in pending if one.warn_at} == self.model.warnings()
        heard = court_action_in_time(self.history, self.terms, at=self.now, calendar=CALENDAR)
        assert heard == self.model.hears_a_court(self.now)

    @invariant()
    def material_is_down_by_a_valid_notice_and_a_persons_decision_alone(self) -> None:
        if self.model.is_down:
            passed = [state for state, _ in self.history]
            assert passed[len(passed) - 1 - passed[::-1].index(State.DISABLED) - 1] is State.VALID
            assert self.decided_by[-1] is Actor.REVIEWER

    @invariant()
    def a_complaint_that_waits_or_was_rejected_is_not_made_again(self) -> None:
        complains = self.state in (State.CLAIMANT_COMPLAINT, State.UPLOADER_COMPLAINT, State.UPHELD)
        assert not (complains and Event.COMPLAIN in events_from(self.table, self.state))


TestNotices = Notices.TestCase
TestNotices.settings = settings(max_examples=examples(200), stateful_step_count=40, deadline=None, derandomize=True)


def test_everybody_may_cause_what_the_law_gives_them_and_nothing_else() -> None:
    assert {actor: {event for event in Event if actor in ACTOR[event]} for actor in Actor} == CAUSES
    assert COMPLAINANT == COMPLAINS
