"""The feed's log: whatever can change an answer about preferences is noted, by itself, where it is written.

Decides what is noted and what a page of the feed carries. Every session that `Database.transaction` opens notes what
it flushes, so that no service can forget to. A statement that changes many such rows at once is refused, since nobody
would know which; whoever writes to the tables themselves says so with `note`. What a page means to its reader is
decided in `registry.domain.feed`.

The log only says that something changed; a page tells the facts as they are when it is made. Of several rows about one
thing a reader needs the newest alone, and pages leave the others out.
"""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, aliased, sessionmaker

from registry.domain.feed import (
    MAX_ITEMS,
    MAX_PAYLOAD_BYTES,
    AssetFact,
    ConflictFact,
    DomainFact,
    Fact,
    HolderFact,
    Kind,
    Page,
    ReservationFact,
    WorkFact,
)
from registry.domain.policy import Assurance
from registry.domain.preferences import Scope, Use, Value
from registry.models import (
    Asset,
    AssetStatus,
    Conflict,
    Domain,
    FeedRow,
    Heads,
    Holder,
    Reservation,
    Work,
    WorkIdentifier,
)

_MARK_BYTES = 8
# The members of a fact with their ids and times, and the most that JSON makes of one character.
_FACT_BYTES, _CHAR_BYTES = 800, 6


# -- noting --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What of a table's rows is told, or decides what is; and which column names the thing that it is told of."""

    kind: Kind
    columns: frozenset[str]
    subject: str = "id"


_TOLD: Mapping[type, _Told] = {
    Holder: _Told(kind=Kind.HOLDER, columns=frozenset({"assurance"})),
    Work: _Told(kind=Kind.WORK, columns=frozenset({"holder_id", "withdrawn_at"})),
    WorkIdentifier: _Told(kind=Kind.WORK, columns=frozenset({"value"}), subject="work_id"),
    Asset: _Told(kind=Kind.ASSET, columns=frozenset({"work_id", "status", "sha256"})),
    Reservation: _Told(kind=Kind.RESERVATION, columns=frozenset(Reservation.__table__.columns.keys())),
    Conflict: _Told(kind=Kind.CONFLICT, columns=frozenset({"asset_id", "rival_asset_id", "opened_at", "closed_at"})),
    Domain: _Told(kind=Kind.DOMAIN, columns=frozenset({"name", "verified_at", "lapsed_at", "method"})),
}


def watch(sessions: sessionmaker[Session]) -> None:
    """Let the sessions that are made here note what they change."""
    event.listen(sessions, "after_flush", _note_flushed)
    event.listen(sessions, "do_orm_execute", _refuse_unnoted)


def note(session: Session, kind: Kind, subject_ids: Iterable[str]) -> None:
    """Put things on the log, for who changed them without the session's knowing: an import, a correction by hand."""
    _append(session, [(kind, subject_id) for subject_id in subject_ids])


def _note_flushed(session: Session, _context: UOWTransaction) -> None:
    touched: set[tuple[Kind, str]] = set()
    changed = (row for row in session.dirty if _is_changed(row))
    for row in itertools.chain(session.new, changed, session.deleted):
        if told := _TOLD.get(type(row)):
            touched.add((told.kind, getattr(row, told.subject)))
    for row in session.deleted:
        if type(row) in _TOLD and not isinstance(row, WorkIdentifier):
            raise TypeError(f"{type(row).__name__} {row.id} is deleted, and copies would keep it: end it instead")
    order = list(Kind)
    _append(session, sorted(touched, key=lambda pair: (order.index(pair[0]), pair[1])))


def _is_changed(row: object) -> bool:
    told = _TOLD.get(type(row))
    return told is not None and any(sa.inspect(row).attrs[name].history.has_changes() for name in told.columns)


def _refuse_unnoted(state: ORMExecuteState) -> None:
    writes = state.is_insert or state.is_update or state.is_delete
    if writes and state.bind_mapper is not None and state.bind_mapper.class_ in _TOLD:
        name = state.bind_mapper.class_.__name__
        raise TypeError(f"copies would not hear of it: change each {name} through the session, or see registry.feed")


def _append(session: Session, changed: Sequence[tuple[Kind, str]]) -> None:
    """Rows at the end of the log. As everywhere, the one row of `heads` is what keeps it without gaps (ADR 0006)."""
    if not changed:
        return
    connection, mark = session.connection(), secrets.token_hex(_MARK_BYTES)
    longer = sa.update(Heads).where(Heads.id == 1).values(feed_sequence=Heads.feed_sequence + len(changed))
    head = connection.execute(longer.returning(Heads.feed_sequence)).scalar_one()
    rows = [
        {"sequence": sequence, "kind": kind.value, "subject_id": subject_id, "mark": mark}
        for sequence, (kind, subject_id) in enumerate(changed, start=head - len(changed) + 1)
    ]
    connection.execute(sa.insert(FeedRow), rows)


# -- telling -------------------------------------------------------------------------------------


