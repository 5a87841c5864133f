"""By when things must happen to a notice under 17 U.S.C. 512.

Decides which dates bind the current state of a notice, from the times its states
were entered. It does not act on them, nor say whether an event is possible at
all (`states`). The statute speaks of business days without defining them: here
they are the days that are neither weekend nor public holiday where the operator
is, and each ends at local midnight.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from takedown.domain.states import State
from takedown.errors import IncompleteHistory, NaiveDatetime, UnknownCalendar

# 512(g)(2)(C): "not less than 10, nor more than 14, business days following receipt of the counter notice".
RESTORE_NOT_BEFORE_BUSINESS_DAYS = 10
RESTORE_NOT_AFTER_BUSINESS_DAYS = 14

# The statute gives no number for "expeditiously" (512(c)(1)(C)) and "promptly"
# (512(g)(2)(A)): these are the operator's own targets, counted in business days.
TRIAGE_TARGET_BUSINESS_DAYS = 1
DISABLE_TARGET_BUSINESS_DAYS = 2
UPLOADER_NOTICE_TARGET_BUSINESS_DAYS = 1

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
        zone = ZoneInfo(self.time_zone)
        day = _aware(at).astimezone(zone).date()
        while days:
            day += timedelta(days=1)
            days -= self.is_business_day(day)
        return datetime.combine(day, _END_OF_DAY, tzinfo=zone).astimezone(UTC)


class DeadlineName(StrEnum):
    """What a date is for. Stored: values are never renamed."""

    TRIAGE_TARGET = "triage_target"
    DISABLE_TARGET = "disable_target"
    UPLOADER_NOTICE_TARGET = "uploader_notice_target"
    COURT_ACTION_BY = "court_action_by"
    RESTORE_NOT_BEFORE = "restore_not_before"
    RESTORE_NOT_AFTER = "restore_not_after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """One date that binds a notice now.

    Args:
        at: UTC; the last moment of a local day.
        basis: where the duty comes from.
        statutory: whether the number of days is the statute's, and not the operator's own target.
    """

    name: DeadlineName
    at: datetime
    basis: str
    statutory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """A deadline as a rule: so many business days since a state was last entered."""

    name: DeadlineName
    since: State
    business_days: int
    basis: str
    statutory: bool = False


# Receipt starts the statute's clock, not forwarding; and the last receipt, for
# what came earlier was not a complete counter-notice.
_NOT_BEFORE = _Term(
    name=DeadlineName.RESTORE_NOT_BEFORE,
    since=State.COUNTER_RECEIVED,
    business_days=RESTORE_NOT_BEFORE_BUSINESS_DAYS,
    basis="17 U.S.C. 512(g)(2)(C)",
    statutory=True,
)
_NOT_AFTER = replace(
    _NOT_BEFORE,
    name=DeadlineName.RESTORE_NOT_AFTER,
    business_days=RESTORE_NOT_AFTER_BUSINESS_DAYS,
)

# What the claimant can rely on: word of a court action counts until the material
# is back, which may be at any time after this.
_COURT_ACTION = replace(_NOT_BEFORE, name=DeadlineName.COURT_ACTION_BY)

_TRIAGE = _Term(
    name=DeadlineName.TRIAGE_TARGET,
    since=State.TRIAGE,
    business_days=TRIAGE_TARGET_BUSINESS_DAYS,
    basis="17 U.S.C. 512(c)(1)(C), expeditiously",
)

_PENDING: dict[State, tuple[_Term, ...]] = {
    State.EMAIL_CONFIRMED: (replace(_TRIAGE, since=State.EMAIL_CONFIRMED),),
    State.TRIAGE: (_TRIAGE,),
    # Counted from triage, not from its end: "expeditiously" does not wait for a slow reviewer.
    State.VALID: (
        _Term(
            name=DeadlineName.DISABLE_TARGET,
            since=State.TRIAGE,
            business_days=DISABLE_TARGET_BUSINESS_DAYS,
            basis="17 U.S.C. 512(c)(1)(C), expeditiously",
        ),
    ),
    State.DISABLED: (
        _Term(
            name=DeadlineName.UPLOADER_NOTICE_TARGET,
            since=State.DISABLED,
            business_days=UPLOADER_NOTICE_TARGET_BUSINESS_DAYS,
            basis="17 U.S.C. 512(g)(2)(A), promptly",
        ),
    ),
    State.FORWARDED: (_COURT_ACTION, _NOT_BEFORE, _NOT_AFTER),
}


def deadlines_of(history: History, *, calendar: BusinessCalendar) -> tuple[Deadline, ...]:
    """What is pending for the current state of a notice, earliest first.

    Raises:
        IncompleteHistory: the history leaves out a state that a date is counted from.
        NaiveDatetime: a time of the history names no time zone.
    """
    if not history:
        return ()
    current, _ = history[-1]
    return tuple(
        Deadline(
            name=term.name,
            at=_falls_due(term, history, calendar),
            basis=term.basis,
            statutory=term.statutory,
        )
        for term in _PENDING.get(current, ())
    )


def restorable(history: History, *, at: datetime, calendar: BusinessCalendar) -> bool:
    """Whether time alone allows forwarded material to go back.

    It stays so after the last day: late is not never. A held notice is not
    restorable by time: that its court action has ended is for a person to say.

    Raises:
        IncompleteHistory: the history does not say when the counter-notice came.
        NaiveDatetime: a time names no time zone.
    """
    at = _aware(at)
    return _is_forwarded(history) and at >= _falls_due(_NOT_BEFORE, history, calendar)


def court_action_in_time(history: History, *, at: datetime, calendar: BusinessCalendar) -> bool:
    """Whether word of a court action, received at `at`, still holds the material back.

    512(g)(2)(C) asks that it comes first, before the material is back. So a late
    one counts too while the notice is still forwarded, but not past the last day
    on which the material had to be back.

    Raises:
        IncompleteHistory: the history does not say when the counter-notice came.
        NaiveDatetime: a time names no time zone.
    """
    at = _aware(at)
    return _is_forwarded(history) and at <= _falls_due(_NOT_AFTER, history, calendar)


def _is_forwarded(history: History) -> bool:
    return bool(history) and history[-1][0] == State.FORWARDED


def _falls_due(term: _Term, history: History, calendar: BusinessCalendar) -> datetime:
    for state, entered in reversed(history):
        if state == term.since:
            return calendar.add_business_days(entered, term.business_days)
    raise IncompleteHistory(missing=term.since)


def _aware(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise NaiveDatetime(at=at)
    return at


@lru_cache
def _holidays_of(country: str, subdivision: str | None, year: int) -> holidays.HolidayBase:
    # One year to an object that never expands: `holidays` fills in further years
    # on lookup, and a second thread could then read a year that is half filled.
    return holidays.country_holidays(country, subdiv=subdivision, years=year, expand=False)
