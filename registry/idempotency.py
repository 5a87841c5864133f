"""Same `Idempotency-Key`, same answer: a request that is sent twice takes effect once."""

import hashlib
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry.access import Actor
from registry.errors import Conflict, Invalid
from registry.models import IdempotencyKey


def digest(request: str) -> str:
    """What tells one request from another under the same key."""
    return hashlib.sha256(request.encode()).hexdigest()


def recall(session: Session, actor: Actor, operation: str, key: str | None, request_sha256: str) -> str | None:
    """The resource that this request made earlier, or None.

    Raises:
        Conflict: the key was used for another request.
    """
    if key is None:
        return None
    if not 0 < len(key) <= 255:
        raise Invalid(field="Idempotency-Key", problem="Use 1 to 255 characters, for example a UUID.")
    row = session.get(IdempotencyKey, (actor.holder_id, operation, key))
    if row is None:
        return None
    if row.request_sha256 != request_sha256:
        problem = "This key was used for another request. Use a new one for each new request."
        raise Conflict(kind="Idempotency-Key", id=key, problem=problem)
    return row.resource_id


def remember(
    session: Session,
    actor: Actor,
    operation: str,
    key: str | None,
    request_sha256: str,
    resource_id: str,
    *,
    at: datetime,
) -> None:
    """Keep what a request made, in its transaction.

    Raises:
        Conflict: the same request is being carried out right now.
    """
    if key is None:
        return
    row = IdempotencyKey(
        holder_id=actor.holder_id,
        operation=operation,
        key=key,
        request_sha256=request_sha256,
        resource_id=resource_id,
        created_at=at,
    )
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        problem = "The same request is being carried out. Send it again in a moment."
        raise Conflict(kind="Idempotency-Key", id=key, problem=problem) from error