def page(session: Session, *, issuer: str, since: int, limit: int, at: datetime) -> Page:
    """The facts of what changed after row `since`, oldest first: at most `limit`, and no more than a page holds."""
    head = session.scalars(sa.select(Heads.feed_sequence)).one()
    rows = _newest(session, since, min(limit, MAX_ITEMS))
    facts = _facts(session, rows)
    items: list[Fact] = []
    end, is_whole, room_bytes = since, len(rows) < limit, MAX_PAYLOAD_BYTES
    for row in rows:
        fact = facts.get(row.subject_id)
        if fact is not None:  # else there is nothing to tell: of a domain that is only claimed, or by hand deleted
            room_bytes -= _most_bytes(fact)
            if room_bytes < 0 and items:
                is_whole = False
                break
            items.append(fact)
        end = row.sequence
    if is_whole:
        end = max(head, since)
    marks = _marks(session, since, end)
    return Page(
        iss=issuer,
        since=since,
        since_mark=marks.get(since),
        next=end,
        next_mark=marks.get(end),
        head=head,
        as_of=at,
        items=items,
    )


type _Row = sa.Row[int, str, str]  # sequence, kind, subject_id


def _newest(session: Session, since: int, limit: int) -> Sequence[_Row]:
    later = aliased(FeedRow)
    again = sa.exists().where(later.subject_id == FeedRow.subject_id, later.sequence > FeedRow.sequence)
    query = sa.select(FeedRow.sequence, FeedRow.kind, FeedRow.subject_id).where(FeedRow.sequence > since, ~again)
    return session.execute(query.order_by(FeedRow.sequence).limit(limit)).all()


def _marks(session: Session, *sequences: int) -> dict[int, str]:
    rows = session.execute(sa.select(FeedRow.sequence, FeedRow.mark).where(FeedRow.sequence.in_(sequences)))
    return {row.sequence: row.mark for row in rows}


def _most_bytes(fact: Fact) -> int:
    texts = (fact.location, fact.terms_url, fact.contact) if isinstance(fact, ReservationFact) else ()
    return _FACT_BYTES + _CHAR_BYTES * sum(len(text) for text in texts if text)


def _facts(session: Session, rows: Iterable[_Row]) -> dict[str, Fact]:
    wanted: dict[Kind, list[str]] = {kind: [] for kind in Kind}
    for row in rows:
        wanted[Kind(row.kind)].append(row.subject_id)
    told = itertools.chain(
        _holders(session, wanted[Kind.HOLDER]),
        _works(session, wanted[Kind.WORK]),
        _assets(session, wanted[Kind.ASSET]),
        _reservations(session, wanted[Kind.RESERVATION]),
        _conflicts(session, wanted[Kind.CONFLICT]),
        _domains(session, wanted[Kind.DOMAIN]),
    )
    return {fact.id: fact for fact in told}


def _holders(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    for id_, assurance in session.execute(sa.select(Holder.id, Holder.assurance).where(Holder.id.in_(ids))):
        yield HolderFact(id=id_, assurance=Assurance(assurance))


def _works(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    coded = sa.and_(WorkIdentifier.work_id == Work.id, WorkIdentifier.scheme == "iscc")
    columns = sa.select(Work.id, Work.holder_id, Work.withdrawn_at, WorkIdentifier.value)
    for id_, holder_id, withdrawn_at, iscc in session.execute(
        columns.outerjoin(WorkIdentifier, coded).where(Work.id.in_(ids))
    ):
        yield WorkFact(id=id_, holder_id=holder_id, withdrawn_at=withdrawn_at, iscc=None if withdrawn_at else iscc)


def _assets(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    columns = sa.select(Asset.id, Asset.work_id, Asset.status, Asset.sha256)
    for id_, work_id, status, sha256 in session.execute(columns.where(Asset.id.in_(ids))):
        yield AssetFact(id=id_, work_id=work_id, sha256=sha256 if status == AssetStatus.INDEXED else None)


def _reservations(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    names = [field.name for field in fields(ReservationFact) if field.name != "kind"]
    columns = sa.select(*(getattr(Reservation, name) for name in names))
    for row in session.execute(columns.where(Reservation.id.in_(ids))).mappings():
        meant = {"scope": Scope(row["scope"]), "use": Use(row["use"]), "value": Value(row["value"])}
        yield ReservationFact(**{**row, **meant})


def _conflicts(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    columns = sa.select(Conflict.id, Conflict.asset_id, Conflict.rival_asset_id, Conflict.opened_at, Conflict.closed_at)
    for row in session.execute(columns.where(Conflict.id.in_(ids))).mappings():
        yield ConflictFact(**row)


def _domains(session: Session, ids: Sequence[str]) -> Iterator[Fact]:
    """Those that were shown, once: what somebody says is theirs, and did not show, is their own business."""
    told = Domain.id, Domain.holder_id, Domain.name, Domain.method, Domain.verified_at, Domain.lapsed_at
    shown = sa.select(*told).where(Domain.id.in_(ids), Domain.verified_at.is_not(None))
    for row in session.execute(shown).mappings():
        yield DomainFact(**row)
