"""Business days and months, wherever the operator is."""

import calendar as months
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.deadlines import BusinessCalendar
from takedown.errors import NaiveDatetime, UnknownCalendar

NEW_YORK = BusinessCalendar(country="US", subdivision=None, time_zone="America/New_York")
ZONE = ZoneInfo("America/New_York")
TEHRAN = BusinessCalendar(country="IR", subdivision=None, time_zone="Asia/Tehran")
LAST_MOMENT = timedelta(microseconds=1)

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


def local(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ZONE)


def end_of(day: date) -> datetime:
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=ZONE).astimezone(UTC) - LAST_MOMENT


# -- business days ------------------------------------------------------------------------------


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
    ends = datetime(2021, 9, 21, 20, 29, 59, 999999, tzinfo=UTC)
    here = ZoneInfo("Asia/Tehran")
    assert TEHRAN.add_business_days(datetime(2021, 9, 20, 12, tzinfo=here), 1) == ends
    assert TEHRAN.add_months(datetime(2021, 8, 21, 12, tzinfo=here), 1) == ends


def test_a_place_has_holidays_of_its_own() -> None:
    epiphany = date(2025, 1, 6)
    germany = BusinessCalendar(country="DE", subdivision=None, time_zone="Europe/Berlin")
    bavaria = BusinessCalendar(country="DE", subdivision="BY", time_zone="Europe/Berlin")
    assert germany.is_business_day(epiphany)
    assert not bavaria.is_business_day(epiphany)


# -- months --------------------------------------------------------------------------------------

MONTHS = [
    pytest.param(local(2026, 7, 15), 6, date(2027, 1, 15), id="over the turn of the year"),
    pytest.param(local(2026, 3, 31), 6, date(2026, 9, 30), id="no 31st of September"),
    pytest.param(local(2025, 8, 29), 6, date(2026, 3, 2), id="no 29th of February, and its last is a Saturday"),
    pytest.param(local(2026, 8, 31), 6, date(2027, 3, 1), id="the last of February is a Sunday"),
    pytest.param(local(2027, 8, 31), 6, date(2028, 2, 29), id="the leap day is the last of February"),
    pytest.param(local(2027, 8, 29), 6, date(2028, 2, 29), id="the leap day is the 29th"),
    pytest.param(local(2026, 8, 28), 6, date(2027, 3, 1), id="the same day, moved from a Sunday"),
    pytest.param(local(2026, 8, 26), 6, date(2027, 2, 26), id="the same day, where it is a business day"),
    pytest.param(local(2028, 2, 29), 6, date(2028, 8, 29), id="from the leap day, not the end of August"),
    pytest.param(local(2026, 6, 30), 6, date(2026, 12, 30), id="to December, not into the next year"),
    pytest.param(local(2026, 12, 31), 6, date(2027, 6, 30), id="from the last day of a year"),
    pytest.param(local(2027, 1, 1), 6, date(2027, 7, 1), id="from the first day of a year"),
    pytest.param(local(2026, 1, 4), 6, date(2026, 7, 6), id="Independence Day on a Saturday"),
    pytest.param(local(2026, 1, 3), 6, date(2026, 7, 6), id="Independence Day kept on a Friday, and a weekend"),
    pytest.param(local(2026, 5, 26), 6, date(2026, 11, 27), id="Thanksgiving alone"),
    pytest.param(local(2027, 7, 1), 6, date(2028, 1, 3), id="New Year, and a weekend, of the next year"),
    pytest.param(local(2026, 6, 25), 6, date(2026, 12, 28), id="Christmas on a Friday"),
    pytest.param(local(2026, 9, 14), 6, date(2027, 3, 15), id="past the day on which clocks spring forward"),
    pytest.param(local(2026, 5, 1), 6, date(2026, 11, 2), id="past the day on which clocks fall back"),
    pytest.param(local(2026, 3, 3, 23, 59), 1, date(2026, 4, 3), id="late in the day, past the change of clocks"),
]


@pytest.mark.parametrize(("at", "count", "day"), MONTHS)
def test_months_end_with_the_same_day_or_the_next_business_day(at: datetime, count: int, day: date) -> None:
    assert NEW_YORK.add_months(at, count) == end_of(day)


def test_months_count_from_the_local_day() -> None:
    still_may_in_new_york = datetime(2027, 6, 1, 3, 59, tzinfo=UTC)
    assert NEW_YORK.add_months(still_may_in_new_york, 6) == end_of(date(2027, 11, 30))
    assert NEW_YORK.add_months(still_may_in_new_york + timedelta(minutes=1), 6) == end_of(date(2027, 12, 1))


@given(CALENDARS, MOMENTS, st.integers(min_value=1, max_value=30))
def test_months_end_with_the_day_that_was_meant_or_the_first_business_day_after_it(
    calendar: BusinessCalendar, at: datetime, count: int
) -> None:
    zone = ZoneInfo(calendar.time_zone)
    due = calendar.add_months(at, count)
    first, last = at.astimezone(zone).date(), due.astimezone(zone).date()
    month = first.year * 12 + first.month - 1 + count
    meant = date(month // 12, month % 12 + 1, 1)
    meant = meant.replace(day=min(first.day, months.monthrange(meant.year, meant.month)[1]))
    assert calendar.is_business_day(last)
    assert not any(calendar.is_business_day(meant + timedelta(days=n)) for n in range((last - meant).days))
    assert last >= meant
    assert due.tzinfo is UTC
    assert (due + LAST_MOMENT).astimezone(zone).date() == last + timedelta(days=1)


# -- what is refused -----------------------------------------------------------------------------


def test_a_time_without_a_zone_is_refused() -> None:
    naive = datetime(2025, 3, 3, 12)
    for count in (NEW_YORK.add_business_days, NEW_YORK.add_months):
        with pytest.raises(NaiveDatetime) as refused:
            count(naive, 1)
        assert refused.value.at == naive
    with pytest.raises(NaiveDatetime):
        NEW_YORK.local_day(naive)


@pytest.mark.parametrize("length", [0, -1])
def test_a_term_is_at_least_one_day_or_month(length: int) -> None:
    for count in (NEW_YORK.add_business_days, NEW_YORK.add_months):
        with pytest.raises(ValueError, match="at least 1"):
            count(local(2025, 3, 3), length)


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
