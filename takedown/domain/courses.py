"""What tracks share: courses, terms, letters, and the lists of reasons that a reviewer chooses from.

Where a statute gives no number ("expeditiously", "promptly", "timely"), the number is the operator's own target and is
told as that.
"""

from collections.abc import Mapping
from dataclasses import replace

from takedown.domain.deadlines import DeadlineName, Term, Terms
from takedown.domain.states import Actor, Event, State, Transitions
from takedown.domain.track import Letter, Reason

# -- courses -------------------------------------------------------------------------------------

_OPENING: Transitions = {
    (State.SUBMITTED, Event.CONFIRM_EMAIL): State.EMAIL_CONFIRMED,
    (State.EMAIL_CONFIRMED, Event.BEGIN_TRIAGE): State.TRIAGE,
    (State.TRIAGE, Event.FIND_VALID): State.VALID,
    (State.TRIAGE, Event.REQUEST_CURE): State.CURE_REQUESTED,
    (State.TRIAGE, Event.FIND_DEFECTIVE): State.DEFECTIVE,
    (State.CURE_REQUESTED, Event.CURE): State.TRIAGE,
    # The claimant was asked and never answered.
    (State.CURE_REQUESTED, Event.FIND_DEFECTIVE): State.DEFECTIVE,
    (State.VALID, Event.DISABLE): State.DISABLED,
    (State.VALID, Event.DECLINE): State.DECLINED,
    (State.DISABLED, Event.NOTIFY_UPLOADER): State.UPLOADER_NOTIFIED,
}

