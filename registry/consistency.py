"""Consistency: whether what is on record fits together, from the tables alone.

Decides what of the tables cannot be, or must not stay so, and what each such flaw means. It reads one moment of the
database and changes nothing: what can be put right is in `registry.mending`. Files are looked at in
`registry.blob_consistency`, indexes in `registry.index_consistency`; what the ledger proves, in `registry.ledger`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import descriptors_from_bytes
from fingerprinting.model import Algorithm
from registry.domain.conflicts import State as ConflictState
from registry.domain.identifiers import Prefix
from registry.index import SEARCHED
from registry.jobs import UNFINISHED, JobKind
from registry.models import (
    Asset,
    AssetStatus,
    Check,
    CheckStatus,
    Conflict,
    Corpus,
    Domain,
    ExplanationStatus,
    FeedRow,
    Heads,
    IdempotencyKey,
    Import,
    ImportStatus,
    IndexLogRow,
    Item,
    Job,
    JobState,
    LookBack,
    Mail,
    MessageStatus,
    Negative,
    Notice,
    OutboxMessage,
    Release,
    ReleaseManifest,
    Reservation,
    StoredDescriptors,
    Verification,
    Work,
)


class Severity(StrEnum):
    """`error`: something is lost or answers would be wrong; `warning`: it is to be put right; `info`: it is no flaw."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Code(StrEnum):
    """What does not fit; programs read these, so they are never renamed."""

    DATABASE_DAMAGED = "database_damaged"
    REFERENCE_BROKEN = "reference_broken"
    HEAD_BEHIND = "head_behind"
    BLOB_MISSING = "blob_missing"
    BLOB_CHANGED = "blob_changed"
    BLOB_UNNAMED = "blob_unnamed"
    BLOB_FORGOTTEN = "blob_forgotten"
    MANIFEST_MISSING = "manifest_missing"
    ITEM_WITHOUT_SUBJECT = "item_without_subject"
    ITEM_MISSING = "item_missing"
    DESCRIPTORS_UNREADABLE = "descriptors_unreadable"
    INDEX_LOG_GAP = "index_log_gap"
    INDEX_LOG_LACKS = "index_log_lacks"
    INDEX_LOG_HAS_MORE = "index_log_has_more"
    SNAPSHOT_UNREADABLE = "snapshot_unreadable"
    SNAPSHOT_AHEAD = "snapshot_ahead"
    SNAPSHOT_DIFFERS = "snapshot_differs"
    ENGINE_AWAY = "engine_away"
    ENGINE_BEHIND = "engine_behind"
    ENGINE_DIFFERS = "engine_differs"
    LEDGER = "ledger"
    JOB_LOST = "job_lost"
    JOB_WITHOUT_SUBJECT = "job_without_subject"
    JOB_TWICE = "job_twice"
    JOB_FAILED = "job_failed"
    NOTICE_UNWATCHED = "notice_unwatched"
    IDEMPOTENCY_WITHOUT_RESOURCE = "idempotency_without_resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """How bad a flaw is, and what `--repair` does about it, or why it cannot; `is_mended` tells the two apart."""

    severity: Severity
    cure: str
    is_mended: bool = True


MEANINGS: Final[Mapping[Code, Meaning]] = {
    Code.DATABASE_DAMAGED: Meaning(
        severity=Severity.ERROR, is_mended=False, cure="Nothing here can put it right: restore a backup.",
    ),
    Code.REFERENCE_BROKEN: Meaning(
        severity=Severity.ERROR, is_mended=False,
        cure="What the row pointed to is gone and is not made up: restore a backup.",
    ),
    Code.HEAD_BEHIND: Meaning(
        severity=Severity.ERROR, cure="The head is set to the end of its log, so that the log can go on.",
    ),
    Code.BLOB_MISSING: Meaning(
        severity=Severity.ERROR,
        cure="The record is told that its file is lost; its fingerprint still counts. A release's file is made by"
        " nobody: put it back from a backup, or revoke the release.",
    ),
    Code.BLOB_CHANGED: Meaning(
        severity=Severity.ERROR,
        cure="The file is set aside in the folder lost+found, so that it is used no more; then as a lost one.",
    ),
    Code.BLOB_UNNAMED: Meaning(
        severity=Severity.INFO, is_mended=False, cure="Housekeeping deletes it.",
    ),
    Code.BLOB_FORGOTTEN: Meaning(
        severity=Severity.INFO, is_mended=False, cure="Housekeeping takes its name off the record.",
    ),
    Code.MANIFEST_MISSING: Meaning(
        severity=Severity.ERROR, is_mended=False,
        cure="Credentials cannot be recovered for this release. Its file still has them: restore a backup.",
    ),
    Code.ITEM_WITHOUT_SUBJECT: Meaning(
        severity=Severity.ERROR, cure="The fingerprint is taken out of the indexes and deleted.",
    ),
    Code.ITEM_MISSING: Meaning(
        severity=Severity.ERROR,
        cure="It is fingerprinted again where its file is kept. Else it has to be sent again.",
    ),
    Code.DESCRIPTORS_UNREADABLE: Meaning(
        severity=Severity.ERROR,
        cure="It is fingerprinted again where its file is kept. Else it has to be sent again.",
    ),
    Code.INDEX_LOG_GAP: Meaning(
        severity=Severity.WARNING, is_mended=False,
        cure="What the lost rows said is compared with the fingerprints, and named apart; the gap itself does no harm.",
    ),
    Code.INDEX_LOG_LACKS: Meaning(
        severity=Severity.ERROR, cure="It is put on the log again; every process adds it at its next look.",
    ),
    Code.INDEX_LOG_HAS_MORE: Meaning(
        severity=Severity.ERROR, cure="Its removal is put on the log; every process removes it at its next look.",
    ),
    Code.SNAPSHOT_UNREADABLE: Meaning(
        severity=Severity.WARNING, cure="It is deleted. The next start builds the index from the database.",
    ),
    Code.SNAPSHOT_AHEAD: Meaning(
        severity=Severity.WARNING, cure="It is deleted: it is of a time after the backup that was restored.",
    ),
    Code.SNAPSHOT_DIFFERS: Meaning(
        severity=Severity.ERROR,
        cure="It is deleted. Start every process again, which builds the index from the database.",
    ),
    Code.ENGINE_AWAY: Meaning(
        severity=Severity.WARNING, is_mended=False, cure="It was not looked at: run this again when it answers.",
    ),
    Code.ENGINE_BEHIND: Meaning(
        severity=Severity.INFO, is_mended=False,
        cure="Its rows were not counted. The next check brings it up, or makes it anew: run this again after one.",
    ),
    Code.ENGINE_DIFFERS: Meaning(
        severity=Severity.ERROR,
        cure="Its rows of this algorithm are written anew from the database; checks are `unknown` until that is done.",
    ),
    Code.LEDGER: Meaning(
        severity=Severity.ERROR, is_mended=False, cure="The ledger is never touched: restore a backup.",
    ),
    Code.JOB_LOST: Meaning(severity=Severity.ERROR, cure="It is queued again."),
    Code.JOB_WITHOUT_SUBJECT: Meaning(severity=Severity.WARNING, cure="It is ended: there is nothing to do it to."),
    Code.JOB_TWICE: Meaning(severity=Severity.WARNING, cure="The later ones are deleted."),
    Code.JOB_FAILED: Meaning(
        severity=Severity.INFO, is_mended=False,
        cure="It was tried as often as jobs are. Look at it on the page /operator/jobs.",
    ),
    Code.NOTICE_UNWATCHED: Meaning(severity=Severity.ERROR, cure="A job watches its dates again."),
    Code.IDEMPOTENCY_WITHOUT_RESOURCE: Meaning(
        severity=Severity.WARNING, cure="The key is forgotten, so that the request can be sent again.",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that does not fit.

    Attributes:
        subject: the id or key of what it is about.
        problem: what it means, in a sentence.
        details: what a repair needs to know beside the subject.
    """

    code: Code
    subject: str
    problem: str
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        return MEANINGS[self.code].severity

    @property
    def counts(self) -> bool:
        """Whether it is a finding: a record that is not clean."""
        return self.severity is not Severity.INFO


