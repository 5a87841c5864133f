"""By when things must happen to a notice.

Decides which dates bind the current state of a notice, from the times its states were entered and from the terms of its
track (`tracks`). It does not act on them, nor say whether an event is possible at all (`states`). Statutes speak of
business days without defining them: here they are the days that are neither weekend nor public holiday where the
operator is. A term of days or months ends at local midnight; a term of hours runs through nights, holidays and the hour
that clocks skip or repeat.
"""

import calendar as months
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from takedown.domain.states import Event, State
from takedown.errors import IncompleteHistory, NaiveDatetime, UnknownCalendar

type History = Sequence[tuple[State, datetime]]
"""The states of one notice with the time each was entered, oldest first."""

# The last moment of a day. Where clocks go back at midnight it comes twice: the later one ends the day.
_END_OF_DAY = time.max.replace(fold=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCalendar:
    """The operator's business days.

    Args:
        country: ISO 3166-1 alpha-2, as `holidays` has it.
        subdivision: the part of the country whose holidays count too; None for national ones alone.
        time_zone: IANA name; it says on which day a moment falls and when that day ends.
    Raises:
        UnknownCalendar: there is no such place or time zone.
    """

    country: str
    subdivision: str | None
    time_zone: str

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.time_zone)
            holidays.country_holidays(self.country, subdiv=self.subdivision)
        except (ZoneInfoNotFoundError, ValueError, NotImplementedError) as error:
            raise UnknownCalendar(
                country=self.country, subdivision=self.subdivision, time_zone=self.time_zone
            ) from error

    def is_business_day(self, day: date) -> bool:
        """Whether a local day is neither weekend nor public holiday."""
        return _holidays_of(self.country, self.subdivision, day.year).is_working_day(day)

    def add_business_days(self, at: datetime, days: int) -> datetime:
        """The end of the `days`-th business day after the local day of `at`, in UTC.

        The day of `at` itself does not count, at whatever hour it came.

        Raises:
            NaiveDatetime: `at` names no time zone.
            ValueError: `days` is less than 1.
        """
        if days < 1:
            raise ValueError(f"days must be at least 1, not {days}")
        day = self.local_day(at)
        while days:
            day += timedelta(days=1)
            days -= self.is_business_day(day)
        return self._end_of(day)

    def add_months(self, at: datetime, count: int) -> datetime:
        """The end of the same day so many months later, in UTC: of a month that is too short its last day, and where
        that is no business day, the next one.

        Raises:
            NaiveDatetime: `at` names no time zone.
            ValueError: `count` is less than 1.
        Source: Regulation (EEC, Euratom) 1182/71, article 3(2)(c) and (4).
        """  # fmt: skip
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count}")
        day = self.local_day(at)
        year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
        last = months.monthrange(year, month + 1)[1]
        ends = date(year, month + 1, min(day.day, last))
        while not self.is_business_day(ends):
            ends += timedelta(days=1)
        return self._end_of(ends)

    def local_day(self, at: datetime) -> date:
        """The day that it was here. Raises: NaiveDatetime."""
        return _aware(at).astimezone(ZoneInfo(self.time_zone)).date()

    def _end_of(self, day: date) -> datetime:
        return datetime.combine(day, _END_OF_DAY, tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)


