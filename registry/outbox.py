"""The outbox: what a holder must be told, written with the change that gave rise to it.

A job delivers each message; the row stays, so that its holder and the operator see what was sent and what failed. A
message that failed is a dead letter until it is replayed; it keeps its id, by which a receiver knows it.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import endpoints
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.errors import Conflict, NotFound
from registry.jobs import JobKind, enqueue, take_back
from registry.models import MessageStatus, OutboxMessage, WebhookEndpoint

TEST_EVENT = "webhook.test"
_KEPT = timedelta(days=30)


def tell(session: Session, holder_id: str, event: str, payload: dict[str, Any], *, at: datetime) -> bool:
    """Queue a webhook for a holder who wants them; False for another, who was told nothing."""
    if endpoints.active(session, holder_id) is None:
        return False
    _queue(session, holder_id, event, payload, at=at)
    return True


def send_test(session: Session, actor: Actor, *, at: datetime) -> OutboxMessage:
    """Queue a message that says nothing but that messages arrive; one at a time.

    Raises:
        NotFound, Conflict: there is no endpoint, it is disabled, or a test is on its way.
    """
    endpoint = endpoints.own(session, actor)
    _require_active(session, actor.holder_id)
    under_way = sa.select(OutboxMessage.id).where(
        OutboxMessage.holder_id == actor.holder_id,
        OutboxMessage.event == TEST_EVENT,
        OutboxMessage.status == MessageStatus.PENDING,
    )
    if (before := session.scalar(under_way.limit(1))) is not None:
        raise Conflict(kind="webhook message", id=before, problem="A test is on its way already.")
    return _queue(session, actor.holder_id, TEST_EVENT, {"url": endpoint.url}, at=at)


def own(session: Session, actor: Actor, message_id: str) -> OutboxMessage:
    """A message to the actor. Raises: NotFound."""
    actor.require(Scope.WEBHOOKS_WRITE)
    message = session.get(OutboxMessage, message_id)
    if message is None or message.holder_id != actor.holder_id:
        raise NotFound(kind="webhook message", id=message_id)
    return message


def replay(session: Session, message: OutboxMessage, *, at: datetime) -> None:
    """Send a message now, as often as a new one would be: one that was delivered, given up, or waits for its next try.

    Raises:
        Conflict: there is nowhere to send it, or it is being sent at this moment.
    """
    _require_active(session, message.holder_id)
    if not take_back(session, JobKind.DELIVER, message.id, at=at):
        raise Conflict(kind="webhook message", id=message.id, problem="It is being sent at this moment.")
    message.status, message.delivered_at = MessageStatus.PENDING.value, None
    enqueue(session, JobKind.DELIVER, message.id, at=at, run_at=at)


def settle(session: Session, message_id: str, *, problem: str | None, is_over: bool, at: datetime) -> None:
    """Say what came of an attempt: it was taken, or there is a problem; `is_over` when no other attempt follows."""
    message = session.get_one(OutboxMessage, message_id)
    message.attempts += 1
    message.last_error = problem
    if problem is None:
        message.status, message.delivered_at = MessageStatus.DELIVERED.value, at
    elif is_over:
        message.status = MessageStatus.FAILED.value


def forget(session: Session, *, at: datetime) -> None:
    """Delete what was sent or given up long ago."""
    settled = OutboxMessage.status != MessageStatus.PENDING
    session.execute(sa.delete(OutboxMessage).where(settled, OutboxMessage.created_at < at - _KEPT))


def _queue(
    session: Session, holder_id: str, event: str, payload: dict[str, Any], *, at: datetime
) -> OutboxMessage:  # fmt: skip
    message = OutboxMessage(
        id=new_id(Prefix.WEBHOOK, at=at),
        holder_id=holder_id,
        event=event,
        payload=payload,
        status=MessageStatus.PENDING.value,
        attempts=0,
        created_at=at,
    )
    session.add(message)
    session.flush()
    enqueue(session, JobKind.DELIVER, message.id, at=at, run_at=at)  # nobody hints at it: the next sweep does
    return message


def _require_active(session: Session, holder_id: str) -> None:
    if endpoints.active(session, holder_id) is None:
        is_gone = session.get(WebhookEndpoint, holder_id) is None
        why = "The endpoint is gone" if is_gone else "The endpoint is disabled and wants to be told nothing more"
        raise Conflict(kind="webhook endpoint of", id=holder_id, problem=f"{why}. Set one, and try again.")
