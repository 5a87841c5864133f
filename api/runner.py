"""Carries out jobs: claims one, keeps its lease, does the work outside any transaction, stores the result.

The same runner serves the request that waits for a short check, the worker thread of the embedded
mode, and Celery's workers. Whatever it does may be done twice; only one result is stored.
"""

import hashlib
import itertools
import logging
import os
import secrets
import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api import anchoring, backfill, deliveries, explanations, logs, metrics, telemetry
from api.mail import MaybeSent, is_refused_for_good
from api.service import Service
from fingerprinting import stages
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.extract import Extracted, extract, extract_output
from fingerprinting.looks import Glance
from fingerprinting.model import Fingerprint, MediaInfo
from registry import (
    catalogue,
    checks,
    conflicts,
    domains,
    exclusions,
    imports,
    jobs,
    lookback,
    mail,
    negatives,
    outbox,
    works,
)
from registry.catalogue import CatalogueFormat
from registry.database import fault_of
from registry.domain.policy import Verdict
from registry.errors import Invalid
from registry.index import IndexBehind, fingerprint_of
from registry.jobs import JobKind, Lease, LeaseLost
from registry.models import (
    Asset,
    AssetStatus,
    Check,
    CheckStatus,
    Corpus,
    Domain,
    Import,
    LookBack,
    Mail,
    Negative,
    Notice,
    Release,
)
from registry.rollouts import Lacking
from takedown import materials

_log = logging.getLogger(__name__)
# How the names begin under which this process holds leases.
PROCESS: Final = f"{os.getpid()}-{secrets.token_hex(4)}"
_CATCH_UP_S = 600.0  # nobody waits for the index in a job
_ROWS_AT_ONCE = 50  # others may write between
_UNREADABLE: dict[type[Exception], str] = {
    UnicodeDecodeError: "It is not text in UTF-8. Save it as UTF-8 and send it again.",
    FileNotFoundError: "The file was lost before all of it was read. Send it again.",
}
_NO_CONTENT = "There is no picture and no sound in it that could be compared. It was not looked at."


