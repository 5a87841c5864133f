"""Reservations: what holders say of the uses of their works, kept so that any past day can be asked.

Nothing said is rewritten: saying something new about the same use supersedes, withdrawing ends, and
both leave the old row as it was said. What is said for a time supersedes nothing: the standing word is heard
again when it ends. What declarations come to together is answered by `registry.preferences`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import domains, ledger
from registry.access import READS, Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import WORLDWIDE, Use, Value, check_territory
from registry.domain.preferences import Scope as Reach
from registry.errors import Invalid, NotFound
from registry.locations import host_of, normal, path_of
from registry.models import Asset, Reservation
from registry.works import own_work

_BATCH = 900
# So much may stand that one holder said of the places of one host, until they show that it is theirs; and so much of
# places with a star, for each of which every URL is looked through.
MOST_ON_ANOTHERS_HOST, MOST_WITH_STARS = 500, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReservation:
    """What a holder says, about what `scope` names: a work, an asset of theirs, a location, the whole catalogue."""

    use: Use
    value: Value
    scope: Reach = Reach.WORK
    work_id: str | None = None
    asset_id: str | None = None
    location: str | None = None
    territory: str = WORLDWIDE
    terms_url: str | None = None
    contact: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def declare(session: Session, actor: Actor, said: NewReservation, *, at: datetime) -> Reservation:
    """Put a declaration on record; a standing one on the same use, scope and territory is superseded."""
    return declare_all(session, actor, [said], at=at)[0]


def declare_all(session: Session, actor: Actor, words: Sequence[NewReservation], *, at: datetime) -> list[Reservation]:
    """The same of several, one after another."""
    actor.require(Scope.WORKS_WRITE)
    require_room(session, actor, words, at=at)
    return [_declare(session, actor, said, at=at) for said in words]


def require_room(session: Session, actor: Actor, words: Iterable[NewReservation], *, at: datetime) -> None:
    """Raises: Invalid: too much would stand that the holder said of a host which they did not show to be theirs."""
    said: dict[str, set[tuple[str | None, ...]]] = {}
    for word in words:
        if word.scope is Reach.LOCATION and word.location:
            location = normal(word.location)
            said.setdefault(host_of(location), set()).add((location, word.use.value, word.territory))
    masters = domains.masters(session, said.keys(), at=at)
    for host, there in said.items():
        if actor.holder_id in masters.get(host, ()):
            continue
        standing = sa.select(Reservation.location, Reservation.use, Reservation.territory).where(
            Reservation.location_host == host, Reservation.holder_id == actor.holder_id, *not_over(at)
        )
        # What is said again takes the place of what stands.
        there = there.union(map(tuple, session.execute(standing)))
        with_stars = sum("*" in (location or "") for location, *_ in there)
        if len(there) > MOST_ON_ANOTHERS_HOST or with_stars > MOST_WITH_STARS:
            problem = (
                f"Of the places of {host} {MOST_ON_ANOTHERS_HOST} things of yours may stand, {MOST_WITH_STARS} with *."
                " Show that the domain is yours (POST /v1/domains), or withdraw some."
            )
            raise Invalid(field="location", problem=problem)


def _declare(session: Session, actor: Actor, said: NewReservation, *, at: datetime) -> Reservation:
    said = checked(session, actor, said, at=at)
    row = Reservation(
        id=new_id(Prefix.RESERVATION, at=at),
        holder_id=actor.holder_id,
        agent_id=actor.agent_id,
        scope=said.scope.value,
        work_id=said.work_id,
        asset_id=said.asset_id,
        location=said.location,
        location_host=host_of(said.location) if said.location else None,
        use=said.use.value,
        value=said.value.value,
        territory=said.territory,
        terms_url=said.terms_url,
        contact=said.contact,
        declared_at=at,
        valid_from=said.valid_from or at,
        valid_until=said.valid_until,
    )
    session.add(row)
    if row.valid_until is None:
        _supersede(session, row, at=at)
    ledger.record(session, "reservation.declared", row, at=at)
    return row


def _supersede(session: Session, row: Reservation, *, at: datetime) -> None:
    """End what the same holder said of the same before; what is said for later leaves today as it is."""
    starts = max(row.valid_from, at)
    earlier = sa.select(Reservation).where(
        _about_the_same(row),
        Reservation.scope == row.scope,
        Reservation.id != row.id,
        Reservation.use == row.use,
        Reservation.territory == row.territory,
        Reservation.withdrawn_at.is_(None),
        sa.or_(Reservation.superseded_at.is_(None), Reservation.superseded_at > starts),
        sa.or_(Reservation.valid_until.is_(None), Reservation.valid_until > starts),
    )
    for old in session.scalars(earlier):
        if old.holder_id == row.holder_id and (row.location is None or _is_there(old.location, row.location)):
            old.superseded_at = starts
            ledger.record(session, "reservation.superseded", old, at=at)


def _about_the_same(row: Reservation) -> sa.ColumnElement[bool]:
    """What is about the same thing, by the index of that alone: a holder may have said a million things.

    SQLite would choose among all conditions without counting, and read everything of the holder's, or more.
    """
    match Reach(row.scope):
        case Reach.WORK:
            return Reservation.work_id == row.work_id
        case Reach.ASSET:
            return Reservation.asset_id == row.asset_id
        case Reach.LOCATION:
            # What was declared before locations were brought to one spelling stays as it was said, and committed to.
            host = f"{row.location_host}/"
            other_spelling = sa.func.substr(Reservation.location, 1, len(host)) != host
            there = sa.or_(Reservation.location == row.location, other_spelling)
            return sa.and_(Reservation.location_host == row.location_host, there)
        case Reach.CATALOGUE:
            of_all = Reservation.scope == sa.literal_column(f"'{Reach.CATALOGUE}'")
            return sa.and_(Reservation.holder_id == row.holder_id, of_all)


def _is_there(spelled: str | None, location: str) -> bool:
    return spelled is not None and f"{host_of(spelled)}{path_of(spelled)}" == location


def withdraw(session: Session, actor: Actor, reservation_id: str, *, at: datetime, work_id: str | None = None) -> None:
    """Take a declaration back from now on; that it was made stays on record.

    Args:
        work_id: when given, the declaration must be about this work.
    """
    actor.require(Scope.WORKS_WRITE)
    row = own(session, actor, reservation_id)
    if row.withdrawn_at is not None or (work_id is not None and row.work_id != work_id):
        raise NotFound(kind="reservation", id=reservation_id)
    row.withdrawn_at = at
    ledger.record(session, "reservation.withdrawn", row, at=at)


def own(session: Session, actor: Actor, reservation_id: str) -> Reservation:
    """A declaration that the actor made, also one that has ended. Raises: NotFound."""
    actor.require(*READS[Prefix.RESERVATION])
    row = session.get(Reservation, reservation_id)
    if row is None or row.holder_id != actor.holder_id:
        raise NotFound(kind="reservation", id=reservation_id)
    return row


def of_work(session: Session, actor: Actor, work_id: str, *, at: datetime | None = None) -> list[Reservation]:
    """What was said about one of the actor's works and its assets, oldest first.

    Args:
        at: only what was in force then; None gives all that was ever said.
    """
    own_work(session, actor, work_id)
    query = sa.select(Reservation).where(Reservation.work_id == work_id).order_by(Reservation.id)
    if at is not None:
        query = query.where(*in_force(at))
    return list(session.scalars(query))


def with_ids(session: Session, ids: Iterable[str]) -> Iterator[Reservation]:
    """Declarations by their ids; what was said is public."""
    for some in itertools.batched(sorted(ids), _BATCH):
        yield from session.scalars(sa.select(Reservation).where(Reservation.id.in_(some)))


def in_force(at: datetime) -> list[sa.ColumnElement[bool]]:
    """Conditions on rows; `Declaration.in_force` says the same of one."""
    return [Reservation.valid_from <= at, *not_over(at)]


def not_over(at: datetime) -> list[sa.ColumnElement[bool]]:
    """The same of rows that are in force or were said for later."""
    ends = (Reservation.valid_until, Reservation.withdrawn_at, Reservation.superseded_at)
    return [Reservation.declared_at <= at, *(sa.or_(end.is_(None), end > at) for end in ends)]


def checked(session: Session, actor: Actor, said: NewReservation, *, at: datetime) -> NewReservation:
    """What was said, with the work of an asset added and a location in its one spelling.

    Raises:
        Invalid, NotFound: it makes no sense, or is about what is not the actor's.
    """
    if said.location is not None and said.scope is not Reach.LOCATION:
        problem = "Only a word of the scope location has one. Leave the location away, or send the scope location."
        raise Invalid(field="location", problem=problem)
    match said.scope:
        case Reach.WORK:
            if said.work_id is None or said.asset_id is not None:
                raise Invalid(field="work_id", problem="Name the work, and no asset.")
            own_work(session, actor, said.work_id)
        case Reach.ASSET:
            asset = session.get(Asset, said.asset_id) if said.asset_id else None
            if asset is None or asset.work_id != (said.work_id or asset.work_id):
                raise Invalid(field="asset_id", problem="Name an asset of the work.")
            said = replace(said, work_id=own_work(session, actor, asset.work_id).id)
        case Reach.LOCATION:
            if not said.location:
                raise Invalid(field="location", problem="Give the web location, such as https://example.org/films/*.")
            said = replace(said, location=normal(said.location))
        case Reach.CATALOGUE:
            pass
    check_territory(said.territory)
    if said.terms_url is not None and not said.terms_url.startswith(("https://", "http://")):
        raise Invalid(field="terms_url", problem="Give a link that begins with https://.")
    if said.valid_until and said.valid_until <= max(said.valid_from or at, at):
        raise Invalid(field="valid_until", problem="Must lie in the future, and after valid_from.")
    return said
