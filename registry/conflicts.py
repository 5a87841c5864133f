"""Conflicts between holders over the same footage or sound: opened when an asset comes, carried to their end.

Neither side overwrites the other: both works stay, both sides see what is alike and what the other says, and
what an outcome costs a side is the stretch in question alone, which no longer counts in its asset (an exclusion of
the source `conflict`). Rules of the procedure are in `registry.domain.conflicts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.match import covered_s
from fingerprinting.model import Modality, Segment
from registry import endpoints, exclusions, ledger
from registry.access import READS, Actor, Scope
from registry.accounts import reads_letters, write_to
from registry.domain.conflicts import (
    APPEAL_LASTS,
    EVIDENCE_LASTS,
    IS_OPEN,
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
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.domain.weight import CRUMB_S, Stretch, outside
from registry.errors import Conflict as ConflictError
from registry.errors import Forbidden, Invalid, NotFound
from registry.index import Answer
from registry.jobs import JobKind, enqueue
from registry.mail import REASON_CHARS, filled
from registry.models import Asset, AssetStatus, Conflict, ConflictStatement, Work
from registry.outbox import tell

# Less than this in common is a stock shot or a jingle, not a claim to the same work.
_CONFLICT_S = 5.0
_MOST_STATEMENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStatement:
    """What a side says, and where its evidence is."""

    position: Position
    text: str
    links: Sequence[str] = ()


# -- how one begins ------------------------------------------------------------------------------


def settle_asset(
    session: Session, asset: Asset, found: Answer, *, not_claimed: Sequence[Stretch], at: datetime
) -> None:
    """Open a conflict with each other holder's asset that `found` shows, and call the asset indexed.

    Two works that hold the same material of the negative bank are no rivals over it: `not_claimed` is what
    is excluded of the asset. Nor are two takes of one scene: what is not confirmed opens nothing.

    The search ran after the asset was stored. Of two that come at once, the later search sees both, so
    no conflict is missed; the pair is kept in one order, so none is opened twice.
    """
    by_rival: dict[str, list[Segment]] = {}
    for segment in outside([s for s in found.segments if s.confirmed], not_claimed):
        by_rival.setdefault(found.subjects[segment.item], []).append(segment)
    for rival_id, segments in by_rival.items():
        rival = session.get(Asset, rival_id)
        if rival is None or rival.work.withdrawn_at is not None:  # while the search ran
            continue
        if rival.work.holder_id == asset.work.holder_id or covered_s(segments) < _CONFLICT_S:
            continue
        earlier, later = sorted((asset, rival), key=lambda one: one.id)
        pair = Conflict.asset_id == later.id, Conflict.rival_asset_id == earlier.id
        if session.scalar(sa.select(Conflict.id).where(*pair).limit(1)) is not None:
            continue
        alike = [_alike(segment, is_later=asset is later) for segment in segments]
        conflict = _put_on_record(session, later, earlier, alike, round(covered_s(segments), 2), at=at)
        before = _settled(session, asset, rival, segments, at=at)
        if before is None:
            enqueue(session, JobKind.CONFLICT_DEADLINE, conflict.id, at=at, run_at=at + EVIDENCE_LASTS)
            _tell(session, conflict, "conflict.opened", at=at)
        else:
            outcome = _outcome_again(before, earlier=earlier.work.holder_id)
            _close(session, conflict, Event.SETTLED, outcome, reason=f"As in {before.id}.", at=at)
    asset.status, asset.progress, asset.indexed_at = AssetStatus.INDEXED.value, 1.0, at


def _settled(
    session: Session, asset: Asset, rival: Asset, segments: Sequence[Segment], *, at: datetime
) -> Conflict | None:
    """The conflict in which it was settled for good whose these stretches of `rival` are: its or this holder's."""
    own = sa.select(Asset.id).join(Work, Work.id == Asset.work_id).where(Work.holder_id == asset.work.holder_id)
    pair = sa.or_(
        sa.and_(Conflict.asset_id == rival.id, Conflict.rival_asset_id.in_(own)),
        sa.and_(Conflict.rival_asset_id == rival.id, Conflict.asset_id.in_(own)),
    )
    looked_at = Conflict.cause.in_((Event.DECIDE, Event.AGREE, Event.SETTLED)), Conflict.outcome.is_not(None)
    for_good = sa.or_(Conflict.state == State.ENDED, Conflict.appeal_until <= at)
    query = sa.select(Conflict).where(pair, *looked_at, for_good, Conflict.state != State.APPEALED)
    for before in session.scalars(query.order_by(Conflict.closed_at.desc())):
        side = "earlier_s" if before.rival_asset_id == rival.id else "later_s"
        if all(any(_lies_in(segment, stretch, side) for stretch in before.segments) for segment in segments):
            return before
    return None


