"""Reservations: what holders say of the uses of their works, kept so that any past day can be asked.

Nothing said is rewritten: saying something new about the same use supersedes, withdrawing ends, and
both leave the old row as it was said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.domain.preferences import WORLDWIDE, Declaration, Effective, Use, Value, effective_preference
from registry.domain.preferences import Scope as Reach
from registry.errors import Invalid, NotFound
from registry.models import Asset, AssetStatus, Conflict, Holder, Reservation, Work
from registry.works import own_work


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReservation:
    """What a holder says; `work_id` for a work, neither it nor `location` for the whole catalogue."""

    use: Use
    value: Value
    scope: Reach = Reach.WORK
    work_id: str | None = None
    location: str | None = None
    territory: str = WORLDWIDE
    terms_url: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def declare(session: Session, actor: Actor, said: NewReservation, *, at: datetime) -> Reservation:
    """Put a declaration on record; an earlier one on the same use, scope and territory is superseded."""
    actor.require(Scope.WORKS_WRITE)
    _check(session, actor, said, at=at)
    row = Reservation(
        id=new_id(Prefix.RESERVATION, at=at),
        holder_id=actor.holder_id,
        scope=said.scope.value,
        work_id=said.work_id,
        location=said.location,
        use=said.use.value,
        value=said.value.value,
        territory=said.territory,
        terms_url=said.terms_url,
        declared_at=at,
        valid_from=said.valid_from or at,
        valid_until=said.valid_until,
    )
    _declaration(row)  # refuses a territory that is none
    starts = max(row.valid_from, at)  # what is said for later leaves today as it is
    earlier = sa.select(Reservation).where(
        Reservation.holder_id == row.holder_id,
        Reservation.scope == row.scope,
        Reservation.work_id.is_not_distinct_from(row.work_id),
        Reservation.location.is_not_distinct_from(row.location),
        Reservation.use == row.use,
        Reservation.territory == row.territory,
        Reservation.withdrawn_at.is_(None),
        sa.or_(Reservation.superseded_at.is_(None), Reservation.superseded_at > starts),
    )
    for old in session.scalars(earlier):
        old.superseded_at = starts
        ledger.record(session, "reservation.superseded", old, at=at)
    session.add(row)
    ledger.record(session, "reservation.declared", row, at=at)
    return row


def withdraw(session: Session, actor: Actor, reservation_id: str, *, at: datetime, work_id: str | None = None) -> None:
    """Take a declaration back from now on; that it was made stays on record.

    Args:
        work_id: when given, the declaration must be about this work.
    """
    actor.require(Scope.WORKS_WRITE)
    row = session.get(Reservation, reservation_id)
    if row is None or row.holder_id != actor.holder_id or row.withdrawn_at is not None:
        raise NotFound(kind="reservation", id=reservation_id)
    if work_id is not None and row.work_id != work_id:
        raise NotFound(kind="reservation", id=reservation_id)
    row.withdrawn_at = at
    ledger.record(session, "reservation.withdrawn", row, at=at)


def of_work(session: Session, actor: Actor, work_id: str) -> list[Reservation]:
    """All that was ever said about one of the actor's works, oldest first."""
    own_work(session, actor, work_id)
    return list(session.scalars(sa.select(Reservation).where(Reservation.work_id == work_id).order_by(Reservation.id)))


def effective(session: Session, work: Work, uses: Sequence[Use], *, at: datetime) -> dict[Use, Effective]:
    """What holds for a work at a time, for each use, by everything that bears on it."""
    return _together(session, [work], uses, at=at)


def rivals_of(session: Session, work: Work) -> frozenset[str]:
    """Holders with an open claim to the same footage whose identity is known at least as well as the owner's.

    Without that condition anyone could weaken a studio's work by registering a copy of it.
    """
    holders = sa.select(Holder).join(Work).where(Work.id.in_(_rival_works(session, work)))
    own = Assurance(work.holder.assurance)
    return frozenset(h.id for h in session.scalars(holders) if Assurance(h.assurance) >= own)


