"""The tables of the system of record.

Decides what is stored and what can never be (constraints). What may happen to a row is decided by
the services; what it means, by `registry.domain` and `takedown.domain`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from registry.domain.policy import Doubt

JsonObject = dict[str, Any]


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite itself would forget the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, _dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: Mapping[Any, Any] = {
        datetime: UtcDateTime,
        JsonObject: sa.JSON,
        list[str]: sa.JSON,
        list[JsonObject]: sa.JSON,
        str: sa.Text,
        bytes: sa.LargeBinary,
    }


def _id(column: str) -> Mapped[str]:
    return mapped_column(sa.ForeignKey(column), index=True)


class Holder(Base):
    """A person or organisation who registers works, asks for checks, or files notices."""

    __tablename__ = "holders"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    assurance: Mapped[str]
    created_at: Mapped[datetime]
    webhook_url: Mapped[str | None]
    webhook_secret: Mapped[str | None]
    review_matched_s: Mapped[float | None]
    block_matched_s: Mapped[float | None]


class ApiKey(Base):
    """A key is `prefix.secret`; the secret is shown once and stored hashed."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    holder: Mapped[Holder] = relationship(lazy="joined")


class Work(Base):
    """What is protected."""

    __tablename__ = "works"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    title: Mapped[str]
    kind: Mapped[str]
    identifiers: Mapped[JsonObject]
    creators: Mapped[list[str]]
    year: Mapped[int | None]
    policy: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    review_matched_s: Mapped[float | None]
    block_matched_s: Mapped[float | None]
    shows_frames: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    holder: Mapped[Holder] = relationship(lazy="joined")
    assets: Mapped[list["Asset"]] = relationship(back_populates="work", order_by="Asset.id")


class WorkIdentifier(Base):
    """A work's identifiers once more, each in a row, so that works are found by them."""

    __tablename__ = "work_identifiers"
    work_id: Mapped[str] = mapped_column(sa.ForeignKey("works.id"), primary_key=True)
    scheme: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
    __table_args__ = (sa.Index("ix_work_identifiers_scheme_value", "scheme", "value"),)


class AssetStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    INDEXED = "indexed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Asset(Base):
    """One media file of a work, or the fingerprint of one that never left its owner's machine."""

    __tablename__ = "assets"
    id: Mapped[str] = mapped_column(primary_key=True)
    work_id: Mapped[str] = _id("works.id")
    status: Mapped[str] = mapped_column(index=True)
    progress: Mapped[float] = mapped_column(default=0.0)
    reason: Mapped[str | None]
    problem: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(index=True)
    blob_key: Mapped[str | None]
    duration_s: Mapped[float | None]
    warnings: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    indexed_at: Mapped[datetime | None]
    work: Mapped[Work] = relationship(back_populates="assets", lazy="joined")


class Exclusion(Base):
    """A stretch [start_s, end_s] of an asset that does not count; of one modality, or of all."""

    __tablename__ = "exclusions"
    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = _id("assets.id")
    source: Mapped[str]
    negative_id: Mapped[str | None] = mapped_column(sa.ForeignKey("negatives.id"), index=True)
    modality: Mapped[str | None]
    start_s: Mapped[float]
    end_s: Mapped[float]
    reason: Mapped[str]
    declared_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Negative(Base):
    """Material that everybody may use: what matches it counts for nobody."""

    __tablename__ = "negatives"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    added_by: Mapped[str] = _id("holders.id")
    status: Mapped[str]
    reason: Mapped[str | None]
    problem: Mapped[str | None]
    sha256: Mapped[str | None]
    blob_key: Mapped[str | None]
    duration_s: Mapped[float | None]
    created_at: Mapped[datetime]
    indexed_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]


class Quarantine(Base):
    """An asset that suddenly matched very many checks of many askers; open until an operator decides."""

    __tablename__ = "quarantines"
    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = _id("assets.id")
    matched_checks: Mapped[int]
    askers: Mapped[int]
    opened_at: Mapped[datetime]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class Corpus(StrEnum):
    """What an item is kept for. Each but the last is searched, apart from the others: a release is not
    protected, and the negative bank speaks against a match."""

    WORKS = "works"
    RELEASES = "releases"
    NEGATIVES = "negatives"
    CHECKS = "checks"