def _lies_in(segment: Segment, stretch: dict[str, Any], side: str) -> bool:
    start_s, end_s = map(float, stretch[side])
    is_inside = start_s - CRUMB_S <= segment.reference_start_s and segment.reference_end_s <= end_s + CRUMB_S
    return is_inside and segment.algorithm.modality is Modality(stretch["modality"])


def _outcome_again(before: Conflict, *, earlier: str) -> Outcome:
    """What was settled before, for a pair of assets of which the earlier one is that holder's."""
    outcome = Outcome(str(before.outcome))
    if outcome not in (Outcome.EARLIER, Outcome.LATER):
        return outcome
    later_won, earlier_won = _sides(before)
    winner = earlier_won if outcome is Outcome.EARLIER else later_won
    return Outcome.EARLIER if winner == earlier else Outcome.LATER


def _put_on_record(
    session: Session, later: Asset, earlier: Asset, alike: list[dict[str, Any]], seconds: float, *,
    at: datetime, appeal_of: Conflict | None = None,
) -> Conflict:  # fmt: skip
    conflict = Conflict(
        id=new_id(Prefix.CONFLICT, at=at),
        asset_id=later.id,
        rival_asset_id=earlier.id,
        appeal_of=appeal_of.id if appeal_of else None,
        state=(State.ON_APPEAL if appeal_of else State.OPEN).value,
        seconds=seconds,
        segments=alike,
        opened_at=at,
        evidence_until=at + EVIDENCE_LASTS,
        asset=later,
        rival=earlier,
    )
    session.add(conflict)
    ledger.record(session, "conflict.opened", conflict, at=at)
    return conflict


def _alike(segment: Segment, *, is_later: bool) -> dict[str, Any]:
    mine = [round(segment.query_start_s, 2), round(segment.query_end_s, 2)]
    others = [round(segment.reference_start_s, 2), round(segment.reference_end_s, 2)]
    later, earlier = (mine, others) if is_later else (others, mine)
    return {"modality": segment.algorithm.modality.value, "later_s": later, "earlier_s": earlier}


# -- what happens in it --------------------------------------------------------------------------


def state_a_position(session: Session, actor: Actor, conflict_id: str, said: NewStatement, *, at: datetime) -> Conflict:
    """Say as one side whose it is. Sides that agree end the conflict at once."""
    actor.require(Scope.WORKS_WRITE)
    conflict = visible(session, actor, conflict_id)
    if actor.holder_id not in _sides(conflict):
        raise Forbidden(action="only the two holders state positions")
    if State(conflict.state) not in IS_OPEN:
        raise ConflictError(kind="conflict", id=conflict.id, problem="It is no longer open.")
    if len(conflict.statements) >= _MOST_STATEMENTS:
        raise Invalid(field="text", problem=f"At most {_MOST_STATEMENTS} statements: wait for the decision.")
    if not said.text.strip():
        raise Invalid(field="text", problem="Say why, and where that can be seen.")
    conflict.statements.append(
        ConflictStatement(
            id=new_id(Prefix.STATEMENT, at=at),
            holder_id=actor.holder_id,
            position=said.position.value,
            text=said.text.strip(),
            links=list(said.links),
            at=at,
        )
    )
    session.flush()
    outcome = agreed(*positions(conflict))
    if outcome is None:
        ledger.record(session, "conflict.statement", conflict, at=at)
        _tell(session, conflict, "conflict.statement", at=at)
    else:
        _close(session, conflict, Event.AGREE, outcome, reason="The holders agree.", at=at)
    return conflict


def decide(
    session: Session, actor: Actor, conflict_id: str, outcome: Outcome, reason: str, *, at: datetime
) -> Conflict:
    """Decide as the operator. An appeal is decided by somebody else than what it is about.

    Raises:
        Conflict: a side may still show evidence, and has not said that it has none.
    """
    actor.require(Scope.ADMIN)
    conflict = visible(session, actor, conflict_id)
    if not reason.strip():
        raise Invalid(field="reason", problem="Say why, in some sentences: both sides read it.")
    transition(State(conflict.state), Event.DECIDE, conflict_id=conflict.id)
    if _decider(actor) in _earlier_deciders(session, conflict):
        raise Forbidden(action="an appeal is decided by somebody else than the first decision")
    if conflict.evidence_until is not None and at < conflict.evidence_until and None in positions(conflict):
        problem = f"A side has not spoken and may until {conflict.evidence_until.isoformat()}."
        raise ConflictError(kind="conflict", id=conflict.id, problem=problem)
    conflict.decided_by = _decider(actor)
    _close(session, conflict, Event.DECIDE, outcome, reason=reason.strip(), at=at)
    return conflict


