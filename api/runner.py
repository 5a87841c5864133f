"""Carries out jobs: claims one, keeps its lease while the work is done, puts back what failed, and gives up at last.

The same runner serves the request that waits for a short check, the worker thread of the embedded mode, and Celery's
workers. Whatever it does may be done twice; only one result is stored. What each kind of job does is not decided here:
`api.media_jobs` and `api.record_jobs` have that.
"""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from api import anchoring, backfill, deliveries, logs, media_jobs, metrics, record_jobs, telemetry
from api.answers import evidence_of
from api.service import Service
from fingerprinting.model import MediaInfo
from registry import checks, domains, imports, jobs, mail, negatives, outbox, works
from registry.domain.policy import Verdict
from registry.jobs import JobKind, Lease, LeaseLost
from registry.models import Asset, Check, Domain, Import, Negative

_log = logging.getLogger(__name__)
# How the names begin under which this process holds leases.
PROCESS: Final = f"{os.getpid()}-{secrets.token_hex(4)}"


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
                self._work(lease)
        except LeaseLost:
            _log.info("job %s was taken over", lease.job_id)
        except Exception as error:
            _log.exception("job %s (%s) failed, attempt %d", lease.job_id, lease.kind, lease.attempts)
            metrics.job_failed(lease.kind)
            self._put_back(lease, f"{type(error).__name__}: {error}"[:2000])
        else:
            metrics.job_done(lease.kind, time.perf_counter() - began)

    def _work(self, lease: Lease) -> None:
        """What this kind of job does."""
        if lease.kind is JobKind.CHECK:  # the one whose file was probed while its request was there
            media_jobs.answer_check(self.service, lease, self.probed)
        else:
            _WORK[lease.kind](self.service, lease)

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
            evidence = evidence_of(service, {})
            with service.database.transaction() as session:
                if lease.is_last_attempt:
                    _give_up(session, lease, error, service, evidence)
                jobs.retry(session, lease, error=error, at=service.now())
        except LeaseLost:
            _log.info("job %s was taken over", lease.job_id)
            return
        if lease.is_last_attempt and lease.kind is JobKind.CHECK:
            metrics.checked(Verdict.UNKNOWN, {})


_WORK: Final[dict[JobKind, Callable[[Service, Lease], None]]] = {
    JobKind.FINGERPRINT: media_jobs.fingerprint_asset,
    JobKind.NEGATIVE: media_jobs.fill_bank,
    JobKind.EXPLAIN: media_jobs.explain_check,
    JobKind.DELIVER: deliveries.deliver,
    JobKind.NOTICE_DEADLINE: record_jobs.notice_deadline_came,
    JobKind.IMPORT: record_jobs.import_rows,
    JobKind.MAIL: record_jobs.send_letter,
    JobKind.DOMAIN: record_jobs.look_at_domain,
    JobKind.CONFLICT_DEADLINE: record_jobs.conflict_deadline_came,
    JobKind.LOOK_BACK: record_jobs.look_back,
    JobKind.STAMP: anchoring.stamp,
    JobKind.IDENTICAL_COPIES: media_jobs.add_identical_copies,
    JobKind.COSIGN: anchoring.cosign,
    JobKind.BACKFILL: backfill.run,
}


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


def _give_up(session: Session, lease: Lease, error: str, service: Service, evidence: checks.Evidence) -> None:
    """After the last attempt nobody may be left waiting: the subject says that it failed."""
    if lease.kind is JobKind.FINGERPRINT:
        asset = session.get_one(Asset, lease.subject_id)
        problem = "It could not be processed. Send it again."
        works.reject_asset(session, asset, reason="internal_error", problem=problem, at=service.now())
    elif lease.kind is JobKind.CHECK:
        check = session.get_one(Check, lease.subject_id)
        found = checks.Unanswerable(code="engine_error", message="The check failed on our side. Ask again.")
        checks.answer(session, check, found, evidence, fingerprint=None, at=service.now(), rules=service.rules)
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
