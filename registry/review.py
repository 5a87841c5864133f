"""Review: what waits for a person, in which order, and what they should know before they decide.

Decides only what is looked at first: what is likeliest a copy that its holder wants stopped, then what has waited
longest. It does not decide anything about a check (`registry.checks.review`), nor show what is not for a reviewer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from registry import quarantine
from registry.access import Actor, Scope
from registry.domain.policy import Assurance, Policy, ReasonCode, Verdict
from registry.errors import Invalid, NotFound
from registry.models import (
    Asset,
    Check,
    Conflict,
    Draft,
    Exclusion,
    Finding,
    Holder,
    Match,
    Negative,
    Quarantine,
    Work,
)

# From here on a stretch is more than a shot, and so many are more than a coincidence.
_LONG_S: Final = 10.0
_MANY: Final = 3
_HIGH, _MEDIUM = 5, 3
_EARLIER: Final = 5
_ASKS_BLOCK: Final = (ReasonCode.POLICY_BLOCK, ReasonCode.RESERVED, ReasonCode.PERSON_BLOCK)


class Kind(StrEnum):
    """What waits for a person."""

    CHECKS = "checks"
    CONFLICTS = "conflicts"
    FINDINGS = "findings"
    QUARANTINES = "quarantines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many of a kind wait, and since when the oldest does."""

    kind: Kind
    count: int
    since: datetime | None


class Level(StrEnum):
    """How soon a check should be looked at."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How likely a check is a copy that its holder wants stopped.

    Attributes:
        is_sure: a stretch that counts is beyond doubt.
        asks_block: a holder asks that copies be blocked; it became a review for some other reason.
        is_vetted: a holder of what it copies is known to the operator.
        names_person: it names somebody.
        longest_s: the longest stretch that counts.
        stretches: that count.
    """

    points: int
    is_sure: bool
    asks_block: bool
    is_vetted: bool
    names_person: bool
    longest_s: float
    stretches: int

    @property
    def level(self) -> Level:
        if self.points >= _HIGH:
            return Level.HIGH
        return Level.MEDIUM if self.points >= _MEDIUM else Level.LOW

    @property
    def is_long(self) -> bool:
        return self.longest_s >= _LONG_S

    @property
    def are_many(self) -> bool:
        return self.stretches >= _MANY


class Show(StrEnum):
    """Which of the checks that wait."""

    ALL = "all"
    SURE = "sure"
    DOUBTED = "doubted"
    VIDEO = "video"
    AUDIO = "audio"
    PERSONS = "persons"


class Order(StrEnum):
    RISK = "risk"
    AGE = "age"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A part of the queue, and its order."""

    show: Show = Show.ALL
    order: Order = Order.RISK
    asker: str | None = None
    work: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A check that waits, and what of it says how urgent it is."""

    check: Check
    risk: Risk
    asker: Holder

    @property
    def titles(self) -> list[str]:
        """Of the works that it matches."""
        return list(dict.fromkeys(match.title for match in self.check.matches))

    @property
    def place(self) -> str:
        """Where it stands, to go on from."""
        return f"{self.risk.points}.{self.check.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was decided before about somebody's clips, or about copies of something.

    Attributes:
        latest: newest first.
    """

    approved: int
    rejected: int
    latest: Sequence[Check]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A check as a reviewer looks at it.

    Attributes:
        works: that it matches, by id; with the files that it matches.
        before, after: the checks that wait before and after it.
        number, waiting: its place in the queue, and how many wait; None when it is not in it.
    """

    queued: Queued
    works: dict[str, Work]
    assets: dict[str, Asset]
    persons: Sequence[Draft]
    of_asker: Tally
    of_works: Tally
    before: str | None
    after: str | None
    number: int | None
    waiting: int


# -- what waits ----------------------------------------------------------------------------------


