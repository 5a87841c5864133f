"""The table of a notice's course, walked in every direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from takedown.domain.states import (
    ACTOR,
    TRANSITIONS,
    Actor,
    Event,
    State,
    events_from,
    is_final,
    mermaid,
    transition,
)
from takedown.errors import IllegalTransition, TakedownError

OPEN = [state for state in State if not is_final(state)]
BEFORE_THE_COURT = [state for state in OPEN if state is not State.HELD]


def walk(*events: Event, start: State = State.SUBMITTED) -> State:
    state = start
    for event in events:
        state = transition(state, event)
    return state


TO_TRIAGE = (Event.CONFIRM_EMAIL, Event.BEGIN_TRIAGE)
TO_FORWARDED = (
    *TO_TRIAGE,
    Event.FIND_VALID,
    Event.DISABLE,
    Event.NOTIFY_UPLOADER,
    Event.RECEIVE_COUNTER,
    Event.FORWARD_COUNTER,
)


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_any_sequence_of_events_follows_the_table_or_changes_nothing(events: list[Event]) -> None:
    state = State.SUBMITTED
    for event in events:
        if (state, event) in TRANSITIONS:
            state = transition(state, event)
            assert state in State
        else:
            with pytest.raises(IllegalTransition) as refused:
                transition(state, event)
            assert (refused.value.current, refused.value.event) == (state, event)
            assert refused.value.allowed == events_from(state)
            assert event not in refused.value.allowed


@given(st.lists(st.integers(min_value=0), max_size=60))
def test_material_never_goes_down_without_a_valid_notice(choices: list[int]) -> None:
    state, passed = State.SUBMITTED, [State.SUBMITTED]
    for choice in choices:
        if not (events := events_from(state)):
            break
        state = transition(state, events[choice % len(events)])
        passed.append(state)
    if State.DISABLED in passed:
        assert passed[passed.index(State.DISABLED) - 1] is State.VALID
    if State.HELD in passed:
        assert passed[passed.index(State.HELD) - 1] is State.FORWARDED


@pytest.mark.parametrize("state", OPEN)
def test_every_open_state_can_reach_an_end(state: State) -> None:
    reached, frontier = {state}, [state]
    while frontier:
        current = frontier.pop()
        following = {transition(current, event) for event in events_from(current)} - reached
        reached |= following
        frontier.extend(following)
    assert any(is_final(end) for end in reached)


def test_every_state_can_be_reached_from_submission() -> None:
    reached = {State.SUBMITTED}
    while more := {end for (start, _), end in TRANSITIONS.items() if start in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_the_final_states_are_these_four() -> None:
    ends = {state for state in State if is_final(state)}
    assert ends == {State.DEFECTIVE, State.RESTORED, State.RETRACTED, State.REJECTED_ABUSE}


def test_a_counter_notice_unanswered_by_a_court_restores() -> None:
    assert walk(*TO_FORWARDED, Event.RESTORE) is State.RESTORED


def test_a_court_action_holds_until_it_ends() -> None:
    assert walk(*TO_FORWARDED, Event.COURT_ACTION) is State.HELD
    assert walk(*TO_FORWARDED, Event.COURT_ACTION, Event.RESTORE) is State.RESTORED


def test_a_cured_notice_is_judged_anew() -> None:
    assert walk(*TO_TRIAGE, Event.REQUEST_CURE, Event.CURE) is State.TRIAGE


def test_a_request_for_cure_left_unanswered_ends_defective() -> None:
    assert walk(*TO_TRIAGE, Event.REQUEST_CURE, Event.FIND_DEFECTIVE) is State.DEFECTIVE


def test_an_incomplete_counter_notice_waits_to_be_completed() -> None:
    assert transition(State.COUNTER_RECEIVED, Event.RECEIVE_COUNTER) is State.COUNTER_RECEIVED


def test_material_is_not_restored_before_the_claimant_has_the_counter_notice() -> None:
    restoring = {state for state, event in TRANSITIONS if event is Event.RESTORE}
    assert restoring == {State.FORWARDED, State.HELD}


@pytest.mark.parametrize("state", OPEN)
def test_a_claimant_may_retract_an_open_notice(state: State) -> None:
    assert transition(state, Event.RETRACT) is State.RETRACTED


@pytest.mark.parametrize("state", BEFORE_THE_COURT)
def test_abuse_ends_a_notice_that_no_court_has(state: State) -> None:
    assert transition(state, Event.REJECT_ABUSE) is State.REJECTED_ABUSE


def test_what_a_court_has_is_not_the_operators_to_reject() -> None:
    with pytest.raises(IllegalTransition):
        transition(State.HELD, Event.REJECT_ABUSE)


def test_a_refused_event_says_what_is_possible() -> None:
    with pytest.raises(TakedownError, match="possible: court_action, restore, retract, reject_abuse"):
        transition(State.FORWARDED, Event.DISABLE)
    with pytest.raises(TakedownError, match="this state is final"):
        transition(State.RESTORED, Event.RETRACT)


def test_every_event_has_somebody_to_cause_it() -> None:
    assert set(ACTOR) == set(Event)
    assert all(ACTOR.values())


def test_a_person_takes_material_down_and_calls_abuse() -> None:
    assert ACTOR[Event.DISABLE] == ACTOR[Event.REJECT_ABUSE] == {Actor.REVIEWER}


def test_neither_party_does_what_is_the_others() -> None:
    claimants = {event for event, actors in ACTOR.items() if Actor.CLAIMANT in actors}
    uploaders = {event for event, actors in ACTOR.items() if Actor.UPLOADER in actors}
    assert claimants == {Event.CURE, Event.COURT_ACTION, Event.RETRACT}
    assert uploaders == {Event.RECEIVE_COUNTER}


def test_the_diagram_shows_the_whole_table_and_no_more() -> None:
    first, *lines = mermaid().splitlines()
    assert first == "stateDiagram-v2"
    drawn = {line.strip() for line in lines}
    assert len(drawn) == len(lines)
    arrows = {f"{start} --> {end}: {event}" for (start, event), end in TRANSITIONS.items()}
    ends = {f"{state} --> [*]" for state in ("defective", "restored", "retracted", "rejected_abuse")}
    assert drawn == arrows | ends | {"[*] --> submitted"}
