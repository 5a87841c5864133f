"""What people decide about a notice: for a reason from the list, in words, by a second person where that is wanted.

Whoever decides a complaint, or anew after one, is somebody else than who decided before (DSA art. 20(6) asks for
qualified staff; art. 20 would mean little if one's own decision came back to one). That a reviewer's holder is a party,
or acts for one, is shown and recorded, and does not forbid: who runs a service alone is often also its pipeline.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor, Scope
from registry.errors import Conflict, Forbidden, Invalid
from registry.models import Agency, Notice, NoticeProposal
from takedown.domain.states import DECISIONS, OVER, Event, State
from takedown.domain.states import Actor as Role
from takedown.papers import track_of
from takedown.policy import FourEyes

_TAKEDOWNS = frozenset({Event.DISABLE, Event.REJECT_ABUSE, Event.RESTORE})
# Decisions that somebody may complain of; who made one does not answer the complaint.
_COMPLAINED_OF = frozenset({Event.DISABLE, Event.DECLINE, Event.REJECT_ABUSE})
_ANEW = frozenset({State.CLAIMANT_COMPLAINT, State.UPLOADER_COMPLAINT})


class Gravity(StrEnum):
    """How grave it was, as the reviewer sees it (DSA art. 23(3)(c)). Stored: values are never renamed."""

    MINOR = "minor"
    SERIOUS = "serious"
    GRAVE = "grave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Why somebody did something to a notice.

    Attributes:
        by: the person.
        reason_code, reason: from the list of the track, and in words.
        fair_use: what was considered of it; None where nobody said so.
        legal_ground, explanation: for a statement of reasons (DSA art. 17(3)(d), (e)), where the usual is not enough.
        gravity, intent: of an abuse (DSA art. 23(3)(c), (d)).
        details: what is kept of all that.
    """

    by: str | None = None
    reason: str | None = None
    reason_code: str | None = None
    fair_use: str | None = None
    legal_ground: str | None = None
    explanation: str | None = None
    gravity: Gravity = Gravity.MINOR
    intent: str | None = None
    details: dict[str, Any] | None = None


def require_voice(actor: Actor, roles: frozenset[Role]) -> None:
    """Not every key of a holder speaks for them: a claim is for who files, an answer also for who releases."""
    if actor.ticket_sha256 is None and not actor.may(Scope.REVIEW):
        releases = (Scope.RELEASES_WRITE,) if Role.UPLOADER in roles else ()
        actor.require(Scope.NOTICES_WRITE, *releases)


def settle(
    session: Session, notice: Notice, event: Event, judgement: Judgement, interests: list[str], four_eyes: FourEyes, *,
    at: datetime,
) -> Judgement | None:  # fmt: skip
    """Hold a decision against the rules; returns it as it is recorded, or None while it waits for a second reviewer.

    Raises:
        Invalid: the reason is not one of the list.
        Forbidden: this person decided before.
        Conflict: the second reviewer must be another person.
    """
    reasons = track_of(notice).reasons[event]
    codes = [one.code for one in reasons]
    if judgement.reason_code is not None and judgement.reason_code not in codes:
        raise Invalid(field="reason_code", problem=f"For {event.value} choose one of: {', '.join(codes)}.")
    code = judgement.reason_code or _usual(notice, event, codes)
    judgement = replace(judgement, reason_code=code, details=_details(event, judgement, interests))
    if judgement.by in barred(notice, event):
        raise Forbidden(action="somebody else than who decided before decides this")
    if not _needs_second(event, four_eyes):
        return judgement
    return _seconded(session, notice, event, judgement, at=at)


def barred(notice: Notice, event: Event) -> set[str]:
    """Who may not make a decision, for having made the one that is looked at again.

    What a court or another body decided, anybody carries out.
    """
    state = State(notice.state)
    if event not in DECISIONS or state in OVER:
        return set()
    again = [one.position for one in notice.events if one.event in (Event.COMPLAIN, Event.REINSTATE)]
    before = len(notice.events) if state in _ANEW else max(again, default=0)
    made = [one for one in notice.events if one.event in _COMPLAINED_OF and one.position < before]
    return {who for one in made for who in (one.by, (one.details or {}).get("seconded_by")) if who}


