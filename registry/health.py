"""Health: what waits, what failed, who is known and what was written, for the operator alone.

Looks, and lets a job that failed be tried again or be set aside once somebody saw it; what a job does is the runner's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry import assurance, jobs, search
from registry.access import Actor, Scope, live
from registry.admin_actions import Action, note
from registry.errors import Conflict, NotFound
from registry.jobs import JobKind
from registry.models import (
    Account,
    ApiKey,
    AssuranceChange,
    Domain,
    Holder,
    Job,
    JobState,
    LedgerCheckpoint,
    Mail,
    Membership,
    MessageStatus,
    OutboxMessage,
    Work,
)

_UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING, JobState.FAILED)
# What nobody else does again: of the others their subject says that it failed, and whoever sent it sends it again.
DONE_AGAIN: Final = frozenset(
    {
        JobKind.LOOK_BACK, JobKind.STAMP, JobKind.COSIGN, JobKind.NOTICE_DEADLINE, JobKind.CONFLICT_DEADLINE,
        JobKind.IDENTICAL_COPIES, JobKind.BACKFILL,
    }
)  # fmt: skip


def has_operator(session: Session, *, at: datetime) -> bool:
    """Whether anybody has a key with which a service is run."""
    able = sa.cast(ApiKey.scopes, sa.Text).contains(f'"{Scope.ADMIN}"')
    return session.scalar(sa.select(ApiKey.id).where(able, live(at)).limit(1)) is not None


# -- jobs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many jobs of a kind wait, are in hand and failed; `due_since`: of those that wait and are due, the oldest."""

    kind: JobKind
    waiting: int
    running: int
    failed: int
    due_since: datetime | None


def queues(session: Session, actor: Actor, *, at: datetime) -> list[Queue]:
    """The kinds of which there is something to do."""
    actor.require(Scope.ADMIN)
    return backlog(session, at=at)


