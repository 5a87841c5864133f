"""What a service does now and then: let go of media, sweep up after crashes, save the index.

Each round is done by one process, whichever takes it; only the staging folder is looked after by every process, since
each machine may have its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from api import anchoring, snapshots
from api.service import Service
from registry import checks, codes, ledger, outbox, rollouts, verifications
from registry import retention as bookkeeping
from registry.blob_consistency import named_blobs
from takedown import retention

_log = logging.getLogger(__name__)
# Longer than any request or job may hold a file that no row names yet.
_ORPHAN_AGE = timedelta(hours=6)
_SWEEP_STAGING_EVERY_S = 3600.0


def run(service: Service) -> None:
    """One round of what takes a moment."""
    _each_of(
        service, forget_media, forget_explanations, forget_fingerprints, forget_verifications, forget_messages,
        forget_codes, forget_notices, watch_notices, sign_checkpoint, anchoring.enqueue_due,
    )  # fmt: skip


def run_long(service: Service) -> None:
    """One round of what looks at all that is stored."""
    _each_of(service, forget_bygone, sweep_staging, remove_orphans)


def keep_index(service: Service) -> None:
    """One round for a process that looks at media and holds the index."""
    _each_of(service, begin_rollouts, save_index, snapshots.store)


def _each_of(service: Service, *parts: Callable[[Service], None]) -> None:
    """Each part may fail without holding up the others."""
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


def begin_rollouts(service: Service) -> None:
    """Bring algorithms that came later to what was stored before them."""
    with service.database.transaction() as session:
        begun = rollouts.begin_due(session, service.algorithms, at=service.now())
    for algorithm in begun:
        _log.warning("what was stored without %s is looked at again in the background", algorithm)


def forget_bygone(service: Service) -> None:
    """Delete jobs that were done, sign-ins that ended and requests that were carried out long ago."""
    with service.database.transaction() as session:
        bookkeeping.forget_bygone(session, at=service.now())


def sweep_staging(service: Service) -> None:
    """Delete what interrupted uploads and signings left on this machine."""
    service.blobs.sweep_staging(older_than=service.now() - _ORPHAN_AGE)


def start_sweeping(service: Service) -> None:
    """Sweep this machine's staging folder as long as the process lives, for one to which no rounds may come."""

    def sweep() -> None:
        while True:
            _each_of(service, sweep_staging)
            time.sleep(_SWEEP_STAGING_EVERY_S)

    threading.Thread(target=sweep, name="sweep-staging", daemon=True).start()


def remove_orphans(service: Service) -> None:
    """Delete files that a crash left between the blob store and the database."""
    unnamed = set(service.blobs.keys(older_than=service.now() - _ORPHAN_AGE))
    with service.database.reading() as session:
        unnamed.difference_update(named.key for named in named_blobs(session))
    for key in unnamed:
        service.blobs.delete(key)


def sign_checkpoint(service: Service) -> None:
    """Sign the head of the ledger, so that what is in it can no longer change unnoticed."""
    with service.database.transaction() as session:
        ledger.checkpoint(session, service.ledger, at=service.now())


def save_index(service: Service) -> None:
    """Write a snapshot, so that the next start is quick."""
    if service.index_ready.is_set():
        service.index.save(service.settings.snapshot_path)