def waiting(session: Session, actor: Actor) -> list[Waiting]:
    """What waits for this reviewer; the operator's own decisions for the operator alone."""
    actor.require(Scope.REVIEW)
    kinds = [
        (Kind.CHECKS, Check.created_at, _is_waiting()),
        (Kind.FINDINGS, Finding.found_at, Finding.decision.is_(None)),
    ]
    if actor.may(Scope.ADMIN):
        kinds += [
            (Kind.CONFLICTS, Conflict.opened_at, Conflict.closed_at.is_(None)),
            (Kind.QUARANTINES, Quarantine.opened_at, Quarantine.decision.is_(None)),
        ]
    found = []
    for kind, since, applies in kinds:
        count, oldest = session.execute(sa.select(sa.func.count(), sa.func.min(since)).where(applies)).one()
        found.append(Waiting(kind=kind, count=count, since=oldest))
    return found


def queue(
    session: Session, actor: Actor, wanted: Wanted = Wanted(), *, after: str | None = None, limit: int = 20
) -> list[Queued]:
    """The checks that wait, in the wanted order.

    Args:
        after: the place of the last one before.
    """
    actor.require(Scope.REVIEW)
    risks = _risks(_is_waiting())
    query = _in_order(_wanted(risks, wanted), risks, wanted)
    if after is not None:
        query = query.where(_lies(risks, wanted, _Place.read(after), later=True))
    return _queued(session, session.execute(query.limit(limit)).all())


def first(session: Session, actor: Actor, wanted: Wanted = Wanted()) -> str | None:
    """The check to look at next."""
    return next((one.check.id for one in queue(session, actor, wanted, limit=1)), None)


def look(session: Session, actor: Actor, check_id: str, wanted: Wanted = Wanted()) -> Case:
    """A check with all that a reviewer should know. Raises: NotFound, also where nothing was left to a person."""
    actor.require(Scope.REVIEW)
    row = session.execute(sa.select(_risks(Check.id == check_id))).one_or_none()
    if row is None:
        raise NotFound(kind="check for review", id=check_id)
    [queued] = _queued(session, [row])
    check, place = queued.check, _Place(points=row.points, id=row.id)
    risks = _risks(_is_waiting())
    others = _wanted(risks, wanted).where(risks.c.id != check_id)
    earlier = others.where(_lies(risks, wanted, place, later=False))
    later = others.where(_lies(risks, wanted, place, later=True))
    before, after = _count(session, earlier), _count(session, later)
    is_waiting = check.decision is None
    works, assets = _matched(session, check)
    decided = Check.decision.is_not(None), Check.id != check.id
    of_works = Check.id.in_(sa.select(Match.check_id).where(Match.work_id.in_(works)))
    return Case(
        queued=queued,
        works=works,
        assets=assets,
        persons=list(check.drafts),
        of_asker=_tally(session, *decided, Check.holder_id == check.holder_id),
        of_works=_tally(session, *decided, of_works),
        before=_first_id(session, _in_order(earlier, risks, wanted, backwards=True)),
        after=_first_id(session, _in_order(later, risks, wanted)),
        number=before + 1 if is_waiting else None,
        waiting=before + after + is_waiting,
    )


def _is_waiting() -> sa.ColumnElement[bool]:
    return sa.and_(Check.verdict == Verdict.REVIEW, Check.decision.is_(None))


def _risks(applies: sa.ColumnElement[bool]) -> sa.Subquery:
    """Checks that were left to a person, each with what of it says how urgent it is."""
    counts = sa.and_(Match.no_weight.is_(None), ~Match.own)
    sure = _any(sa.and_(counts, sa.cast(Match.doubts, sa.Text) == "[]"))
    vetted = _any(sa.and_(counts, Holder.assurance == Assurance.VETTED))
    longest = sa.func.coalesce(sa.func.max(sa.case((counts, Match.query_end_s - Match.query_start_s))), 0.0)
    stretches = sa.func.coalesce(sa.func.sum(sa.case((counts, 1), else_=0)), 0)
    reasons = sa.cast(Check.reasons, sa.Text)  # as JSON is written: a quote within a message would have a backslash
    asks = sa.or_(*(reasons.like(f'%"code": "{code}"%') for code in _ASKS_BLOCK))
    blocks = sa.case((sa.or_(asks, _any(sa.and_(counts, Match.policy == Policy.BLOCK)) > 0), 1), else_=0)
    names = sa.case((sa.exists().where(Draft.check_id == Check.id), 1), else_=0)
    points = (
        2 * sure + 2 * blocks + vetted + 2 * names
        + sa.case((longest >= _LONG_S, 1), else_=0) + sa.case((stretches >= _MANY, 1), else_=0)
    )  # fmt: skip
    query = (
        sa.select(
            Check.id.label("id"), points.label("points"), sure.label("sure"), blocks.label("blocks"),
            vetted.label("vetted"), names.label("names"), longest.label("longest_s"), stretches.label("stretches"),
            _any(Match.modality == "video").label("video"), _any(Match.modality == "audio").label("audio"),
        )
        .outerjoin(Match, Match.check_id == Check.id)
        .outerjoin(Work, Work.id == Match.work_id)
        .outerjoin(Holder, Holder.id == Work.holder_id)
        .where(Check.verdict == Verdict.REVIEW, applies)
        .group_by(Check.id)
    )  # fmt: skip
    return query.subquery("risks")


