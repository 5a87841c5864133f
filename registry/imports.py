"""Imports: a holder's catalogue put on record from a file, some rows at a time, and what became of each row.

A row stands for itself: what is wrong with it is told with its number, and the others go on record. Whatever
stops an import, it goes on after the last row that was stored. A row whose `work_id` is one of the holder's, or whose
`reference` they already have a work for, changes nothing, so that a corrected file can be sent again whole; the id of
another's work says nothing. A dry run does the same and takes it all back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import catalogue, reservations, standing, works
from registry.access import READS, Actor, Scope
from registry.catalogue import REFERENCE, CatalogueFormat, Entry, Row, WrittenFormat
from registry.domain.credits import AlternativeTitle, Contributor, Share
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Policy
from registry.domain.preferences import Scope as Reach
from registry.errors import Invalid, NotFound
from registry.formats.statements import Remark, Statement, named
from registry.jobs import JobKind, enqueue
from registry.models import Import, ImportRow, ImportStatus, Reservation, Work, WorkIdentifier
from registry.reservations import NewReservation
from registry.works import NewWork, WorkKind


class Outcome(StrEnum):
    """What became of a row; in a dry run, what would."""

    REGISTERED = "registered"
    KNOWN = "known"
    REFUSED = "refused"
    SKIPPED = "skipped"


def accept(
    session: Session, actor: Actor, format: CatalogueFormat, *, blob_key: str, dry_run: bool, at: datetime
) -> tuple[Import, str]:
    """Take a file in; a job puts it on record. Returns the import and the job's id."""
    actor.require(Scope.WORKS_WRITE)
    row = Import(
        id=new_id(Prefix.IMPORT, at=at),
        holder_id=actor.holder_id,
        format=format.value,
        dry_run=dry_run,
        status=ImportStatus.QUEUED.value,
        blob_key=blob_key,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row, enqueue(session, JobKind.IMPORT, row.id, at=at).id


def own(session: Session, actor: Actor, import_id: str) -> Import:
    """An import of the actor's. Raises: NotFound."""
    actor.require(*READS[Prefix.IMPORT])
    row = session.get(Import, import_id)
    if row is None or row.holder_id != actor.holder_id:
        raise NotFound(kind="import", id=import_id)
    return row


def recent(session: Session, actor: Actor, *, before: str | None = None, limit: int = 50) -> list[Import]:
    """The actor's imports, newest first; only those before one, by its id."""
    actor.require(Scope.WORKS_WRITE)
    query = sa.select(Import).where(Import.holder_id == actor.holder_id)
    if before is not None:
        query = query.where(Import.id < before)
    return list(session.scalars(query.order_by(Import.id.desc()).limit(limit)))


def store(session: Session, task: Import, rows: Sequence[Row], *, at: datetime) -> None:
    """Put some rows on record, the next ones of the file, and say what became of each."""
    owner = Actor(holder_id=task.holder_id, scopes=frozenset({Scope.WORKS_WRITE}))
    task.status = ImportStatus.PROCESSING.value
    for row in rows:
        told = ImportRow(import_id=task.id, number=row.number, title=row.title, outcome=Outcome.REFUSED.value)
        told.note = row.note
        told.reference = row.entry.reference if row.entry else None
        problem = row.problem
        if row.entry is not None:
            try:
                told.work_id, outcome = _put(session, task, owner, row.entry, at=at)
                told.outcome = outcome.value
            except Invalid as invalid:
                problem = invalid
        elif problem is None:
            told.outcome = Outcome.SKIPPED.value
        if problem is not None:
            told.field, told.problem = problem.field, problem.problem
        session.add(told)
        session.flush()
        task.rows_done += 1
        task.registered += told.outcome == Outcome.REGISTERED
        task.known += told.outcome == Outcome.KNOWN
        task.refused += told.outcome == Outcome.REFUSED


def finish(task: Import, *, at: datetime, problem: str | None = None) -> str | None:
    """End an import; with a problem, of the whole file. Returns the blob, which nobody needs any more."""
    freed, task.blob_key = task.blob_key, None
    task.status = (ImportStatus.FAILED if problem else ImportStatus.DONE).value
    task.problem, task.finished_at = problem, at
    return freed


def _put(session: Session, task: Import, owner: Actor, entry: Entry, *, at: datetime) -> tuple[str | None, Outcome]:
    """One entry, all of it or nothing. Raises: Invalid."""
    known = _exported(session, task, entry.work_id) if entry.work_id is not None else None
    if known is None and entry.reference is not None:
        known = _known(session, task, entry.reference)
    if known is not None:
        return known, Outcome.KNOWN
    attempt = session.begin_nested()
    try:
        work = works.register(session, owner, entry.work, at=at)
        for said in entry.reservations:
            about = NewReservation(
                use=said.use, value=said.value, work_id=work.id, territory=said.territory, terms_url=said.terms_url,
                contact=said.contact, valid_from=said.valid_from, valid_until=said.valid_until,
            )  # fmt: skip
            reservations.declare(session, owner, about, at=at)
    except Invalid:
        attempt.rollback()
        raise
    if task.dry_run:
        attempt.rollback()
        return None, Outcome.REGISTERED
    attempt.commit()
    return work.id, Outcome.REGISTERED


def _exported(session: Session, task: Import, work_id: str) -> str | None:
    """The work of that id, if it is the holder's and in force."""
    work = session.get(Work, work_id)
    return work_id if work and work.holder_id == task.holder_id and work.withdrawn_at is None else None


def _known(session: Session, task: Import, reference: str) -> str | None:
    """The holder's work of that reference.

    Raises:
        Invalid: another row of the same file has it.
    """
    same = sa.select(ImportRow.number).where(
        ImportRow.import_id == task.id, ImportRow.reference == reference, ImportRow.outcome != Outcome.REFUSED
    )
    row = session.scalar(same.limit(1))
    if row is not None:
        raise Invalid(field=REFERENCE, problem=f"Row {row} has the same reference.")
    having = WorkIdentifier.scheme == REFERENCE, WorkIdentifier.value == reference
    mine = Work.holder_id == task.holder_id, Work.withdrawn_at.is_(None)
    return session.scalar(sa.select(Work.id).join(WorkIdentifier).where(*having, *mine).limit(1))


def entries_of(session: Session, actor: Actor, *, at: datetime) -> Iterator[Entry]:
    """The actor's catalogue from now on, oldest first, as an import would take it.

    An entry is about a work alone. What is said of its files and of the whole catalogue is in none; so no permission is
    that it reaches.
    """
    actor.require(Scope.WORKS_WRITE)
    of_all = _of_catalogue(session, actor, at=at)
    mine = sa.select(Work).where(Work.holder_id == actor.holder_id, Work.withdrawn_at.is_(None)).order_by(Work.id)
    for some in session.scalars(mine, execution_options={"yield_per": 500}).partitions():
        said: dict[str, list[Reservation]] = {work.id: [] for work in some}
        about = Reservation.work_id.in_(said), *reservations.not_over(at)
        for row in session.scalars(sa.select(Reservation).where(*about)):
            said[row.work_id or ""].append(row)
        yield from (_entry(work, said[work.id], of_all, at=at) for work in some)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """How many works a file of one's catalogue has, and what it does not say: the first remarks of so many."""

    works: int
    count: int
    remarks: Sequence[Remark]


def left_out(session: Session, actor: Actor, format: WrittenFormat, *, most: int, at: datetime) -> LeftOut:
    """What a file of the actor's catalogue does not say, told one by one up to `most`."""
    actor.require(Scope.WORKS_WRITE)
    remarks = _unsaid_of_all(session, actor, at=at)
    entries, count = 0, len(remarks)
    for entry in entries_of(session, actor, at=at):
        found = catalogue.left_out(entry, format)
        entries, count = entries + 1, count + len(found)
        remarks += found[: max(0, most - len(remarks))]
    return LeftOut(works=entries, count=count, remarks=remarks[:most])


def _unsaid_of_all(session: Session, actor: Actor, *, at: datetime) -> list[Remark]:
    """What the actor says of the whole catalogue, and no entry says."""
    problem = "It is about your whole catalogue, and a row is about a work."
    said = _of_catalogue(session, actor, at=at)
    return [Remark(where=named(one), problem=problem) for one in said]


def _of_catalogue(session: Session, actor: Actor, *, at: datetime) -> list[Statement]:
    of_all = Reservation.holder_id == actor.holder_id, Reservation.scope == Reach.CATALOGUE
    rows = session.scalars(sa.select(Reservation).where(*of_all, *reservations.not_over(at)))
    return standing.statements_of(rows, at=at)


def _entry(work: Work, rows: Sequence[Reservation], of_all: Sequence[Statement], *, at: datetime) -> Entry:
    new = NewWork(
        title=work.title,
        kind=WorkKind(work.kind),
        identifiers=work.identifiers,
        creators=work.creators,
        contributors=tuple(Contributor.of(one) for one in work.contributors),
        shares=tuple(Share.of(one) for one in work.shares),
        alternative_titles=tuple(AlternativeTitle.of(one) for one in work.alternative_titles),
        year=work.year,
        policy=Policy(work.policy),
        confidential=work.confidential,
    )
    of_files, unsaid = standing.of_files((row for row in rows if row.scope == Reach.ASSET), at=at)
    said = standing.statements_of((row for row in rows if row.scope == Reach.WORK), at=at)
    kept, outdone = standing.unreached(said, [*of_files, *of_all])
    words = tuple(
        NewReservation(
            use=one.use, value=one.value, territory=one.territory, terms_url=one.terms_url, contact=one.contact,
            valid_from=one.valid_from, valid_until=one.valid_until,
        )
        for one in kept
    )  # fmt: skip
    return Entry(work=new, reservations=words, work_id=work.id, unsaid=(*unsaid, *outdone))