def flaws_of_tables(session: Session, *, is_quick: bool) -> Iterator[Flaw]:
    """All that the tables tell by themselves.

    Args:
        is_quick: leave out what reads every page of the database and every fingerprint.
    """
    yield from _database(session, is_quick=is_quick)
    yield from _heads(session)
    yield from _items(session)
    if not is_quick:
        yield from _descriptors(session)
    yield from _index_log(session)
    yield from _releases(session)
    yield from _jobs(session)
    yield from _idempotency(session)


# -- the database itself -------------------------------------------------------------------------


def _database(session: Session, *, is_quick: bool) -> Iterator[Flaw]:
    """SQLite says itself whether its file is whole and its references hold; PostgreSQL holds them always."""
    if session.get_bind().dialect.name != "sqlite":
        return
    pragma = "quick_check" if is_quick else "integrity_check"
    for (said,) in session.execute(sa.text(f"PRAGMA {pragma}")):
        if said != "ok":
            yield Flaw(code=Code.DATABASE_DAMAGED, subject="database", problem=f"The database is damaged: {said}.")
    for table, row, parent, _ in session.execute(sa.text("PRAGMA foreign_key_check")):
        problem = f"Row {row} of {table} points to a row of {parent} that is not there."
        yield Flaw(code=Code.REFERENCE_BROKEN, subject=f"{table}/{row}", problem=problem)


