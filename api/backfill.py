"""Backfill: one item at a time is looked at again for an algorithm that came after it.

Decides how much of a worker's time that takes; what lacks which algorithm is `registry.rollouts`' to say.
"""

import logging
import time
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from api import media_jobs
from api.service import Service
from fingerprinting.extract import Extracted
from fingerprinting.model import Algorithm
from registry import jobs, rollouts
from registry.jobs import JobKind, Lease

_log = logging.getLogger(__name__)


def run(service: Service, lease: Lease) -> None:
    """Look at the next item, and then leave as much time again to others."""
    algorithm = Algorithm(lease.subject_id)
    if algorithm not in service.algorithms:
        _log.warning("a worker without %s cannot bring it to anything: start all with the same settings", algorithm)
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())  # housekeeping begins again
        return
    with service.database.reading() as session:
        lacking = rollouts.next_lacking(session, algorithm)
    began = time.monotonic()
    outcome = media_jobs.shown_by(service, lacking) if lacking is not None else None
    took = timedelta(seconds=time.monotonic() - began)
    with service.database.transaction() as session:
        at = service.now()
        jobs.finish(session, lease, at=at)
        if lacking is None:
            rollouts.complete(session, algorithm, at=at)
            return
        fingerprint = outcome.fingerprint if isinstance(outcome, Extracted) else None
        rollouts.store(session, algorithm, lacking, fingerprint, at=at)
        jobs.enqueue(session, JobKind.BACKFILL, algorithm.value, at=at, run_at=at + took)


def pass_over(session: Session, lease: Lease, *, at: datetime) -> None:
    """Go on behind what failed each time: one item must not hold up all that come after it."""
    algorithm = Algorithm(lease.subject_id)
    lacking = rollouts.next_lacking(session, algorithm)
    if lacking is not None:
        rollouts.store(session, algorithm, lacking, None, at=at)
        jobs.enqueue(session, JobKind.BACKFILL, algorithm.value, at=at)
