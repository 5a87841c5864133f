"""Deadlines are watched: a job for the next moment of every open notice, and a note of what the operator was told.

The jobs' sweep, by beat, finds what is due (`registry.jobs`); what is done then is `service`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.jobs import UNFINISHED, JobKind, enqueue, take_back
from registry.models import Job, Notice, NoticeEscalation
from takedown.domain.deadlines import Deadline
from takedown.domain.states import OVER
from takedown.domain.tracks import TRACKS

_MOST_AT_ONCE = 500
# Where something is to happen: what only lets somebody complain of what is over needs no job.
_WITH_DATES = [
    (track.name.value, state.value) for track in TRACKS.values() for state in track.terms if state not in OVER
]  # fmt: skip


def arm(session: Session, notice: Notice, deadlines: Iterable[Deadline], *, at: datetime) -> None:
    """Let a job look at a notice at the next moment that matters; at once where one has passed and nothing was done."""
    take_back(session, JobKind.NOTICE_DEADLINE, notice.id, at=at)
    moments = [moment for deadline in deadlines for moment in _moments(session, notice, deadline, at=at)]
    if moments:
        enqueue(session, JobKind.NOTICE_DEADLINE, notice.id, at=at, run_at=min(moments))


def _moments(session: Session, notice: Notice, deadline: Deadline, *, at: datetime) -> Iterator[datetime]:
    if deadline.at > at:
        yield deadline.at
    elif deadline.then is not None:
        yield at
    if deadline.warn_at is None:
        return
    if deadline.warn_at > at:
        yield deadline.warn_at
    elif session.get(NoticeEscalation, _key(notice, deadline, has_passed=deadline.at <= at)) is None:
        yield at


def unwatched(session: Session) -> Sequence[Notice]:
    """Notices that have a date to come and that no job will look at."""
    waits = Job.kind == JobKind.NOTICE_DEADLINE, Job.state.in_(UNFINISHED)
    watched = sa.select(Job.subject_id).where(*waits)
    alone = dated().where(Notice.id.not_in(watched))
    return session.scalars(alone.order_by(Notice.id).limit(_MOST_AT_ONCE)).all()


def dated() -> sa.Select[Notice]:
    """Notices that have a date to come, or one that has passed."""
    stands = sa.tuple_(Notice.track, Notice.state).in_(_WITH_DATES)
    return sa.select(Notice).where(stands, Notice.is_set_aside.is_(False))


def is_news(session: Session, notice: Notice, deadline: Deadline, *, has_passed: bool, at: datetime) -> bool:
    """Note that the operator is told of a date; False when they were told already."""
    if session.get(NoticeEscalation, _key(notice, deadline, has_passed=has_passed)) is not None:
        return False
    name = deadline.name.value
    told = NoticeEscalation(notice_id=notice.id, deadline=name, due_at=deadline.at, has_passed=has_passed, at=at)
    session.add(told)
    session.flush()
    return True


def _key(notice: Notice, deadline: Deadline, *, has_passed: bool) -> tuple[str, str, datetime, bool]:
    return notice.id, deadline.name.value, deadline.at, has_passed