def _heads(session: Session) -> Iterator[Flaw]:
    """The next row of a log would be refused where its head is not at its end."""
    heads = session.scalars(sa.select(Heads)).one()
    for name, head, column in (
        ("index_sequence", heads.index_sequence, IndexLogRow.sequence),
        ("feed_sequence", heads.feed_sequence, FeedRow.sequence),
    ):
        end = session.scalar(sa.select(sa.func.max(column))) or 0
        if end > head:
            problem = f"The head {name} says {head}, and its log ends at {end}."
            yield Flaw(code=Code.HEAD_BEHIND, subject=name, problem=problem, details={"end": end})


# -- fingerprints and the log of the index -------------------------------------------------------

# Whose fingerprints are kept, and in which states.
_KEPT: Final = (
    (Corpus.WORKS, sa.select(Asset.id).where(Asset.status.in_((AssetStatus.PROCESSING, AssetStatus.INDEXED)))),
    (Corpus.RELEASES, sa.select(Release.id)),
    (Corpus.NEGATIVES, sa.select(Negative.id).where(Negative.removed_at.is_(None))),
    (Corpus.CHECKS, sa.select(Check.id).where(Check.status == CheckStatus.DONE)),
)


def _items(session: Session) -> Iterator[Flaw]:
    for corpus, kept in _KEPT:
        alone = sa.select(Item.number, Item.subject_id).where(Item.corpus == corpus, Item.subject_id.not_in(kept))
        for number, subject_id in session.execute(alone.order_by(Item.number)):
            problem = f"A fingerprint among the {corpus} is of something that is not there, or not in force."
            yield Flaw(code=Code.ITEM_WITHOUT_SUBJECT, subject=subject_id, problem=problem, details={"item": number})
    have = sa.select(Item.subject_id)
    for model in (Asset, Negative):
        lacking = sa.select(model.id).where(model.status == AssetStatus.INDEXED, model.id.not_in(have))
        for subject_id in session.scalars(lacking.order_by(model.id)):
            problem = "It counts as indexed and has no fingerprint: no copy of it is found."
            yield Flaw(code=Code.ITEM_MISSING, subject=subject_id, problem=problem)


def _descriptors(session: Session) -> Iterator[Flaw]:
    stored = StoredDescriptors
    query = sa.select(Item.subject_id, stored.algorithm, stored.times_ms, stored.vectors).join(
        Item, Item.number == stored.item_number
    )
    for subject_id, algorithm, times_ms, vectors in session.execute(query, execution_options={"yield_per": 200}):
        try:
            descriptors_from_bytes(Algorithm(algorithm), times_ms, vectors)
        except ValueError as error:
            problem = f"Its fingerprint by {algorithm} cannot be read: {error}."
            yield Flaw(code=Code.DESCRIPTORS_UNREADABLE, subject=subject_id, problem=problem)


def on_the_log(*, until: int | None = None) -> sa.Select[int, str, str]:
    """What the log of the index leaves in, as (item_number, algorithm, corpus), after all its rows or the first."""
    log = IndexLogRow
    last = sa.select(sa.func.max(log.sequence)).group_by(log.item_number, log.algorithm)
    if until is not None:
        last = last.where(log.sequence <= until)
    return sa.select(log.item_number, log.algorithm, log.corpus).where(log.sequence.in_(last), log.operation == "add")


