"""Copies: a file that answers about preferences as the service did at one moment, with no service at hand.

A copy is a SQLite database with the registry's own tables, into which the facts of the feed are put; what nobody may
know (titles, names, media) is empty. So `registry.preferences` answers from it as it answers in the service. Decides
what is put where and whose pages are believed: the keys that the service shows at the first time are kept, and no
others are believed later unless somebody says so. A sync is one transaction: it ends at the head of the log, or the
copy stays as it was, and whoever reads it meanwhile reads the copy as it was.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from registry.database import Database
from registry.domain.feed import BadPage, Fact, Kind, Place, ReservationFact, WorkFact, open_page
from registry.errors import RegistryError
from registry.locations import host_of
from registry.models import (
    Asset,
    AssetStatus,
    Base,
    Conflict,
    Domain,
    Holder,
    Reservation,
    UtcDateTime,
    Work,
    WorkIdentifier,
)

# Only a copy has this table: a registry's own database is never taken for one.
_own = sa.MetaData()
STATE = sa.Table(
    "copy_state",
    _own,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("keys", sa.JSON, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("mark", sa.Text),
    sa.Column("head", sa.Integer, nullable=False),
    sa.Column("as_of", UtcDateTime, nullable=False),
)


class BadCopy(RegistryError):
    """There is no copy there that can be used; says what to do."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Service(Protocol):
    """What a copy is made of."""

    def signing_keys(self) -> Mapping[str, Any]:
        """The service's JWK set."""

    def feed_page(self, since: int) -> str:
        """The page of the feed that begins after row `since`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """How far a copy is, and how many facts a sync brought."""

    place: Place
    items: int


def prepare(copy: Database) -> None:
    """Make a database with the registry's tables, which must be empty, a copy."""
    _own.create_all(copy.engine)


def place_of(session: Session) -> Place:
    """How far a copy is. Raises: BadCopy: no sync has come to its end yet."""
    state = _state(session)
    if state is None:
        raise BadCopy(problem="The copy has nothing in it yet: no sync has come to its end. Run: clearmark sync")
    return state.place


def sync(copy: Database, service: Service, *, now: Callable[[], datetime], trust_new_keys: bool = False) -> Synced:
    """Bring a copy to the head of the service's log, or leave it as it was.

    Args:
        trust_new_keys: believe the keys that the service shows now, as at the first time.
    Raises:
        BadToken, BadPage: a page cannot be believed.
    """
    try:
        with copy.transaction() as session:
            return _sync(session, service, now=now, trust_new_keys=trust_new_keys)
    except sa.exc.IntegrityError as error:
        raise BadPage(problem=f"The feed tells of things that do not fit together: {error.orig}.") from None


def _sync(session: Session, service: Service, *, now: Callable[[], datetime], trust_new_keys: bool) -> Synced:
    # A thing may come before what it refers to, when that changed later; at the end both are there.
    session.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
    state = _state(session)
    place = state.place if state else Place()
    keys = service.signing_keys() if state is None or trust_new_keys else state.keys
    items, is_last = 0, False
    while not is_last:
        page = open_page(service.feed_page(place.sequence), keys=keys)
        place = place.after(page, at=now())
        _store(session, page.items)
        items, is_last = items + len(page.items), page.is_last
    session.execute(sa.delete(STATE))
    session.execute(sa.insert(STATE).values(id=1, keys=keys, **asdict(place)))
    return Synced(place=place, items=items)


@dataclass(frozen=True, slots=True)
class _State:
    keys: Mapping[str, Any]
    place: Place


def _state(session: Session) -> _State | None:
    row = session.execute(sa.select(STATE)).mappings().first()
    if row is None:
        return None
    return _State(row["keys"], Place(**{name: row[name] for name in Place.__slots__}))


# -- storing -------------------------------------------------------------------------------------


def _store(session: Session, facts: Iterable[Fact]) -> None:
    told: dict[Kind, list[Any]] = {}
    for fact in facts:
        told.setdefault(fact.kind, []).append(fact)
    for kind, some in told.items():
        match kind:
            case Kind.HOLDER:  # a name must be there, and one only; nobody is told it
                _put(session, Holder, [_values(fact) | {"name": fact.id, "name_key": fact.id} for fact in some])
            case Kind.WORK:
                _put(session, Work, [_values(fact) for fact in some])
                _list_codes(session, some)
            case Kind.ASSET:
                _put(session, Asset, [_values(fact) | {"status": AssetStatus.INDEXED.value} for fact in some])
            case Kind.RESERVATION:
                _put(session, Reservation, [_values(fact) | {"location_host": _host(fact)} for fact in some])
            case Kind.CONFLICT:
                _put(session, Conflict, [_values(fact) for fact in some])
            case Kind.DOMAIN:
                _put(session, Domain, [_values(fact) for fact in some])


def _values(fact: Fact) -> dict[str, Any]:
    """What stands in columns of the same names; codes have a table of their own."""
    return {name: getattr(fact, name) for name in fact.__slots__ if name not in ("kind", "iscc")}


def _host(said: ReservationFact) -> str | None:
    return host_of(said.location) or None if said.location else None


def _list_codes(session: Session, facts: Sequence[WorkFact]) -> None:
    listed = Base.metadata.tables[WorkIdentifier.__tablename__]
    connection = session.connection()
    gone = sa.delete(listed).where(listed.c.work_id == sa.bindparam("told_id"))
    connection.execute(gone, [{"told_id": fact.id} for fact in facts])
    codes = [{"work_id": fact.id, "scheme": "iscc", "value": fact.iscc} for fact in facts if fact.iscc]
    if codes:
        connection.execute(sa.insert(listed), codes)


_BLANKS: Mapping[type[sa.types.TypeEngine[Any]], object] = {
    sa.String: "", sa.Boolean: False, sa.Integer: 0, sa.Float: 0.0, sa.JSON: {},
    UtcDateTime: datetime(1970, 1, 1, tzinfo=UTC),
}  # fmt: skip


def _put(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows or change them; what must be there and is not told is left blank."""
    table = Base.metadata.tables[model.__tablename__]
    told = rows[0].keys()
    blanks = {c.name: _blank(c.type) for c in table.columns if c.name not in told and not c.nullable}
    insert = sqlite.insert(table).values(
        {name: sa.literal(blank, table.c[name].type) for name, blank in blanks.items()}
    )
    changed = {name: insert.excluded[name] for name in told if name != "id"}
    put = insert.on_conflict_do_update(index_elements=["id"], set_=changed)
    session.connection().execute(put, rows)


def _blank(column_type: sa.types.TypeEngine[Any]) -> object:
    return next(blank for kind, blank in _BLANKS.items() if isinstance(column_type, kind))