def appeal(session: Session, actor: Actor, conflict_id: str, said: NewStatement, *, at: datetime) -> Conflict:
    """Have a decision looked at by somebody else: a conflict of its own, open from now on. Returns that one."""
    actor.require(Scope.WORKS_WRITE)
    conflict = visible(session, actor, conflict_id)
    later, earlier = _sides(conflict)
    if actor.holder_id not in (later, earlier):
        raise Forbidden(action="only the two holders appeal")
    after = transition(State(conflict.state), Event.APPEAL, conflict_id=conflict.id)
    until = conflict.appeal_until
    is_earlier = actor.holder_id == earlier
    if until is None or not may_appeal(Outcome(str(conflict.outcome)), is_earlier=is_earlier, at=at, until=until):
        raise ConflictError(kind="conflict", id=conflict.id, problem="You got what you asked for, or it is too late.")
    if conflict.cause == Event.DEFAULT and AssetStatus.WITHDRAWN in (conflict.asset.status, conflict.rival.status):
        problem = "A side withdrew its file, and what silence had cost came back: there is nothing left to appeal."
        raise ConflictError(kind="conflict", id=conflict.id, problem=problem)
    conflict.state = after.value
    exclusions.withdraw_decided(session, conflict.id, at=at)
    ledger.record(session, "conflict.appealed", conflict, at=at)
    again = _put_on_record(
        session, conflict.asset, conflict.rival, conflict.segments, conflict.seconds, appeal_of=conflict, at=at
    )
    session.flush()
    _tell(session, again, "conflict.appealed", at=at)
    return state_a_position(session, actor, again.id, said, at=at)


def deadline_came(session: Session, conflict_id: str, *, at: datetime) -> None:
    """The day for evidence has passed: one side alone may have won by default."""
    conflict = session.get_one(Conflict, conflict_id)
    earlier, later = positions(conflict)
    outcome = by_default(_side(session, conflict.rival, earlier), _side(session, conflict.asset, later))
    if conflict.state == State.OPEN and outcome is not None:
        reason = "The other holder said nothing in time."
        _close(session, conflict, Event.DEFAULT, outcome, reason=reason, at=at)


# -- reading -------------------------------------------------------------------------------------


def visible(session: Session, actor: Actor, conflict_id: str) -> Conflict:
    """A conflict that the actor is a side of, or any for the operator. Raises: NotFound."""
    actor.require(*READS[Prefix.CONFLICT])
    conflict = session.get(Conflict, conflict_id)
    if conflict is None or not (actor.may(Scope.ADMIN) or actor.holder_id in _sides(conflict)):
        raise NotFound(kind="conflict", id=conflict_id)
    return conflict


def listed(actor: Actor, *, is_open: bool, at: datetime) -> sa.Select[Conflict]:
    """Conflicts of the actor's works, or of everybody's for the operator.

    Args:
        is_open: those alone that wait for somebody: for the sides also what can still be appealed, by either.
    """
    actor.require(*READS[Prefix.CONFLICT])
    query = sa.select(Conflict)
    undecided = Conflict.closed_at.is_(None)
    if actor.may(Scope.ADMIN):
        return query.where(undecided) if is_open else query
    if is_open:
        query = query.where(sa.or_(undecided, sa.and_(Conflict.state == State.DECIDED, Conflict.appeal_until > at)))
    own = sa.select(Asset.id).join(Work, Work.id == Asset.work_id).where(Work.holder_id == actor.holder_id)
    return query.where(sa.or_(Conflict.asset_id.in_(own), Conflict.rival_asset_id.in_(own)))


def appeal_against(session: Session, conflict: Conflict) -> str | None:
    """The conflict in which this one was appealed."""
    if conflict.state != State.APPEALED:
        return None
    return session.scalar(sa.select(Conflict.id).where(Conflict.appeal_of == conflict.id))


def open_of(session: Session, asset_id: str) -> list[Conflict]:
    """Open conflicts of an asset, whichever side claimed first."""
    about = sa.or_(Conflict.asset_id == asset_id, Conflict.rival_asset_id == asset_id)
    return list(session.scalars(sa.select(Conflict).where(about, Conflict.closed_at.is_(None)).order_by(Conflict.id)))