# 512(g): what the uploader swears is believed unless a court is asked.
_COUNTER_NOTICE: Transitions = {
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

# DSA art. 20: whoever was decided against may have it looked at again, by somebody else. `closed` leaves the material
# up, `upheld` leaves it down; a court or an out-of-court body (art. 21) may see either otherwise.
_COMPLAINT_OF_THE_CLAIMANT: Transitions = {
    (State.DECLINED, Event.COMPLAIN): State.CLAIMANT_COMPLAINT,
    (State.REJECTED_ABUSE, Event.COMPLAIN): State.CLAIMANT_COMPLAINT,
    (State.CLAIMANT_COMPLAINT, Event.REINSTATE): State.TRIAGE,
    (State.CLAIMANT_COMPLAINT, Event.UPHOLD): State.CLOSED,
    (State.DECLINED, Event.CLOSE): State.CLOSED,
    (State.CLOSED, Event.REINSTATE): State.TRIAGE,
}
_COMPLAINT_OF_THE_UPLOADER: Transitions = {
    (State.UPLOADER_NOTIFIED, Event.COMPLAIN): State.UPLOADER_COMPLAINT,
    (State.UPLOADER_COMPLAINT, Event.RESTORE): State.RESTORED,
    (State.UPLOADER_COMPLAINT, Event.UPHOLD): State.UPHELD,
    (State.UPLOADER_NOTIFIED, Event.CLOSE): State.UPHELD,
    (State.UPHELD, Event.RESTORE): State.RESTORED,
}

# Nobody is held to a claim of theirs: it can be withdrawn for as long as it is open.
_RETRACTABLE = (
    State.SUBMITTED, State.EMAIL_CONFIRMED, State.TRIAGE, State.CURE_REQUESTED, State.VALID, State.DISABLED,
    State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED, State.FORWARDED, State.HELD, State.DECLINED,
    State.CLAIMANT_COMPLAINT, State.UPLOADER_COMPLAINT,
)  # fmt: skip
# Abuse often shows only when the uploader answers, so it may end a notice until a court has the matter; from then on
# it is not the operator's to judge. What was decided otherwise already is not called abuse afterwards.
_REJECTABLE = tuple(
    state for state in _RETRACTABLE if state not in (State.HELD, State.DECLINED, State.CLAIMANT_COMPLAINT)
)  # fmt: skip


def _course(*parts: Transitions) -> Transitions:
    course = {row: end for part in parts for row, end in part.items()}
    passed = {State.SUBMITTED, *course.values()}
    course |= {(state, Event.RETRACT): State.RETRACTED for state in _RETRACTABLE if state in passed}
    return course | {(state, Event.REJECT_ABUSE): State.REJECTED_ABUSE for state in _REJECTABLE if state in passed}


SWORN_COURSE = _course(_OPENING, _COUNTER_NOTICE, _COMPLAINT_OF_THE_CLAIMANT)
COMPLAINT_COURSE = _course(_OPENING, _COMPLAINT_OF_THE_CLAIMANT, _COMPLAINT_OF_THE_UPLOADER)

# -- terms ---------------------------------------------------------------------------------------


def opening_terms(promptly: str) -> Terms:
    """What every track has until it is decided: targets of the operator's own.

    Args:
        promptly: the law's words, and where they stand.
    """
    triage = Term(
        name=DeadlineName.TRIAGE_TARGET, since=State.TRIAGE, business_days=1, basis=promptly, is_duty=True
    )  # fmt: skip
    cure = Term(
        name=DeadlineName.CURE_BY,
        since=State.CURE_REQUESTED,
        business_days=20,
        basis="the operator's own term for completing a notice",
        then=Event.FIND_DEFECTIVE,
    )
    # Counted from triage, not from its end: "expeditiously" does not wait for a slow reviewer.
    decision = replace(triage, name=DeadlineName.DISABLE_TARGET, business_days=2)
    return {
        State.EMAIL_CONFIRMED: (replace(triage, since=State.EMAIL_CONFIRMED),),
        State.TRIAGE: (triage,),
        State.CURE_REQUESTED: (cure,),
        State.VALID: (decision,),
    }


def telling_terms(promptly: str) -> Terms:
    tell = Term(
        name=DeadlineName.UPLOADER_NOTICE_TARGET, since=State.DISABLED, business_days=1, basis=promptly, is_duty=True
    )
    return {State.DISABLED: (tell,)}


# 512(g)(2)(C): "not less than 10, nor more than 14, business days following receipt of the counter notice".
# Receipt starts the statute's clock, not forwarding; and the last receipt, for what came earlier was not a complete
# counter-notice.
RESTORE_NOT_BEFORE = Term(
    name=DeadlineName.RESTORE_NOT_BEFORE,
    since=State.COUNTER_RECEIVED,
    business_days=10,
    basis="17 U.S.C. 512(g)(2)(C)",
    statutory=True,
    then=Event.RESTORE,
)
RESTORE_NOT_AFTER = replace(
    RESTORE_NOT_BEFORE, name=DeadlineName.RESTORE_NOT_AFTER, business_days=14, is_duty=True, then=None
)  # fmt: skip
# What the claimant can rely on: word of a court action counts until the material
# is back, which may be at any time after this.
COURT_ACTION_BY = replace(RESTORE_NOT_BEFORE, name=DeadlineName.COURT_ACTION_BY, then=None)


def complaint_terms(basis: str, decision_basis: str, *, statutory: bool, states: tuple[State, ...]) -> Terms:
    """The time for a complaint, and the operator's own for deciding it (art. 20(4): "in a timely manner")."""
    window = Term(
        name=DeadlineName.COMPLAINT_BY, since=None, months=6, basis=basis, statutory=statutory, then=Event.CLOSE
    )
    # A notice that was rejected as abuse is over as that, whether or not somebody complains.
    windows = {
        state: (replace(window, since=state, then=None if state is State.REJECTED_ABUSE else Event.CLOSE),)
        for state in states
    }
    decision = Term(
        name=DeadlineName.COMPLAINT_DECISION_TARGET, since=None, business_days=10, basis=decision_basis, is_duty=True
    )
    by_uploader = (State.UPLOADER_COMPLAINT,) if State.UPLOADER_NOTIFIED in states else ()
    complaints = (State.CLAIMANT_COMPLAINT, *by_uploader)
    return {**windows, **{state: (replace(decision, since=state),) for state in complaints}}


BOTH_SIDES = (State.DECLINED, State.REJECTED_ABUSE, State.UPLOADER_NOTIFIED)

# -- letters and reasons -------------------------------------------------------------------------

LETTERS: Mapping[Event, tuple[Letter, ...]] = {
    Event.FIND_VALID: (Letter(name="notice_received", to=Actor.CLAIMANT),),
    Event.REQUEST_CURE: (Letter(name="cure_requested", to=Actor.CLAIMANT),),
    Event.FIND_DEFECTIVE: (Letter(name="notice_defective", to=Actor.CLAIMANT),),
    Event.DISABLE: (Letter(name="disabled_claimant", to=Actor.CLAIMANT),),
    Event.NOTIFY_UPLOADER: (Letter(name="disabled_uploader", to=Actor.UPLOADER),),
    Event.DECLINE: (Letter(name="declined_claimant", to=Actor.CLAIMANT),),
    Event.RESTORE: (
        Letter(name="restored_claimant", to=Actor.CLAIMANT), Letter(name="restored_uploader", to=Actor.UPLOADER),
    ),
    Event.RETRACT: (
        Letter(name="retracted_claimant", to=Actor.CLAIMANT), Letter(name="restored_uploader", to=Actor.UPLOADER),
    ),
    Event.REJECT_ABUSE: (
        Letter(name="rejected_abuse", to=Actor.CLAIMANT), Letter(name="restored_uploader", to=Actor.UPLOADER),
    ),
}  # fmt: skip
COUNTER_LETTERS: Mapping[Event, tuple[Letter, ...]] = {
    Event.FORWARD_COUNTER: (
        Letter(name="counter_received", to=Actor.UPLOADER), Letter(name="counter_forwarded", to=Actor.CLAIMANT),
    ),
    Event.COURT_ACTION: (Letter(name="held_uploader", to=Actor.UPLOADER),),
}  # fmt: skip
# To whom: the side that complained, of both.
COMPLAINT_LETTERS: Mapping[Event, tuple[Letter, ...]] = {
    Event.COMPLAIN: (
        Letter(name="complaint_received", to=Actor.CLAIMANT), Letter(name="complaint_received", to=Actor.UPLOADER),
    ),
    Event.REINSTATE: (Letter(name="complaint_decided", to=Actor.CLAIMANT),),
    Event.UPHOLD: (
        Letter(name="complaint_decided", to=Actor.CLAIMANT), Letter(name="complaint_decided", to=Actor.UPLOADER),
    ),
}  # fmt: skip

_OTHER = Reason(code="other", title="Another reason, as stated")
_COMPLAINT_GRANTED = Reason(code="complaint_granted", title="The complaint is granted")
_DISPUTE_BODY = Reason(code="dispute_body", title="A court or an out-of-court body decided so")
RESTORED_UNDER_OATH = (
    Reason(code="counter_notice", title="A counter-notice came, and no court action in time"),
    Reason(code="court_action_ended", title="The court action ended, or was dismissed"),
    _OTHER,
)
RESTORED_ON_COMPLAINT = (
    _COMPLAINT_GRANTED, _DISPUTE_BODY, _OTHER,
)  # fmt: skip
_REASONS: Mapping[Event, tuple[Reason, ...]] = {
    Event.DECLINE: (
        Reason(code="not_infringing", title="The material does not infringe, as far as can be seen"),
        Reason(code="fair_use", title="The use appears to be a fair use, or another that the law allows"),
        Reason(code="licensed", title="The use appears to be licensed or consented to"),
        Reason(code="not_the_owner", title="The claimant does not appear to hold the right"),
        Reason(code="not_protected", title="What is claimed is not protected"),
        Reason(code="material_not_found", title="The material is not there, or is not ours to disable"),
        Reason(code="insufficient", title="What was said does not let a careful reader see that it is illegal"),
        _OTHER,
    ),
    Event.REJECT_ABUSE: (
        Reason(code="manifestly_unfounded", title="The notice is manifestly unfounded"),
        Reason(code="impersonation", title="The claimant is not who they say they are"),
        Reason(code="knowing_misrepresentation", title="What was stated is knowingly false (cf. 17 U.S.C. 512(f))"),
        Reason(code="silencing", title="The notice serves to silence somebody, not to protect a right"),
        Reason(code="mass_filing", title="Filed in masses without looking at the material"),
        _OTHER,
    ),
    Event.REINSTATE: (
        _COMPLAINT_GRANTED, _DISPUTE_BODY, _OTHER,
    ),
    Event.UPHOLD: (Reason(code="decision_was_right", title="The decision was right"), _OTHER),
}  # fmt: skip


def reasons_with(*grounds: Reason, restored: tuple[Reason, ...]) -> Mapping[Event, tuple[Reason, ...]]:
    """The lists of a track: what it disables for, and what it restores for."""
    return {Event.DISABLE: (*grounds, _OTHER), Event.RESTORE: restored, **_REASONS}
