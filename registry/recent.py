"""What is newest of a holder's own: lists that begin today, as people read them in a browser.

Ids sort by time, so the last id of a list is the cursor of the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from registry import access
from registry.access import Actor, Scope
from registry.jobs import JobKind
from registry.models import ApiKey, Check, Job, JobState, MessageStatus, OutboxMessage, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest[Row]:
    """Some rows, newest first; `next` is the cursor of those after, None where there are none."""

    rows: Sequence[Row]
    next: str | None


def checks(
    session: Session, actor: Actor, *, verdict: str | None = None, before: str | None = None, limit: int = 50
) -> Newest[Check]:
    """The holder's checks with what they matched; `verdict` "pending": those that have none yet."""
    actor.require(Scope.CHECKS_WRITE)
    query = sa.select(Check).where(Check.holder_id == actor.holder_id).options(selectinload(Check.matches))
    if verdict:
        query = query.where(Check.verdict.is_(None) if verdict == "pending" else Check.verdict == verdict)
    return _newest(session, query, Check.id, before, limit)


def releases(session: Session, actor: Actor, *, before: str | None = None, limit: int = 50) -> Newest[Release]:
    actor.require(Scope.RELEASES_WRITE)
    own = sa.select(Release).where(Release.holder_id == actor.holder_id)
    return _newest(session, own, Release.id, before, limit)


def keys(
    session: Session, actor: Actor, *, ended: bool, at: datetime, before: str | None = None, limit: int = 100
) -> Newest[ApiKey]:
    """The holder's keys that work, or those that have ended."""
    actor.require(Scope.HOLDER_WRITE)
    works = access.live(at)
    own = sa.select(ApiKey).where(ApiKey.holder_id == actor.holder_id, ~works if ended else works)
    return _newest(session, own, ApiKey.id, before, limit)


def messages(
    session: Session, actor: Actor, *, status: MessageStatus | None = None, before: str | None = None, limit: int = 50
) -> Newest[OutboxMessage]:
    """Webhooks to the holder."""
    actor.require(Scope.WEBHOOKS_WRITE)
    own = sa.select(OutboxMessage).where(OutboxMessage.holder_id == actor.holder_id)
    if status is not None:
        own = own.where(OutboxMessage.status == status)
    return _newest(session, own, OutboxMessage.id, before, limit)


def next_tries(session: Session, messages: Iterable[OutboxMessage]) -> dict[str, datetime]:
    """When those that are not delivered yet are tried next, by id."""
    waiting = [message.id for message in messages if message.status == MessageStatus.PENDING]
    due = sa.select(Job.subject_id, Job.run_at).where(
        Job.subject_id.in_(waiting), Job.kind == JobKind.DELIVER, Job.state == JobState.QUEUED
    )
    return dict(session.execute(due).all())


def release_of(session: Session, check_id: str) -> Release | None:
    """What became of a check's file, where it was let out."""
    return session.scalar(sa.select(Release).where(Release.check_id == check_id))


def _newest[Row](
    session: Session, query: sa.Select[Row], by: InstrumentedAttribute[str], before: str | None, limit: int
) -> Newest[Row]:
    if before:
        query = query.where(by < before)
    rows: Sequence[Any] = session.scalars(query.order_by(by.desc()).limit(limit + 1)).all()
    return Newest(rows=rows[:limit], next=getattr(rows[limit - 1], by.key) if len(rows) > limit else None)
