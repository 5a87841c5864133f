"""Who is suspended, and until when: what a reviewer decided about a holder who misuses notices or releases.

Decides only what holds now; on what grounds somebody is warned or suspended is `takedown.misuse`.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.errors import Forbidden
from registry.models import MisuseDecision


class Side(StrEnum):
    """In what part somebody misuses the service. Stored: values are never renamed."""

    CLAIMANT = "claimant"
    UPLOADER = "uploader"


class Measure(StrEnum):
    """What a reviewer decides about somebody. Stored: values are never renamed."""

    WARN = "warn"
    SUSPEND = "suspend"
    LIFT = "lift"


def suspended_until(session: Session, holder_id: str | None, side: Side, *, at: datetime) -> datetime | None:
    """Until when somebody is suspended; None when they are not."""
    if holder_id is None:
        return None
    last = last_measure(session, holder_id, side, Measure.SUSPEND, Measure.LIFT)
    if last is None or last.decision == Measure.LIFT or last.until is None or last.until <= at:
        return None
    return last.until


def require_uploader(session: Session, holder_id: str, *, at: datetime) -> None:
    """Nothing is released for who is suspended. Raises: Forbidden."""
    until = suspended_until(session, holder_id, Side.UPLOADER, at=at)
    if until is not None:
        raise Forbidden(
            action=f"releases of this holder are suspended until {until:%Y-%m-%d}, after repeated takedowns"
        )


def last_measure(session: Session, holder_id: str, side: Side, *measures: Measure) -> MisuseDecision | None:
    """The newest decision of these kinds."""
    query = sa.select(MisuseDecision).where(
        MisuseDecision.holder_id == holder_id, MisuseDecision.side == side, MisuseDecision.decision.in_(measures)
    )
    return session.scalar(query.order_by(MisuseDecision.id.desc()).limit(1))
