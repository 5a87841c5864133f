"""The public record of a work: what anybody may know of it, as it was on a day.

Decides what is public: what the work is called, who registered it and how well they are known, what was said of its
uses, and whether somebody else claims it. Its files, the credits of people, its holder's own references and thresholds
are not; a work that was withdrawn is gone, and one that is confidential is not there.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from registry import domains, preferences, search
from registry.domain.preferences import Answer, Scope, Use
from registry.errors import NotFound
from registry.models import Asset, Conflict, Holder, LedgerEntry, Quarantine, Reservation, Work
from registry.preferences import Asked, Holding
from registry.reservations import in_force, with_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A work as lists show it.

    Attributes:
        is_disputed: another holder claims the same footage or sound, and it is not settled.
        is_held: a file of it matches suspiciously much, and the operator has yet to look.
    """

    work: Work
    answers: Mapping[Use, Answer]
    is_disputed: bool
    is_held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """Somebody else's claim to the same footage or sound; `came_first`: theirs was here before."""

    rival: Work
    seconds: float
    since: datetime
    came_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A declaration, who made it, and the number of the ledger's entry that put it on record."""

    said: Reservation
    holder: Holder
    agent: Holder | None
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicRecord:
    """All that anybody may know of a work at a time.

    Attributes:
        holding: for each use what holds, and the ids of the words that decided it.
        words: those, and those on single files of the work, oldest first.
        sites: domains that answer for the holder.
        entry: the number of the ledger's entry about its registration.
    """

    listed: Listed
    holding: Mapping[Use, Holding]
    words: Sequence[Word]
    disputes: Sequence[Dispute]
    sites: Sequence[str]
    entry: int | None


def find(
    session: Session, asked: str, *, before: str | None = None, limit: int, at: datetime
) -> tuple[list[Listed], str | None]:
    """Works that anybody may find, newest first, and the cursor of those after them; see `search.works`."""
    rows = search.works(session, asked, before=before, limit=limit + 1)
    works = rows[:limit]
    return _listed(session, works, at=at), works[-1].id if len(rows) > limit else None


def of_work(session: Session, work_id: str, *, at: datetime) -> PublicRecord:
    """What is known of a work, as of a time. Raises: NotFound: none is public."""
    work = session.get(Work, work_id)
    if work is None or work.withdrawn_at is not None or work.confidential:
        raise NotFound(kind="work", id=work_id)
    [found] = preferences.query(session, [Asked(work_id=work.id)], list(Use), at=at)
    ids = {said for holding in found.holding.values() for said in holding.declarations}
    of_files = sa.select(Reservation.id).where(Reservation.work_id == work.id, Reservation.scope == Scope.ASSET)
    ids |= set(session.scalars(of_files.where(*in_force(at))))
    disputes = _disputes(session, work, at=at)
    listed = Listed(
        work=work, answers=_answers(found.holding), is_disputed=bool(disputes),
        is_held=work.id in _held(session, [work.id], at=at),
    )  # fmt: skip
    return PublicRecord(
        listed=listed,
        holding=found.holding,
        words=_words(session, ids),
        disputes=disputes,
        sites=domains.answering(session, work.holder_id),
        entry=_entries(session, [work.id]).get(work.id),
    )


def _listed(session: Session, works: Sequence[Work], *, at: datetime) -> list[Listed]:
    """With what is asked once for all of them."""
    ids = [work.id for work in works]
    found = preferences.query(session, [Asked(work_id=one) for one in ids], list(Use), at=at)
    disputed, held = _disputed(session, ids, at=at), _held(session, ids, at=at)
    return [
        Listed(
            work=work, answers=_answers(one.holding), is_disputed=work.id in disputed, is_held=work.id in held
        )
        for work, one in zip(works, found, strict=True)
    ]  # fmt: skip


def _answers(holding: Mapping[Use, Holding]) -> Mapping[Use, Answer]:
    return {use: one.answer for use, one in holding.items()}


def _open(at: datetime) -> sa.ColumnElement[bool]:
    """What was a conflict then."""
    return sa.and_(Conflict.opened_at <= at, sa.or_(Conflict.closed_at.is_(None), Conflict.closed_at > at))


def _disputed(session: Session, work_ids: Collection[str], *, at: datetime) -> set[str]:
    sides = (
        sa.select(Asset.work_id).join(Conflict, asset_id == Asset.id).where(_open(at), Asset.work_id.in_(work_ids))
        for asset_id in (Conflict.asset_id, Conflict.rival_asset_id)
    )
    return set(session.scalars(sa.union(*sides)))


def _held(session: Session, work_ids: Collection[str], *, at: datetime) -> set[str]:
    still = Quarantine.opened_at <= at, sa.or_(Quarantine.decided_at.is_(None), Quarantine.decided_at > at)
    query = sa.select(Asset.work_id).join(Quarantine, Quarantine.asset_id == Asset.id)
    return set(session.scalars(query.where(*still, Asset.work_id.in_(work_ids))))


def _disputes(session: Session, work: Work, *, at: datetime) -> list[Dispute]:
    """One for each work of somebody else that claims the same, the longest stretch first."""
    mine, theirs = aliased(Asset), aliased(Asset)
    found: dict[str, Dispute] = {}
    for own, other in (
        (Conflict.asset_id, Conflict.rival_asset_id),
        (Conflict.rival_asset_id, Conflict.asset_id),
    ):
        query = (
            sa.select(Conflict.seconds, Conflict.opened_at, Work)
            .join(mine, mine.id == own)
            .join(theirs, theirs.id == other)
            .join(Work, Work.id == theirs.work_id)
            .where(mine.work_id == work.id, _open(at))
        )
        for seconds, since, rival in session.execute(query.order_by(Conflict.seconds.desc())):
            came_first = other is Conflict.rival_asset_id
            found.setdefault(rival.id, Dispute(rival=rival, seconds=seconds, since=since, came_first=came_first))
    return sorted(found.values(), key=lambda one: -one.seconds)


def _words(session: Session, ids: Collection[str]) -> list[Word]:
    said = list(with_ids(session, ids))
    named = {one for row in said for one in (row.holder_id, row.agent_id) if one is not None}
    holders = {row.id: row for row in session.scalars(sa.select(Holder).where(Holder.id.in_(named)))}
    entries = _entries(session, ids)
    return [
        Word(
            said=row, holder=holders[row.holder_id], agent=holders[row.agent_id] if row.agent_id else None,
            entry=entries.get(row.id),
        )
        for row in sorted(said, key=lambda row: row.id)
    ]  # fmt: skip


def _entries(session: Session, ids: Collection[str]) -> dict[str, int]:
    """The numbers of the ledger's first entries about records."""
    query = sa.select(LedgerEntry.subject_id, sa.func.min(LedgerEntry.number)).where(LedgerEntry.subject_id.in_(ids))
    return {row[0]: row[1] for row in session.execute(query.group_by(LedgerEntry.subject_id))}
