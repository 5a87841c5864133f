"""Quarantine: an asset that suddenly matches very many checks of many askers may not block until an operator decides.

Such a flood is what a wrongly registered thing looks like: a stock ident, a loop, a song under everything.
It is also what a success looks like, so nothing is dropped: matches go to people meanwhile. One asker counts
for their share alone: nobody can unblock a work by asking about copies of it again and again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, first_id, new_id
from registry.errors import Conflict, Invalid
from registry.models import Asset, Check, Match, Quarantine
from registry.outbox import tell
from registry.works import visible_asset, withdraw_asset

# After an operator let an asset go, it takes this many times the matches of then.
_AGAIN_TIMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """How many checks of different files, by how many askers, within which time, are a flood."""

    checks: int = 50
    askers: int = 5
    window: timedelta = timedelta(hours=1)


class QuarantineDecision(StrEnum):
    RELEASE = "release"
    WITHDRAW = "withdraw"


def look(session: Session, asset: Asset, limits: FloodLimits, *, at: datetime) -> Quarantine | None:
    """Put an asset in quarantine if it matches too much of late; None when it need not be, or is in it."""
    last = last_of(session, asset.id)
    if last is not None and last.decision is None:
        return None
    counted, askers = _matched(session, asset, limits, at=at)
    if counted < max(limits.checks, _AGAIN_TIMES * last.matched_checks if last else 0) or askers < limits.askers:
        return None
    row = Quarantine(
        id=new_id(Prefix.QUARANTINE, at=at),
        asset_id=asset.id,
        matched_checks=counted,
        askers=askers,
        opened_at=at,
    )
    session.add(row)
    ledger.record(session, "quarantine.opened", row, at=at)
    payload = {"id": asset.id, "matched_checks": counted, "askers": askers}
    tell(session, asset.work.holder_id, "asset.quarantined", payload, at=at)
    return row


def decide(
    session: Session, actor: Actor, asset_id: str, decision: QuarantineDecision, reason: str, *, at: datetime
) -> tuple[Asset, str | None]:
    """End a quarantine: the asset counts as before, or is withdrawn. Returns it, and the blob that nobody needs."""
    actor.require(Scope.ADMIN)
    asset = visible_asset(session, actor, asset_id)
    row = last_of(session, asset.id)
    if row is None or row.decision is not None:
        raise Conflict(kind="asset", id=asset.id, problem="It is not in quarantine.")
    if not reason.strip():
        raise Invalid(field="reason", problem="Say why, in a sentence.")
    row.decision, row.decision_reason = decision.value, reason.strip()
    row.decided_by, row.decided_at = actor.holder_id, at
    freed = withdraw_asset(session, asset, at=at) if decision is QuarantineDecision.WITHDRAW else None
    ledger.record(session, "quarantine.decided", row, at=at)
    tell(session, asset.work.holder_id, "quarantine.decided", {"id": asset.id, "decision": row.decision}, at=at)
    return asset, freed


def last_of(session: Session, asset_id: str) -> Quarantine | None:
    """The open quarantine of an asset, or else the newest of those decided."""
    open_first = Quarantine.decision.is_not(None), Quarantine.opened_at.desc(), Quarantine.id.desc()
    return session.scalar(sa.select(Quarantine).where(Quarantine.asset_id == asset_id).order_by(*open_first).limit(1))


def is_held(session: Session, asset_id: str) -> bool:
    """Whether an asset is in quarantine now."""
    last = last_of(session, asset_id)
    return last is not None and last.decision is None


def _matched(session: Session, asset: Asset, limits: FloodLimits, *, at: datetime) -> tuple[int, int]:
    """Checks of late that the asset matched with weight, each asker for their share at most, and the askers."""
    since = first_id(Prefix.CHECK, at=at - limits.window)
    file = sa.func.coalesce(Check.sha256, Check.id)  # the same file again says nothing new
    query = (
        sa.select(sa.func.count(file.distinct()))
        .join(Match, Match.check_id == Check.id)
        .where(Match.asset_id == asset.id, Match.check_id >= since, Match.no_weight.is_(None), ~Match.own)
        .group_by(Check.holder_id)
    )
    share = -(-limits.checks // limits.askers)
    counts = session.scalars(query).all()
    return sum(min(count, share) for count in counts), len(counts)
