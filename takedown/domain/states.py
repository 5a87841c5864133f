"""The course of a notice under 17 U.S.C. 512, as one table.

Decides what may happen to a notice in each state, and who may cause it. It does
not decide whether the papers are complete (`completeness`) nor whether the time
has come (`deadlines`): whoever applies an event asks those first. Nor does it touch
the material: whoever enters `disabled` takes it down, and whoever enters
`restored`, `retracted` or `rejected_abuse` puts back what was taken down.
"""

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


class Actor(StrEnum):
    """In what part somebody acts on a notice. Stored: values are never renamed."""

    CLAIMANT = "claimant"
    UPLOADER = "uploader"
    REVIEWER = "reviewer"
    SYSTEM = "system"


_COURSE: dict[tuple[State, Event], State] = {
    (State.SUBMITTED, Event.CONFIRM_EMAIL): State.EMAIL_CONFIRMED,
    (State.EMAIL_CONFIRMED, Event.BEGIN_TRIAGE): State.TRIAGE,
    (State.TRIAGE, Event.FIND_VALID): State.VALID,
    (State.TRIAGE, Event.REQUEST_CURE): State.CURE_REQUESTED,
    (State.TRIAGE, Event.FIND_DEFECTIVE): State.DEFECTIVE,
    (State.CURE_REQUESTED, Event.CURE): State.TRIAGE,
    # The claimant was asked and never answered.
    (State.CURE_REQUESTED, Event.FIND_DEFECTIVE): State.DEFECTIVE,
    (State.VALID, Event.DISABLE): State.DISABLED,
    (State.DISABLED, Event.NOTIFY_UPLOADER): State.UPLOADER_NOTIFIED,
    (State.UPLOADER_NOTIFIED, Event.RECEIVE_COUNTER): State.COUNTER_RECEIVED,
    # What completes a counter-notice is received too: the last receipt before
    # forwarding is the complete one, and 512(g)(2)(C) counts from it.
    (State.COUNTER_RECEIVED, Event.RECEIVE_COUNTER): State.COUNTER_RECEIVED,
    (State.COUNTER_RECEIVED, Event.FORWARD_COUNTER): State.FORWARDED,
    (State.FORWARDED, Event.COURT_ACTION): State.HELD,
    (State.FORWARDED, Event.RESTORE): State.RESTORED,
    # The action ended, or was dismissed.
    (State.HELD, Event.RESTORE): State.RESTORED,
}

# Nobody is held to a claim of theirs: it can be withdrawn for as long as it is open.
_RETRACTABLE = (
    State.SUBMITTED,
    State.EMAIL_CONFIRMED,
    State.TRIAGE,
    State.CURE_REQUESTED,
    State.VALID,
    State.DISABLED,
    State.UPLOADER_NOTIFIED,
    State.COUNTER_RECEIVED,
    State.FORWARDED,
    State.HELD,
)

# Abuse often shows only when the uploader answers, so it may end a notice until
# a court has the matter; from then on it is not the operator's to judge.
_REJECTABLE = tuple(state for state in _RETRACTABLE if state is not State.HELD)

TRANSITIONS: dict[tuple[State, Event], State] = {
    **_COURSE,
    **{(state, Event.RETRACT): State.RETRACTED for state in _RETRACTABLE},
    **{(state, Event.REJECT_ABUSE): State.REJECTED_ABUSE for state in _REJECTABLE},
}

# A reviewer enters what a party sent to the designated agent by post or mail.
# The system may settle what follows from the form of the papers, but a complete
# form is not yet a true claim: a person takes material down, or calls abuse.
ACTOR: dict[Event, frozenset[Actor]] = {
    # Not the claimant: saying so proves nothing. The system does when the account's address is known.
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
}


def transition(state: State, event: Event) -> State:
    """The state that follows.

    Raises:
        IllegalTransition: the event cannot happen in this state.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransition(current=state, event=event, allowed=events_from(state)) from None


def events_from(state: State) -> tuple[Event, ...]:
    """What can happen in a state, in the table's order."""
    return tuple(event for current, event in TRANSITIONS if current == state)


def is_final(state: State) -> bool:
    """Whether nothing can happen any more."""
    return not events_from(state)


def mermaid() -> str:
    """The table as a Mermaid stateDiagram-v2, one arrow a row."""
    arrows = [f"{state} --> {following}: {event}" for (state, event), following in TRANSITIONS.items()]
    ends = [f"{state} --> [*]" for state in State if is_final(state)]
    return "\n    ".join(["stateDiagram-v2", f"[*] --> {State.SUBMITTED}", *arrows, *ends]) + "\n"