@dataclass(slots=True)
class Runner:
    """One runner; `run` may be called from several threads.

    Attributes:
        probed: what `probe` said of files already, by their blobs.
    """

    service: Service
    probed: Mapping[str, MediaInfo] = field(default_factory=dict)

    def run(self, job_id: str, asked_by: Mapping[str, str] | None = None) -> None:
        """Do a job if it is due and nobody else has it in hand.

        Args:
            asked_by: the request that asked for it, as `asked_now` told it.
        """
        service = self.service
        owner = f"{PROCESS}-{secrets.token_hex(4)}"
        with service.database.transaction() as session:
            lease = jobs.claim(session, job_id, owner=owner, at=service.now())
        if lease is None:
            return
        said = {name: value for name, value in (asked_by or {}).items() if name == "request_id"}
        ids = {"job_id": lease.job_id, "subject_id": lease.subject_id}
        with (
            logs.about(*ids.values(), kind=lease.kind, **said),
            telemetry.span(f"job {lease.kind}", of=asked_by, **ids),
        ):
            self._do(lease)

    def _do(self, lease: Lease) -> None:
        if lease.attempts > jobs.MAX_ATTEMPTS:
            self._put_back(lease, "every attempt ended with its process")
            return
        began = time.perf_counter()
        try:
            with self._kept(lease):
                _WORK[lease.kind](self, lease)
        except LeaseLost:
            _log.info("job %s was taken over", lease.job_id)
        except Exception as error:
            _log.exception("job %s (%s) failed, attempt %d", lease.job_id, lease.kind, lease.attempts)
            metrics.job_failed(lease.kind)
            self._put_back(lease, f"{type(error).__name__}: {error}"[:2000])
        else:
            metrics.job_done(lease.kind, time.perf_counter() - began)

    @contextmanager
    def _kept(self, lease: Lease) -> Iterator[None]:
        """Renew the lease until the work is done."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(jobs.LEASE.total_seconds() / 3):
                try:
                    with self.service.database.transaction() as session:
                        jobs.renew(session, lease, at=self.service.now())
                except LeaseLost:
                    return
                except Exception:
                    _log.exception("could not renew %s", lease.job_id)

        thread = threading.Thread(target=renew, name=f"lease-{lease.job_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _put_back(self, lease: Lease, error: str) -> None:
        service = self.service
        try:
            with service.database.transaction() as session:
                if lease.is_last_attempt:
                    _give_up(session, lease, error, service)
                jobs.retry(session, lease, error=error, at=service.now())
        except LeaseLost:
            _log.info("job %s was taken over", lease.job_id)
            return
        if lease.is_last_attempt and lease.kind is JobKind.CHECK:
            metrics.checked(Verdict.UNKNOWN, {})

    # -- what each kind of job does ------------------------------------------------------------

    def _fingerprint(self, lease: Lease) -> None:
        """Decode and store, then search for rivals, each step in a transaction of its own.

        The search may take long for a film; it must not hold up who writes meanwhile.
        """
        service = self.service
        with service.database.transaction() as session:
            asset = session.get_one(Asset, lease.subject_id)
            if asset.status not in (AssetStatus.QUEUED, AssetStatus.PROCESSING):
                jobs.finish(session, lease, at=service.now())  # withdrawn, or done by another
                return
            stored = fingerprint_of(session, asset.id)
            asset.status = AssetStatus.PROCESSING.value
        if stored is None and not self._store(lease, asset):
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

    def _store(self, lease: Lease, asset: Asset) -> bool:
        """Whether the file passed the quality gate and is in the index; if not, the job is done."""
        service = self.service
        outcome = self._extracted(asset, extract)
        try:
            if isinstance(outcome, MediaError):
                raise outcome
            with service.database.transaction() as session:
                jobs.renew(session, lease, at=service.now())
                asset = session.get_one(Asset, lease.subject_id)
                if asset.status == AssetStatus.PROCESSING:
                    works.store_asset(session, asset, outcome.fingerprint, at=service.now())
        except MediaError as error:
            with service.database.transaction() as session:
                jobs.finish(session, lease, at=service.now())
                asset = session.get_one(Asset, lease.subject_id)
                freed = works.reject_asset(session, asset, reason=error.fault, problem=error.problem, at=service.now())
            metrics.media_failed(error.fault)
            if freed:
                service.blobs.delete(freed)
            return False
        return True

    def _negative(self, lease: Lease) -> None:
        """As a work's file: store, then look which works hold it, each step in a transaction of its own."""
        service = self.service
        with service.database.reading() as session:
            entry = session.get_one(Negative, lease.subject_id)
        if entry.status == AssetStatus.QUEUED and not self._store_negative(lease, entry):
            return
        with service.database.reading() as session:
            material = negatives.material_of(session, service.index, lease.subject_id, timeout_s=_CATCH_UP_S)
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            entry = session.get_one(Negative, lease.subject_id)
            freed = negatives.settle(session, entry, material, at=service.now())
        if freed:
            service.blobs.delete(freed)

    def _store_negative(self, lease: Lease, entry: Negative) -> bool:
        """Whether the file is in the bank; if not, the job is done."""
        service = self.service
        outcome = self._extracted(entry, extract)
        try:
            if isinstance(outcome, MediaError):
                raise outcome
            with service.database.transaction() as session:
                jobs.renew(session, lease, at=service.now())
                entry = session.get_one(Negative, lease.subject_id)
                if entry.status == AssetStatus.QUEUED:
                    negatives.store(session, entry, outcome.fingerprint, at=service.now())
        except MediaError as error:
            with service.database.transaction() as session:
                jobs.finish(session, lease, at=service.now())
                entry = session.get_one(Negative, lease.subject_id)
                freed = negatives.reject(entry, reason=error.fault, problem=error.problem)
            metrics.media_failed(error.fault)
            if freed:
                service.blobs.delete(freed)
            return False
        return True

    def _check(self, lease: Lease) -> None:
        service = self.service
        began = time.perf_counter()
        with service.database.transaction() as session:
            check = session.get_one(Check, lease.subject_id)
            if check.status == CheckStatus.DONE or check.blob_key is None:
                jobs.finish(session, lease, at=service.now())
                return
            check.status, check.progress = CheckStatus.PROCESSING.value, 0.1
        found: checks.Found | checks.Unanswerable
        with stages.measured() as spent_s:
            outcome = self._extracted(check, extract_output)
            decoded = time.perf_counter()
            if isinstance(outcome, MediaError):
                found, fingerprint = checks.Unanswerable(code=outcome.fault, message=outcome.problem), None
            else:
                found, fingerprint = search_works(service, outcome.fingerprint, outcome.glance), outcome.fingerprint
        searched = time.perf_counter()
        timings = {"decode": decoded - began, "search": searched - decoded, "total": searched - began}
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            check = session.get_one(Check, lease.subject_id)
            evidence = evidence_of(service, timings)
            rules = service.rules
            checks.answer(session, check, found, evidence, fingerprint=fingerprint, at=service.now(), rules=rules)
        count_check(check, evidence, {**spent_s, "policy": time.perf_counter() - searched})
        if isinstance(outcome, MediaError):
            metrics.media_failed(outcome.fault)

    def _explain(self, lease: Lease) -> None:
        """Look at what matched, once the verdict is given: nobody waits for it."""
        service = self.service
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

    def _extracted(
        self, sent: Asset | Check | Negative | Lacking, how: Callable[..., Extracted]
    ) -> Extracted | MediaError:  # fmt: skip
        """What the file that was sent shows; of another, such as its first half, nothing may be said."""
        try:
            with telemetry.span("decode"), self.service.blobs.open(str(sent.blob_key)) as path:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != sent.sha256:
                        problem = "The file was damaged before it was read. Send it again."
                        return MediaError(fault=MediaFault.UNREADABLE, problem=problem)
                media = self.probed.get(str(sent.blob_key))
                return how(path, limits=self.service.decode_limits, embedder=self.service.embedder, media=media)
        except MediaError as error:
            return error
        except FileNotFoundError:
            problem = "The file was lost before it was read. Send it again."
            return MediaError(fault=MediaFault.UNREADABLE, problem=problem)

    def _deliver(self, lease: Lease) -> None:
        deliveries.deliver(self.service, lease)

    def _import(self, lease: Lease) -> None:
        """Some rows in each transaction, from where the last one ended."""
        service = self.service
        with service.database.reading() as session:
            task = session.get_one(Import, lease.subject_id)
        problem = None
        if task.blob_key is not None:
            try:
                with service.blobs.open(task.blob_key) as path, path.open("rb") as file:
                    rows = itertools.islice(catalogue.read(file, CatalogueFormat(task.format)), task.rows_done, None)
                    for some in itertools.batched(rows, _ROWS_AT_ONCE):
                        with service.database.transaction() as session:
                            jobs.renew(session, lease, at=service.now())
                            imports.store(session, session.get_one(Import, task.id), some, at=service.now())
            except (Invalid, UnicodeDecodeError, FileNotFoundError) as error:
                problem = error.problem if isinstance(error, Invalid) else _UNREADABLE[type(error)]
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            freed = imports.finish(session.get_one(Import, task.id), at=service.now(), problem=problem)
        if freed:
            service.blobs.delete(freed)

    def _mail(self, lease: Lease) -> None:
        """Send a letter once: what may be out already is not handed over again."""
        service, post = self.service, self.service.post
        with service.database.transaction() as session:
            letter = session.get_one(Mail, lease.subject_id)
            is_settled = letter.sent_at is not None or letter.bounced_at is not None
            if is_settled or not (post.may_repeat or mail.hand_over(session, letter.id, at=service.now())):
                jobs.finish(session, lease, at=service.now())
                return
        try:
            post.send(letter)
        except MaybeSent:
            with service.database.transaction() as session:
                jobs.finish(session, lease, at=service.now())
                mail.hand_over(session, letter.id, at=service.now())
            return
        except (OSError, smtplib.SMTPException) as error:
            is_over, problem = is_refused_for_good(error), f"{type(error).__name__}: {error}"
            with service.database.transaction() as session:
                mail.not_taken(session, letter.id, problem, is_over=is_over, at=service.now())
                if is_over:
                    jobs.finish(session, lease, at=service.now())
            if is_over:
                return
            raise
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            mail.sent(session.get_one(Mail, lease.subject_id), at=service.now())

    def _domain(self, lease: Lease) -> None:
        """Look again at a domain that counts."""
        service = self.service
        with service.database.reading() as session:
            domain = session.get_one(Domain, lease.subject_id)
        found: domains.Look | domains.Unreachable | None = None
        if domains.counts(domain):
            try:
                found = domains.look(service.probe, domain.name, domain.proof)
            except domains.Unreachable as silence:
                found = silence
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            kept = session.get_one(Domain, lease.subject_id)
            if isinstance(found, domains.Look) and domains.counts(kept):
                domains.saw(session, kept, found, at=service.now())
            elif isinstance(found, domains.Unreachable) and domains.counts(kept):
                domains.heard_nothing(session, kept, found, at=service.now())
            domains.look_again(session, kept, at=service.now())

    def _look_back(self, lease: Lease) -> None:
        """Some outputs of before in each transaction, from where the last one ended."""
        service = self.service
        with service.database.reading() as session:
            row = session.get_one(LookBack, lease.subject_id)
            alone = service.index.one_alone(session, row.asset_id)
        while alone is not None:
            with service.database.reading() as session:
                past = lookback.next_past(session, row, limit=_ROWS_AT_ONCE)
            if not past:
                break
            looked = [(one, alone.in_query(one.fingerprint)) for one in past]
            with service.database.transaction() as session:
                jobs.renew(session, lease, at=service.now())
                row = session.get_one(LookBack, lease.subject_id)
                lookback.note(session, row, looked, service.rules, at=service.now())
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            lookback.finish(session.get_one(LookBack, lease.subject_id), at=service.now())

    def _conflict_deadline(self, lease: Lease) -> None:
        service = self.service
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            conflicts.deadline_came(session, lease.subject_id, at=service.now())

    def _notice_deadline(self, lease: Lease) -> None:
        service = self.service
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
            service.desk.deadline_came(session, lease.subject_id, at=service.now())

    def _identical_copies(self, lease: Lease) -> None:
        """Find what shows the same as the releases that a notice took down; the search holds no transaction."""
        service = self.service
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