def proposal_of(session: Session, notice: Notice) -> NoticeProposal | None:
    """The decision that waits for a second reviewer, if nothing else happened meanwhile."""
    row = session.get(NoticeProposal, notice.id)
    return row if row is not None and row.position == len(notice.events) else None


def interests(session: Session, actor: Actor, notice: Notice, uploaders: set[str], *, at: datetime) -> list[str]:
    """Why a reviewer might not be impartial, in a sentence each: shown, and kept with what they decide."""
    found = []
    sides = {"the claimant": {notice.holder_id} if notice.holder_id else set(), "the uploader": uploaders}
    for side, holders in sides.items():
        if actor.holder_id in holders:
            found.append(f"Your holder is {side}.")
        elif holders and _acts_between(session, actor.holder_id, holders, at=at):
            found.append(f"Your holder acts for {side}, or they for yours.")
    return found


def _acts_between(session: Session, holder_id: str, others: set[str], *, at: datetime) -> bool:
    either = sa.or_(
        sa.and_(Agency.agent_id == holder_id, Agency.principal_id.in_(others)),
        sa.and_(Agency.principal_id == holder_id, Agency.agent_id.in_(others)),
    )
    lasts = Agency.revoked_at.is_(None), sa.or_(Agency.valid_until.is_(None), Agency.valid_until > at)
    return session.scalar(sa.select(Agency.id).where(either, *lasts).limit(1)) is not None


def _usual(notice: Notice, event: Event, codes: list[str]) -> str:
    """What a decision is for where nobody says so: it follows from where the notice stands."""
    if event is Event.RESTORE:
        usual = {
            State.FORWARDED: "counter_notice", State.HELD: "court_action_ended",
            State.UPLOADER_COMPLAINT: "complaint_granted",
        }  # fmt: skip
        return usual.get(State(notice.state), "dispute_body")
    if event is Event.REINSTATE and notice.state == State.CLOSED:
        return "dispute_body"
    return "other" if event is Event.DECLINE else codes[0]


def _details(event: Event, judgement: Judgement, interests: list[str]) -> dict[str, Any] | None:
    said = {
        name: value
        for name, value in asdict(judgement).items()
        if name in ("fair_use", "legal_ground", "explanation") and value
    }
    if event is Event.REJECT_ABUSE:
        said |= {"gravity": judgement.gravity.value, "intent": judgement.intent}
    if interests:
        said["interests"] = interests
    return said or None


def _needs_second(event: Event, four_eyes: FourEyes) -> bool:
    return four_eyes is FourEyes.ALL or (four_eyes is FourEyes.TAKEDOWNS and event in _TAKEDOWNS)


def _seconded(
    session: Session, notice: Notice, event: Event, judgement: Judgement, *, at: datetime
) -> Judgement | None:  # fmt: skip
    """The decision that a first reviewer proposed, once a second one wants the same; else it is now the proposal."""
    row = proposal_of(session, notice)
    if row is not None and row.event == event:
        if row.proposed_by == judgement.by:
            problem = "You proposed this. Another reviewer must want the same."
            raise Conflict(kind="notice", id=notice.id, problem=problem)
        session.delete(row)
        return _by_both(row, judgement)
    session.execute(sa.delete(NoticeProposal).where(NoticeProposal.notice_id == notice.id))
    session.add(
        NoticeProposal(
            notice_id=notice.id, position=len(notice.events), event=event.value, reason_code=judgement.reason_code,
            reason=judgement.reason, details=judgement.details, proposed_by=str(judgement.by), proposed_at=at,
        )
    )  # fmt: skip
    session.flush()
    return None


def _by_both(row: NoticeProposal, second: Judgement) -> Judgement:
    """The first reviewer's decision, with the interests of both."""
    first, own = row.details or {}, (second.details or {}).get("interests", [])
    details = {**first, "seconded_by": second.by}
    if both := list(dict.fromkeys([*first.get("interests", []), *own])):
        details["interests"] = both
    return replace(
        second, by=row.proposed_by, reason_code=row.reason_code, reason=row.reason, details=details,
        gravity=Gravity(first.get("gravity", Gravity.MINOR)), intent=first.get("intent"),
    )  # fmt: skip
