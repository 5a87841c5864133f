"""What jobs do with a file that was sent: fingerprint it, look whom it copies, answer a check, explain the answer.

Decoding and searching may take long, for a film, and hold no transaction: whoever writes meanwhile is not held up. So
each step reads anew what is on record, and does nothing where another has done it or the file was withdrawn.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api import explanations, metrics, telemetry
from api.answers import count_check, evidence_of, search_works
from api.service import Service
from fingerprinting import stages
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import Extracted, extract, extract_output
from fingerprinting.model import Fingerprint, MediaInfo
from registry import checks, conflicts, exclusions, jobs, lookback, negatives, works
from registry.index import fingerprint_of
from registry.jobs import Lease
from registry.models import Asset, AssetStatus, Check, CheckStatus, Corpus, Negative, Notice, Release
from registry.rollouts import Lacking
from takedown import materials

_CATCH_UP_S: Final = 600.0  # nobody waits for the index in a job


def fingerprint_asset(service: Service, lease: Lease) -> None:
    """Decode and store a work's file, then search for rivals, each step in a transaction of its own."""
    with service.database.transaction() as session:
        asset = session.get_one(Asset, lease.subject_id)
        if asset.status not in (AssetStatus.QUEUED, AssetStatus.PROCESSING):
            jobs.finish(session, lease, at=service.now())  # withdrawn, or done by another
            return
        stored = fingerprint_of(session, asset.id)
        asset.status = AssetStatus.PROCESSING.value
    if stored is None and not _store(service, lease):
        return
    with service.database.reading() as session:
        found = service.index.rivals(session, lease.subject_id)
        material = negatives.material_in(session, service.index, lease.subject_id, timeout_s=_CATCH_UP_S)
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        asset = session.get_one(Asset, lease.subject_id)
        if asset.status == AssetStatus.PROCESSING:
            exclusions.exclude_bank_material(session, material, at=service.now())
            not_claimed = exclusions.stretches_of(session, asset.id)
            conflicts.settle_asset(session, asset, found, not_claimed=not_claimed, at=service.now())
            lookback.arrange(session, asset, at=service.now())


def _store(service: Service, lease: Lease) -> bool:
    """Whether a work's file passed the quality gate and is in the index; if not, the job is done."""

    def keep(session: Session, asset: Asset, fingerprint: Fingerprint) -> None:
        if asset.status == AssetStatus.PROCESSING:
            works.store_asset(session, asset, fingerprint, at=service.now())

    def refuse(session: Session, asset: Asset, error: MediaError) -> str | None:
        return works.reject_asset(session, asset, reason=error.fault, problem=error.problem, at=service.now())

    return _kept(service, lease, Asset, keep, refuse)


def fill_bank(service: Service, lease: Lease) -> None:
    """Decode and store a file of the negative bank, then look which works hold it."""
    with service.database.reading() as session:
        entry = session.get_one(Negative, lease.subject_id)
    if entry.status == AssetStatus.QUEUED and not _store_negative(service, lease):
        return
    with service.database.reading() as session:
        material = negatives.material_of(session, service.index, lease.subject_id, timeout_s=_CATCH_UP_S)
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        entry = session.get_one(Negative, lease.subject_id)
        freed = negatives.settle(session, entry, material, at=service.now())
    if freed:
        service.blobs.delete(freed)


def _store_negative(service: Service, lease: Lease) -> bool:
    """Whether the file is in the bank; if not, the job is done."""

    def keep(session: Session, entry: Negative, fingerprint: Fingerprint) -> None:
        if entry.status == AssetStatus.QUEUED:
            negatives.store(session, entry, fingerprint, at=service.now())

    def refuse(_session: Session, entry: Negative, error: MediaError) -> str | None:
        return negatives.reject(entry, reason=error.fault, problem=error.problem)

    return _kept(service, lease, Negative, keep, refuse)


def _kept[T: (Asset, Negative)](
    service: Service,
    lease: Lease,
    kind: type[T],
    keep: Callable[[Session, T, Fingerprint], None],
    refuse: Callable[[Session, T, MediaError], str | None],
) -> bool:
    """Decode the file of the job's subject and keep what it shows; else refuse it, and end the job.

    Args:
        refuse: returns the file that nothing names any more.
    """
    with service.database.reading() as session:
        sent = session.get_one(kind, lease.subject_id)
    outcome = shown_by(service, sent)
    try:
        if isinstance(outcome, MediaError):
            raise outcome
        with service.database.transaction() as session:
            jobs.renew(session, lease, at=service.now())
            keep(session, session.get_one(kind, lease.subject_id), outcome.fingerprint)
    except MediaError as error:
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            freed = refuse(session, session.get_one(kind, lease.subject_id), error)
        metrics.media_failed(error.fault)
        if freed:
            service.blobs.delete(freed)
        return False
    return True