def _any(applies: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.max(sa.case((applies, 1), else_=0)), 0)


def _wanted(risks: sa.Subquery, wanted: Wanted) -> sa.Select[*tuple[object, ...]]:
    query = sa.select(risks).join(Check, Check.id == risks.c.id)
    shown = {
        Show.SURE: risks.c.sure == 1, Show.DOUBTED: risks.c.sure == 0, Show.VIDEO: risks.c.video == 1,
        Show.AUDIO: risks.c.audio == 1, Show.PERSONS: risks.c.names == 1,
    }  # fmt: skip
    if wanted.show in shown:
        query = query.where(shown[wanted.show])
    if wanted.asker is not None:
        query = query.where(Check.holder_id == wanted.asker)
    if wanted.work is not None:
        query = query.where(Check.id.in_(sa.select(Match.check_id).where(Match.work_id == wanted.work)))
    return query


def _in_order(
    query: sa.Select[*tuple[object, ...]], risks: sa.Subquery, wanted: Wanted, *, backwards: bool = False
) -> sa.Select[*tuple[object, ...]]:
    """What is riskiest first, of that and else what is oldest."""
    points, age = risks.c.points.desc(), risks.c.id.asc()
    if backwards:
        points, age = risks.c.points.asc(), risks.c.id.desc()
    return query.order_by(*([points] if wanted.order is Order.RISK else []), age)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    points: int
    id: str

    @classmethod
    def read(cls, text: str) -> Self:
        points, _, check_id = text.partition(".")
        if not points.isdecimal() or len(points) > 4:
            raise Invalid(field="cursor", problem="It is the next of another list.")
        return cls(points=int(points), id=check_id)


def _lies(risks: sa.Subquery, wanted: Wanted, place: _Place, *, later: bool) -> sa.ColumnElement[bool]:
    """What comes after a place in the wanted order, or before it."""
    aged = risks.c.id > place.id if later else risks.c.id < place.id
    if wanted.order is Order.AGE:
        return aged
    further = risks.c.points < place.points if later else risks.c.points > place.points
    return sa.or_(further, sa.and_(risks.c.points == place.points, aged))


def _queued(session: Session, rows: Sequence[sa.Row[*tuple[object, ...]]]) -> list[Queued]:
    ids = [row.id for row in rows]
    found = session.scalars(sa.select(Check).where(Check.id.in_(ids)).options(selectinload(Check.matches)))
    checks = {check.id: check for check in found}
    of = {check.holder_id for check in checks.values()}
    askers = {holder.id: holder for holder in session.scalars(sa.select(Holder).where(Holder.id.in_(of)))}
    return [
        Queued(check=checks[row.id], risk=_risk(row), asker=askers[checks[row.id].holder_id])
        for row in rows
    ]  # fmt: skip


def _risk(row: sa.Row[*tuple[object, ...]]) -> Risk:
    return Risk(
        points=row.points, is_sure=bool(row.sure), asks_block=bool(row.blocks), is_vetted=bool(row.vetted),
        names_person=bool(row.names), longest_s=float(row.longest_s), stretches=row.stretches,
    )  # fmt: skip