def _bearing(session: Session, work: Work) -> tuple[frozenset[str], list[Declaration]]:
    """Who owns a work, and everything that they said of it."""
    owners = frozenset({work.holder_id}) | rivals_of(session, work)
    about = sa.or_(Reservation.work_id == work.id, Reservation.scope == Reach.CATALOGUE)
    if len(owners) > 1:  # a rival speaks through its own record of the same footage
        about = sa.or_(about, Reservation.work_id.in_(_rival_works(session, work)))
    rows = session.scalars(sa.select(Reservation).where(about, Reservation.holder_id.in_(owners)))
    return owners, [_declaration(row) for row in rows]


def _rival_works(session: Session, work: Work) -> Sequence[str]:
    mine = sa.select(Asset.id).where(Asset.work_id == work.id)
    asset, rival = Conflict.asset_id, Conflict.rival_asset_id
    pairs = session.execute(
        sa.select(asset, rival).where(Conflict.closed_at.is_(None), sa.or_(asset.in_(mine), rival.in_(mine)))
    )
    theirs = {asset_id for pair in pairs for asset_id in pair}
    return session.scalars(sa.select(Asset.work_id).where(Asset.id.in_(theirs), Asset.work_id != work.id)).all()


def _check(session: Session, actor: Actor, said: NewReservation, *, at: datetime) -> None:
    match said.scope:
        case Reach.WORK:
            if said.work_id is None:
                raise Invalid(field="work_id", problem="Name the work.")
            own_work(session, actor, said.work_id)
        case Reach.LOCATION:
            if not said.location:
                raise Invalid(field="location", problem="Give the web location, as a URL or a path with * in it.")
        case Reach.ASSET:
            raise Invalid(field="scope", problem="Reserve the work, the catalogue or a web location.")
        case Reach.CATALOGUE:
            pass
    if said.terms_url is not None and not said.terms_url.startswith(("https://", "http://")):
        raise Invalid(field="terms_url", problem="Give a link that begins with https://.")
    if said.valid_until and said.valid_until <= max(said.valid_from or at, at):
        raise Invalid(field="valid_until", problem="Must lie in the future, and after valid_from.")


def _declaration(row: Reservation) -> Declaration:
    return Declaration(
        id=row.id,
        use=Use(row.use),
        value=Value(row.value),
        declared_by=row.holder_id,
        declared_at=row.declared_at,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        withdrawn_at=row.withdrawn_at,
        superseded_at=row.superseded_at,
        scope=Reach(row.scope),
        territory=row.territory,
        terms_url=row.terms_url,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceFound:
    """The works that one question was about, and what holds for them together."""

    work_ids: list[str]
    effective: dict[Use, Effective]


def query(
    session: Session, asked: Sequence[tuple[str | None, str | None]], uses: Sequence[Use], *, at: datetime
) -> list[PreferenceFound]:
    """What holds for each (work id, file SHA-256) asked; nothing known of it is `unset`.

    A file may belong to works of several holders: then the owners of all of them speak.
    """
    found = []
    for work_id, sha256 in asked:
        query = sa.select(Work).where(Work.withdrawn_at.is_(None))
        if work_id is not None:
            query = query.where(Work.id == work_id)
        elif sha256 is not None:
            having = sa.select(Asset.work_id).where(Asset.sha256 == sha256, Asset.status == AssetStatus.INDEXED)
            query = query.where(Work.id.in_(having))
        else:
            raise Invalid(field="items", problem="Each item names a work_id or a sha256.")
        matching = session.scalars(query.order_by(Work.id)).all()
        found.append(
            PreferenceFound(work_ids=[w.id for w in matching], effective=_together(session, matching, uses, at=at))
        )
    return found


def _together(session: Session, matching: Sequence[Work], uses: Sequence[Use], *, at: datetime) -> dict[Use, Effective]:
    owners: frozenset[str] = frozenset()
    declarations: dict[str, Declaration] = {}
    for work in matching:
        mine, said = _bearing(session, work)
        owners |= mine
        declarations |= {declaration.id: declaration for declaration in said}
    return {use: effective_preference(declarations.values(), use, at=at, owners=owners) for use in uses}