_WORK: dict[JobKind, Callable[[Runner, Lease], None]] = {
    JobKind.FINGERPRINT: Runner._fingerprint,
    JobKind.CHECK: Runner._check,
    JobKind.NEGATIVE: Runner._negative,
    JobKind.EXPLAIN: Runner._explain,
    JobKind.DELIVER: Runner._deliver,
    JobKind.NOTICE_DEADLINE: Runner._notice_deadline,
    JobKind.IMPORT: Runner._import,
    JobKind.MAIL: Runner._mail,
    JobKind.DOMAIN: Runner._domain,
    JobKind.CONFLICT_DEADLINE: Runner._conflict_deadline,
    JobKind.LOOK_BACK: Runner._look_back,
    JobKind.STAMP: lambda runner, lease: anchoring.stamp(runner.service, lease),
    JobKind.IDENTICAL_COPIES: Runner._identical_copies,
    JobKind.COSIGN: lambda runner, lease: anchoring.cosign(runner.service, lease),
    JobKind.BACKFILL: lambda runner, lease: backfill.run(
        runner.service, lease, lambda lacking: runner._extracted(lacking, extract)
    ),
}


def search_works(
    service: Service, fingerprint: Fingerprint, glance: Glance | None = None
) -> checks.Found | checks.Unanswerable:
    """Search works and the negative bank; what stands in the way of an answer is named, never passed over.

    Raises:
        DBAPIError: the database cannot be asked now.
    """
    if not any(len(d) for d in fingerprint.descriptors):
        return checks.Unanswerable(code=MediaFault.NO_CONTENT, message=_NO_CONTENT)
    try:
        with telemetry.span("search"), service.database.reading() as session:
            timeout_s = service.settings.catch_up_s
            return checks.search(session, service.index, fingerprint, timeout_s=timeout_s, glance=glance)
    except IndexBehind as error:
        return checks.Unanswerable(code="index_behind", message=f"The index is behind: {error}. Ask again soon.")
    except Exception as error:
        if fault_of(error) is not None:
            raise  # the database will be back: asked again then, it is answered
        _log.exception("the index could not be searched")
        return checks.Unanswerable(code="engine_error", message="The index could not be searched. Ask again soon.")