class Item(Base):
    """One fingerprint; its number is what the indexes know it by. Numbers are never used again."""

    __tablename__ = "items"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    corpus: Mapped[str]
    subject_id: Mapped[str] = mapped_column(unique=True)
    duration_s: Mapped[float]
    descriptors: Mapped[list["StoredDescriptors"]] = relationship(cascade="all, delete-orphan")
    # A number that came back could bring a withdrawn work's vectors back in an old snapshot.
    __table_args__ = ({"sqlite_autoincrement": True},)


class StoredDescriptors(Base):
    """Descriptors as bytes: times as little-endian uint32 milliseconds, vectors row by row."""

    __tablename__ = "descriptors"
    item_number: Mapped[int] = mapped_column(sa.ForeignKey("items.number"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(primary_key=True)
    times_ms: Mapped[bytes]
    vectors: Mapped[bytes]


class IndexLogRow(Base):
    """Append-only: what every index must do to agree with the database."""

    __tablename__ = "index_log"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    operation: Mapped[str]
    corpus: Mapped[str]
    item_number: Mapped[int] = mapped_column(index=True)
    algorithm: Mapped[str]
    at: Mapped[datetime]


class Heads(Base):
    """One row: the ends of both logs. Taking it in a transaction is the lock that keeps them gapless."""

    __tablename__ = "heads"
    id: Mapped[int] = mapped_column(primary_key=True)
    index_sequence: Mapped[int]
    ledger_size: Mapped[int]


class Conflict(Base):
    """The same footage or sound claimed by two holders; open until a person decides."""

    __tablename__ = "conflicts"
    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = _id("assets.id")
    rival_asset_id: Mapped[str] = _id("assets.id")
    seconds: Mapped[float]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("asset_id", "rival_asset_id"),)


class Reservation(Base):
    """One declaration about one use. A change supersedes; nothing said is ever rewritten."""

    __tablename__ = "reservations"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    scope: Mapped[str]
    work_id: Mapped[str | None] = mapped_column(sa.ForeignKey("works.id"), index=True)
    asset_id: Mapped[str | None] = mapped_column(sa.ForeignKey("assets.id"), index=True)
    location: Mapped[str | None]
    location_host: Mapped[str | None] = mapped_column(index=True)
    use: Mapped[str]
    value: Mapped[str]
    territory: Mapped[str]
    terms_url: Mapped[str | None]
    contact: Mapped[str | None]
    declared_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]


class ImportStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


