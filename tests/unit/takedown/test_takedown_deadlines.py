"""The dates that bind a notice, held against days counted by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.deadlines import (
    BusinessCalendar,
    Deadline,
    DeadlineName,
    History,
    Term,
    court_action_in_time,
    deadline_of,
    deadlines_of,
    due_events,
)
from takedown.domain.states import Event, State, events_from, transition
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.errors import IncompleteHistory, NaiveDatetime

NEW_YORK = BusinessCalendar(country="US", subdivision=None, time_zone="America/New_York")
ZONE = ZoneInfo("America/New_York")
LAST_MOMENT = timedelta(microseconds=1)

DMCA_512 = TRACKS[TrackName.DMCA_512]
DSA_16 = TRACKS[TrackName.DSA_16]
TAKE_IT_DOWN = TRACKS[TrackName.TAKE_IT_DOWN]
LIKENESS = TRACKS[TrackName.LIKENESS]
COMPLAINT_TRACKS = [DSA_16, TAKE_IT_DOWN, LIKENESS]


def by_name(value: Track | State) -> str:
    return value.name.value if isinstance(value, Track) else value.value


on_every_track = pytest.mark.parametrize("track", TRACKS.values(), ids=by_name)
on_complaint_tracks = pytest.mark.parametrize("track", COMPLAINT_TRACKS, ids=by_name)


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


def entered(*steps: tuple[State, datetime], received: datetime) -> History:
    return ((State.SUBMITTED, received), *steps)


def pending(history: History, track: Track = DMCA_512) -> tuple[Deadline, ...]:
    return deadlines_of(history, track.terms, calendar=NEW_YORK)


def dates(history: History, track: Track = DMCA_512) -> dict[str, datetime]:
    return {deadline.name: deadline.at for deadline in pending(history, track)}


def brought_about(history: History, at: datetime, track: Track = DMCA_512) -> tuple[Event, ...]:
    return due_events(history, track.terms, at=at, calendar=NEW_YORK)


def in_time(history: History, at: datetime) -> bool:
    return court_action_in_time(history, DMCA_512.terms, at=at, calendar=NEW_YORK)


def with_term(term: Term, since: datetime) -> Deadline:
    """The one date of a notice whose track has but this term, counted from its validity."""
    terms = {State.VALID: (replace(term, since=State.VALID),)}
    [deadline] = deadlines_of([(State.VALID, since)], terms, calendar=NEW_YORK)
    return deadline


MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2060, 1, 1), timezones=st.just(UTC))
SOME = Term(name=DeadlineName.REMOVE_BY, since=None, basis="a law")
CALENDARS = st.sampled_from(
    [
        NEW_YORK,
        BusinessCalendar(country="US", subdivision="CA", time_zone="America/Los_Angeles"),
        BusinessCalendar(country="DE", subdivision="BY", time_zone="Europe/Berlin"),
        BusinessCalendar(country="NZ", subdivision=None, time_zone="Pacific/Auckland"),
    ]
)


def test_a_time_without_a_zone_is_refused_whether_or_not_a_date_binds() -> None:
    naive = datetime(2025, 3, 3, 12)
    history = forwarded(local(2025, 3, 3))
    for one in (history, history[:-1], history[:1]):
        with pytest.raises(NaiveDatetime) as refused:
            brought_about(one, naive)
        assert refused.value.at == naive
        with pytest.raises(NaiveDatetime):
            in_time(one, naive)
    with pytest.raises(NaiveDatetime):
        pending(((State.EMAIL_CONFIRMED, naive),))
    with pytest.raises(NaiveDatetime):
        pending(((State.SUBMITTED, naive),), TAKE_IT_DOWN)


# -- counter-notices (17 U.S.C. 512(g)) ----------------------------------------------------------


def test_a_complete_counter_notice_opens_the_restore_window() -> None:
    window = pending(forwarded(local(2025, 3, 3)))
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
    assert brought_about(history, local(2025, 6, 2)) == ()


def test_material_goes_back_after_ten_business_days_and_not_before() -> None:
    history = forwarded(local(2025, 3, 3))
    tenth = end_of(date(2025, 3, 17))
    assert brought_about(history, tenth - LAST_MOMENT) == ()
    assert brought_about(history, tenth) == (Event.RESTORE,)


def test_a_late_restoration_is_still_owed() -> None:
    assert brought_about(forwarded(local(2025, 3, 3)), local(2025, 6, 2)) == (Event.RESTORE,)


def test_time_alone_does_not_restore_what_a_court_action_holds() -> None:
    history = [*forwarded(local(2025, 3, 3)), (State.HELD, local(2025, 3, 10))]
    assert brought_about(history, local(2025, 6, 2)) == ()
    assert dates(history) == {}


def test_word_of_a_court_action_counts_until_the_material_had_to_be_back() -> None:
    history = forwarded(local(2025, 3, 3))
    fourteenth = end_of(date(2025, 3, 21))
    assert in_time(history, local(2025, 3, 10))
    assert in_time(history, fourteenth)
    assert not in_time(history, fourteenth + LAST_MOMENT)


def test_a_court_action_comes_too_late_once_the_material_is_back() -> None:
    history = [*forwarded(local(2025, 3, 3)), (State.RESTORED, local(2025, 3, 18))]
    assert not in_time(history, local(2025, 3, 18, 13))


# -- the operator's own targets ------------------------------------------------------------------


@pytest.mark.parametrize("track", [DMCA_512, DSA_16, LIKENESS], ids=by_name)
def test_triage_disabling_and_telling_the_uploader_have_the_operators_own_targets(track: Track) -> None:
    day = local(2025, 3, 3)
    history = [(State.SUBMITTED, day), (State.EMAIL_CONFIRMED, day)]
    assert dates(history, track) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 4))}
    history += [(State.TRIAGE, local(2025, 3, 4))]
    assert dates(history, track) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 5))}
    history += [(State.VALID, local(2025, 3, 6))]
    assert dates(history, track) == {DeadlineName.DISABLE_TARGET: end_of(date(2025, 3, 6))}
    history += [(State.DISABLED, local(2025, 3, 7))]
    assert dates(history, track) == {DeadlineName.UPLOADER_NOTICE_TARGET: end_of(date(2025, 3, 10))}
    for passed in range(2, len(history) + 1):
        [target] = pending(history[:passed], track)
        assert not target.statutory
        assert target.warn_at is not None


@pytest.mark.parametrize("track", [DMCA_512, DSA_16, LIKENESS], ids=by_name)
def test_a_cured_notice_is_triaged_from_the_cure(track: Track) -> None:
    history = [
        (State.EMAIL_CONFIRMED, local(2025, 3, 3)),
        (State.TRIAGE, local(2025, 3, 3)),
        (State.CURE_REQUESTED, local(2025, 3, 4)),
        (State.TRIAGE, local(2025, 3, 20)),
    ]
    assert dates(history, track) == {DeadlineName.TRIAGE_TARGET: end_of(date(2025, 3, 21))}


@on_every_track
def test_a_request_for_cure_left_unanswered_ends_the_notice_after_twenty_business_days(track: Track) -> None:
    asked = local(2026, 3, 2)
    history = entered((State.TRIAGE, asked), (State.CURE_REQUESTED, asked), received=asked)
    last = end_of(date(2026, 3, 30))
    assert dates(history, track) == {DeadlineName.CURE_BY: last}
    assert brought_about(history, last - LAST_MOMENT, track) == ()
    assert brought_about(history, last, track) == (Event.FIND_DEFECTIVE,)


def test_a_notice_without_history_has_nothing_pending() -> None:
    assert pending([]) == ()
    assert brought_about([], local(2025, 3, 3)) == ()
    assert deadline_of(DeadlineName.REMOVE_BY, [], TAKE_IT_DOWN.terms, calendar=NEW_YORK) is None


def test_a_history_with_a_gap_is_refused() -> None:
    with pytest.raises(IncompleteHistory) as refused:
        pending([(State.FORWARDED, local(2025, 3, 3))])
    assert refused.value.missing is State.COUNTER_RECEIVED
    with pytest.raises(IncompleteHistory) as refused:
        pending([(State.VALID, local(2025, 3, 3))], TAKE_IT_DOWN)
    assert refused.value.missing is State.SUBMITTED


# -- forty-eight hours (TAKE IT DOWN Act) --------------------------------------------------------


def remove_by(history: History) -> datetime | None:
    return dates(history, TAKE_IT_DOWN).get(DeadlineName.REMOVE_BY)


@pytest.mark.parametrize(
    ("received", "last"),
    [
        pytest.param(local(2026, 3, 3, 9, 30), local(2026, 3, 5, 9, 30), id="on plain days"),
        pytest.param(local(2026, 3, 7, 12), local(2026, 3, 9, 13), id="an hour that clocks skip"),
        pytest.param(local(2026, 10, 31, 12), local(2026, 11, 2, 11), id="an hour that clocks repeat"),
        pytest.param(local(2026, 12, 30, 18), local(2027, 1, 1, 18), id="over the turn of the year"),
        pytest.param(local(2028, 2, 28, 9), local(2028, 3, 1, 9), id="a leap day"),
        pytest.param(local(2027, 2, 27, 9), local(2027, 3, 1, 9), id="no leap day"),
        pytest.param(local(2026, 3, 6, 23, 59), local(2026, 3, 9, 0, 59), id="a weekend, and from a night to a night"),
        pytest.param(local(2026, 11, 25, 8), local(2026, 11, 27, 8), id="Thanksgiving"),
        pytest.param(local(2026, 7, 3, 17), local(2026, 7, 5, 17), id="Independence Day and its Friday"),
    ],
)
def test_forty_eight_hours_run_through_everything(received: datetime, last: datetime) -> None:
    states = [State.EMAIL_CONFIRMED, State.TRIAGE, State.VALID]
    for passed in range(len(states) + 1):
        history = entered(*((state, received + timedelta(hours=7)) for state in states[:passed]), received=received)
        assert remove_by(history) == last.astimezone(UTC)


@given(CALENDARS, MOMENTS)
def test_forty_eight_hours_are_that_wherever_the_operator_is(calendar: BusinessCalendar, received: datetime) -> None:
    here = received.astimezone(ZoneInfo(calendar.time_zone))
    [deadline] = deadlines_of([(State.SUBMITTED, here)], TAKE_IT_DOWN.terms, calendar=calendar)
    assert deadline.at.tzinfo is UTC
    assert deadline.at - received == timedelta(hours=48)
    assert deadline.statutory
    assert deadline.warn_at == received + timedelta(hours=24)


def test_a_request_counts_from_the_cure_that_completed_it() -> None:
    received, first, second = local(2026, 3, 3), local(2026, 3, 10, 15), local(2026, 3, 20, 16)
    asked = (State.CURE_REQUESTED, local(2026, 3, 4))
    history = entered((State.TRIAGE, received), asked, (State.TRIAGE, first), received=received)
    assert remove_by(history) == first + timedelta(hours=48)
    history = [*history, asked, (State.TRIAGE, second)]
    assert remove_by(history) == second + timedelta(hours=48)
    assert remove_by([*history, (State.VALID, local(2026, 3, 21))]) == second + timedelta(hours=48)


def test_nothing_need_come_down_while_the_request_is_incomplete() -> None:
    received = local(2026, 3, 3)
    history = entered((State.TRIAGE, received), (State.CURE_REQUESTED, received), received=received)
    assert remove_by(history) is None


def test_a_complaint_that_is_granted_buys_no_time() -> None:
    received = local(2026, 3, 3)
    passed = (State.TRIAGE, State.VALID, State.DECLINED, State.CLAIMANT_COMPLAINT, State.TRIAGE)
    history = entered(*((state, received + timedelta(days=5)) for state in passed), received=received)
    assert remove_by(history) == received + timedelta(hours=48)


# -- complaints ----------------------------------------------------------------------------------

# Where uploaders send a counter-notice, they do not complain.
COMPLAINTS = [(track, State.CLAIMANT_COMPLAINT) for track in TRACKS.values()]
COMPLAINTS += [(track, State.UPLOADER_COMPLAINT) for track in COMPLAINT_TRACKS]


@on_complaint_tracks
@pytest.mark.parametrize("state", [State.DECLINED, State.UPLOADER_NOTIFIED], ids=str)
def test_a_decision_is_final_when_six_months_bring_no_complaint(track: Track, state: State) -> None:
    history = [(state, local(2026, 8, 31))]
    last = end_of(date(2027, 3, 1))  # the last of February is a Sunday
    assert dates(history, track) == {DeadlineName.COMPLAINT_BY: last}
    assert brought_about(history, last - LAST_MOMENT, track) == ()
    assert brought_about(history, last, track) == (Event.CLOSE,)


@on_every_track
def test_what_was_called_abuse_stays_that_when_the_time_for_a_complaint_has_passed(track: Track) -> None:
    history = [(State.REJECTED_ABUSE, local(2026, 8, 31))]
    assert dates(history, track) == {DeadlineName.COMPLAINT_BY: end_of(date(2027, 3, 1))}
    assert brought_about(history, local(2028, 1, 1), track) == ()


def test_an_uploader_who_can_send_a_counter_notice_has_no_last_day_for_it() -> None:
    history = [(State.UPLOADER_NOTIFIED, local(2026, 8, 31))]
    assert dates(history, DMCA_512) == {}
    assert brought_about(history, local(2036, 1, 1), DMCA_512) == ()


@pytest.mark.parametrize(("track", "state"), COMPLAINTS, ids=by_name)
def test_a_complaint_waits_for_a_person_however_late(track: Track, state: State) -> None:
    history = [(state, local(2026, 3, 2))]
    [target] = pending(history, track)
    assert (target.name, target.at) == (DeadlineName.COMPLAINT_DECISION_TARGET, end_of(date(2026, 3, 16)))
    assert not target.statutory
    assert brought_about(history, local(2036, 1, 1), track) == ()


# -- terms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "due"),
    [
        ({"months": 6}, end_of(date(2027, 3, 1))),
        ({"business_days": 6}, end_of(date(2026, 9, 9))),  # Labor Day is the seventh of September
        ({"hours": 6}, local(2026, 8, 31, 18)),
    ],
    ids=str,
)
def test_a_term_is_counted_in_the_unit_that_it_has(length: dict[str, int], due: datetime) -> None:
    assert with_term(replace(SOME, **length), local(2026, 8, 31)).at == due  # type: ignore[arg-type]


def test_a_term_counts_from_when_its_state_was_last_entered() -> None:
    terms = {State.VALID: (replace(SOME, since=State.TRIAGE, business_days=1),)}
    history = [
        (State.TRIAGE, local(2026, 3, 2)),
        (State.CURE_REQUESTED, local(2026, 3, 3)),
        (State.TRIAGE, local(2026, 3, 9)),
        (State.VALID, local(2026, 3, 20)),
    ]
    [deadline] = deadlines_of(history, terms, calendar=NEW_YORK)
    assert deadline.at == end_of(date(2026, 3, 10))


@pytest.mark.parametrize(
    ("hours", "before"),
    [(240, timedelta(hours=24)), (48, timedelta(hours=24)), (47, timedelta(hours=23.5)), (10, timedelta(hours=5))],
)
def test_a_duty_is_escalated_a_day_before_or_half_way_through_a_short_term(hours: int, before: timedelta) -> None:
    duty = with_term(replace(SOME, hours=hours, is_duty=True), local(2026, 3, 7, 12))
    assert duty.warn_at == duty.at - before


def test_a_duty_of_one_day_that_came_in_the_evening_is_escalated_half_way() -> None:
    evening = local(2026, 3, 7, 18)  # a Saturday, and clocks spring forward: Monday ends 53 hours later
    assert with_term(replace(SOME, business_days=1, is_duty=True), evening).warn_at == end_of(date(2026, 3, 8))
    evening = local(2026, 3, 9, 18)
    duty = with_term(replace(SOME, business_days=1, is_duty=True), evening)
    assert duty.warn_at is not None
    assert abs(duty.warn_at - (evening + timedelta(hours=15))) <= LAST_MOMENT


@pytest.mark.parametrize("length", [{"hours": 48}, {"business_days": 10}, {"months": 6}], ids=str)
def test_what_is_no_duty_of_the_operators_is_not_escalated(length: dict[str, int]) -> None:
    assert with_term(replace(SOME, **length), local(2026, 3, 3)).warn_at is None  # type: ignore[arg-type]


# -- every history -------------------------------------------------------------------------------

# Where a track has a date whose number is its statute's.
STATUTORY = {
    TrackName.DMCA_512: {State.FORWARDED},
    TrackName.DSA_16: {State.DECLINED, State.REJECTED_ABUSE, State.UPLOADER_NOTIFIED},
    TrackName.TAKE_IT_DOWN: {State.SUBMITTED, State.EMAIL_CONFIRMED, State.TRIAGE, State.VALID},
    TrackName.LIKENESS: set(),
}
# What time brings about, and where.
BY_ITSELF = {
    (State.CURE_REQUESTED, Event.FIND_DEFECTIVE),
    (State.DECLINED, Event.CLOSE),
    (State.FORWARDED, Event.RESTORE),
    (State.UPLOADER_NOTIFIED, Event.CLOSE),
}
CENTURY = timedelta(days=36525)
WAITS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=300))


@st.composite
def histories(draw: st.DrawFn, track: Track) -> list[tuple[State, datetime]]:
    """What can have happened to a notice of a track, at whatever pace."""
    history = [(State.SUBMITTED, draw(MOMENTS))]
    for _ in range(draw(st.integers(0, 30))):
        state, at = history[-1]
        if not (events := events_from(track.transitions, state)):
            break
        history.append((transition(track.transitions, state, draw(st.sampled_from(events))), at + draw(WAITS)))
    return history


@on_every_track
@given(data=st.data())
def test_every_history_a_track_allows_has_its_dates(track: Track, data: st.DataObject) -> None:
    history = data.draw(histories(track))
    for passed in range(1, len(history) + 1):
        state, at = history[passed - 1]
        found = pending(history[:passed], track)
        assert [deadline.at for deadline in found] == sorted(deadline.at for deadline in found)
        assert any(deadline.statutory for deadline in found) == (state in STATUTORY[track.name])
        for deadline in found:
            if deadline.warn_at is not None:
                assert deadline.at - timedelta(days=1) <= deadline.warn_at < deadline.at
        brought = brought_about(history[:passed], at + CENTURY, track)
        assert {(state, event) for event in brought} == {
            row for row in BY_ITSELF & track.transitions.keys() if row[0] is state
        }


@on_every_track
@given(data=st.data(), wait=WAITS, longer=WAITS)
def test_what_time_brings_about_is_possible_and_stays_due(
    track: Track, data: st.DataObject, wait: timedelta, longer: timedelta
) -> None:
    history = data.draw(histories(track))
    state, at = history[-1]
    early = brought_about(history, at + wait, track)
    assert all((state, event) in track.transitions for event in early)
    assert set(early) <= set(brought_about(history, at + wait + longer, track))


@on_every_track
@given(data=st.data())
def test_nothing_is_due_before_its_date(track: Track, data: st.DataObject) -> None:
    history = data.draw(histories(track))
    for deadline in pending(history, track):
        if deadline.then is not None:
            assert deadline.then in brought_about(history, deadline.at, track)
            assert deadline.then not in brought_about(history, deadline.at - LAST_MOMENT, track)