def evidence_of(service: Service, timings_s: dict[str, float]) -> checks.Evidence:
    """By what an answer was reached."""
    return checks.Evidence(
        engine={
            "engine": service.settings.index_engine,
            "algorithms": [algorithm.value for algorithm in service.algorithms],
            "rows": service.index.sizes,
        },
        timings_ms={name: round(value * 1000, 1) for name, value in timings_s.items()},
    )


def count_check(check: Check, evidence: checks.Evidence, spent_s: Mapping[str, float]) -> None:
    """Count an answer once it is stored.

    Args:
        spent_s: what its stages took, besides those that the answer tells.
    """
    more = {name: seconds * 1000 for name, seconds in spent_s.items()}
    metrics.checked(str(check.verdict), {**evidence.timings_ms, **more})


def give_back_leases(service: Service) -> None:
    """This process ends: what it has in hand is for others, at once and not when its leases end."""
    try:
        with service.database.transaction() as session:
            jobs.give_back(session, PROCESS, at=service.now())
    except (SQLAlchemyError, TimeoutError):
        _log.warning("jobs in hand could not be given back; others take them when their leases end")


def asked_now() -> dict[str, str]:
    """What a job may know of the request that asks for it: enough to go on with its lines of the log and its trace."""
    request_id = logs.in_hand("request_id")
    return telemetry.carried() | ({"request_id": request_id} if request_id else {})