class Import(Base):
    """A catalogue file of a holder; `rows_done` says how far it is on record, so that it goes on there."""

    __tablename__ = "imports"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    format: Mapped[str]
    dry_run: Mapped[bool]
    status: Mapped[str]
    problem: Mapped[str | None]
    blob_key: Mapped[str | None]
    rows_done: Mapped[int] = mapped_column(default=0)
    registered: Mapped[int] = mapped_column(default=0)
    known: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class ImportRow(Base):
    """What became of one row of a file."""

    __tablename__ = "import_rows"
    import_id: Mapped[str] = mapped_column(sa.ForeignKey("imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str]
    title: Mapped[str]
    reference: Mapped[str | None]
    work_id: Mapped[str | None]
    field: Mapped[str | None]
    problem: Mapped[str | None]
    __table_args__ = (sa.Index("ix_import_rows_import_id_reference", "import_id", "reference"),)


class CheckStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"


class ExplanationStatus(StrEnum):
    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"
    FORGOTTEN = "forgotten"


class Check(Base):
    """One pre-publish question, with its verdict and evidence."""

    __tablename__ = "checks"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    status: Mapped[str] = mapped_column(index=True)
    progress: Mapped[float] = mapped_column(default=0.0)
    sha256: Mapped[str | None]
    blob_key: Mapped[str | None]
    media_type: Mapped[str | None]
    duration_s: Mapped[float | None]
    context: Mapped[JsonObject]
    verdict: Mapped[str | None]
    reasons: Mapped[list[JsonObject]] = mapped_column(default=list)
    engine: Mapped[JsonObject] = mapped_column(default=dict)
    index_sequence: Mapped[int | None]
    timings_ms: Mapped[JsonObject] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    explanation: Mapped[str | None]
    explanation_key: Mapped[str | None]
    matches: Mapped[list["Match"]] = relationship(cascade="all, delete-orphan", order_by="Match.position")


class Match(Base):
    """One segment of a check that copies one asset; intervals are [start, end), seconds.

    `no_weight` says why it does not count at all, `doubts` why it may not lead to a block.
    """

    __tablename__ = "matches"
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    work_id: Mapped[str] = _id("works.id")
    asset_id: Mapped[str] = _id("assets.id")
    title: Mapped[str]
    modality: Mapped[str]
    algorithm: Mapped[str]
    query_start_s: Mapped[float]
    query_end_s: Mapped[float]
    reference_start_s: Mapped[float]
    reference_end_s: Mapped[float]
    score: Mapped[float]
    policy: Mapped[str]
    own: Mapped[bool]
    doubts: Mapped[list[str]] = mapped_column(default=list)
    no_weight: Mapped[str | None]
    __table_args__ = (sa.Index("ix_matches_asset_id_check_id", "asset_id", "check_id"),)

    @property
    def confirmed(self) -> bool:
        return Doubt.UNCONFIRMED not in self.doubts


class ReleaseState(StrEnum):
    SIGNED = "signed"
    DISABLED = "disabled"


class Release(Base):
    """A checked output, signed; its manifest and fingerprint are kept so that it can be found again."""

    __tablename__ = "releases"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), unique=True)
    state: Mapped[str]
    title: Mapped[str]
    media_type: Mapped[str]
    source_sha256: Mapped[str]
    sha256: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int]
    blob_key: Mapped[str]
    manifest_id: Mapped[str]
    manifest: Mapped[JsonObject]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class Verification(Base):
    """What was said of a file that somebody asked about; the file itself is not kept."""

    __tablename__ = "verifications"
    id: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str]
    answer: Mapped[JsonObject]
    created_at: Mapped[datetime]


class Notice(Base):
    """A takedown claim; `state` follows `takedown.domain.states` and `events` is its history."""

    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    track: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    release_id: Mapped[str | None] = mapped_column(sa.ForeignKey("releases.id"), index=True)
    content: Mapped[JsonObject]
    counter: Mapped[JsonObject | None]
    created_at: Mapped[datetime]
    events: Mapped[list["NoticeEvent"]] = relationship(cascade="all, delete-orphan", order_by="NoticeEvent.position")


class NoticeEvent(Base):
    """One step of a notice. Append-only."""

    __tablename__ = "notice_events"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime]


class LedgerEntry(Base):
    """One leaf of the log. `data` is the exact text that was hashed; `salt` hides what it commits to."""

    __tablename__ = "ledger_entries"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject_id: Mapped[str] = mapped_column(index=True)
    data: Mapped[str]
    leaf_hash: Mapped[bytes]
    salt: Mapped[bytes]


class LedgerNode(Base):
    """The hash of one complete subtree; see `registry.domain.merkle`."""

    __tablename__ = "ledger_nodes"
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hash: Mapped[bytes]


class LedgerCheckpoint(Base):
    """A signed tree head, as it was handed out."""

    __tablename__ = "ledger_checkpoints"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str]
    signed_at: Mapped[datetime]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Base):
    """Work accepted but not done. The row is the truth; a broker's message is only a hint to look at it."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime]
    hint_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (sa.Index("ix_jobs_due", "state", "hint_at"),)


class OutboxMessage(Base):
    """What must be sent to somebody, written in the transaction that gave rise to it."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = _id("holders.id")
    event: Mapped[str]
    payload: Mapped[JsonObject]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class IdempotencyKey(Base):
    """A request that was carried out once and is answered again instead of being carried out again."""

    __tablename__ = "idempotency_keys"
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"), primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime]
