"""Jobs: what was accepted and must be done, whatever dies meanwhile.

The row is the truth. It is written in the transaction that accepts the work, leased by one runner at
a time, and marked done in the transaction that stores the result, so nothing is lost and nothing
takes effect twice. Messages of a broker only say "look now"; `to_hint` finds what no message told of.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain.identifiers import Prefix, new_id
from registry.errors import RegistryError
from registry.models import Job, JobState

# What a job still has to do; one that failed for good does nothing more by itself.
UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING)
LEASE = timedelta(seconds=30)
# How long a message may wait in the queue before another is sent: a backlog must not breed messages.
_HINT_AGAIN = timedelta(seconds=30)
# A request tells of its own job; the sweep need not at once.
_HINT_FIRST = timedelta(seconds=5)
_WAITS = tuple(min(timedelta(seconds=5 * 4**n), timedelta(hours=4)) for n in range(7))
# A receiver of webhooks may be down overnight: nearly a day in all.
_WAITS_FOR_RECEIVERS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=6), timedelta(hours=10),
)  # fmt: skip
MAX_ATTEMPTS = len(_WAITS) + 1
# By attempts: who died with a job in hand may have died of it. The first time it is taken up at once, then later
# each time.
_RESTS = (timedelta(), *_WAITS[:-1])
assert len(_WAITS_FOR_RECEIVERS) == len(_WAITS)


class JobKind(StrEnum):
    FINGERPRINT = "fingerprint"
    CHECK = "check"
    NEGATIVE = "negative"
    EXPLAIN = "explain"
    DELIVER = "deliver"
    NOTICE_DEADLINE = "notice_deadline"
    IMPORT = "import"
    MAIL = "mail"
    DOMAIN = "domain"
    CONFLICT_DEADLINE = "conflict_deadline"
    LOOK_BACK = "look_back"
    STAMP = "stamp"
    COSIGN = "cosign"
    IDENTICAL_COPIES = "identical_copies"
    BACKFILL = "backfill"


class LeaseLost(RegistryError):
    """Another runner holds the job now; this one's result must not be stored."""

    def __init__(self, *, job_id: str) -> None:
        super().__init__(f"{job_id} is leased by another runner")
        self.job_id = job_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A job in hand."""

    job_id: str
    kind: JobKind
    subject_id: str
    owner: str
    attempts: int

    @property
    def is_last_attempt(self) -> bool:
        return self.attempts >= MAX_ATTEMPTS


def enqueue(session: Session, kind: JobKind, subject_id: str, *, at: datetime, run_at: datetime | None = None) -> Job:
    """Accept work, to be done at `run_at` or at once."""
    job = Job(
        id=new_id(Prefix.JOB, at=at),
        kind=kind.value,
        subject_id=subject_id,
        state=JobState.QUEUED.value,
        run_at=run_at or at,
        hint_at=run_at or at + _HINT_FIRST,
        created_at=at,
    )
    session.add(job)
    session.flush()
    return job


def queue_again(job: Job, *, at: datetime) -> None:
    """Have a job that is over done anew, at once and as often as a new one would be."""
    job.state, job.attempts, job.run_at, job.hint_at, job.finished_at = JobState.QUEUED.value, 0, at, at, None


def claim(session: Session, job_id: str, *, owner: str, at: datetime) -> Lease | None:
    """Take a job that is due and that nobody holds; None when there is nothing to take."""
    row = session.execute(
        sa.update(Job)
        .where(Job.id == job_id, _due(at))
        .values(state=JobState.RUNNING, attempts=Job.attempts + 1, lease_until=at + LEASE, lease_owner=owner)
        .returning(Job.kind, Job.subject_id, Job.attempts)
    ).one_or_none()
    if row is None:
        return None
    return Lease(job_id=job_id, kind=JobKind(row.kind), subject_id=row.subject_id, owner=owner, attempts=row.attempts)


def renew(session: Session, lease: Lease, *, at: datetime) -> None:
    """Keep a job in hand. Raises: LeaseLost."""
    _update(session, lease, lease_until=at + LEASE)


def take_back(session: Session, kind: JobKind, subject_id: str, *, at: datetime) -> bool:
    """Let what waits for its time not be done any more; False when somebody has it in hand."""
    jobs = Job.kind == kind.value, Job.subject_id == subject_id
    in_hand = sa.and_(Job.state == JobState.RUNNING, _is_leased(at))
    unfinished = Job.state.in_(UNFINISHED)
    session.execute(
        sa.update(Job)
        .where(*jobs, unfinished, ~in_hand)
        .values(state=JobState.DONE, lease_until=None, lease_owner=None, finished_at=at)
    )
    return session.scalar(sa.select(Job.id).where(*jobs, in_hand).limit(1)) is None


def finish(session: Session, lease: Lease, *, at: datetime) -> None:
    """Mark the job done, in the transaction that stores what it did. Raises: LeaseLost."""
    _update(session, lease, state=JobState.DONE, lease_until=None, lease_owner=None, error=None, finished_at=at)


def retry(session: Session, lease: Lease, *, error: str, at: datetime) -> None:
    """Put a job back, later each time; after the last attempt it is failed and stays to be looked at."""
    if lease.is_last_attempt:
        _update(
            session,
            lease,
            state=JobState.FAILED,
            lease_until=None,
            lease_owner=None,
            error=error,
            finished_at=at,
        )
        return
    wait = _wait(lease)
    _update(
        session,
        lease,
        state=JobState.QUEUED,
        lease_until=None,
        lease_owner=None,
        error=error,
        run_at=at + wait,
        hint_at=at + wait,
    )


def to_hint(session: Session, *, at: datetime, limit: int = 200) -> list[tuple[str, JobKind]]:
    """Jobs that wait or whose runner died and that no message told of lately; the caller tells now."""
    # A time far ahead was set before the clock went back: what is due was told of no later than now.
    is_time = sa.or_(Job.hint_at <= at, Job.hint_at > at + 2 * _HINT_AGAIN)
    query = sa.select(Job.id, Job.kind).where(_due(at), is_time).order_by(Job.hint_at).limit(limit)
    found = [(row.id, JobKind(row.kind)) for row in session.execute(query)]
    ids = [job_id for job_id, _ in found]
    session.execute(sa.update(Job).where(Job.id.in_(ids)).values(hint_at=at + _HINT_AGAIN))
    return found


def left_lying(session: Session, kinds: Collection[JobKind], *, since: datetime, limit: int = 20) -> list[str]:
    """Jobs of these kinds that were due then and that nobody has in hand, the oldest first."""
    waiting = sa.and_(Job.state == JobState.QUEUED, Job.run_at <= since)
    of_kinds = Job.kind.in_([kind.value for kind in kinds])
    query = sa.select(Job.id).where(sa.or_(waiting, _is_abandoned(since)), of_kinds)
    return list(session.scalars(query.order_by(Job.run_at).limit(limit)))


def give_back(session: Session, owners: str, *, at: datetime) -> int:
    """Let others have at once what runners with names that begin so have in hand; to be stopped is no attempt."""
    mine = Job.state == JobState.RUNNING, Job.lease_owner.startswith(owners, autoescape=True)
    values = {
        "state": JobState.QUEUED, "lease_until": None, "lease_owner": None, "run_at": at, "hint_at": at,
        "attempts": Job.attempts - 1,
    }  # fmt: skip
    result = session.execute(sa.update(Job).where(*mine).values(values))
    return result.rowcount  # type: ignore[attr-defined, no-any-return]


def backlog(session: Session, kind: JobKind, *, at: datetime, most: int) -> tuple[int, datetime | None]:
    """How many jobs of a kind are due and nobody has in hand, counted up to `most`; and since when the oldest is."""
    due = sa.select(Job.run_at).where(Job.kind == kind.value, Job.state == JobState.QUEUED, Job.run_at <= at)
    some = due.limit(most).subquery()
    count, oldest = session.execute(sa.select(sa.func.count(), sa.func.min(some.c.run_at)).select_from(some)).one()
    return int(count), oldest


def release_leases(session: Session, *, at: datetime) -> None:
    """End every lease, and tell of every job anew: only for a process that knows it is the only one."""
    unfinished = Job.state.in_(UNFINISHED)
    session.execute(sa.update(Job).where(unfinished).values(hint_at=Job.run_at))
    ended = at - timedelta(seconds=1)
    still_leased = Job.state == JobState.RUNNING, Job.lease_until > ended
    session.execute(sa.update(Job).where(*still_leased).values(lease_until=ended, lease_owner=None))


def _wait(lease: Lease) -> timedelta:
    """How long until the next attempt."""
    if lease.kind is not JobKind.DELIVER:
        return _WAITS[lease.attempts - 1]
    # Up to a tenth more, by the random bits of the job's id: what failed together must not come back together.
    later_0_1: float = int(lease.job_id[-4:], 16) / 0xFFFF
    return _WAITS_FOR_RECEIVERS[lease.attempts - 1] * (1 + 0.1 * later_0_1)


def _due(at: datetime) -> sa.ColumnElement[bool]:
    # What was to be done at once when it was accepted is due, also where the clock has gone back since.
    waiting = sa.and_(Job.state == JobState.QUEUED, sa.or_(Job.run_at <= at, Job.run_at <= Job.created_at))
    return sa.or_(waiting, _is_abandoned(at))


def _is_abandoned(at: datetime) -> sa.ColumnElement[bool]:
    """Whether its runner died, and it has rested since; one whose every attempt ended so is looked at at once."""
    rested = (
        sa.and_(Job.attempts == attempts, Job.lease_until <= at - rest) for attempts, rest in enumerate(_RESTS, start=1)
    )
    is_of_a_later_clock = Job.lease_until > at
    return sa.and_(
        Job.state == JobState.RUNNING,
        ~_is_leased(at),
        sa.or_(is_of_a_later_clock, Job.attempts >= MAX_ATTEMPTS, *rested),
    )


def _is_leased(at: datetime) -> sa.ColumnElement[bool]:
    """Whether somebody holds it: a lease that ends later than any given now was given before the clock went back.

    Machines may be as far apart as a lease is long.
    """
    return Job.lease_until.between(at, at + 2 * LEASE)


def _update(session: Session, lease: Lease, **values: object) -> None:
    mine = sa.and_(Job.id == lease.job_id, Job.lease_owner == lease.owner, Job.state == JobState.RUNNING)
    changed = session.execute(sa.update(Job).where(mine, Job.attempts == lease.attempts).values(**values))
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise LeaseLost(job_id=lease.job_id)
