"""Holders: how well they are known, what that means, and from how much on their works count."""

import sqlalchemy as sa
from fastapi import APIRouter

from api.access import TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.accounts import AssuranceChangeOut, AssuranceIn, LevelOut, OwnHolderOut
from api.schemas.base import Page
from api.schemas.holders import HolderOut, ThresholdsIn, ThresholdsOut
from api.service import Service
from registry import assurance, thresholds
from registry.access import HolderKind, Scope
from registry.domain.policy import Assurance, Thresholds, most_severe
from registry.models import Holder

router = APIRouter(prefix="/v1", tags=["holders"])


@router.get("/assurance")
def list_levels(service: TheService) -> list[LevelOut]:
    """What each level takes, and what a match with a work of such a holder may lead to at most."""
    return [
        LevelOut(assurance=level, shown_by=assurance.SHOWN_BY[level], may_lead_to=_most(service, level))
        for level in Assurance
    ]


@router.get("/holder")
def get_own_holder(actor: TheActor, service: TheService) -> OwnHolderOut:
    """For whom you act, how well they are known, and how that came."""
    with service.database.reading() as session:
        holder = session.get_one(Holder, actor.holder_id)
        changes = assurance.history(session, holder.id)
    level = Assurance(holder.assurance)
    return OwnHolderOut(
        id=holder.id, name=holder.name, kind=HolderKind(holder.kind), assurance=level,
        may_lead_to=_most(service, level),
        history=[AssuranceChangeOut.model_validate(change, from_attributes=True) for change in changes],
        created_at=holder.created_at,
    )  # fmt: skip


@router.get("/holders")
def list_holders(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[HolderOut]:
    actor.require(Scope.ADMIN)
    with service.database.reading() as session:
        return page(session, sa.select(Holder), Holder.id, cursor, limit, _holder)


@router.put("/holders/{holder_id}/thresholds")
def set_thresholds(holder_id: str, body: ThresholdsIn, actor: TheActor, service: TheService) -> HolderOut:
    with service.database.transaction() as session:
        return _holder(thresholds.set_floor(session, actor, holder_id, body.said(), at=service.now()))


@router.delete("/holders/{holder_id}/thresholds")
def reset_thresholds(holder_id: str, actor: TheActor, service: TheService) -> HolderOut:
    with service.database.transaction() as session:
        return _holder(thresholds.set_floor(session, actor, holder_id, None, at=service.now()))


@router.put("/holders/{holder_id}/assurance")
def set_assurance(holder_id: str, body: AssuranceIn, actor: TheActor, service: TheService) -> HolderOut:
    """Say as the operator how well a holder is known; what they showed by themselves stays."""
    with service.database.transaction() as session:
        return _holder(assurance.grant(session, actor, holder_id, body.assurance, body.note, at=service.now()))


def thresholds_out(held: Thresholds) -> ThresholdsOut:
    return ThresholdsOut.model_validate(held, from_attributes=True)


def _most(service: Service, level: Assurance) -> str:
    return most_severe(level, block_from=service.settings.block_from).value


def _holder(holder: Holder) -> HolderOut:
    return HolderOut(
        id=holder.id,
        name=holder.name,
        assurance=Assurance(holder.assurance),
        thresholds=thresholds_out(thresholds.floor_of(holder)),
        created_at=holder.created_at,
    )
