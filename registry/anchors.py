"""Anchors: what outsiders say of our checkpoints, time-stamp authorities and witnesses, kept beside them.

Decides when somebody is to be asked again, and what is kept. The asking is the process edge's; nothing of the service
waits for it, and a log without anchors is as true as before: it only has nobody else to say so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain.checkpoint import BadCheckpoint, only_signed_by
from registry.domain.receipt import Timestamp
from registry.domain.timestamp import BadTimestamp, Stamp, is_vouched, read_reply
from registry.domain.witness import Cosignature, open_cosignature
from registry.errors import NotFound
from registry.jobs import UNFINISHED, JobKind, enqueue
from registry.models import Job, LedgerCheckpoint, LedgerCosignature, LedgerTimestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Whom to ask: whether for time-stamps, how often at most; and which witnesses, by their keys."""

    stamp: bool
    stamp_every: timedelta
    witness_keys: tuple[str, ...]


def enqueue_due(session: Session, plan: Plan, *, at: datetime) -> None:
    """Queue the asking about the newest checkpoint, where it is due and the log has grown."""
    if not plan.stamp and not plan.witness_keys:
        return
    size = session.scalar(sa.select(sa.func.max(LedgerCheckpoint.size))) or 0
    if size and plan.stamp and _last_stamped(session) < size:
        recent = sa.select(Job.id).where(
            Job.kind == JobKind.STAMP, sa.or_(_unfinished(), Job.created_at > at - plan.stamp_every)
        )
        if session.scalar(recent.limit(1)) is None:
            enqueue(session, JobKind.STAMP, str(size), at=at, run_at=at)
    for key in plan.witness_keys:
        asked = sa.select(Job.id).where(Job.kind == JobKind.COSIGN, _unfinished(), _about(key))
        if last_cosigned(session, key) < size and session.scalar(asked.limit(1)) is None:
            enqueue(session, JobKind.COSIGN, f"{size} {key}", at=at, run_at=at)


def _unfinished() -> sa.ColumnElement[bool]:
    return Job.state.in_(UNFINISHED)


def _about(witness_key: str) -> sa.ColumnElement[bool]:
    return Job.subject_id.endswith(f" {witness_key}", autoescape=True)


def _last_stamped(session: Session) -> int:
    return session.scalar(sa.select(sa.func.max(LedgerTimestamp.size))) or 0


def last_cosigned(session: Session, witness_key: str) -> int:
    """How many entries a witness has seen, as far as we know."""
    query = sa.select(sa.func.max(LedgerCosignature.size)).where(LedgerCosignature.witness_key == witness_key)
    return session.scalar(query) or 0


def keep_timestamp(
    session: Session, size: int, note: str, verifier_key: str, stamp: Stamp, timestamp: Timestamp
) -> None:
    """Keep a time-stamp of the checkpoint of that size, once it was verified; the first one stays."""
    if session.get(LedgerTimestamp, size) is None:
        session.add(
            LedgerTimestamp(
                size=size, note=note, verifier_key=verifier_key, reply=timestamp.reply, signature=timestamp.signature,
                authority=stamp.authority, at=stamp.at,
            )
        )  # fmt: skip
        session.flush()


def keep_cosignature(session: Session, size: int, cosignature: Cosignature) -> None:
    """Keep a witness's signature on the checkpoint of that size, once it was verified; the first one stays."""
    if session.get(LedgerCosignature, (cosignature.witness_key, size)) is None:
        session.add(
            LedgerCosignature(witness_key=cosignature.witness_key, size=size, line=cosignature.line, at=cosignature.at)
        )
        session.flush()


def timestamp_of(session: Session, size: int | None) -> LedgerTimestamp:
    """The time-stamp of a checkpoint, or the newest there is. Raises: NotFound."""
    query = sa.select(LedgerTimestamp).order_by(LedgerTimestamp.size.desc()).limit(1)
    found = session.scalar(query if size is None else query.where(LedgerTimestamp.size == size))
    if found is None:
        raise NotFound(kind="time-stamped checkpoint", id="" if size is None else f"of size {size}")
    return found


def cosignatures_of(session: Session, size: int) -> list[LedgerCosignature]:
    """The cosignatures of a checkpoint, always in the same order."""
    query = sa.select(LedgerCosignature).where(LedgerCosignature.size == size)
    return list(session.scalars(query.order_by(LedgerCosignature.witness_key)))


def newest_cosigned(session: Session, witnesses: Sequence[str]) -> LedgerCheckpoint:
    """The newest checkpoint that all these witnesses, by name, have cosigned. Raises: NotFound."""
    query = sa.select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1)
    for name in witnesses:
        theirs = LedgerCosignature.witness_key.startswith(f"{name}+", autoescape=True)
        query = query.where(LedgerCheckpoint.size.in_(sa.select(LedgerCosignature.size).where(theirs)))
    found = session.scalar(query)
    if found is None:
        raise NotFound(kind="checkpoint cosigned by", id=", ".join(witnesses))
    return found


def anchored_after(session: Session, number: int) -> LedgerCheckpoint | None:
    """The earliest checkpoint with entry `number` that was time-stamped; else the earliest that was cosigned."""
    for anchor in (LedgerTimestamp, LedgerCosignature):
        size = session.scalar(sa.select(sa.func.min(anchor.size)).where(anchor.size > number))
        if size is not None:
            return session.get_one(LedgerCheckpoint, size)
    return None


def problems(session: Session) -> Iterator[str]:
    """One sentence for each anchor that does not hold for its checkpoint."""
    for stamp in session.scalars(sa.select(LedgerTimestamp).order_by(LedgerTimestamp.size)):
        checkpoint, message = session.get_one(LedgerCheckpoint, stamp.size), stamp.note.encode()
        try:
            read_reply(stamp.reply, message)
            holds = only_signed_by(checkpoint.note, verifier_key=stamp.verifier_key) == stamp.note and is_vouched(
                stamp.signature, stamp.reply, message, verifier_key=stamp.verifier_key
            )
        except (BadCheckpoint, BadTimestamp):
            holds = False
        if not holds:
            yield f"the time-stamp of the checkpoint of size {stamp.size} is not one of it"
    for said in session.scalars(sa.select(LedgerCosignature).order_by(LedgerCosignature.size)):
        checkpoint = session.get_one(LedgerCheckpoint, said.size)
        try:
            open_cosignature(f"{checkpoint.note}{said.line}\n", witness_key=said.witness_key)
        except BadCheckpoint as bad:
            yield f"the cosignature of the checkpoint of size {said.size} does not hold: {bad.reason}"
