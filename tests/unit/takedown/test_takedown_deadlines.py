"""Business days, and the dates that bind a notice."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.deadlines import (
    BusinessCalendar,
    DeadlineName,
    History,
    court_action_in_time,
    deadlines_of,
    restorable,
)
from takedown.domain.states import State, events_from, transition
from takedown.errors import IncompleteHistory, NaiveDatetime, UnknownCalendar

NEW_YORK = BusinessCalendar(country="US", subdivision=None, time_zone="America/New_York")
ZONE = ZoneInfo("America/New_York")
LAST_MOMENT = timedelta(microseconds=1)


def local(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZONE)


def end_of(day: date) -> datetime:
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=ZONE).astimezone(UTC) - LAST_MOMENT


def forwarded(*receipts: datetime) -> History:
    """A notice whose counter-notice was completed by the last receipt and forwarded an hour later."""
    first = receipts[0]
    return (
        (State.SUBMITTED, first - timedelta(days=9)),
        (State.EMAIL_CONFIRMED, first - timedelta(days=9)),
        (State.TRIAGE, first - timedelta(days=8)),
        (State.VALID, first - timedelta(days=7)),
        (State.DISABLED, first - timedelta(days=6)),
        (State.UPLOADER_NOTIFIED, first - timedelta(days=5)),
        *((State.COUNTER_RECEIVED, receipt) for receipt in receipts),
        (State.FORWARDED, receipts[-1] + timedelta(hours=1)),
    )


def dates(history: History) -> dict[str, datetime]:
    return {deadline.name: deadline.at for deadline in deadlines_of(history, calendar=NEW_YORK)}


MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC))
CALENDARS = st.sampled_from(
    [
        NEW_YORK,
        BusinessCalendar(country="US", subdivision="CA", time_zone="America/Los_Angeles"),
        BusinessCalendar(country="DE", subdivision="BY", time_zone="Europe/Berlin"),
        BusinessCalendar(country="NZ", subdivision=None, time_zone="Pacific/Auckland"),
    ]
)
DAYS = st.integers(min_value=1, max_value=30)


@given(CALENDARS, MOMENTS, DAYS)
def test_a_term_ends_with_a_business_day(calendar: BusinessCalendar, at: datetime, days: int) -> None:
    due = calendar.add_business_days(at, days)
    zone = ZoneInfo(calendar.time_zone)
    assert due.tzinfo is UTC
    assert calendar.is_business_day(due.astimezone(zone).date())
    assert (due + LAST_MOMENT).astimezone(zone).date() == due.astimezone(zone).date() + timedelta(days=1)


@given(CALENDARS, MOMENTS, DAYS)
def test_a_term_holds_exactly_its_business_days(calendar: BusinessCalendar, at: datetime, days: int) -> None:
    zone = ZoneInfo(calendar.time_zone)
    first = at.astimezone(zone).date()
    length = (calendar.add_business_days(at, days).astimezone(zone).date() - first).days
    assert sum(calendar.is_business_day(first + timedelta(days=n)) for n in range(1, length + 1)) == days


@given(CALENDARS, MOMENTS, st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40)), DAYS)
def test_what_comes_later_never_falls_due_earlier(
    calendar: BusinessCalendar, at: datetime, later: timedelta, days: int
) -> None:
    due = calendar.add_business_days(at, days)
    assert due <= calendar.add_business_days(at + later, days)
    assert due < calendar.add_business_days(at, days + 1)


@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        pytest.param(local(2025, 3, 3), 10, date(2025, 3, 17), id="two plain weeks"),
        pytest.param(local(2025, 3, 1), 1, date(2025, 3, 3), id="a Saturday does not count"),
        pytest.param(local(2025, 3, 3, 0), 1, date(2025, 3, 4), id="nor does the day of receipt, however early"),
        pytest.param(local(2025, 3, 3, 23, 59), 1, date(2025, 3, 4), id="or however late"),
        pytest.param(local(2024, 2, 28), 1, date(2024, 2, 29), id="a leap day counts"),
        pytest.param(local(2024, 2, 28), 10, date(2024, 3, 13), id="across a leap day"),
        pytest.param(local(2025, 12, 24), 10, date(2026, 1, 9), id="Christmas and New Year"),
        pytest.param(local(2021, 12, 30), 1, date(2022, 1, 3), id="New Year kept in the old year"),
        pytest.param(local(2025, 6, 30), 10, date(2025, 7, 15), id="Independence Day"),
        pytest.param(local(2025, 11, 10), 14, date(2025, 12, 2), id="Veterans Day and Thanksgiving"),
        pytest.param(local(2022, 6, 17), 1, date(2022, 6, 21), id="Juneteenth on a Sunday, kept on Monday"),
    ],
)
def test_weekends_and_federal_holidays_do_not_count(received: datetime, days: int, due: date) -> None:
    assert NEW_YORK.add_business_days(received, days) == end_of(due)


def test_the_day_of_receipt_is_the_local_one() -> None:
    evening_in_new_york = datetime(2025, 3, 4, 3, 0, tzinfo=UTC)
    assert NEW_YORK.add_business_days(evening_in_new_york, 1) == end_of(date(2025, 3, 4))
    in_tokyo = evening_in_new_york.astimezone(timezone(timedelta(hours=9)))
    assert NEW_YORK.add_business_days(in_tokyo, 1) == end_of(date(2025, 3, 4))


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (local(2025, 3, 7), datetime(2025, 3, 11, 3, 59, 59, 999999, tzinfo=UTC)),
        (local(2025, 10, 31), datetime(2025, 11, 4, 4, 59, 59, 999999, tzinfo=UTC)),
    ],
    ids=["spring forward", "fall back"],
)
def test_a_day_ends_at_local_midnight_whatever_the_clocks_did(received: datetime, due: datetime) -> None:
    assert NEW_YORK.add_business_days(received, 1) == due


def test_a_day_whose_last_hour_comes_twice_ends_with_the_second() -> None:
    tehran = BusinessCalendar(country="IR", subdivision=None, time_zone="Asia/Tehran")
    due = tehran.add_business_days(datetime(2021, 9, 20, 12, tzinfo=ZoneInfo("Asia/Tehran")), 1)
    assert due == datetime(2021, 9, 21, 20, 29, 59, 999999, tzinfo=UTC)


def test_a_place_has_holidays_of_its_own() -> None:
    epiphany = date(2025, 1, 6)
    germany = BusinessCalendar(country="DE", subdivision=None, time_zone="Europe/Berlin")
    bavaria = BusinessCalendar(country="DE", subdivision="BY", time_zone="Europe/Berlin")
    assert germany.is_business_day(epiphany)
    assert not bavaria.is_business_day(epiphany)


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2025, 3, 3, 12)
    with pytest.raises(NaiveDatetime) as refused:
        NEW_YORK.add_business_days(naive, 1)
    assert refused.value.at == naive
    history = forwarded(local(2025, 3, 3))
    with pytest.raises(NaiveDatetime):
        restorable(history, at=naive, calendar=NEW_YORK)
    with pytest.raises(NaiveDatetime):
        court_action_in_time(history[:-1], at=naive, calendar=NEW_YORK)


@pytest.mark.parametrize("days", [0, -1])
def test_a_term_is_at_least_one_day(days: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        NEW_YORK.add_business_days(local(2025, 3, 3), days)


@pytest.mark.parametrize(
    ("country", "subdivision", "time_zone"),
    [
        ("XX", None, "UTC"),
        ("US", "QQ", "UTC"),
        ("US", None, "America/Nowhere"),
        ("US", None, ""),
        ("US", None, "../UTC"),
    ],
)
def test_an_unknown_calendar_is_refused_at_once(country: str, subdivision: str | None, time_zone: str) -> None:
    with pytest.raises(UnknownCalendar) as refused:
        BusinessCalendar(country=country, subdivision=subdivision, time_zone=time_zone)
    assert (refused.value.country, refused.value.time_zone) == (country, time_zone)


def test_a_complete_counter_notice_opens_the_restore_window() -> None:
    window = deadlines_of(forwarded(local(2025, 3, 3)), calendar=NEW_YORK)
    tenth, fourteenth = end_of(date(2025, 3, 17)), end_of(date(2025, 3, 21))
    assert [(deadline.name, deadline.at) for deadline in window] == [
        (DeadlineName.COURT_ACTION_BY, tenth),
        (DeadlineName.RESTORE_NOT_BEFORE, tenth),
        (DeadlineName.RESTORE_NOT_AFTER, fourteenth),
    ]
    assert {(deadline.basis, deadline.statutory) for deadline in window} == {("17 U.S.C. 512(g)(2)(C)", True)}


def test_the_window_counts_from_the_receipt_that_completed_the_counter_notice() -> None:
    incomplete, completed = local(2025, 3, 3), local(2025, 3, 10)
    assert dates(forwarded(incomplete, completed)) == dates(forwarded(completed))


def test_slow_forwarding_does_not_move_the_window() -> None:
    *before, (state, at) = forwarded(local(2025, 3, 3))
    assert dates([*before, (state, at + timedelta(days=6))]) == dates(forwarded(local(2025, 3, 3)))


def test_an_incomplete_counter_notice_opens_no_window() -> None:
    history = forwarded(local(2025, 3, 3))[:-1]
    assert dates(history) == {}
    assert not restorable(history, at=local(2025, 6, 2), calendar=NEW_YORK)


def test_triage_disabling_and_telling_the_uploader_have_the_operators_own_targets() -> None:
    day = local(2025, 3, 3)
    history = [(State.SUBMITTED, day), (State.EMAIL_CONFIRMED, day)]
    assert dates(history) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 4))}
    history += [(State.TRIAGE, local(2025, 3, 4))]
    assert dates(history) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 5))}
    history += [(State.VALID, local(2025, 3, 6))]
    assert dates(history) == {DeadlineName.DISABLE_TARGET: end_of(date(2025, 3, 6))}
    history += [(State.DISABLED, local(2025, 3, 7))]
    assert dates(history) == {DeadlineName.UPLOADER_NOTICE_TARGET: end_of(date(2025, 3, 10))}
    for entered in range(2, len(history) + 1):
        (target,) = deadlines_of(history[:entered], calendar=NEW_YORK)
        assert not target.statutory


def test_a_cured_notice_is_triaged_from_the_cure() -> None:
    history = [
        (State.EMAIL_CONFIRMED, local(2025, 3, 3)),
        (State.TRIAGE, local(2025, 3, 3)),
        (State.CURE_REQUESTED, local(2025, 3, 4)),
        (State.TRIAGE, local(2025, 3, 20)),
    ]
    assert dates(history) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 21))}


def test_a_notice_without_history_has_nothing_pending() -> None:
    assert deadlines_of([], calendar=NEW_YORK) == ()
    assert not restorable([], at=local(2025, 3, 3), calendar=NEW_YORK)


def test_a_history_with_a_gap_is_refused() -> None:
    with pytest.raises(IncompleteHistory) as refused:
        deadlines_of([(State.FORWARDED, local(2025, 3, 3))], calendar=NEW_YORK)
    assert refused.value.missing is State.COUNTER_RECEIVED


def test_material_goes_back_after_ten_business_days_and_not_before() -> None:
    history = forwarded(local(2025, 3, 3))
    tenth = end_of(date(2025, 3, 17))
    assert not restorable(history, at=tenth - LAST_MOMENT, calendar=NEW_YORK)
    assert restorable(history, at=tenth, calendar=NEW_YORK)


def test_a_late_restoration_is_still_owed() -> None:
    assert restorable(forwarded(local(2025, 3, 3)), at=local(2025, 6, 2), calendar=NEW_YORK)


def test_time_alone_does_not_restore_what_a_court_action_holds() -> None:
    history = [*forwarded(local(2025, 3, 3)), (State.HELD, local(2025, 3, 10))]
    assert not restorable(history, at=local(2025, 6, 2), calendar=NEW_YORK)
    assert dates(history) == {}


def test_word_of_a_court_action_counts_until_the_material_had_to_be_back() -> None:
    history = forwarded(local(2025, 3, 3))
    fourteenth = end_of(date(2025, 3, 21))
    assert court_action_in_time(history, at=local(2025, 3, 10), calendar=NEW_YORK)
    assert court_action_in_time(history, at=fourteenth, calendar=NEW_YORK)
    assert not court_action_in_time(history, at=fourteenth + LAST_MOMENT, calendar=NEW_YORK)


def test_a_court_action_comes_too_late_once_the_material_is_back() -> None:
    history = [*forwarded(local(2025, 3, 3)), (State.RESTORED, local(2025, 3, 18))]
    assert not court_action_in_time(history, at=local(2025, 3, 18, 13), calendar=NEW_YORK)


@given(MOMENTS, st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 500)), max_size=40))
def test_every_history_the_table_allows_has_its_dates(start: datetime, steps: list[tuple[int, int]]) -> None:
    history = [(State.SUBMITTED, start)]
    for choice, hours in steps:
        state, at = history[-1]
        if not (events := events_from(state)):
            break
        history.append((transition(state, events[choice % len(events)]), at + timedelta(hours=hours)))
        pending = deadlines_of(history, calendar=NEW_YORK)
        assert [deadline.at for deadline in pending] == sorted(deadline.at for deadline in pending)
        in_window = any(deadline.statutory for deadline in pending)
        assert in_window == (history[-1][0] is State.FORWARDED)
        assert restorable(history, at=start + timedelta(days=4000), calendar=NEW_YORK) == in_window
