"""Overview: what a holder has here at a glance, and their works on a shelf, newest first; nothing is changed here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry import conflicts, domains, preferences, search, thresholds
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, first_id
from registry.domain.policy import Action, Assurance, MatchedWork, Policy, decide
from registry.domain.preferences import Answer, Use
from registry.domain.searching import words_of
from registry.models import (
    Asset,
    AssetStatus,
    Check,
    CheckStatus,
    Conflict,
    Match,
    Reservation,
    Work,
    WorkIdentifier,
)
from registry.preferences import Asked
from registry.reservations import not_over

# What is called "lately".
LATELY: Final = timedelta(days=30)
_IN_PROGRESS: Final = (AssetStatus.QUEUED, AssetStatus.PROCESSING)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a work, and how far it is."""

    id: str
    work_id: str
    title: str
    label: str | None
    status: AssetStatus
    progress: float
    reason: str | None
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What a holder has here.

    Attributes:
        works: those in force.
        files: of them, by status.
        in_progress: the first of the files that are being indexed, those that wait included.
        rejected: the newest files that cannot be used.
        matched_checks: checks of others that matched with weight, lately.
        conflicts: those in which something can still be said or decided.
        is_anything_reserved: whether any word of theirs stands.
        domains: those that answer for them now.
    """

    works: int
    files: Mapping[AssetStatus, int]
    in_progress: Sequence[File]
    rejected: Sequence[File]
    matched_checks: int
    conflicts: int
    is_anything_reserved: bool
    domains: Sequence[str]


def of_holder(session: Session, actor: Actor, *, most: int = 5, at: datetime) -> Overview:
    """What the actor's holder has here.

    Args:
        most: so many files of a kind are shown.
    """
    actor.require(Scope.WORKS_WRITE)
    mine = Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None)
    of_mine = sa.select(Asset.status, sa.func.count()).join(Work, Work.id == Asset.work_id).where(*mine)
    counts = {AssetStatus(status): count for status, count in session.execute(of_mine.group_by(Asset.status))}
    is_open = conflicts.listed(actor, is_open=True, at=at).subquery()
    said = sa.select(Reservation.id).where(Reservation.holder_id == actor.holder_id, *not_over(at)).limit(1)
    return Overview(
        works=session.scalar(sa.select(sa.func.count()).select_from(Work).where(*mine)) or 0,
        files=counts,
        in_progress=_files(session, actor, _IN_PROGRESS, Asset.id, most=most),
        rejected=_files(session, actor, (AssetStatus.REJECTED,), Asset.id.desc(), most=most),
        matched_checks=_matched_checks(session, actor, at=at),
        conflicts=session.scalar(sa.select(sa.func.count()).select_from(is_open)) or 0,
        is_anything_reserved=session.scalar(said) is not None,
        domains=domains.answering(session, actor.holder_id),
    )


def _files(
    session: Session, actor: Actor, statuses: Iterable[AssetStatus],
    order: sa.ColumnElement[str] | InstrumentedAttribute[str], *, most: int,
) -> list[File]:  # fmt: skip
    query = sa.select(Asset).join(Work, Work.id == Asset.work_id).where(Asset.status.in_(statuses))
    mine = query.where(Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None))
    return [
        File(
            id=row.id, work_id=row.work_id, title=row.work.title, label=row.label, status=AssetStatus(row.status),
            progress=row.progress, reason=row.reason, problem=row.problem,
        )
        for row in session.scalars(mine.order_by(order).limit(most))
    ]  # fmt: skip


def _matched_checks(session: Session, actor: Actor, *, at: datetime) -> int:
    since = first_id(Prefix.CHECK, at=at - LATELY)
    query = (
        sa.select(sa.func.count(Match.check_id.distinct()))
        .join(Work, Work.id == Match.work_id)
        .join(Check, Check.id == Match.check_id)
        .where(Work.holder_id == actor.holder_id, Check.holder_id != actor.holder_id)
        .where(Match.check_id >= since, Match.no_weight.is_(None), Check.status == CheckStatus.DONE)
    )
    return session.scalar(query) or 0


def verdicts(session: Session, actor: Actor, *, at: datetime) -> Mapping[str, int]:
    """How the holder's own checks were answered lately, by verdict."""
    actor.require(Scope.CHECKS_WRITE)
    since = first_id(Prefix.CHECK, at=at - LATELY)
    query = sa.select(Check.verdict, sa.func.count()).where(Check.holder_id == actor.holder_id, Check.id >= since)
    rows = session.execute(query.where(Check.verdict.is_not(None)).group_by(Check.verdict))
    return {str(verdict): count for verdict, count in rows}


