"""Slack: how much time is left to what the operator must do about notices, and what is overdue.

Looks at all open notices at once, for whoever watches the service; what is done when a date comes is `service`.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session, selectinload

from registry.models import Notice
from takedown.service import Desk
from takedown.watch import dated

# So many notices are looked at, those that came first: more are not open at once, or nobody waits for a number.
_MOST = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """When the next duty falls due, and how many are overdue; None where nothing is due by statute.

    Attributes:
        next_statutory: of those that are still to come.
    """

    next_statutory: datetime | None
    overdue_statutory: int
    overdue_own: int
    overdue_since: datetime | None


def slack(session: Session, desk: Desk, *, at: datetime) -> Slack:
    """What is left to the duties of the operator, over all open notices."""
    found = session.scalars(dated().options(selectinload(Notice.events)).order_by(Notice.id).limit(_MOST))
    duties = [one for notice in found for one in desk.deadlines(notice) if one.warn_at is not None]
    overdue = [one for one in duties if one.at < at]
    return Slack(
        next_statutory=min((one.at for one in duties if one.statutory and one.at >= at), default=None),
        overdue_statutory=sum(one.statutory for one in overdue),
        overdue_own=sum(not one.statutory for one in overdue),
        overdue_since=min((one.at for one in overdue), default=None),
    )
