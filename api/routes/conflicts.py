"""Conflicts between holders, and what looking back found: seen by those concerned, decided by people."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from api.access import TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.conflicts import (
    AlikeOut,
    ConflictDecisionIn,
    ConflictDetailOut,
    FindingDecisionIn,
    FindingOut,
    SegmentOut,
    SideOut,
    StatementIn,
    StatementOut,
)
from registry import conflicts, lookback
from registry.access import Actor, Scope
from registry.checks import FindingDecision
from registry.conflicts import NewStatement
from registry.domain.conflicts import Event, Outcome, Position, State
from registry.domain.policy import Assurance
from registry.matches import title_seen_by
from registry.models import Asset, Conflict, Finding, told_score

router = APIRouter(prefix="/v1", tags=["conflicts"])
_Open = Annotated[bool, Query(alias="open", description="Only those that wait for something.")]


@router.get("/conflicts")
def list_conflicts(
    actor: TheActor, service: TheService, is_open: _Open = True, cursor: Cursor = None, limit: Limit = 50
) -> Page[ConflictDetailOut]:
    """Conflicts over your works; everybody's, for the operator."""
    with service.database.reading() as session:
        query = conflicts.listed(actor, is_open=is_open, at=service.now())
        return page(session, query, Conflict.id, cursor, limit, lambda row: _conflict(session, actor, row))


@router.get("/conflicts/{conflict_id}")
def get_conflict(conflict_id: str, actor: TheActor, service: TheService) -> ConflictDetailOut:
    with service.database.reading() as session:
        return _conflict(session, actor, conflicts.visible(session, actor, conflict_id))


@router.post("/conflicts/{conflict_id}/statements", status_code=201)
def state_a_position(conflict_id: str, body: StatementIn, actor: TheActor, service: TheService) -> ConflictDetailOut:
    """Say whose it is, and where that can be seen. Sides that agree end the conflict at once."""
    with service.database.transaction() as session:
        return _conflict(
            session, actor, conflicts.state_a_position(session, actor, conflict_id, _statement(body), at=service.now())
        )


@router.post("/conflicts/{conflict_id}/decision")
def decide_conflict(
    conflict_id: str, body: ConflictDecisionIn, actor: TheActor, service: TheService
) -> ConflictDetailOut:
    """Decide as the operator, once both sides spoke or had their time."""
    with service.database.transaction() as session:
        return _conflict(
            session, actor, conflicts.decide(session, actor, conflict_id, body.outcome, body.reason, at=service.now())
        )


@router.post("/conflicts/{conflict_id}/appeal", status_code=201)
def appeal_conflict(conflict_id: str, body: StatementIn, actor: TheActor, service: TheService) -> ConflictDetailOut:
    """Have a decision looked at by somebody else. The answer is the conflict in which that happens."""
    with service.database.transaction() as session:
        return _conflict(
            session, actor, conflicts.appeal(session, actor, conflict_id, _statement(body), at=service.now())
        )


@router.get("/findings")
def list_findings(
    actor: TheActor, service: TheService, is_open: _Open = True, cursor: Cursor = None, limit: Limit = 50
) -> Page[FindingOut]:
    """Outputs of before that copy works registered after them: of your works and checks, or all for reviewers."""
    with service.database.reading() as session:
        query = lookback.listed(actor, is_open=is_open)
        return page(session, query, Finding.id, cursor, limit, lambda row: _finding(row, actor))


@router.get("/findings/{finding_id}")
def get_finding(finding_id: str, actor: TheActor, service: TheService) -> FindingOut:
    with service.database.reading() as session:
        return _finding(lookback.visible(session, actor, finding_id), actor)


@router.post("/findings/{finding_id}/decision")
def decide_finding(finding_id: str, body: FindingDecisionIn, actor: TheActor, service: TheService) -> FindingOut:
    """Decide as a reviewer whether it holds; a release that copies the work can be disabled with it."""
    with service.database.transaction() as session:
        finding = lookback.decide(
            session, actor, finding_id, body.decision, body.reason, disables=body.disable_release, at=service.now()
        )
        return _finding(finding, actor)


def _statement(body: StatementIn) -> NewStatement:
    return NewStatement(position=body.position, text=body.text, links=body.links)


def _conflict(session: Session, actor: Actor, row: Conflict) -> ConflictDetailOut:
    earlier, later = conflicts.positions(row)
    return ConflictDetailOut(
        id=row.id,
        state=State(row.state),
        appeal_of=row.appeal_of,
        appealed_in=conflicts.appeal_against(session, row),
        earlier=_side(actor, row.rival, earlier),
        later=_side(actor, row.asset, later),
        matched_s=row.seconds,
        alike=[AlikeOut.model_validate(segment) for segment in row.segments],
        statements=[StatementOut.model_validate(said, from_attributes=True) for said in row.statements],
        opened_at=row.opened_at,
        evidence_until=row.evidence_until,
        closed_at=row.closed_at,
        outcome=Outcome(row.outcome) if row.outcome else None,
        cause=Event(row.cause) if row.cause else None,
        reason=row.reason,
        appeal_until=row.appeal_until,
    )


def _side(actor: Actor, asset: Asset, position: Position | None) -> SideOut:
    holder = asset.work.holder
    return SideOut(
        holder_id=holder.id, holder=holder.name, assurance=Assurance(holder.assurance), work_id=asset.work_id,
        title=title_seen_by(actor, asset.work), asset_id=asset.id, registered_at=asset.created_at, position=position,
    )  # fmt: skip


def _finding(row: Finding, actor: Actor) -> FindingOut:
    sees_check = actor.may(Scope.REVIEW) or actor.holder_id == row.check.holder_id
    title = title_seen_by(actor, row.work)
    return FindingOut(
        id=row.id,
        work_id=row.work_id,
        title=title,
        asset_id=row.asset_id,
        check_id=row.check_id if sees_check else None,
        release_id=row.release_id,
        verdict=row.verdict,
        reasons=[reason["message"] for reason in row.reasons],
        segments=[
            SegmentOut.model_validate({**segment, "score": told_score(segment["score"], title=title)})
            for segment in row.segments
        ],
        found_at=row.found_at,
        decision=FindingDecision(row.decision) if row.decision else None,
        decision_reason=row.decision_reason,
        decided_at=row.decided_at,
        release_disabled=row.disabled_release,
    )