def answer_check(service: Service, lease: Lease, probed: Mapping[str, MediaInfo]) -> None:
    """Decode, search and answer.

    Args:
        probed: what `probe` said of files already, by their blobs.
    """
    began = time.perf_counter()
    with service.database.transaction() as session:
        check = session.get_one(Check, lease.subject_id)
        if check.status == CheckStatus.DONE or check.blob_key is None:
            jobs.finish(session, lease, at=service.now())
            return
        check.status, check.progress = CheckStatus.PROCESSING.value, 0.1
    found: checks.Found | checks.Unanswerable
    with stages.measured() as spent_s:
        outcome = _extracted(service, check, extract_output, probed.get(check.blob_key))
        decoded = time.perf_counter()
        if isinstance(outcome, MediaError):
            found, fingerprint = checks.Unanswerable(code=outcome.fault, message=outcome.problem), None
        else:
            found, fingerprint = search_works(service, outcome.fingerprint, outcome.glance), outcome.fingerprint
    searched = time.perf_counter()
    timings = {"decode": decoded - began, "search": searched - decoded, "total": searched - began}
    evidence = evidence_of(service, timings)  # may ask another machine, for which no writer should wait
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        check = session.get_one(Check, lease.subject_id)
        rules = service.rules
        checks.answer(session, check, found, evidence, fingerprint=fingerprint, at=service.now(), rules=rules)
    count_check(check, evidence, {**spent_s, "policy": time.perf_counter() - searched})
    if isinstance(outcome, MediaError):
        metrics.media_failed(outcome.fault)


def explain_check(service: Service, lease: Lease) -> None:
    """Look at what matched, once the verdict is given: nobody waits for it."""
    with service.database.reading() as session:
        check = session.get_one(Check, lease.subject_id)
        matches = list(check.matches)
        files = sa.select(Asset.id, Asset.blob_key).where(
            Asset.id.in_({match.asset_id for match in matches}), Asset.blob_key.is_not(None)
        )
        media = {row.id: row.blob_key for row in session.execute(files)}
    key = f"explanation_{check.id}_{secrets.token_hex(4)}"  # another runner may be at it too
    written = service.blobs.staging / key
    try:
        written.write_bytes(explanations.make(service, check, matches, media))
        with service.blobs.adopted(written, key), service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            checks.explained(session.get_one(Check, lease.subject_id), key)
    finally:
        written.unlink(missing_ok=True)  # half of it, where the disk was full


def add_identical_copies(service: Service, lease: Lease) -> None:
    """Find what shows the same as the releases that a notice took down; the search holds no transaction."""
    with service.database.reading() as session:
        notice = session.get_one(Notice, lease.subject_id)
        copies: list[str] = []
        for release in [session.get_one(Release, one.release_id) for one in notice.releases if one.is_down]:
            fingerprint = fingerprint_of(session, release.id)
            if fingerprint is not None:
                found = service.index.search(session, Corpus.RELEASES, fingerprint, timeout_s=_CATCH_UP_S)
                copies += materials.identical_copies(session, release, found)
    with service.database.transaction() as session:
        jobs.finish(session, lease, at=service.now())
        service.desk.add_copies(session, lease.subject_id, copies, at=service.now())


def shown_by(service: Service, sent: Asset | Negative | Lacking) -> Extracted | MediaError:
    """What a file shows that others are compared with, or why that cannot be told."""
    return _extracted(service, sent, extract, None)


def _extracted(
    service: Service, sent: Asset | Check | Negative | Lacking, how: Callable[..., Extracted], media: MediaInfo | None
) -> Extracted | MediaError:
    """What the file that was sent shows; of another, such as its first half, nothing may be said."""
    try:
        with telemetry.span("decode"), service.blobs.open(str(sent.blob_key)) as path:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sent.sha256:
                    problem = "The file was damaged before it was read. Send it again."
                    return MediaError(fault=MediaFault.UNREADABLE, problem=problem)
            return how(path, limits=service.decode_limits, embedder=service.embedder, media=media)
    except MediaError as error:
        return error
    except FileNotFoundError:
        problem = "The file was lost before it was read. Send it again."
        return MediaError(fault=MediaFault.UNREADABLE, problem=problem)
