"""The outbox: what a holder must be told, written with the change that gave rise to it.

A job delivers each message; the row stays, so that an operator sees what was sent and what failed.
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry.domain.identifiers import Prefix, new_id
from registry.jobs import JobKind, enqueue
from registry.models import Holder, OutboxMessage


def tell(session: Session, holder_id: str, event: str, payload: dict[str, Any], *, at: datetime) -> bool:
    """Queue a webhook for a holder who wants them; False for another, who was told nothing."""
    holder = session.get(Holder, holder_id)
    if holder is None or holder.webhook_url is None:
        return False
    message = OutboxMessage(
        id=new_id(Prefix.WEBHOOK, at=at), holder_id=holder_id, event=event, payload=payload, created_at=at
    )
    session.add(message)
    session.flush()
    enqueue(session, JobKind.DELIVER, message.id, at=at, run_at=at)  # nobody hints at it: the next sweep does
    return True
