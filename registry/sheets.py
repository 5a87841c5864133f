"""Sheets: all that a holder says of the uses of one thing, read and said in one go.

A sheet is about a work, a place on the web or the whole catalogue, in one territory. On it stands the word on each use
that holds until something else is said; filled in anew, only what differs is declared or withdrawn, and nothing at all
when a part of it is refused. Words for a time or for later stand beside it, and end by themselves.

What a sheet comes to is found out by saying it, and taking it back: so it is told by the same rules as everywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import domains, exchange, preferences, reservations
from registry.access import Actor, Scope
from registry.domain.preferences import WORLDWIDE, Answer, Declaration, Use, Value, check_territory
from registry.domain.preferences import Scope as Reach
from registry.domain.preferences import effective_preference as effective
from registry.exchange import About, ExportFormat
from registry.formats.statements import FormatError, Written
from registry.locations import host_of, normal, with_scheme
from registry.models import Reservation
from registry.preferences import Asked
from registry.reservations import NewReservation, not_over
from registry.works import own_work

_MOST_BESIDE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What a sheet is about: a work, a place, or with neither the whole catalogue; in a territory."""

    work_id: str | None = None
    location: str | None = None
    territory: str = WORLDWIDE

    @property
    def reach(self) -> Reach:
        if self.work_id is not None:
            return Reach.WORK
        return Reach.CATALOGUE if self.location is None else Reach.LOCATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is said of a use; with terms and whom to ask, where that is said."""

    value: Value
    terms_url: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands.

    Attributes:
        words: those that hold now until something else is said; of other uses nothing is said.
        rows: the declarations that these are.
        beside: what else stands: words for a time, for later, or on one file, newest first.
        elsewhere: other territories for which something stands.
    """

    words: Mapping[Use, Word]
    rows: Mapping[Use, Reservation]
    beside: Sequence[Reservation]
    elsewhere: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is said of a use in place of what was; None: nothing."""

    use: Use
    before: Word | None
    after: Word | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What words come to.

    Attributes:
        answers: what holds for each use, by everything that is said of the thing.
        exports: the same in the formats of the field; a text where a format cannot hold it, with why.
    """

    answers: Mapping[Use, Answer]
    exports: Mapping[ExportFormat, Written | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What saying something would change, from when, and what it would come to then."""

    changes: Sequence[Change]
    starts: datetime
    before: Mapping[Use, Answer]
    effect: Effect


def read(session: Session, actor: Actor, thing: Thing, *, at: datetime) -> Sheet:
    """What the actor's holder says of a thing. Raises: NotFound; Invalid: no such place or territory."""
    everywhere = _standing(session, actor, thing, at=at)
    standing = [row for row in everywhere if row.territory == thing.territory]
    rows: dict[Use, Reservation] = {}
    for row in standing:
        if row.scope == thing.reach and row.valid_until is None and row.valid_from <= at:
            rows[Use(row.use)] = row
    on_sheet = {row.id for row in rows.values()}
    words = {
        use: Word(value=Value(row.value), terms_url=row.terms_url, contact=row.contact) for use, row in rows.items()
    }
    beside = [row for row in reversed(standing) if row.id not in on_sheet]
    elsewhere = sorted({row.territory for row in everywhere} - {thing.territory})
    return Sheet(words=words, rows=rows, beside=beside[:_MOST_BESIDE], elsewhere=elsewhere)


def say(
    session: Session, actor: Actor, thing: Thing, wanted: Mapping[Use, Word | None], *,
    valid_from: datetime | None = None, valid_until: datetime | None = None, at: datetime,
) -> list[Change]:  # fmt: skip
    """Fill in a sheet anew: declare what is new on it, withdraw what is no longer said. Of uses not named all stays.

    Args:
        valid_from, valid_until: of what is declared; what is withdrawn ends now.
    """
    sheet = read(session, actor, thing, at=at)
    changes = [
        Change(use=use, before=sheet.words.get(use), after=word)
        for use, word in wanted.items()
        if sheet.words.get(use) != word
    ]
    said = [
        NewReservation(
            use=one.use, value=one.after.value, terms_url=one.after.terms_url, contact=one.after.contact,
            scope=thing.reach, work_id=thing.work_id, location=thing.location, territory=thing.territory,
            valid_from=valid_from, valid_until=valid_until,
        )
        for one in changes
        if one.after is not None
    ]  # fmt: skip
    for change in changes:
        if change.after is None:
            reservations.withdraw(session, actor, sheet.rows[change.use].id, at=at)
    reservations.declare_all(session, actor, said, at=at)
    return changes


def rehearse(
    session: Session, actor: Actor, thing: Thing, wanted: Mapping[Use, Word | None], *,
    valid_from: datetime | None = None, valid_until: datetime | None = None, url: str, at: datetime,
) -> Rehearsal:  # fmt: skip
    """What `say` would come to; nothing of it stays."""
    before = answers(session, actor, thing, at=at)
    with session.begin_nested() as savepoint:
        changes = say(session, actor, thing, wanted, valid_from=valid_from, valid_until=valid_until, at=at)
        session.flush()
        begins = valid_from if valid_from is not None and any(one.after for one in changes) else at
        starts = max(at, begins)
        after = answers(session, actor, thing, at=starts)
        made = _exports(session, actor, thing, url=url, at=at)
        savepoint.rollback()
    return Rehearsal(changes=changes, starts=starts, before=before, effect=Effect(answers=after, exports=made))


def effect(session: Session, actor: Actor, thing: Thing, *, url: str, at: datetime) -> Effect:
    """What is said of a thing comes to now."""
    exports = _exports(session, actor, thing, url=url, at=at)
    return Effect(answers=answers(session, actor, thing, at=at), exports=exports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place on the web of which something is said, in these territories.

    Attributes:
        is_shown: whether its domain answers for the holder.
    """

    location: str
    territories: Sequence[str]
    is_shown: bool


def places(session: Session, actor: Actor, *, most: int = 200, at: datetime) -> list[Place]:
    """The places of which the holder says something, by their names."""
    actor.require(Scope.WORKS_WRITE)
    query = sa.select(Reservation.location, Reservation.territory).distinct()
    query = query.where(Reservation.holder_id == actor.holder_id, Reservation.scope == Reach.LOCATION, *not_over(at))
    found: dict[str, list[str]] = {}
    for location, territory in session.execute(query.order_by(Reservation.location, Reservation.territory).limit(most)):
        found.setdefault(str(location), []).append(territory)
    masters = domains.masters(session, {host_of(location) for location in found}, at=at)
    return [
        Place(location=location, territories=names, is_shown=actor.holder_id in masters.get(host_of(location), ()))
        for location, names in found.items()
    ]


# -- parts ---------------------------------------------------------------------------------------


def _standing(session: Session, actor: Actor, thing: Thing, *, at: datetime) -> list[Reservation]:
    """What is not over of what the holder said of a thing, wherever it holds, oldest first."""
    actor.require(Scope.WORKS_WRITE)
    check_territory(thing.territory)
    match thing.reach:
        case Reach.WORK:
            about = Reservation.work_id == own_work(session, actor, thing.work_id or "").id
        case Reach.LOCATION:
            location = normal(thing.location or "")
            about = sa.and_(Reservation.location_host == host_of(location), Reservation.location == location)
        case _:
            about = Reservation.scope == sa.literal_column(f"'{Reach.CATALOGUE}'")
    rows = sa.select(Reservation).where(Reservation.holder_id == actor.holder_id, about, *not_over(at))
    return list(session.scalars(rows.order_by(Reservation.declared_at, Reservation.id)))


def answers(session: Session, actor: Actor, thing: Thing, *, at: datetime) -> Mapping[Use, Answer]:
    """What holds for each use, by everything that is said of a thing."""
    if thing.reach is Reach.CATALOGUE:
        return _of_catalogue(session, actor, thing, at=at)
    url = with_scheme(normal(thing.location)) if thing.location else None
    asked = Asked(work_id=thing.work_id, url=url)
    territory = None if thing.territory == WORLDWIDE else thing.territory
    found = next(iter(preferences.query(session, [asked], list(Use), at=at, territory=territory)))
    return {use: one.answer for use, one in found.holding.items()}


def _of_catalogue(session: Session, actor: Actor, thing: Thing, *, at: datetime) -> Mapping[Use, Answer]:
    """What holds for a work of the holder's of which nothing else is said."""
    of_all = Reservation.scope == sa.literal_column(f"'{Reach.CATALOGUE}'")
    mine = sa.select(Reservation).where(Reservation.holder_id == actor.holder_id, of_all, *not_over(at))
    said = [
        Declaration(
            id=row.id, use=Use(row.use), value=Value(row.value), declared_by=row.holder_id,
            declared_at=row.declared_at, valid_from=row.valid_from, valid_until=row.valid_until,
            withdrawn_at=row.withdrawn_at, superseded_at=row.superseded_at, scope=Reach.CATALOGUE, about=None,
            territory=row.territory, terms_url=row.terms_url,
        )
        for row in session.scalars(mine)
    ]  # fmt: skip
    owners = frozenset({actor.holder_id})
    return {use: effective(said, use, at=at, owners=owners, territory=thing.territory).answer for use in Use}


def _exports(
    session: Session, actor: Actor, thing: Thing, *, url: str, at: datetime
) -> Mapping[ExportFormat, Written | str]:
    host = host_of(normal(thing.location)) if thing.location else None
    subject = exchange.about(session, actor, work_id=thing.work_id, host=host)
    words = exchange.spoken(session, subject, at=at)
    return {each: _in_format(subject, each, words, url=f"{url}/{each}") for each in ExportFormat}


def _in_format(subject: About, format: ExportFormat, words: exchange.Spoken, *, url: str) -> Written | str:
    try:
        return exchange.in_format(subject, format, words, url=url)
    except FormatError as error:
        return error.problem