def _give_up(session: Session, lease: Lease, error: str, service: Service) -> None:
    """After the last attempt nobody may be left waiting: the subject says that it failed."""
    if lease.kind is JobKind.FINGERPRINT:
        asset = session.get_one(Asset, lease.subject_id)
        problem = "It could not be processed. Send it again."
        works.reject_asset(session, asset, reason="internal_error", problem=problem, at=service.now())
    elif lease.kind is JobKind.CHECK:
        check = session.get_one(Check, lease.subject_id)
        found = checks.Unanswerable(code="engine_error", message="The check failed on our side. Ask again.")
        evidence, rules = evidence_of(service, {}), service.rules
        checks.answer(session, check, found, evidence, fingerprint=None, at=service.now(), rules=rules)
    elif lease.kind is JobKind.NEGATIVE:
        entry = session.get_one(Negative, lease.subject_id)
        negatives.reject(entry, reason="internal_error", problem="It could not be processed. Add it again.")
    elif lease.kind is JobKind.IMPORT:
        task = session.get_one(Import, lease.subject_id)
        imports.finish(task, at=service.now(), problem="It failed on our side. Send it again: what is on record stays.")
    elif lease.kind is JobKind.DOMAIN:
        domains.look_again(session, session.get_one(Domain, lease.subject_id), at=service.now())
    elif lease.kind is JobKind.EXPLAIN:
        checks.explained(session.get_one(Check, lease.subject_id), None)
    elif lease.kind is JobKind.DELIVER:
        outbox.settle(session, lease.subject_id, problem=error, is_over=True, at=service.now())
    elif lease.kind is JobKind.MAIL:
        mail.not_taken(session, lease.subject_id, error, is_over=True, at=service.now())
    elif lease.kind is JobKind.BACKFILL:
        backfill.pass_over(session, lease, at=service.now())