def _index_log(session: Session) -> Iterator[Flaw]:
    log, earlier = IndexLogRow.__table__, IndexLogRow.__table__.alias()
    head = session.scalars(sa.select(Heads.index_sequence)).one()
    if (session.scalar(sa.select(sa.func.count()).select_from(log)) or 0) < head:
        before = sa.exists().where(earlier.c.sequence == log.c.sequence - 1)
        after_gap = sa.select(log.c.sequence).where(log.c.sequence > 1, ~before)
        places = session.scalars(after_gap.order_by(log.c.sequence)).all() or [head + 1]
        for sequence in places:
            problem = f"The rows before {sequence} are missing in the log of the index."
            yield Flaw(code=Code.INDEX_LOG_GAP, subject=f"index_log/{sequence}", problem=problem)
    stored = (
        sa.select(StoredDescriptors.item_number, StoredDescriptors.algorithm, Item.corpus)
        .join(Item, Item.number == StoredDescriptors.item_number)
        .where(Item.corpus.in_(SEARCHED))
    )
    for code, some, problem in (
        (Code.INDEX_LOG_LACKS, stored.except_(on_the_log()), "is kept, and the log does not put it in the index"),
        (Code.INDEX_LOG_HAS_MORE, on_the_log().except_(stored), "is gone, and the log leaves it in the index"),
    ):
        for number, algorithm, corpus in session.execute(some):
            details = {"item": number, "algorithm": algorithm, "corpus": corpus}
            said = f"The fingerprint by {algorithm} of item {number} ({corpus}) {problem}."
            yield Flaw(code=code, subject=f"item/{number}", problem=said, details=details)


def _releases(session: Session) -> Iterator[Flaw]:
    alone = sa.select(Release.id).where(Release.id.not_in(sa.select(ReleaseManifest.release_id)))
    for release_id in session.scalars(alone.order_by(Release.id)):
        problem = "The manifest that was signed into it is not kept: stripped copies cannot be given theirs back."
        yield Flaw(code=Code.MANIFEST_MISSING, subject=release_id, problem=problem)


# -- jobs ----------------------------------------------------------------------------------------

_IN_HAND: Final = (AssetStatus.QUEUED, AssetStatus.PROCESSING)
# Letters that a job has yet to send; one of which nobody knows whether it went out waits for a person instead.
_TO_SEND: Final = (
    Mail.sent_at.is_(None), Mail.bounced_at.is_(None),
    sa.or_(Mail.handed_over_at.is_(None), Mail.problem.is_(None)),
)  # fmt: skip
# What a job still has to do something about.
_WAITING: Final[tuple[tuple[JobKind, sa.Select[str]], ...]] = (
    (JobKind.FINGERPRINT, sa.select(Asset.id).where(Asset.status.in_(_IN_HAND))),
    (JobKind.CHECK, sa.select(Check.id).where(Check.status.in_((CheckStatus.QUEUED, CheckStatus.PROCESSING)))),
    (JobKind.NEGATIVE, sa.select(Negative.id).where(Negative.status.in_(_IN_HAND), Negative.removed_at.is_(None))),
    (JobKind.IMPORT, sa.select(Import.id).where(Import.status.in_((ImportStatus.QUEUED, ImportStatus.PROCESSING)))),
    (JobKind.EXPLAIN, sa.select(Check.id).where(Check.explanation == ExplanationStatus.WAITING)),
    (JobKind.LOOK_BACK, sa.select(LookBack.id).where(LookBack.finished_at.is_(None))),
    (JobKind.MAIL, sa.select(Mail.id).where(*_TO_SEND)),
    (JobKind.DELIVER, sa.select(OutboxMessage.id).where(OutboxMessage.status == MessageStatus.PENDING)),
    (JobKind.DOMAIN, sa.select(Domain.id).where(Domain.verified_at.is_not(None), Domain.lapsed_at.is_(None))),
)  # fmt: skip
# What each kind of job is done to. The log is stamped and cosigned as it is at the time: that has no row of its own.
_SUBJECTS: Final[Mapping[JobKind, Any]] = {
    JobKind.FINGERPRINT: Asset, JobKind.CHECK: Check, JobKind.NEGATIVE: Negative, JobKind.IMPORT: Import,
    JobKind.EXPLAIN: Check, JobKind.LOOK_BACK: LookBack, JobKind.MAIL: Mail, JobKind.DELIVER: OutboxMessage,
    JobKind.DOMAIN: Domain, JobKind.NOTICE_DEADLINE: Notice, JobKind.IDENTICAL_COPIES: Notice,
    JobKind.CONFLICT_DEADLINE: Conflict,
}  # fmt: skip
# Of which there is one at a time; others may be asked for anew while one is in hand.
_ONCE: Final = (JobKind.FINGERPRINT, JobKind.CHECK, JobKind.NEGATIVE, JobKind.IMPORT, JobKind.LOOK_BACK)


