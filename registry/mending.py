"""Mending: what of a flaw can be put right without making anything up.

Decides what is done about each kind of flaw (`registry.consistency`) that the database alone can mend. It looks again
before it acts, since a running service may have done it meanwhile. The ledger is never touched, no record is made, and
what is lost is said to be lost.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import checks
from registry.consistency import Code, Flaw, on_the_log
from registry.index import Operation, log_again, remove_item
from registry.jobs import UNFINISHED, JobKind, enqueue, queue_again
from registry.models import (
    Asset,
    AssetStatus,
    Check,
    CheckStatus,
    Heads,
    IdempotencyKey,
    Item,
    Job,
    JobState,
    Negative,
    StoredDescriptors,
)

MEDIA_LOST: Final = "media: lost"


def mend(session: Session, flaw: Flaw, *, at: datetime) -> bool:
    """Put a flaw right; False where it cannot be, or was meanwhile."""
    mender = _MENDERS.get(flaw.code)
    return mender is not None and mender(session, flaw, at)


def _set_head(session: Session, flaw: Flaw, _at: datetime) -> bool:
    end = flaw.details["end"]
    column = getattr(Heads, flaw.subject)
    session.execute(sa.update(Heads).where(Heads.id == 1, column < end).values({flaw.subject: end}))
    return True


def _remove_item(session: Session, flaw: Flaw, at: datetime) -> bool:
    if session.get(Item, flaw.details["item"]) is None:
        return False
    remove_item(session, flaw.subject, at=at)
    return True


def _fingerprint_again(session: Session, flaw: Flaw, at: datetime) -> bool:
    """Only of a work whose file is kept: of bank entries and releases no fingerprint is made again."""
    asset = session.get(Asset, flaw.subject)
    if asset is None or asset.status != AssetStatus.INDEXED or asset.blob_key is None:
        return False
    remove_item(session, asset.id, at=at)
    asset.status, asset.progress, asset.indexed_at = AssetStatus.QUEUED.value, 0.0, None
    return _queue(session, JobKind.FINGERPRINT, asset.id, at)


def _log_again(session: Session, flaw: Flaw, at: datetime) -> bool:
    """An index may have it all the same: it is removed first, so that nothing is in it twice."""
    number, algorithm, corpus = (flaw.details[name] for name in ("item", "algorithm", "corpus"))
    is_kept = session.get(StoredDescriptors, (number, algorithm)) is not None
    live = on_the_log().subquery()
    is_on_log = sa.select(live.c.item_number).where(live.c.item_number == number, live.c.algorithm == algorithm)
    if is_kept == (session.scalar(is_on_log) is not None):
        return False
    for operation in (Operation.REMOVE, *([Operation.ADD] if is_kept else [])):
        log_again(session, operation, corpus=corpus, item_number=number, algorithm=algorithm, at=at)
    return True


def _queue_again(session: Session, flaw: Flaw, at: datetime) -> bool:
    return _queue(session, JobKind(flaw.details["kind"]), flaw.subject, at)


def _queue(session: Session, kind: JobKind, subject_id: str, at: datetime) -> bool:
    """Some are looked up by their subject: the job that was there is queued again, rather than a second one made."""
    mine = Job.kind == kind.value, Job.subject_id == subject_id
    if session.scalar(sa.select(Job.id).where(*mine, Job.state.in_(UNFINISHED)).limit(1)) is not None:
        return False
    job = session.scalar(sa.select(Job).where(*mine).order_by(Job.id.desc()).limit(1))
    if job is None:
        enqueue(session, kind, subject_id, at=at, run_at=at)
    else:
        queue_again(job, at=at)
    return True


def _end_job(session: Session, flaw: Flaw, at: datetime) -> bool:
    job = session.get(Job, flaw.subject)
    if job is None or job.state not in UNFINISHED:
        return False
    job.state, job.error, job.finished_at = JobState.DONE.value, "there is nothing to do it to", at
    job.lease_until = job.lease_owner = None
    return True


def _drop_doubles(session: Session, flaw: Flaw, _at: datetime) -> bool:
    mine = Job.kind == flaw.details["kind"], Job.subject_id == flaw.subject, Job.state.in_(UNFINISHED)
    later = session.scalars(sa.select(Job).where(*mine).order_by(Job.id).offset(1)).all()
    for job in later:
        session.delete(job)
    return bool(later)


def _forget_request(session: Session, flaw: Flaw, _at: datetime) -> bool:
    row = session.get(IdempotencyKey, tuple(flaw.details[name] for name in ("holder", "operation", "key")))
    if row is None:
        return False
    session.delete(row)
    return True


def _let_go(session: Session, flaw: Flaw, _at: datetime) -> bool:
    """Say of a record that its file is lost; one that still has to be read is told so by its job."""
    match flaw.details["column"]:
        case "assets.blob_key":
            asset = session.get_one(Asset, flaw.subject)
            if asset.status != AssetStatus.INDEXED:
                return False
            asset.blob_key, asset.warnings = None, [*asset.warnings, MEDIA_LOST]
        case "checks.blob_key":
            check = session.get_one(Check, flaw.subject)
            if check.status != CheckStatus.DONE:
                return False
            check.blob_key = None
        case "checks.explanation_key":
            checks.explained(session.get_one(Check, flaw.subject), None)
        case "negatives.blob_key":
            entry = session.get_one(Negative, flaw.subject)
            if entry.status == AssetStatus.QUEUED:
                return False
            entry.blob_key = None
        case _:
            return False
    return True


type _Mender = Callable[[Session, Flaw, datetime], bool]
_MENDERS: Final[Mapping[Code, _Mender]] = {
    Code.HEAD_BEHIND: _set_head,
    Code.ITEM_WITHOUT_SUBJECT: _remove_item,
    Code.ITEM_MISSING: _fingerprint_again,
    Code.DESCRIPTORS_UNREADABLE: _fingerprint_again,
    Code.INDEX_LOG_LACKS: _log_again,
    Code.INDEX_LOG_HAS_MORE: _log_again,
    Code.JOB_LOST: _queue_again,
    Code.JOB_WITHOUT_SUBJECT: _end_job,
    Code.JOB_TWICE: _drop_doubles,
    Code.IDEMPOTENCY_WITHOUT_RESOURCE: _forget_request,
    Code.BLOB_MISSING: _let_go,
    Code.BLOB_CHANGED: _let_go,
}
