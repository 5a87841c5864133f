"""Claims that name a person: which of them hold that person, and which can be forgotten with them.

Decides by the course of a claim and by how long the operator keeps one after it is over (`takedown.retention`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.models import Notice, NoticeEvent
from takedown import retention
from takedown.domain.states import OVER, State
from takedown.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What of somebody's claims happened.

    Attributes:
        forgotten: ids of claims that were erased, with how many of the ledger's entries were closed.
        mail_ids: letters of which copies are to be deleted.
        stays: what is kept, and until when.
    """

    forgotten: dict[str, int]
    mail_ids: list[str]
    stays: list[str]


def reasons_to_keep(session: Session, notice_ids: Sequence[str]) -> list[str]:
    """Claims to which something may still happen: who makes or answers one has to be known until it is over."""
    open_ = sa.select(Notice).where(Notice.id.in_(notice_ids), Notice.state.not_in(OVER), Notice.forgotten_at.is_(None))
    return [
        f"{notice.id} names them and is not over ({notice.state}). Decide it first."
        for notice in session.scalars(open_.order_by(Notice.id))
    ]


def forget_claims(session: Session, notice_ids: Sequence[str], policy: Policy, *, at: datetime) -> Claims:
    """Forget the claims whose time of keeping has passed; the others say how long they stay."""
    claims = Claims(forgotten={}, mail_ids=[], stays=[])
    over = sa.select(Notice).where(Notice.id.in_(notice_ids), Notice.forgotten_at.is_(None))
    for notice in session.scalars(over.order_by(Notice.id)).all():
        last = session.scalar(sa.select(sa.func.max(NoticeEvent.at)).where(NoticeEvent.notice_id == notice.id))
        until = (last or notice.created_at) + policy.retention
        if State(notice.state) in OVER and until < at:
            forgotten = retention.forget(session, notice.id, at=at)
            claims.forgotten[notice.id] = forgotten.entries
            claims.mail_ids.extend(forgotten.mail_ids)
        else:
            said = f"{notice.id} is kept until {until:%Y-%m-%d}, as claims are, and is then erased by itself."
            claims.stays.append(said)
    return claims