def _count(session: Session, query: sa.Select[*tuple[object, ...]]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0


def _first_id(session: Session, query: sa.Select[*tuple[object, ...]]) -> str | None:
    row = session.execute(query.limit(1)).one_or_none()
    return None if row is None else row.id


def _matched(session: Session, check: Check) -> tuple[dict[str, Work], dict[str, Asset]]:
    ids = {match.asset_id for match in check.matches}
    assets = {asset.id: asset for asset in session.scalars(sa.select(Asset).where(Asset.id.in_(ids)))}
    by_length = dict.fromkeys(match.asset_id for match in check.matches)
    return {assets[of].work_id: assets[of].work for of in by_length}, assets


def _tally(session: Session, *about: sa.ColumnElement[bool]) -> Tally:
    counts = dict(
        session.execute(sa.select(Check.decision, sa.func.count()).where(*about).group_by(Check.decision)).all()
    )  # fmt: skip
    latest = sa.select(Check).where(*about).order_by(Check.decided_at.desc()).limit(_EARLIER)
    found = session.scalars(latest.options(selectinload(Check.matches))).all()
    return Tally(approved=counts.get("approve", 0), rejected=counts.get("reject", 0), latest=found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of what looking back found, as a reviewer sees them."""

    asset: Asset
    asker: Holder


def sides_of(session: Session, finding: Finding) -> Sides:
    """Whose file it is that a finding is about, and who asked about its copy."""
    return Sides(
        asset=session.get_one(Asset, finding.asset_id), asker=session.get_one(Holder, finding.check.holder_id)
    )  # fmt: skip


# -- what the operator looks after ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An asset that is in quarantine, or was, and what it matched of late.

    Attributes:
        checks: the newest that it matched.
    """

    quarantine: Quarantine
    asset: Asset
    checks: Sequence[Check]


def held(session: Session, actor: Actor, *, most: int = 50) -> list[Held]:
    """Assets that wait for the operator because they matched too much at once, oldest first."""
    actor.require(Scope.ADMIN)
    rows = sa.select(Quarantine, Asset).join(Asset, Asset.id == Quarantine.asset_id)
    found = session.execute(rows.where(Quarantine.decision.is_(None)).order_by(Quarantine.id).limit(most))
    return [Held(quarantine=row, asset=asset, checks=_of_late(session, asset)) for row, asset in found]


def flood(session: Session, actor: Actor, asset_id: str) -> Held:
    """The quarantine of an asset. Raises: NotFound: it never was in one."""
    actor.require(Scope.ADMIN)
    row, asset = quarantine.last_of(session, asset_id), session.get(Asset, asset_id)
    if row is None or asset is None:
        raise NotFound(kind="quarantine of", id=asset_id)
    return Held(quarantine=row, asset=asset, checks=_of_late(session, asset))


def _of_late(session: Session, asset: Asset) -> Sequence[Check]:
    matched = sa.select(Match.check_id).where(Match.asset_id == asset.id, Match.no_weight.is_(None), ~Match.own)
    return session.scalars(
        sa.select(Check).where(Check.id.in_(matched)).order_by(Check.id.desc()).limit(_EARLIER)
    ).all()  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Public:
    """Material that everybody may use.

    Attributes:
        works: in which some of it was found, and is excluded.
    """

    entry: Negative
    works: int


def bank(session: Session, actor: Actor, *, before: str | None = None, limit: int = 50) -> list[Public]:
    """The negative bank, newest first.

    Args:
        before: the id of the last one before.
    """
    actor.require(Scope.ADMIN)
    found_in = sa.select(sa.func.count(Asset.work_id.distinct())).join(Exclusion, Exclusion.asset_id == Asset.id)
    works = found_in.where(Exclusion.negative_id == Negative.id, Exclusion.withdrawn_at.is_(None)).scalar_subquery()
    query = sa.select(Negative, works).where(Negative.removed_at.is_(None))
    if before is not None:
        query = query.where(Negative.id < before)
    rows = session.execute(query.order_by(Negative.id.desc()).limit(limit))
    return [Public(entry=entry, works=count) for entry, count in rows]