def _jobs(session: Session) -> Iterator[Flaw]:
    yield from _lost_jobs(session)
    for kind, model in _SUBJECTS.items():
        alone = sa.select(Job.id, Job.subject_id).where(
            Job.kind == kind.value, Job.state.in_(UNFINISHED), Job.subject_id.not_in(sa.select(model.id))
        )
        for job_id, subject_id in session.execute(alone.order_by(Job.id)):
            problem = f"A job ({kind}) waits for {subject_id}, which is not there."
            yield Flaw(code=Code.JOB_WITHOUT_SUBJECT, subject=job_id, problem=problem)
    twice = (
        sa.select(Job.kind, Job.subject_id, sa.func.count())
        .where(Job.kind.in_(_ONCE), Job.state.in_(UNFINISHED))
        .group_by(Job.kind, Job.subject_id)
        .having(sa.func.count() > 1)
    )
    for of, subject_id, count in session.execute(twice):
        problem = f"{count} jobs ({of}) wait to do the same thing."
        yield Flaw(code=Code.JOB_TWICE, subject=subject_id, problem=problem, details={"kind": of})
    failed = sa.select(Job.id, Job.kind, Job.subject_id).where(Job.state == JobState.FAILED)
    for job_id, of, subject_id in session.execute(failed.order_by(Job.id)):
        yield Flaw(code=Code.JOB_FAILED, subject=job_id, problem=f"A job ({of}) for {subject_id} failed for good.")


def _lost_jobs(session: Session) -> Iterator[Flaw]:
    for kind, waiting in _WAITING:
        in_work = sa.select(Job.subject_id).where(Job.kind == kind.value, Job.state.in_(UNFINISHED))
        subject = waiting.selected_columns[0]
        for subject_id in session.scalars(waiting.where(subject.not_in(in_work)).order_by(subject)):
            problem = f"It waits for a job ({kind}) that is not there: nothing would ever happen to it."
            yield Flaw(code=Code.JOB_LOST, subject=subject_id, problem=problem, details={"kind": kind.value})
    # The day for evidence of a conflict passes once; after that a person decides, and no job waits.
    told = sa.select(Job.subject_id).where(Job.kind == JobKind.CONFLICT_DEADLINE)
    unwatched = sa.select(Conflict.id).where(
        Conflict.state == ConflictState.OPEN, Conflict.evidence_until.is_not(None), Conflict.id.not_in(told)
    )
    for conflict_id in session.scalars(unwatched.order_by(Conflict.id)):
        problem = "No job watches the day until which both sides may bring evidence."
        details = {"kind": JobKind.CONFLICT_DEADLINE.value}
        yield Flaw(code=Code.JOB_LOST, subject=conflict_id, problem=problem, details=details)


# -- answers that are given again ----------------------------------------------------------------

_RESOURCES: Final[Mapping[Prefix, Any]] = {
    Prefix.WORK: Work, Prefix.ASSET: Asset, Prefix.RESERVATION: Reservation, Prefix.CHECK: Check,
    Prefix.RELEASE: Release, Prefix.NOTICE: Notice, Prefix.IMPORT: Import, Prefix.NEGATIVE: Negative,
    Prefix.VERIFICATION: Verification,
}  # fmt: skip


def _idempotency(session: Session) -> Iterator[Flaw]:
    for prefix, model in _RESOURCES.items():
        alone = sa.select(IdempotencyKey).where(
            IdempotencyKey.resource_id.like(f"{prefix}\\_%", escape="\\"),
            IdempotencyKey.resource_id.not_in(sa.select(model.id)),
        )
        for row in session.scalars(alone):
            problem = "A request is remembered to have made it, and it is not there: asked again, nothing is found."
            details = {"holder": row.holder_id, "operation": row.operation, "key": row.key}
            code = Code.IDEMPOTENCY_WITHOUT_RESOURCE
            yield Flaw(code=code, subject=row.resource_id, problem=problem, details=details)
