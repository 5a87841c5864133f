"""Conflicts: the same footage or sound claimed by two holders, from its opening to its end.

Both sides state their position and show evidence until a day; then the operator decides, and for two weeks whoever
did not get what they asked for may appeal to somebody else. Sides that agree need nobody. A side that says nothing
by that day, while the other did, loses by default, if it can be reached and the other is known at least as well: it
may appeal, and what it lost comes back when the winner withdraws. What a person decided, or the sides agreed on, also
settles it when the same holder brings the same material again.
While a conflict is open, matches with either work go to people.

It does not decide what is alike (alignment), nor what an outcome does to assets (`registry.conflicts`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from registry.domain.policy import Assurance
from registry.errors import Conflict

EVIDENCE_LASTS: Final = timedelta(days=14)
APPEAL_LASTS: Final = timedelta(days=14)


class State(StrEnum):
    """Where a conflict stands; stored, so never renamed."""

    OPEN = "open"
    DECIDED = "decided"
    APPEALED = "appealed"
    ON_APPEAL = "on_appeal"
    ENDED = "ended"


class Event(StrEnum):
    DECIDE = "decide"
    DEFAULT = "default"
    AGREE = "agree"
    WITHDRAW = "withdraw"
    APPEAL = "appeal"
    SETTLED = "settled"


# What was appealed goes on as a conflict of its own, `ON_APPEAL`: that it was decided for a while stays true.
TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.OPEN, Event.DECIDE): State.DECIDED,
    (State.OPEN, Event.DEFAULT): State.DECIDED,
    (State.OPEN, Event.AGREE): State.ENDED,
    (State.OPEN, Event.WITHDRAW): State.ENDED,
    (State.OPEN, Event.SETTLED): State.ENDED,
    (State.DECIDED, Event.APPEAL): State.APPEALED,
    (State.ON_APPEAL, Event.DECIDE): State.ENDED,
    (State.ON_APPEAL, Event.AGREE): State.ENDED,
    (State.ON_APPEAL, Event.WITHDRAW): State.ENDED,
}
IS_OPEN: Final = frozenset({State.OPEN, State.ON_APPEAL})


class Position(StrEnum):
    """What a side says: whose the material is."""

    MINE = "mine"
    THEIRS = "theirs"
    SHARED = "shared"


class Outcome(StrEnum):
    """Whose it is: the asset's that came earlier, the later one's, both's, or neither's."""

    EARLIER = "earlier"
    LATER = "later"
    SHARED = "shared"
    NEITHER = "neither"


_CANNOT: Final[Mapping[State, str]] = {
    State.OPEN: "It is not decided yet.",
    State.DECIDED: "It is decided. Whoever did not get what they asked for may appeal until its appeal_until.",
    State.APPEALED: "It goes on in its appeal: see its appealed_in.",
    State.ON_APPEAL: "It is not decided yet, and that decision will be the last.",
    State.ENDED: "It has ended.",
}


def transition(state: State, event: Event, *, conflict_id: str) -> State:
    """Raises: Conflict, the conflict does not stand where this can happen."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        raise Conflict(kind="conflict", id=conflict_id, problem=_CANNOT[state])
    return after


def agreed(earlier: Position | None, later: Position | None) -> Outcome | None:
    """What the sides agree on by what each said last; None: nothing."""
    if earlier is Position.THEIRS and later is Position.THEIRS:
        return Outcome.NEITHER
    if earlier is Position.THEIRS:
        return Outcome.LATER
    if later is Position.THEIRS:
        return Outcome.EARLIER
    return Outcome.SHARED if earlier is later is Position.SHARED else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A side when the day for evidence has passed: what it said last, and whether anybody there can be told."""

    position: Position | None
    assurance: Assurance
    reached: bool


def by_default(earlier: Side, later: Side) -> Outcome | None:
    """What follows when the day for evidence has passed and one side alone spoke; None: a person must decide.

    Silence loses nothing to a holder who is known less, and nothing where nobody could be told: else a copy, put
    on record by a stranger, would take a work from whoever does not read their letters.
    """
    for silent, spoke, outcome in ((earlier, later, Outcome.LATER), (later, earlier, Outcome.EARLIER)):
        if silent.position is None and spoke.position is not None:
            if not silent.reached or spoke.assurance < silent.assurance:
                return None
            return Outcome.SHARED if spoke.position is Position.SHARED else outcome
    return None


def may_appeal(outcome: Outcome, *, is_earlier: bool, at: datetime, until: datetime) -> bool:
    """Whether a side may appeal: it did not get the material for itself, and there is still time."""
    won = outcome is (Outcome.EARLIER if is_earlier else Outcome.LATER)
    return not won and at < until