class DeadlineName(StrEnum):
    """What a date is for. Stored: values are never renamed."""

    TRIAGE_TARGET = "triage_target"
    CURE_BY = "cure_by"
    DISABLE_TARGET = "disable_target"
    REMOVE_BY = "remove_by"
    UPLOADER_NOTICE_TARGET = "uploader_notice_target"
    COURT_ACTION_BY = "court_action_by"
    RESTORE_NOT_BEFORE = "restore_not_before"
    RESTORE_NOT_AFTER = "restore_not_after"
    COMPLAINT_BY = "complaint_by"
    COMPLAINT_DECISION_TARGET = "complaint_decision_target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A deadline as a rule: so much time since a state was last entered.

    Attributes:
        since: the state; None: since the papers were complete, which is their receipt or the cure that completed them.
        statutory: whether the number is the statute's, and not the operator's own target.
        is_duty: whether the operator must act by then; it is escalated before it passes.
        then: what happens by itself once it has passed.
    """

    name: DeadlineName
    since: State | None
    basis: str
    business_days: int = 0
    months: int = 0
    hours: int = 0
    statutory: bool = False
    is_duty: bool = False
    then: Event | None = None


type Terms = Mapping[State, tuple[Term, ...]]
"""What is pending in each state of a track."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One date that binds a notice now.

    Args:
        at: UTC; the last moment of a local day, or of a term of hours.
        basis: where the duty comes from.
        statutory: whether the number of days is the statute's, and not the operator's own target.
        warn_at: when a duty of the operator's is escalated; None where it is none.
    """

    name: DeadlineName
    at: datetime
    basis: str
    statutory: bool
    warn_at: datetime | None
    then: Event | None


# How long before a duty falls due somebody is told: a day, or half of a term that is not much longer.
_WARNING = timedelta(days=1)


def deadlines_of(history: History, terms: Terms, *, calendar: BusinessCalendar) -> tuple[Deadline, ...]:
    """What is pending for the current state of a notice, earliest first.

    Raises:
        IncompleteHistory: the history leaves out a state that a date is counted from.
        NaiveDatetime: a time of the history names no time zone.
    """
    if not history:
        return ()
    current, _ = history[-1]
    found = [_falls_due(term, history, calendar) for term in terms.get(current, ())]
    return tuple(sorted(found, key=lambda one: one.at))


def deadline_of(
    name: DeadlineName, history: History, terms: Terms, *, calendar: BusinessCalendar
) -> Deadline | None:  # fmt: skip
    """One of the pending dates; None when it does not bind now."""
    pending = deadlines_of(history, terms, calendar=calendar)
    return next((one for one in pending if one.name is name), None)


def due_events(history: History, terms: Terms, *, at: datetime, calendar: BusinessCalendar) -> tuple[Event, ...]:
    """What happens by itself at `at`, because its time has come. It stays so afterwards: late is not never."""
    at = _aware(at)
    pending = deadlines_of(history, terms, calendar=calendar)
    return tuple(one.then for one in pending if one.then is not None and one.at <= at)


def court_action_in_time(history: History, terms: Terms, *, at: datetime, calendar: BusinessCalendar) -> bool:
    """Whether word of a court action, received at `at`, still holds the material back.

    512(g)(2)(C) asks that it comes first, before the material is back. So a late one counts too while the notice is
    still forwarded, but not past the last day on which the material had to be back.
    """
    at = _aware(at)
    last = deadline_of(DeadlineName.RESTORE_NOT_AFTER, history, terms, calendar=calendar)
    return last is not None and at <= last.at


def _falls_due(term: Term, history: History, calendar: BusinessCalendar) -> Deadline:
    since = _completed(history) if term.since is None else _entered(term.since, history)
    if term.hours:
        due = _aware(since).astimezone(UTC) + timedelta(hours=term.hours)
    elif term.months:
        due = calendar.add_months(since, term.months)
    else:
        due = calendar.add_business_days(since, term.business_days)
    warn_at = due - min(_WARNING, (due - since) / 2) if term.is_duty else None
    return Deadline(
        name=term.name, at=due, basis=term.basis, statutory=term.statutory, warn_at=warn_at, then=term.then
    )  # fmt: skip


def _entered(state: State, history: History) -> datetime:
    for passed, at in reversed(history):
        if passed == state:
            return at
    raise IncompleteHistory(missing=state)


def _completed(history: History) -> datetime:
    """When the papers were complete: their last cure, or where there was none, when they came."""
    for (before, _), (state, at) in zip(history[-2::-1], history[:0:-1], strict=True):
        if (before, state) == (State.CURE_REQUESTED, State.TRIAGE):
            return at
    return _entered(State.SUBMITTED, history)


def _aware(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise NaiveDatetime(at=at)
    return at


@lru_cache
def _holidays_of(country: str, subdivision: str | None, year: int) -> holidays.HolidayBase:
    # One year to an object that never expands: `holidays` fills in further years
    # on lookup, and a second thread could then read a year that is half filled.
    return holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False)
