"""The procedure of a conflict: sides that agree need nobody, silence loses by default, an appeal is had once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.conflicts import (
    IS_OPEN,
    TRANSITIONS,
    Event,
    Outcome,
    Position,
    Side,
    State,
    agreed,
    by_default,
    may_appeal,
    transition,
)
from registry.domain.policy import Assurance
from registry.errors import Conflict

AT = datetime(2026, 3, 2, tzinfo=UTC)
MINE, THEIRS, SHARED = Position
positions = st.one_of(st.none(), st.sampled_from(Position))


@pytest.mark.parametrize(
    ("earlier", "later", "outcome"),
    [(THEIRS, MINE, Outcome.LATER), (MINE, THEIRS, Outcome.EARLIER), (THEIRS, None, Outcome.LATER),
     (None, THEIRS, Outcome.EARLIER), (SHARED, SHARED, Outcome.SHARED), (THEIRS, THEIRS, Outcome.NEITHER),
     (MINE, MINE, None), (MINE, SHARED, None), (SHARED, None, None), (None, None, None)],
)  # fmt: skip
def test_who_gives_way_ends_it_and_who_shares_needs_the_others_word(
    earlier: Position | None, later: Position | None, outcome: Outcome | None
) -> None:
    assert agreed(earlier, later) is outcome


def _side(position: Position | None, *, assurance: Assurance = Assurance.VETTED, reached: bool = True) -> Side:
    return Side(position=position, assurance=assurance, reached=reached)


@pytest.mark.parametrize(
    ("earlier", "later", "outcome"),
    [(None, MINE, Outcome.LATER), (MINE, None, Outcome.EARLIER), (None, SHARED, Outcome.SHARED),
     (SHARED, None, Outcome.SHARED), (None, None, None), (MINE, MINE, None), (MINE, SHARED, None)],
)  # fmt: skip
def test_silence_alone_loses_by_default(
    earlier: Position | None, later: Position | None, outcome: Outcome | None
) -> None:
    assert by_default(_side(earlier), _side(later)) is outcome


@given(silent=st.sampled_from(Assurance), spoke=st.sampled_from(Assurance), reached=st.booleans())
def test_silence_loses_nothing_to_who_is_known_less_nor_unheard(
    silent: Assurance, spoke: Assurance, *, reached: bool
) -> None:
    outcome = by_default(_side(None, assurance=silent, reached=reached), _side(MINE, assurance=spoke))
    assert (outcome is Outcome.LATER) == (reached and spoke >= silent)


@given(earlier=positions, later=positions)
def test_an_agreement_is_the_same_seen_from_either_side(earlier: Position | None, later: Position | None) -> None:
    mirrored = {Outcome.EARLIER: Outcome.LATER, Outcome.LATER: Outcome.EARLIER}
    one, other = agreed(earlier, later), agreed(later, earlier)
    assert one is (mirrored.get(other, other) if other else None)


def test_an_appeal_is_for_who_did_not_get_it_and_in_time() -> None:
    until = AT + timedelta(days=1)
    assert not may_appeal(Outcome.EARLIER, is_earlier=True, at=AT, until=until)
    assert may_appeal(Outcome.EARLIER, is_earlier=False, at=AT, until=until)
    assert may_appeal(Outcome.SHARED, is_earlier=True, at=AT, until=until)
    assert not may_appeal(Outcome.EARLIER, is_earlier=False, at=until, until=until)


def test_what_ended_stays_ended() -> None:
    for state in State:
        for event in Event:
            if (state, event) in TRANSITIONS:
                assert transition(state, event, conflict_id="cfl_1") is TRANSITIONS[state, event]
            else:
                with pytest.raises(Conflict, match="cfl_1: It "):
                    transition(state, event, conflict_id="cfl_1")
    assert not [state for state, _ in TRANSITIONS if state in (State.ENDED, State.APPEALED)]
    assert {State.OPEN, State.ON_APPEAL} == IS_OPEN


def test_an_appeal_cannot_be_appealed() -> None:
    reached = {
        transition(State.ON_APPEAL, event, conflict_id="cfl_1")
        for state, event in TRANSITIONS
        if state is State.ON_APPEAL
    }
    assert reached == {State.ENDED}
