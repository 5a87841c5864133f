"""Exclusions: stretches of an asset that do not count, whoever matches them.

An owner excludes what is not theirs (a licensed shot, a studio's ident), an operator what leads to false
claims, the negative bank what everybody may use, and a decided conflict what is another holder's. Each source
speaks for itself: an owner cannot take back what another source excluded. Nothing said is rewritten: what is said
anew withdraws the old.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import MAX_DURATION_S
from fingerprinting.model import Modality
from registry import ledger
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import NoWeight
from registry.domain.weight import Stretch
from registry.errors import Conflict, Invalid
from registry.models import Asset, Exclusion, Negative
from registry.works import visible_asset

MOST_INTERVALS = 200


class ExclusionSource(StrEnum):
    """Who excluded a stretch; stored, so never renamed."""

    OWNER = "owner"
    OPERATOR = "operator"
    BANK = "bank"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """What an owner or operator excludes, [start_s, end_s) of the asset."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BankStretch:
    """A stretch of an asset that turned out to be material of the negative bank."""

    asset_id: str
    negative_id: str
    modality: Modality
    start_s: float
    end_s: float


def put(session: Session, actor: Actor, asset_id: str, intervals: Sequence[Interval], *, at: datetime) -> Asset:
    """Say which stretches of an asset do not count: all that this side says, in place of what it said before."""
    actor.require(Scope.WORKS_WRITE)
    asset = visible_asset(session, actor, asset_id)
    if asset.work.withdrawn_at is not None:
        raise Conflict(kind="asset", id=asset.id, problem="Its work is withdrawn.")
    _require_sound(intervals, asset.duration_s)
    is_owner = asset.work.holder_id == actor.holder_id
    source = ExclusionSource.OWNER if is_owner else ExclusionSource.OPERATOR
    said = {(i.start_s, i.end_s, i.reason.strip()) for i in intervals}
    for row in in_force(session, asset.id):
        if row.source == source and (row.start_s, row.end_s, row.reason) not in said:
            _withdraw(session, row, at=at)
        elif row.source == source:
            said.remove((row.start_s, row.end_s, row.reason))
    for start_s, end_s, reason in sorted(said):
        _declare(session, asset.id, source, start_s=start_s, end_s=end_s, reason=reason, at=at)
    return asset


def exclude_bank_material(session: Session, stretches: Sequence[BankStretch], *, at: datetime) -> None:
    """Exclude what was found to be of the bank, unless it is already, or the entry was removed meanwhile."""
    for found in stretches:
        negative = session.get(Negative, found.negative_id)
        if negative is None or negative.removed_at is not None:
            continue
        known = [
            row
            for row in in_force(session, found.asset_id)
            if row.negative_id == negative.id and row.modality == found.modality
        ]
        if any(row.start_s <= found.start_s and found.end_s <= row.end_s for row in known):
            continue
        for row in known:
            if row.start_s <= found.end_s and found.start_s <= row.end_s:
                _withdraw(session, row, at=at)  # the new one says more
                found = _union(found, row)
        _declare(
            session, found.asset_id, ExclusionSource.BANK, start_s=found.start_s, end_s=found.end_s,
            reason=f"Material that everybody may use: {negative.title}", modality=found.modality,
            negative_id=negative.id, at=at,
        )  # fmt: skip


def withdraw_bank_material(session: Session, negative_id: str, *, at: datetime) -> None:
    """Let stretches count again that only this entry of the bank excluded."""
    for row in session.scalars(
        sa.select(Exclusion).where(Exclusion.negative_id == negative_id, Exclusion.withdrawn_at.is_(None))
    ):
        _withdraw(session, row, at=at)


def exclude_decided(
    session: Session, asset_id: str, conflict_id: str, *, modality: Modality, start_s: float, end_s: float, at: datetime
) -> None:
    """Exclude what a conflict was decided to be another's."""
    _declare(
        session, asset_id, ExclusionSource.CONFLICT, start_s=start_s, end_s=end_s, modality=modality,
        reason="Another holder's, as a conflict was decided.", conflict_id=conflict_id, at=at,
    )  # fmt: skip


def withdraw_decided(session: Session, conflict_id: str, *, at: datetime) -> None:
    """Let stretches count again that only this decision excluded."""
    for row in session.scalars(
        sa.select(Exclusion).where(Exclusion.conflict_id == conflict_id, Exclusion.withdrawn_at.is_(None))
    ):
        _withdraw(session, row, at=at)


def in_force(session: Session, asset_id: str) -> list[Exclusion]:
    """What is excluded of an asset now, in its own time."""
    rows = sa.select(Exclusion).where(Exclusion.asset_id == asset_id, Exclusion.withdrawn_at.is_(None))
    return list(session.scalars(rows.order_by(Exclusion.start_s, Exclusion.id)))


def stretches_of(session: Session, asset_id: str) -> list[Stretch]:
    """What is excluded of an asset now, as weighing wants it."""
    return [
        Stretch(
            start_s=row.start_s,
            end_s=row.end_s,
            modality=Modality(row.modality) if row.modality else None,
            cause=NoWeight.NEGATIVE if row.source == ExclusionSource.BANK else NoWeight.EXCLUDED,
        )
        for row in in_force(session, asset_id)
    ]


def _require_sound(intervals: Sequence[Interval], duration_s: float | None) -> None:
    if len(intervals) > MOST_INTERVALS:
        raise Invalid(field="intervals", problem=f"At most {MOST_INTERVALS}: join those that touch.")
    for interval in intervals:
        if not 0 <= interval.start_s < interval.end_s <= MAX_DURATION_S:
            raise Invalid(field="intervals", problem="Give 0 <= start_s < end_s, in seconds of the asset.")
        if duration_s is not None and interval.start_s > duration_s:
            raise Invalid(field="intervals", problem=f"An interval begins after the asset's end at {duration_s:.1f} s.")
        if not interval.reason.strip():
            raise Invalid(field="intervals", problem="Say why, in a few words.")


def _declare(
    session: Session, asset_id: str, source: ExclusionSource, *, start_s: float, end_s: float, reason: str,
    at: datetime, modality: Modality | None = None, negative_id: str | None = None, conflict_id: str | None = None,
) -> None:  # fmt: skip
    row = Exclusion(
        id=new_id(Prefix.EXCLUSION, at=at),
        asset_id=asset_id,
        source=source.value,
        negative_id=negative_id,
        conflict_id=conflict_id,
        modality=modality.value if modality else None,
        start_s=start_s,
        end_s=end_s,
        reason=reason,
        declared_at=at,
    )
    session.add(row)
    ledger.record(session, "exclusion.declared", row, at=at)


def _withdraw(session: Session, row: Exclusion, *, at: datetime) -> None:
    row.withdrawn_at = at
    ledger.record(session, "exclusion.withdrawn", row, at=at)


def _union(found: BankStretch, row: Exclusion) -> BankStretch:
    return BankStretch(
        asset_id=found.asset_id,
        negative_id=found.negative_id,
        modality=found.modality,
        start_s=min(found.start_s, row.start_s),
        end_s=max(found.end_s, row.end_s),
    )
