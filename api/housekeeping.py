"""What a service does now and then: let go of media, sweep up after crashes, save the index."""

import logging
from datetime import timedelta

import sqlalchemy as sa

from api import anchoring
from api.service import Service
from registry import checks, codes, ledger, outbox, verifications
from registry.models import Asset, Check, Import, Negative, Release
from takedown import retention

_log = logging.getLogger(__name__)
# Longer than any request or job may hold a file that no row names yet.
_ORPHAN_AGE = timedelta(hours=6)


def run(service: Service) -> None:
    """One round; each part may fail without holding up the others."""
    parts = (
        forget_media, forget_explanations, forget_fingerprints, forget_verifications, forget_messages, forget_codes,
        forget_notices, watch_notices, remove_orphans, sign_checkpoint, anchoring.enqueue_due, save_index,
    )  # fmt: skip
    for part in parts:
        try:
            part(service)
        except Exception:
            _log.exception("housekeeping: %s failed", part.__name__)


def forget_media(service: Service) -> None:
    """Delete the files of checks that can no longer lead to a release."""
    with service.database.transaction() as session:
        freed = checks.forget_media(session, at=service.now())
    for key in freed:
        service.blobs.delete(key)


def forget_explanations(service: Service) -> None:
    """Delete the pictures that explained the matches of old checks."""
    with service.database.transaction() as session:
        freed = checks.forget_explanations(session, at=service.now())
    for key in freed:
        service.blobs.delete(key)


def forget_fingerprints(service: Service) -> None:
    """Delete the fingerprints of checks that are older than the operator keeps them."""
    old = service.now() - timedelta(days=service.settings.keep_fingerprints_days)
    with service.database.transaction() as session:
        checks.forget_fingerprints(session, older_than=old)


def forget_verifications(service: Service) -> None:
    """Delete old answers about files that anybody may have sent."""
    with service.database.transaction() as session:
        old = service.now() - verifications.KEPT
        verifications.forget(session, older_than=old)


def forget_messages(service: Service) -> None:
    """Delete webhooks that were sent or given up long ago."""
    with service.database.transaction() as session:
        outbox.forget(session, at=service.now())


def forget_codes(service: Service) -> None:
    """Delete what was said by people who signed up, or were invited, and did not come back."""
    with service.database.transaction() as session:
        codes.forget_expired(session, at=service.now())


def forget_notices(service: Service) -> None:
    """Erase what was said in notices that were over long ago, and the letters about them."""
    with service.database.transaction() as session:
        due = retention.due(session, service.desk.policy, at=service.now())
    for notice_id in due:
        with service.database.transaction() as session:
            forgotten = retention.forget(session, notice_id, at=service.now(), is_left=True)
        service.post.forget(forgotten.mail_ids)


def watch_notices(service: Service) -> None:
    """Let no open notice be without a job that watches its deadlines."""
    with service.database.transaction() as session:
        service.desk.rearm(session, at=service.now())


def remove_orphans(service: Service) -> None:
    """Delete files that a crash left between the blob store and the database."""
    old = service.now() - _ORPHAN_AGE
    service.blobs.sweep_staging(older_than=old)
    candidates = service.blobs.keys(older_than=old)
    with service.database.reading() as session:
        for key in candidates:
            columns = (*(model.blob_key for model in (Asset, Check, Release, Negative, Import)), Check.explanation_key)
            named = (sa.select(column).where(column == key) for column in columns)
            if not any(session.scalar(query.limit(1)) for query in named):
                service.blobs.delete(key)


def sign_checkpoint(service: Service) -> None:
    """Sign the head of the ledger, so that what is in it can no longer change unnoticed."""
    with service.database.transaction() as session:
        ledger.checkpoint(session, service.ledger, at=service.now())


def save_index(service: Service) -> None:
    """Write a snapshot, so that the next start is quick."""
    if service.index_ready.is_set():
        service.index.save(service.settings.snapshot_path)
