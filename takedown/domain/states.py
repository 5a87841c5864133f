"""Where a notice stands, what can happen to it, and who may cause that.

Decides how a table of transitions is walked; the tables themselves, one for each track of law, are data (`tracks`).
It does not decide whether the papers are complete (`completeness`) nor whether the time has come (`deadlines`):
whoever applies an event asks those first. Nor does it touch the material: whoever enters `disabled` takes it down,
and whoever enters a state of `PUTS_BACK` puts back what was taken down.
"""

from collections.abc import Mapping
from enum import StrEnum

from takedown.errors import IllegalTransition


class State(StrEnum):
    """Where a notice stands. Stored: values are never renamed."""

    SUBMITTED = "submitted"
    EMAIL_CONFIRMED = "email_confirmed"
    TRIAGE = "triage"
    VALID = "valid"
    CURE_REQUESTED = "cure_requested"
    DEFECTIVE = "defective"
    DISABLED = "disabled"
    UPLOADER_NOTIFIED = "uploader_notified"
    COUNTER_RECEIVED = "counter_received"
    FORWARDED = "forwarded"
    HELD = "held"
    RESTORED = "restored"
    RETRACTED = "retracted"
    REJECTED_ABUSE = "rejected_abuse"
    DECLINED = "declined"
    CLAIMANT_COMPLAINT = "claimant_complaint"
    UPLOADER_COMPLAINT = "uploader_complaint"
    UPHELD = "upheld"
    CLOSED = "closed"


class Event(StrEnum):
    """What can happen to a notice. Stored: values are never renamed."""

    CONFIRM_EMAIL = "confirm_email"
    BEGIN_TRIAGE = "begin_triage"
    FIND_VALID = "find_valid"
    REQUEST_CURE = "request_cure"
    FIND_DEFECTIVE = "find_defective"
    CURE = "cure"
    DISABLE = "disable"
    NOTIFY_UPLOADER = "notify_uploader"
    RECEIVE_COUNTER = "receive_counter"
    FORWARD_COUNTER = "forward_counter"
    COURT_ACTION = "court_action"
    RESTORE = "restore"
    RETRACT = "retract"
    REJECT_ABUSE = "reject_abuse"
    DECLINE = "decline"
    COMPLAIN = "complain"
    REINSTATE = "reinstate"
    UPHOLD = "uphold"
    CLOSE = "close"


class Actor(StrEnum):
    """In what part somebody acts on a notice. Stored: values are never renamed."""

    CLAIMANT = "claimant"
    UPLOADER = "uploader"
    REVIEWER = "reviewer"
    SYSTEM = "system"


type Transitions = Mapping[tuple[State, Event], State]
"""The course of a track: in which state what can happen, and what follows."""

# Whoever enters one of these puts back what the notice took down.
PUTS_BACK = frozenset({State.RESTORED, State.RETRACTED, State.REJECTED_ABUSE})
# In these what the notice took down is down.
DOWN = frozenset(
    {
        State.DISABLED, State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED, State.FORWARDED, State.HELD,
        State.UPLOADER_COMPLAINT, State.UPHELD,
    }
)  # fmt: skip
# Nobody waits for anything any more. A party may still complain of some, and a court may still undo some.
OVER = frozenset(
    {State.DEFECTIVE, State.RESTORED, State.RETRACTED, State.REJECTED_ABUSE, State.UPHELD, State.CLOSED}
)  # fmt: skip
# What a person decides by judgement: with reasons, by a second person where the operator wants that, and open to
# appeal. Everything else follows from the form of the papers, from time, or from what a party wants.
DECISIONS = frozenset(
    {Event.DISABLE, Event.DECLINE, Event.REJECT_ABUSE, Event.RESTORE, Event.REINSTATE, Event.UPHOLD}
)  # fmt: skip
# Who may complain of what was decided.
COMPLAINANT = {
    State.DECLINED: Actor.CLAIMANT,
    State.REJECTED_ABUSE: Actor.CLAIMANT,
    State.UPLOADER_NOTIFIED: Actor.UPLOADER,
}

# A reviewer enters what a party sent to the designated agent by post or mail.
# The system may settle what follows from the form of the papers, but a complete
# form is not yet a true claim: a person takes material down, or calls abuse.
ACTOR: dict[Event, frozenset[Actor]] = {
    # Not the claimant: saying so proves nothing. The system does when the account's address is known, or the code of a
    # letter came back.
    Event.CONFIRM_EMAIL: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.BEGIN_TRIAGE: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.FIND_VALID: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.REQUEST_CURE: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.FIND_DEFECTIVE: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.CURE: frozenset({Actor.CLAIMANT, Actor.REVIEWER}),
    Event.DISABLE: frozenset({Actor.REVIEWER}),
    Event.NOTIFY_UPLOADER: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.RECEIVE_COUNTER: frozenset({Actor.UPLOADER, Actor.REVIEWER}),
    Event.FORWARD_COUNTER: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.COURT_ACTION: frozenset({Actor.CLAIMANT, Actor.REVIEWER}),
    Event.RESTORE: frozenset({Actor.REVIEWER, Actor.SYSTEM}),
    Event.RETRACT: frozenset({Actor.CLAIMANT, Actor.REVIEWER}),
    Event.REJECT_ABUSE: frozenset({Actor.REVIEWER}),
    Event.DECLINE: frozenset({Actor.REVIEWER}),
    Event.COMPLAIN: frozenset({Actor.CLAIMANT, Actor.UPLOADER, Actor.REVIEWER}),
    Event.REINSTATE: frozenset({Actor.REVIEWER}),
    Event.UPHOLD: frozenset({Actor.REVIEWER}),
    Event.CLOSE: frozenset({Actor.SYSTEM}),
}


def transition(table: Transitions, state: State, event: Event) -> State:
    """The state that follows.

    Raises:
        IllegalTransition: the event cannot happen in this state.
    """
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransition(current=state, event=event, allowed=events_from(table, state)) from None


def events_from(table: Transitions, state: State) -> tuple[Event, ...]:
    """What can happen in a state, in the table's order."""
    return tuple(event for current, event in table if current == state)


def states_of(table: Transitions) -> tuple[State, ...]:
    """The states that a notice of this course can be in."""
    reached = {State.SUBMITTED, *table.values()}
    return tuple(state for state in State if state in reached)


def mermaid(table: Transitions) -> str:
    """The table as a Mermaid stateDiagram-v2, one arrow a row."""
    arrows = [f"{state} --> {following}: {event}" for (state, event), following in table.items()]
    ends = [f"{state} --> [*]" for state in states_of(table) if state in OVER]
    return "\n    ".join(["stateDiagram-v2", f"[*] --> {State.SUBMITTED}", *arrows, *ends]) + "\n"
