"""Outline: the course of a track as people are told of it before they begin: its main line, with the time for each
step, and where else it may lead.

Decides only what is drawn, from the table of the track; retraction and abuse, which may end nearly every state, are
left out of the line.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from takedown.domain.deadlines import Term
from takedown.domain.states import Event, State, events_from
from takedown.domain.track import Track

# The way of a notice that is complete and right, and that its maker answers.
_AHEAD = (
    Event.CONFIRM_EMAIL, Event.BEGIN_TRIAGE, Event.FIND_VALID, Event.DISABLE, Event.NOTIFY_UPLOADER,
    Event.RECEIVE_COUNTER, Event.FORWARD_COUNTER, Event.COMPLAIN, Event.RESTORE,
)  # fmt: skip
_ENDS_MOST = (Event.RETRACT, Event.REJECT_ABUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Where else a step may lead, and the time that there is then."""

    event: Event
    state: State
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One state of the main line."""

    state: State
    terms: tuple[Term, ...]
    branches: tuple[Branch, ...]


def main_line(track: Track) -> tuple[Step, ...]:
    """The steps from filing to restoration, in their order."""
    return tuple(_steps(track))


def _steps(track: Track) -> Iterator[Step]:
    table, state, passed = track.transitions, State.SUBMITTED, {State.SUBMITTED}
    while True:
        possible = events_from(table, state)
        ahead = next((one for one in _AHEAD if one in possible and table[state, one] not in passed), None)
        following = table[state, ahead] if ahead is not None else None
        aside = [one for one in possible if one is not ahead and one not in _ENDS_MOST]
        branches = tuple(
            Branch(event=one, state=table[state, one], terms=track.terms.get(table[state, one], ()))
            for one in aside
            if table[state, one] not in (state, following)
        )
        yield Step(state=state, terms=track.terms.get(state, ()), branches=branches)
        if following is None:
            return
        passed.add(following)
        state = following