def backlog(session: Session, *, at: datetime) -> list[Queue]:
    """The same, for a process that tells how it is: numbers, and nothing of anybody."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    query = sa.select(Job.kind, Job.state, sa.func.count()).where(Job.state.in_(_UNFINISHED))
    for kind, state, count in session.execute(query.group_by(Job.kind, Job.state)):
        counts[kind][state] = count
    due = sa.select(Job.kind, sa.func.min(Job.run_at)).where(Job.state == JobState.QUEUED, Job.run_at <= at)
    since = {row[0]: row[1] for row in session.execute(due.group_by(Job.kind))}
    return [
        Queue(
            kind=kind, waiting=found.get(JobState.QUEUED, 0), running=found.get(JobState.RUNNING, 0),
            failed=found.get(JobState.FAILED, 0), due_since=since.get(kind),
        )
        for kind in JobKind
        if (found := counts.get(kind))
    ]  # fmt: skip


def jobs_in(
    session: Session, actor: Actor, states: Sequence[JobState], *, before: str | None = None, limit: int
) -> list[Job]:  # fmt: skip
    """Jobs in these states, the newest first."""
    actor.require(Scope.ADMIN)
    return _newest(session, sa.select(Job).where(Job.state.in_(states)), Job.id, before, limit)


def do_again(session: Session, actor: Actor, job_id: str, *, at: datetime) -> Job:
    """Have a job that failed for good tried again, as often as a new one would be."""
    job = _failed(session, actor, job_id)
    if JobKind(job.kind) not in DONE_AGAIN:
        raise Conflict(kind="job", id=job_id, problem="Whoever sent what it was about was told, and sends it again.")
    jobs.queue_again(job, at=at)
    note(session, Action.JOB_TRIED_AGAIN, job_id, by=actor, at=at, details={"kind": job.kind})
    return job


def set_aside(session: Session, actor: Actor, job_id: str, *, at: datetime) -> Job:
    """Note that somebody saw that a job failed: nothing is left to do about it."""
    job = _failed(session, actor, job_id)
    job.state = JobState.DONE.value
    note(session, Action.JOB_SET_ASIDE, job_id, by=actor, at=at, details={"kind": job.kind})
    return job


def _failed(session: Session, actor: Actor, job_id: str) -> Job:
    actor.require(Scope.ADMIN)
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(kind="job", id=job_id)
    if job.state != JobState.FAILED:
        raise Conflict(kind="job", id=job_id, problem="It did not fail, or is being tried again already.")
    return job


def troubles(session: Session, actor: Actor, kinds: Sequence[JobKind]) -> list[Job]:
    """Unfinished jobs of these kinds that went wrong at least once, the newest of each kind."""
    actor.require(Scope.ADMIN)
    query = sa.select(Job).where(Job.state.in_(_UNFINISHED), Job.kind.in_(kinds), Job.error.is_not(None))
    newest: dict[str, Job] = {}
    for job in session.scalars(query.order_by(Job.id)):
        newest[job.kind] = job
    return list(newest.values())


# -- letters, messages, storage ------------------------------------------------------------------


def letters(session: Session, actor: Actor, *, before: str | None = None, limit: int) -> list[Mail]:
    """What was written to anybody, the newest first."""
    actor.require(Scope.ADMIN)
    return _newest(session, sa.select(Mail), Mail.id, before, limit)


def letter(session: Session, actor: Actor, mail_id: str) -> Mail:
    """Raises: NotFound."""
    actor.require(Scope.ADMIN)
    found = session.get(Mail, mail_id)
    if found is None:
        raise NotFound(kind="letter", id=mail_id)
    return found


def messages(session: Session, actor: Actor) -> Mapping[MessageStatus, int]:
    """How many webhooks wait, arrived and were given up."""
    actor.require(Scope.ADMIN)
    return outgoing(session)


def outgoing(session: Session) -> Mapping[MessageStatus, int]:
    """The same, for a process that tells how it is."""
    counted = sa.select(OutboxMessage.status, sa.func.count()).group_by(OutboxMessage.status)
    found = {row[0]: row[1] for row in session.execute(counted)}
    return {status: found.get(status, 0) for status in MessageStatus}


def database_bytes(session: Session) -> int:
    """How much room the database takes."""
    if session.get_bind().dialect.name == "sqlite":
        pages, size = (session.execute(sa.text(f"PRAGMA {name}")).scalar_one() for name in ("page_count", "page_size"))
        return int(pages) * int(size)
    return int(session.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one())


def failing_since(session: Session, kind: JobKind) -> datetime | None:
    """Since when jobs of this kind have failed and none has been done that is newer."""
    done = sa.select(sa.func.max(Job.created_at)).where(Job.kind == kind, Job.state == JobState.DONE).scalar_subquery()
    wrong = Job.kind == kind, Job.state.in_(_UNFINISHED), Job.error.is_not(None)
    newer = sa.or_(done.is_(None), Job.created_at > done)
    return session.scalar(sa.select(sa.func.min(Job.created_at)).where(*wrong, newer))


def newest(session: Session) -> datetime | None:
    """When the newest job came to be: a clock that shows less went back."""
    return session.scalar(sa.select(Job.created_at).order_by(Job.id.desc()).limit(1))


def last_signed(session: Session) -> LedgerCheckpoint | None:
    """The newest checkpoint of the ledger."""
    return session.scalar(sa.select(LedgerCheckpoint).order_by(LedgerCheckpoint.size.desc()).limit(1))


# -- who is known --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that the operator may want to know of a holder before saying how well they are known."""

    holder: Holder
    history: Sequence[AssuranceChange]
    members: Sequence[Membership]
    domains: Sequence[Domain]
    keys: Sequence[ApiKey]
    works: int


def known(session: Session, actor: Actor, holder_id: str) -> Known:
    """Raises: NotFound."""
    actor.require(Scope.ADMIN)
    holder = session.get(Holder, holder_id)
    if holder is None:
        raise NotFound(kind="holder", id=holder_id)
    works = sa.select(sa.func.count()).select_from(Work).where(Work.holder_id == holder_id, Work.withdrawn_at.is_(None))
    named = sa.select(Domain).where(Domain.holder_id == holder_id, Domain.let_go_at.is_(None)).order_by(Domain.name)
    keys = sa.select(ApiKey).where(ApiKey.holder_id == holder_id).order_by(ApiKey.id.desc()).limit(100)
    return Known(
        holder=holder,
        history=assurance.history(session, holder_id),
        members=list(session.scalars(sa.select(Membership).where(Membership.holder_id == holder_id).limit(100))),
        domains=list(session.scalars(named)),
        keys=list(session.scalars(keys)),
        works=session.scalar(works) or 0,
    )


def people(
    session: Session, actor: Actor, asked: str, *, before: str | None = None, limit: int
) -> list[tuple[Account, list[Membership]]]:
    """Accounts with the holders that they belong to; see `search.accounts`."""
    found = search.accounts(session, actor, asked, before=before, limit=limit)
    belongs: dict[str, list[Membership]] = defaultdict(list)
    query = sa.select(Membership).where(Membership.account_id.in_([one.id for one in found]))
    for member in session.scalars(query):
        belongs[member.account_id].append(member)
    return [(account, belongs[account.id]) for account in found]


def _newest[Row](
    session: Session, query: sa.Select[Row], by: InstrumentedAttribute[str], before: str | None, limit: int
) -> list[Row]:
    query = query if before is None else query.where(by < before)
    return list(session.scalars(query.order_by(by.desc()).limit(limit)))
