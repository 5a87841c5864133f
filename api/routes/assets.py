"""Assets: what became of a file or fingerprint, what of it does not count, and what operators decide about it."""

import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.orm import Session

from api.access import TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.works import AssetOut, ConflictOut, ExclusionOut, ExclusionsIn, QuarantineIn, QuarantineOut
from registry import conflicts, exclusions, quarantine, works
from registry.access import Scope
from registry.exclusions import Interval
from registry.models import Asset, AssetStatus, Conflict, Item, Quarantine, StoredDescriptors

router = APIRouter(prefix="/v1", tags=["assets"])


@router.get("/assets/{asset_id}")
def get_asset(asset_id: str, actor: TheActor, service: TheService) -> AssetOut:
    with service.database.reading() as session:
        return asset_out(session, works.visible_asset(session, actor, asset_id))


@router.put("/assets/{asset_id}/exclusions")
def put_exclusions(asset_id: str, body: ExclusionsIn, actor: TheActor, service: TheService) -> AssetOut:
    said = [Interval(**interval.model_dump()) for interval in body.intervals]
    with service.database.transaction() as session:
        return asset_out(session, exclusions.put(session, actor, asset_id, said, at=service.now()))


@router.get("/quarantines")
def list_quarantined(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[AssetOut]:
    """For operators: assets that wait for a decision."""
    actor.require(Scope.ADMIN)
    held = sa.select(Quarantine.asset_id).where(Quarantine.decision.is_(None))
    with service.database.reading() as session:
        waiting = sa.select(Asset).where(Asset.id.in_(held))
        return page(session, waiting, Asset.id, cursor, limit, lambda asset: asset_out(session, asset))


@router.post("/assets/{asset_id}/quarantine")
def decide_quarantine(asset_id: str, body: QuarantineIn, actor: TheActor, service: TheService) -> AssetOut:
    with service.database.transaction() as session:
        asset, freed = quarantine.decide(session, actor, asset_id, body.decision, body.reason, at=service.now())
        answer = asset_out(session, asset)
    if freed:
        service.blobs.delete(freed)
    return answer


def asset_out(session: Session, asset: Asset) -> AssetOut:
    algorithms = session.scalars(sa.select(StoredDescriptors.algorithm).join(Item).where(Item.subject_id == asset.id))
    held = quarantine.last_of(session, asset.id)
    return AssetOut(
        id=asset.id,
        work_id=asset.work_id,
        label=asset.label,
        language=asset.language,
        status=AssetStatus(asset.status).value,
        progress=asset.progress,
        reason=asset.reason,
        problem=asset.problem,
        sha256=asset.sha256,
        duration_s=asset.duration_s,
        fingerprints=sorted(algorithms),
        warnings=asset.warnings,
        conflicts=[_conflict(conflict, asset.id) for conflict in conflicts.open_of(session, asset.id)],
        exclusions=[
            ExclusionOut.model_validate(row, from_attributes=True) for row in exclusions.in_force(session, asset.id)
        ],
        quarantine=QuarantineOut.model_validate(held, from_attributes=True) if held else None,
        created_at=asset.created_at,
    )


def _conflict(conflict: Conflict, asset_id: str) -> ConflictOut:
    rival = conflict.rival_asset_id if conflict.asset_id == asset_id else conflict.asset_id
    return ConflictOut(id=conflict.id, rival_asset_id=rival, matched_s=conflict.seconds, opened_at=conflict.opened_at)
