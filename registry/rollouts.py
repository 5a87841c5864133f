"""Rollouts: an algorithm that came later is brought to what was stored before it, and one that it succeeds can go.

Decides what lacks an algorithm, what is looked at next, and when a predecessor may be retired. While some have the new
one and some do not, all are searched by what they have: nothing that was found before is missed. Decoding is the
runner's; which algorithm succeeds which is the code's (`fingerprinting.traits`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.model import Algorithm, Fingerprint
from registry import jobs
from registry.errors import Conflict
from registry.index import SEARCHED, remove_descriptors, supplement
from registry.jobs import JobKind
from registry.models import Asset, Item, Job, Negative, Release, Rollout, StoredDescriptors

_SEARCHED: Final = tuple(corpus.value for corpus in SEARCHED)
_AT_ONCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How far an algorithm has come.

    Attributes:
        having: items that are found by it.
        lacking: items of its modality that are not, and whose media is kept.
        without_media: items of its modality that are not, and cannot be: their holders made the fingerprint, or what
            they sent is gone.
        added: items that a rollout brought it to.
        succeeds: the algorithm whose place it takes.
    """

    algorithm: Algorithm
    having: int
    lacking: int
    without_media: int
    added: int
    is_under_way: bool
    succeeds: Algorithm | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """An item that lacks an algorithm, and its media, whose SHA-256 is in hexadecimal digits."""

    number: int
    blob_key: str
    sha256: str


def under_way(session: Session) -> list[Rollout]:
    """Those that have not come to all that can have them."""
    return list(session.scalars(sa.select(Rollout).where(Rollout.completed_at.is_(None), Rollout.retired_at.is_(None))))


def coverage(session: Session, succession: Mapping[Algorithm, Algorithm]) -> list[Coverage]:
    """How far each algorithm has come.

    Args:
        succession: for each algorithm that takes the place of another, that other.
    """
    under_way = set(session.scalars(sa.select(Job.subject_id).where(*_unfinished())))
    known = {row.algorithm: row for row in session.scalars(sa.select(Rollout))}
    found = []
    for algorithm in Algorithm:
        row = known.get(algorithm)
        media = _media()
        having = sa.select(sa.func.count()).select_from(Item).where(Item.corpus.in_(_SEARCHED), _has(algorithm))
        lacking = sa.select(sa.func.count(Item.number), sa.func.count(media.c.subject_id)).select_from(
            sa.outerjoin(Item, media, media.c.subject_id == Item.subject_id)
        )
        is_retired = row is not None and row.retired_at is not None
        all_lacking, with_media = (0, 0) if is_retired else session.execute(lacking.where(_lacks(algorithm))).one()
        found.append(
            Coverage(
                algorithm=algorithm,
                having=session.scalar(having) or 0,
                lacking=with_media,
                without_media=all_lacking - with_media,
                added=row.added if row else 0,
                is_under_way=algorithm in under_way,
                succeeds=succession.get(algorithm),
                retired_at=row.retired_at if row else None,
            )
        )
    return found


def begin_due(session: Session, computed: Iterable[Algorithm], *, at: datetime) -> list[Algorithm]:
    """Have what lacks an algorithm that this service computes looked at again; returns those that it begins with."""
    begun = []
    under_way = set(session.scalars(sa.select(Job.subject_id).where(*_unfinished())))
    last = session.scalar(sa.select(sa.func.max(Item.number))) or 0
    for algorithm in computed:
        row = session.get(Rollout, algorithm.value)
        if algorithm in under_way or (row is not None and row.retired_at is not None):
            continue
        if row is None:
            row = Rollout(algorithm=algorithm.value, position=0, added=0, begun_at=at)
            session.add(row)
        if _next(session, algorithm, after=row.position) is None:
            row.position, row.completed_at = last, row.completed_at or at
            continue
        row.begun_at, row.completed_at = at, None
        jobs.enqueue(session, JobKind.BACKFILL, algorithm.value, at=at)
        begun.append(algorithm)
    return begun


def begin_again(session: Session, algorithm: Algorithm, *, at: datetime) -> bool:
    """Look at all that lacks an algorithm once more, also what was tried in vain; False when that is under way."""
    if session.scalar(sa.select(Job.id).where(*_unfinished(), Job.subject_id == algorithm.value).limit(1)):
        return False
    row = session.get(Rollout, algorithm.value)
    if row is not None:
        _refuse_retired(row)
        row.position = 0
    return bool(begin_due(session, [algorithm], at=at))


def next_lacking(session: Session, algorithm: Algorithm) -> Lacking | None:
    """What is to be looked at next; None when the rollout is through, or was never begun."""
    row = session.get(Rollout, algorithm.value)
    return None if row is None or row.retired_at is not None else _next(session, algorithm, after=row.position)


