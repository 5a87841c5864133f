"""The tables of a notice's course, walked in every direction."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.states import (
    ACTOR,
    COMPLAINANT,
    DECISIONS,
    OVER,
    PUTS_BACK,
    Actor,
    Event,
    State,
    Transitions,
    events_from,
    mermaid,
    states_of,
    transition,
)
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS
from takedown.errors import IllegalTransition, TakedownError

SWORN = TRACKS[TrackName.DMCA_512].transitions
COMPLAINT_TRACKS = [track for track in TRACKS.values() if track.name is not TrackName.DMCA_512]
OPEN = [(track, state) for track in TRACKS.values() for state in states_of(track.transitions) if state not in OVER]
# What a court has is its to judge, and what was decided otherwise is not called abuse afterwards.
NO_ABUSE = frozenset({State.HELD, State.DECLINED, State.CLAIMANT_COMPLAINT})

on_every_track = pytest.mark.parametrize("track", TRACKS.values(), ids=lambda track: track.name.value)
on_complaint_tracks = pytest.mark.parametrize("track", COMPLAINT_TRACKS, ids=lambda track: track.name.value)

TO_TRIAGE = (Event.CONFIRM_EMAIL, Event.BEGIN_TRIAGE)
TO_VALID = (*TO_TRIAGE, Event.FIND_VALID)
TO_NOTIFIED = (*TO_VALID, Event.DISABLE, Event.NOTIFY_UPLOADER)
TO_FORWARDED = (*TO_NOTIFIED, Event.RECEIVE_COUNTER, Event.FORWARD_COUNTER)


def named(value: Track | State) -> str:
    return value.name.value if isinstance(value, Track) else value.value


def walk(table: Transitions, *events: Event) -> State:
    state = State.SUBMITTED
    for event in events:
        state = transition(table, state, event)
    return state


def causing(table: Transitions, event: Event) -> set[State]:
    """The states in which something can happen."""
    return {state for state, possible in table if possible is event}


def whereabouts(table: Transitions) -> set[tuple[State, bool]]:
    """Every state that can be reached, with whether the material is down then."""
    reached, frontier = {(State.SUBMITTED, False)}, [(State.SUBMITTED, False)]
    while frontier:
        state, is_down = frontier.pop()
        for event in events_from(table, state):
            end = transition(table, state, event)
            place = (end, end is State.DISABLED or (is_down and end not in PUTS_BACK))
            if place not in reached:
                reached.add(place)
                frontier.append(place)
    return reached


# -- walking -------------------------------------------------------------------------------------


@on_every_track
@given(events=st.lists(st.sampled_from(Event), max_size=40))
def test_any_sequence_of_events_follows_the_table_or_changes_nothing(track: Track, events: list[Event]) -> None:
    table, state = track.transitions, State.SUBMITTED
    for event in events:
        if (state, event) in table:
            state = transition(table, state, event)
            assert state in states_of(table)
        else:
            with pytest.raises(IllegalTransition) as refused:
                transition(table, state, event)
            assert (refused.value.current, refused.value.event) == (state, event)
            assert refused.value.allowed == events_from(table, state)
            assert event not in refused.value.allowed


def test_a_refused_event_says_what_is_possible() -> None:
    with pytest.raises(TakedownError, match="possible: court_action, restore, retract, reject_abuse"):
        transition(SWORN, State.FORWARDED, Event.DISABLE)
    with pytest.raises(TakedownError, match="this state is final"):
        transition(SWORN, State.RESTORED, Event.RETRACT)


@on_complaint_tracks
def test_what_another_track_knows_cannot_happen_on_this_one(track: Track) -> None:
    for event in (Event.RECEIVE_COUNTER, Event.FORWARD_COUNTER, Event.COURT_ACTION):
        assert causing(SWORN, event)
        assert not causing(track.transitions, event)


# -- where a notice can come to ------------------------------------------------------------------


@on_every_track
def test_every_state_can_be_reached_from_submission(track: Track) -> None:
    reached = {state for state, _ in whereabouts(track.transitions)}
    assert reached == set(states_of(track.transitions))
    assert {state for state, _ in track.transitions} <= reached


def test_every_state_is_one_of_some_track() -> None:
    assert {state for track in TRACKS.values() for state in states_of(track.transitions)} == set(State)


@pytest.mark.parametrize(("track", "state"), OPEN, ids=named)
def test_every_open_state_can_reach_an_end(track: Track, state: State) -> None:
    reached, frontier = {state}, [state]
    while frontier:
        current = frontier.pop()
        following = {transition(track.transitions, current, event) for event in events_from(track.transitions, current)}
        frontier.extend(following - reached)
        reached |= following
    assert reached & OVER


def test_the_ends_are_these_six() -> None:
    assert {
        State.DEFECTIVE,
        State.RESTORED,
        State.RETRACTED,
        State.REJECTED_ABUSE,
        State.UPHELD,
        State.CLOSED,
    } == OVER


@on_every_track
def test_what_is_over_changes_only_by_a_complaint_or_by_who_stands_above(track: Track) -> None:
    afterwards = {(state, event) for state, event in track.transitions if state in OVER}
    expected = {(State.REJECTED_ABUSE, Event.COMPLAIN), (State.CLOSED, Event.REINSTATE)}
    assert afterwards == expected | ({(State.UPHELD, Event.RESTORE)} if track in COMPLAINT_TRACKS else set())


@on_every_track
def test_nothing_ends_that_leaves_material_down_without_somebody_having_decided_it(track: Track) -> None:
    left_down = {state for state, is_down in whereabouts(track.transitions) if is_down and state in OVER}
    assert left_down == ({State.UPHELD} if track in COMPLAINT_TRACKS else set())


# -- the material --------------------------------------------------------------------------------


@on_every_track
@given(choices=st.lists(st.integers(min_value=0), max_size=60))
def test_material_never_goes_down_without_a_valid_notice(track: Track, choices: list[int]) -> None:
    table, state, passed = track.transitions, State.SUBMITTED, [State.SUBMITTED]
    for choice in choices:
        if not (events := events_from(table, state)):
            break
        state = transition(table, state, events[choice % len(events)])
        passed.append(state)
    for before, after in pairwise(passed):
        assert after is not State.DISABLED or before is State.VALID
        assert after is not State.HELD or before is State.FORWARDED


@on_every_track
def test_only_disabling_a_valid_notice_takes_material_down(track: Track) -> None:
    down = {row for row, end in track.transitions.items() if end is State.DISABLED}
    assert down == {(State.VALID, Event.DISABLE)}
    assert causing(track.transitions, Event.DISABLE) == {State.VALID}


@on_every_track
def test_material_is_down_from_disabling_until_it_is_put_back(track: Track) -> None:
    places = whereabouts(track.transitions)
    down, up = ({state for state, is_down in places if is_down is wanted} for wanted in (True, False))
    answering = {
        State.DISABLED,
        State.UPLOADER_NOTIFIED,
        State.COUNTER_RECEIVED,
        State.FORWARDED,
        State.HELD,
        State.UPLOADER_COMPLAINT,
        State.UPHELD,
    } & set(states_of(track.transitions))
    assert down == answering
    assert not up & answering


@on_every_track
def test_a_state_says_whether_the_material_is_down(track: Track) -> None:
    places = whereabouts(track.transitions)
    assert len(places) == len(states_of(track.transitions))
    assert (State.CLOSED, False) in places
    assert ((State.UPHELD, True) in places) == (track in COMPLAINT_TRACKS)


def test_what_a_counter_notice_can_answer_is_never_upheld() -> None:
    assert State.UPHELD not in states_of(SWORN)


def test_what_puts_material_back_ends_the_notice() -> None:
    assert {State.RESTORED, State.RETRACTED, State.REJECTED_ABUSE} == PUTS_BACK
    assert PUTS_BACK < OVER


def test_material_is_not_restored_before_the_claimant_has_the_counter_notice() -> None:
    assert causing(SWORN, Event.RESTORE) == {State.FORWARDED, State.HELD}


@on_complaint_tracks
def test_without_counter_notices_a_complaint_or_who_stands_above_restores(track: Track) -> None:
    assert causing(track.transitions, Event.RESTORE) == {State.UPLOADER_COMPLAINT, State.UPHELD}


@on_every_track
def test_restoring_is_all_that_restores(track: Track) -> None:
    assert {event for (_, event), end in track.transitions.items() if end is State.RESTORED} == {Event.RESTORE}
    assert {track.transitions[state, Event.RESTORE] for state in causing(track.transitions, Event.RESTORE)} == {
        State.RESTORED
    }


# -- what follows from what ----------------------------------------------------------------------


def test_a_counter_notice_unanswered_by_a_court_restores() -> None:
    assert walk(SWORN, *TO_FORWARDED, Event.RESTORE) is State.RESTORED


def test_a_court_action_holds_until_it_ends() -> None:
    assert walk(SWORN, *TO_FORWARDED, Event.COURT_ACTION) is State.HELD
    assert walk(SWORN, *TO_FORWARDED, Event.COURT_ACTION, Event.RESTORE) is State.RESTORED


def test_an_incomplete_counter_notice_waits_to_be_completed() -> None:
    assert transition(SWORN, State.COUNTER_RECEIVED, Event.RECEIVE_COUNTER) is State.COUNTER_RECEIVED


@on_every_track
def test_a_cured_notice_is_judged_anew(track: Track) -> None:
    assert walk(track.transitions, *TO_TRIAGE, Event.REQUEST_CURE, Event.CURE) is State.TRIAGE


@on_every_track
def test_a_request_for_cure_left_unanswered_ends_defective(track: Track) -> None:
    assert walk(track.transitions, *TO_TRIAGE, Event.REQUEST_CURE, Event.FIND_DEFECTIVE) is State.DEFECTIVE


@pytest.mark.parametrize(("track", "state"), OPEN, ids=named)
def test_a_claimant_may_retract_an_open_notice(track: Track, state: State) -> None:
    assert transition(track.transitions, state, Event.RETRACT) is State.RETRACTED


@pytest.mark.parametrize(("track", "state"), [row for row in OPEN if row[1] not in NO_ABUSE], ids=named)
def test_abuse_ends_a_notice_that_no_court_has(track: Track, state: State) -> None:
    assert transition(track.transitions, state, Event.REJECT_ABUSE) is State.REJECTED_ABUSE


def test_what_a_court_has_is_not_the_operators_to_reject() -> None:
    with pytest.raises(IllegalTransition):
        transition(SWORN, State.HELD, Event.REJECT_ABUSE)


@on_every_track
def test_what_was_decided_otherwise_is_not_called_abuse_afterwards(track: Track) -> None:
    assert not causing(track.transitions, Event.REJECT_ABUSE) & (NO_ABUSE | OVER)


# -- complaints ----------------------------------------------------------------------------------


@on_every_track
def test_who_is_decided_against_complains_where_it_is_said_and_nowhere_else(track: Track) -> None:
    sworn = {State.DECLINED, State.REJECTED_ABUSE}  # there the uploader answers with a counter-notice
    expected = sworn if track.name is TrackName.DMCA_512 else {*sworn, State.UPLOADER_NOTIFIED}
    assert causing(track.transitions, Event.COMPLAIN) == expected
    complaints = {Actor.CLAIMANT: State.CLAIMANT_COMPLAINT, Actor.UPLOADER: State.UPLOADER_COMPLAINT}
    for state in expected:
        assert transition(track.transitions, state, Event.COMPLAIN) is complaints[COMPLAINANT[state]]


@on_complaint_tracks
def test_whoever_may_complain_can_on_a_track_without_counter_notices(track: Track) -> None:
    assert causing(track.transitions, Event.COMPLAIN) == set(COMPLAINANT)


@on_every_track
def test_nobody_is_decided_against_without_an_answer_of_theirs(track: Track) -> None:
    table = track.transitions
    for decision in (Event.DECLINE, Event.REJECT_ABUSE):
        for state in causing(table, decision):
            against = transition(table, state, decision)
            assert COMPLAINANT[against] is Actor.CLAIMANT
            assert Event.COMPLAIN in events_from(table, against)
    told = walk(table, *TO_NOTIFIED)
    assert any(Actor.UPLOADER in ACTOR[event] for event in events_from(table, told))


@on_every_track
def test_a_claimants_complaint_is_decided_anew_or_rejected(track: Track) -> None:
    table = track.transitions
    complaint = walk(table, *TO_VALID, Event.DECLINE, Event.COMPLAIN)
    assert transition(table, complaint, Event.REINSTATE) is State.TRIAGE
    assert transition(table, complaint, Event.UPHOLD) is State.CLOSED


@on_every_track
def test_a_claimant_who_does_not_complain_in_time_is_answered_for_good(track: Track) -> None:
    assert walk(track.transitions, *TO_VALID, Event.DECLINE, Event.CLOSE) is State.CLOSED


@on_every_track
def test_a_court_may_see_a_refused_notice_otherwise_and_then_it_is_judged_anew(track: Track) -> None:
    assert causing(track.transitions, Event.REINSTATE) == {State.CLAIMANT_COMPLAINT, State.CLOSED}
    assert walk(track.transitions, *TO_VALID, Event.DECLINE, Event.CLOSE, Event.REINSTATE) is State.TRIAGE


@on_complaint_tracks
def test_an_uploaders_complaint_brings_the_material_back_or_is_rejected(track: Track) -> None:
    table = track.transitions
    complaint = walk(table, *TO_NOTIFIED, Event.COMPLAIN)
    assert transition(table, complaint, Event.RESTORE) is State.RESTORED
    assert transition(table, complaint, Event.UPHOLD) is State.UPHELD


@on_complaint_tracks
def test_an_uploader_who_does_not_complain_in_time_is_answered_for_good(track: Track) -> None:
    assert walk(track.transitions, *TO_NOTIFIED, Event.CLOSE) is State.UPHELD


@on_complaint_tracks
def test_a_court_may_see_material_that_stays_down_otherwise_and_then_it_is_back(track: Track) -> None:
    for ended in ((Event.CLOSE,), (Event.COMPLAIN, Event.UPHOLD)):
        assert walk(track.transitions, *TO_NOTIFIED, *ended, Event.RESTORE) is State.RESTORED


@on_every_track
def test_a_notice_called_abuse_is_not_closed_for_want_of_a_complaint(track: Track) -> None:
    assert Event.CLOSE not in events_from(track.transitions, State.REJECTED_ABUSE)


# -- who -----------------------------------------------------------------------------------------


def test_every_event_has_somebody_to_cause_it() -> None:
    assert set(ACTOR) == set(Event)
    assert all(ACTOR.values())


def test_a_person_makes_every_decision_but_that_time_restores() -> None:
    persons = {event for event, actors in ACTOR.items() if actors == {Actor.REVIEWER}}
    assert persons == DECISIONS - {Event.RESTORE}
    assert {Event.DISABLE, Event.REJECT_ABUSE} <= persons
    assert ACTOR[Event.RESTORE] == {Actor.REVIEWER, Actor.SYSTEM}


def test_neither_party_does_what_is_the_others() -> None:
    claimants = {event for event, actors in ACTOR.items() if Actor.CLAIMANT in actors}
    uploaders = {event for event, actors in ACTOR.items() if Actor.UPLOADER in actors}
    assert claimants == {Event.CURE, Event.COURT_ACTION, Event.RETRACT, Event.COMPLAIN}
    assert uploaders == {Event.RECEIVE_COUNTER, Event.COMPLAIN}


def test_nobody_closes_a_notice_but_time() -> None:
    assert ACTOR[Event.CLOSE] == {Actor.SYSTEM}


# -- the drawing ---------------------------------------------------------------------------------


@on_every_track
def test_the_diagram_shows_the_whole_table_and_no_more(track: Track) -> None:
    first, *lines = mermaid(track.transitions).splitlines()
    assert first == "stateDiagram-v2"
    drawn = {line.strip() for line in lines}
    assert len(drawn) == len(lines)
    arrows = {f"{start} --> {end}: {event}" for (start, event), end in track.transitions.items()}
    ends = {"defective", "restored", "retracted", "rejected_abuse", "closed"}
    ends |= {"upheld"} if track in COMPLAINT_TRACKS else set()
    assert drawn == arrows | {f"{state} --> [*]" for state in ends} | {"[*] --> submitted"}
