"""Holders, as operators see them: from how much on their works count."""

import sqlalchemy as sa
from fastapi import APIRouter

from api.access import TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.holders import HolderOut, ThresholdsIn, ThresholdsOut
from registry import thresholds
from registry.access import Scope
from registry.domain.policy import Assurance, Thresholds
from registry.models import Holder

router = APIRouter(prefix="/v1", tags=["holders"])


@router.get("/holders")
def list_holders(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[HolderOut]:
    actor.require(Scope.ADMIN)
    with service.database.reading() as session:
        return page(session, sa.select(Holder), Holder.id, cursor, limit, _holder)


@router.put("/holders/{holder_id}/thresholds")
def set_thresholds(holder_id: str, body: ThresholdsIn, actor: TheActor, service: TheService) -> HolderOut:
    with service.database.transaction() as session:
        return _holder(thresholds.set_floor(session, actor, holder_id, body.said()))


@router.delete("/holders/{holder_id}/thresholds")
def reset_thresholds(holder_id: str, actor: TheActor, service: TheService) -> HolderOut:
    with service.database.transaction() as session:
        return _holder(thresholds.set_floor(session, actor, holder_id, None))


def thresholds_out(held: Thresholds) -> ThresholdsOut:
    return ThresholdsOut.model_validate(held, from_attributes=True)


def _holder(holder: Holder) -> HolderOut:
    return HolderOut(
        id=holder.id,
        name=holder.name,
        assurance=Assurance(holder.assurance),
        thresholds=thresholds_out(thresholds.floor_of(holder)),
        created_at=holder.created_at,
    )