def positions(conflict: Conflict) -> tuple[Position | None, Position | None]:
    """What the holder of the earlier asset, and of the later one, said last."""
    said = {statement.holder_id: Position(statement.position) for statement in conflict.statements}
    later, earlier = _sides(conflict)
    return said.get(earlier), said.get(later)


# -- parts ---------------------------------------------------------------------------------------


def _sides(conflict: Conflict) -> tuple[str, str]:
    """The holders of the later and of the earlier asset."""
    return conflict.asset.work.holder_id, conflict.rival.work.holder_id


def _side(session: Session, asset: Asset, position: Position | None) -> Side:
    holder = asset.work.holder
    reached = endpoints.active(session, holder.id) is not None or reads_letters(session, holder.id)
    return Side(position=position, assurance=Assurance(holder.assurance), reached=reached)


def _close(session: Session, conflict: Conflict, event: Event, outcome: Outcome, *, reason: str, at: datetime) -> None:
    conflict.state = transition(State(conflict.state), event, conflict_id=conflict.id).value
    conflict.outcome, conflict.cause, conflict.reason, conflict.closed_at = outcome.value, event.value, reason, at
    if conflict.state == State.DECIDED:
        conflict.appeal_until = at + APPEAL_LASTS
    losing = {Outcome.EARLIER: ("later",), Outcome.LATER: ("earlier",), Outcome.NEITHER: ("earlier", "later")}
    for side in losing.get(outcome, ()):
        asset_id = conflict.asset_id if side == "later" else conflict.rival_asset_id
        for stretch in conflict.segments:
            start_s, end_s = stretch[f"{side}_s"]
            modality = Modality(stretch["modality"])
            exclusions.exclude_decided(
                session, asset_id, conflict.id, modality=modality, start_s=start_s, end_s=end_s, at=at
            )
    ledger.record(session, "conflict.closed", conflict, at=at)
    _tell(session, conflict, "conflict.closed", at=at)


def _decider(actor: Actor) -> str:
    """The person or key behind a decision: operators may share a holder."""
    return actor.account_id or actor.key_id or actor.holder_id


def _earlier_deciders(session: Session, conflict: Conflict) -> set[str | None]:
    first = session.get(Conflict, conflict.appeal_of) if conflict.appeal_of else None
    return {first.decided_by} - {None} if first is not None else set()


def _tell(session: Session, conflict: Conflict, event: str, *, at: datetime) -> None:
    """Tell both sides, programs and people."""
    payload = {"id": conflict.id, "state": conflict.state, "outcome": conflict.outcome}
    for asset, other in ((conflict.asset, conflict.rival), (conflict.rival, conflict.asset)):
        holder_id = asset.work.holder_id
        tell(session, holder_id, event, {**payload, "work_id": asset.work_id, "asset_id": asset.id}, at=at)
        said = filled(
            _SENTENCES[event], REASON_CHARS,
            mine=asset.work.title, theirs=other.work.title_for(holder_id), who=other.work.holder.name,
            seconds=conflict.seconds, id=conflict.id, until=conflict.evidence_until,
            outcome=conflict.outcome, reason=conflict.reason,
        )  # fmt: skip
        subject = filled("“{mine}”: {event}", mine=asset.work.title, event=_SUBJECTS[event])
        write_to(session, holder_id, subject, said, at=at)


_SUBJECTS = {
    "conflict.opened": "another holder claims the same material",
    "conflict.statement": "a statement in the conflict",
    "conflict.closed": "the conflict is decided",
    "conflict.appealed": "an appeal in the conflict",
}
_SENTENCES = {
    "conflict.opened": """
{seconds:.0f} s of your “{mine}” are also in “{theirs}”, registered by {who}. Until it is settled whose they are,
copies of them lead to a review and not to a block.

Say whose they are and where that can be seen, until {until:%d %B %Y}, on the page /conflicts/{id}.

By program: POST /v1/conflicts/{id}/statements.
If one of you says nothing until then, it can be decided for the other.
""",
    "conflict.statement": """
There is a new statement about “{mine}” and “{theirs}” of {who}: GET /v1/conflicts/{id}.
""",
    "conflict.closed": """
The conflict about “{mine}” and “{theirs}” of {who} is decided: {outcome}. {reason}

GET /v1/conflicts/{id} says what follows, and whether and until when it can be appealed.
""",
    "conflict.appealed": """
The decision about “{mine}” and “{theirs}” of {who} was appealed, and the conflict is open again:
GET /v1/conflicts/{id}. You may show more evidence until {until:%d %B %Y}.
""",
}