# -- the shelf -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """A work, with how its files are and what holds for its uses.

    Attributes:
        leads_to: what a long and certain copy leads to.
        conflicts: over its files, that are open.
    """

    work: Work
    files: Mapping[AssetStatus, int]
    holding: Mapping[Use, Answer]
    leads_to: Action
    conflicts: int

    @property
    def in_progress(self) -> int:
        return sum(self.files.get(status, 0) for status in _IN_PROGRESS)


def shelf(
    session: Session, actor: Actor, *, asked: str = "", before: str | None = None, limit: int = 25,
    block_from: Assurance = Assurance.EMAIL, at: datetime,
) -> tuple[list[Shelved], str | None]:  # fmt: skip
    """The actor's works in force, newest first, and the cursor of those that come after them.

    Args:
        block_from: how well a holder must be known for their word to block.
        asked: words of a title, in any spelling, or an identifier however it is written; "" asks for all.
        before: the cursor.
    """
    actor.require(Scope.WORKS_WRITE)
    query = sa.select(Work).where(Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None))
    if asked := asked.strip():
        spelled = {asked, *(value for _, value in search.numbers(asked))}
        numbered = sa.select(WorkIdentifier.work_id).join(Work, Work.id == WorkIdentifier.work_id)
        numbered = numbered.where(Work.holder_id == actor.holder_id, WorkIdentifier.value.in_(spelled))
        titled = [Work.search_text.contains(word, autoescape=True) for word in words_of(asked)]
        is_titled = sa.and_(*titled) if titled else sa.false()
        query = query.where(sa.or_(is_titled, Work.id == asked.lower(), Work.id.in_(numbered)))
    if before is not None:
        query = query.where(Work.id < before)
    rows = session.scalars(query.order_by(Work.id.desc()).limit(limit + 1)).all()
    works = rows[:limit]
    return _shelved(session, works, block_from, at=at), works[-1].id if len(rows) > limit else None


def leads_to(session: Session, work: Work, preference: Answer, *, block_from: Assurance, at: datetime) -> Action:
    """What a long copy of a work leads to, beyond doubt, where that holds for copies in outputs."""
    is_disputed = bool(preferences.rivals_of(session, work, at=at))
    return _leads_to(work, preference, block_from, is_disputed=is_disputed)


def _leads_to(work: Work, preference: Answer, block_from: Assurance, *, is_disputed: bool) -> Action:
    asked_for = thresholds.in_force(work)
    copied = MatchedWork(
        work_id=work.id, title=work.title, policy=Policy(work.policy), assurance=Assurance(work.holder.assurance),
        own=False, disputed=is_disputed, preference=preference, thresholds=asked_for,
        matched_s=asked_for.block_matched_s, certain_s=asked_for.block_matched_s,
    )  # fmt: skip
    return decide([copied], block_from=block_from).actions[work.id]


def _shelved(session: Session, works: Sequence[Work], block_from: Assurance, *, at: datetime) -> list[Shelved]:
    """With what is asked once for all of them; rivals alone are looked for where there is a conflict."""
    ids = [work.id for work in works]
    files: dict[str, dict[AssetStatus, int]] = defaultdict(dict)
    counts = sa.select(Asset.work_id, Asset.status, sa.func.count()).where(Asset.work_id.in_(ids))
    for work_id, status, count in session.execute(counts.group_by(Asset.work_id, Asset.status)):
        files[work_id][AssetStatus(status)] = count
    disputes = _open_conflicts(session, ids)
    held = preferences.query(session, [Asked(work_id=one) for one in ids], list(Use), at=at)
    shelved = []
    for work, found in zip(works, held, strict=True):
        holding = {use: one.answer for use, one in found.holding.items()}
        is_disputed = work.id in disputes and bool(preferences.rivals_of(session, work, at=at))
        action = _leads_to(work, holding[Use.DEPICT_IN_OUTPUT], block_from, is_disputed=is_disputed)
        shelved.append(
            Shelved(
                work=work, files=files[work.id], holding=holding, leads_to=action, conflicts=disputes.get(work.id, 0)
            )
        )
    return shelved


def _open_conflicts(session: Session, works: Sequence[str]) -> Mapping[str, int]:
    """How many are open over the files of each work that has any."""
    of_side = sa.or_(Conflict.asset_id == Asset.id, Conflict.rival_asset_id == Asset.id)
    query = sa.select(Asset.work_id, sa.func.count()).join(Conflict, of_side).group_by(Asset.work_id)
    return dict(session.execute(query.where(Asset.work_id.in_(works), Conflict.closed_at.is_(None))).all())