def store(
    session: Session, algorithm: Algorithm, lacking: Lacking, fingerprint: Fingerprint | None, *, at: datetime
) -> None:  # fmt: skip
    """Give an item what it lacked, and go on behind it.

    Args:
        fingerprint: None where the media shows nothing any more: it stays found by what it has.
    """
    row = session.get_one(Rollout, algorithm.value)
    row.position = max(row.position, lacking.number)
    item = session.get(Item, lacking.number)
    given = [d for d in fingerprint.descriptors if d.algorithm is algorithm] if fingerprint is not None else []
    if item is not None and row.retired_at is None:  # else it was withdrawn meanwhile
        row.added += sum(supplement(session, item, descriptors, at=at) for descriptors in given)


def complete(session: Session, algorithm: Algorithm, *, at: datetime) -> None:
    """Note that nothing is left to look at."""
    row = session.get(Rollout, algorithm.value)
    if row is not None and row.completed_at is None:
        row.completed_at = at


def retire(
    session: Session, algorithm: Algorithm, succession: Mapping[Algorithm, Algorithm], *, although: int = 0,
    at: datetime,
) -> None:  # fmt: skip
    """Let an algorithm go whose successor has come to all; `withdraw_some` then takes its rows out.

    Args:
        although: so many items may be left that only it finds; they are not found any more.

    Raises:
        Conflict: nothing succeeds it, or the successor has not come as far as that.
    """
    row = session.get(Rollout, algorithm.value)
    if row is not None and row.retired_at is not None:
        return
    successors = [new for new, old in succession.items() if old is algorithm]
    if not successors:
        raise _refusal(algorithm, "Nothing succeeds it: what only it finds would not be found any more.")
    if session.scalar(sa.select(Job.id).where(*_unfinished(), Job.subject_id.in_(successors)).limit(1)):
        raise _refusal(algorithm, f"The rollout of {successors[0]} is under way. Ask again when it is through.")
    alone = sa.select(sa.func.count()).select_from(Item).where(_has(algorithm), ~sa.or_(*map(_has, successors)))
    left = session.scalar(alone.where(Item.corpus.in_(_SEARCHED))) or 0
    if left > although:
        problem = f"{left} items are found by it and not by {successors[0]}. Say `--although {left}` to lose them."
        raise _refusal(algorithm, problem)
    if row is None:
        row = Rollout(algorithm=algorithm.value, position=0, added=0, begun_at=at)
        session.add(row)
    row.retired_at = at


def withdraw_some(session: Session, *, at: datetime) -> int:
    """Take some of what retired algorithms left out of the indexes and the database; returns of how many items."""
    retired = sa.select(Rollout.algorithm).where(Rollout.retired_at.is_not(None))
    some = (
        sa.select(StoredDescriptors, Item)
        .join(Item, Item.number == StoredDescriptors.item_number)
        .where(StoredDescriptors.algorithm.in_(retired), Item.corpus.in_(_SEARCHED))
        .order_by(Item.number)
        .limit(_AT_ONCE)
    )
    rows = session.execute(some).all()
    for stored, item in rows:
        remove_descriptors(session, stored, item, at=at)
    return len(rows)


def _next(session: Session, algorithm: Algorithm, *, after: int) -> Lacking | None:
    media = _media()
    query = (
        sa.select(Item.number, media.c.blob_key, media.c.sha256)
        .join(media, media.c.subject_id == Item.subject_id)
        .where(Item.number > after, _lacks(algorithm))
        .order_by(Item.number)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    return Lacking(number=row.number, blob_key=row.blob_key, sha256=row.sha256) if row is not None else None


def _lacks(algorithm: Algorithm) -> sa.ColumnElement[bool]:
    """Whether an item that is searched has other descriptors of the same modality, and none of this algorithm."""
    others = [other.value for other in Algorithm if other.modality is algorithm.modality and other is not algorithm]
    return sa.and_(Item.corpus.in_(_SEARCHED), _has(*others), ~_has(algorithm))


def _has(*algorithms: str) -> sa.ColumnElement[bool]:
    rows = StoredDescriptors.item_number == Item.number, StoredDescriptors.algorithm.in_(algorithms)
    return sa.exists().where(*rows)


def _media() -> sa.Subquery[Any]:
    """The media that is kept of what is searched."""
    kept = (
        sa.select(model.id.label("subject_id"), model.blob_key.label("blob_key"), model.sha256.label("sha256")).where(
            model.blob_key.is_not(None), model.sha256.is_not(None)
        )
        for model in (Asset, Release, Negative)
    )
    return sa.union_all(*kept).subquery()


def _unfinished() -> tuple[sa.ColumnElement[bool], ...]:
    return Job.kind == JobKind.BACKFILL.value, Job.state.in_(jobs.UNFINISHED)


def _refuse_retired(row: Rollout) -> None:
    if row.retired_at is not None:
        raise _refusal(Algorithm(row.algorithm), "It was retired.")


def _refusal(algorithm: Algorithm, problem: str) -> Conflict:
    return Conflict(kind="algorithm", id=algorithm.value, problem=problem)
