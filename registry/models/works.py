"""What is protected, and what of it does not count."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from registry.domain.searching import folded
from registry.models.base import Base, JsonObject, foreign_id
from registry.models.holders import Holder

# What others read in the place of a title that is confidential; a title in round brackets says that it is none.
WITHHELD: Final = "(withheld)"


class Work(Base):
    """What is protected. `search_text` has all its titles as they are looked for, and follows them.

    A `confidential` one is in no public list, and its title is told to nobody but its holder and reviewers.
    """

    __tablename__ = "works"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"))
    title: Mapped[str]
    kind: Mapped[str]
    identifiers: Mapped[JsonObject]
    creators: Mapped[list[str]]
    contributors: Mapped[list[JsonObject]] = mapped_column(default=list)
    shares: Mapped[list[JsonObject]] = mapped_column(default=list)
    alternative_titles: Mapped[list[JsonObject]] = mapped_column(default=list)
    year: Mapped[int | None]
    policy: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    review_matched_s: Mapped[float | None]
    block_matched_s: Mapped[float | None]
    shows_frames: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    confidential: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    search_text: Mapped[str] = mapped_column(default="", server_default=sa.text("''"))
    holder: Mapped[Holder] = relationship(lazy="joined")
    assets: Mapped[list["Asset"]] = relationship(back_populates="work", order_by="Asset.id")
    # A holder's newest are found without the others.
    __table_args__ = (sa.Index("ix_works_holder_id_id", "holder_id", "id"),)

    @validates("title", "alternative_titles")
    def _keep_search_text(self, attribute: str, said: Any) -> Any:
        title, others = (said, self.alternative_titles) if attribute == "title" else (self.title, said)
        self.search_text = folded(title or "", *(other["title"] for other in others or ()))
        return said

    def title_for(self, holder_id: str | None) -> str:
        """What a holder may call it; None: anybody."""
        return WITHHELD if self.confidential and holder_id != self.holder_id else self.title


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
    work_id: Mapped[str] = foreign_id("works.id")
    label: Mapped[str | None]
    language: Mapped[str | None]
    status: Mapped[str]
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
    asset_id: Mapped[str] = foreign_id("assets.id")
    source: Mapped[str]
    negative_id: Mapped[str | None] = mapped_column(sa.ForeignKey("negatives.id"), index=True)
    conflict_id: Mapped[str | None] = mapped_column(sa.ForeignKey("conflicts.id"), index=True)
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
    added_by: Mapped[str] = foreign_id("holders.id")
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
    asset_id: Mapped[str] = foreign_id("assets.id")
    matched_checks: Mapped[int]
    askers: Mapped[int]
    opened_at: Mapped[datetime]
    decision: Mapped[str | None]
    decision_reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class Conflict(Base):
    """The same footage or sound claimed by two holders; open while `closed_at` is empty.

    `rival_asset_id` came earlier. An appeal is a row of its own. Those of before the log answered for conflicts have
    no `evidence_until`.
    """

    __tablename__ = "conflicts"
    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = foreign_id("assets.id")
    rival_asset_id: Mapped[str] = foreign_id("assets.id")
    appeal_of: Mapped[str | None] = mapped_column(sa.ForeignKey("conflicts.id"), unique=True)
    state: Mapped[str] = mapped_column(default="open", server_default="open")
    seconds: Mapped[float]
    segments: Mapped[list[JsonObject]] = mapped_column(default=list)
    opened_at: Mapped[datetime]
    evidence_until: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    cause: Mapped[str | None]
    reason: Mapped[str | None]
    decided_by: Mapped[str | None]
    appeal_until: Mapped[datetime | None]
    asset: Mapped[Asset] = relationship(foreign_keys=[asset_id], lazy="joined")
    rival: Mapped[Asset] = relationship(foreign_keys=[rival_asset_id], lazy="joined")
    statements: Mapped[list["ConflictStatement"]] = relationship(order_by="ConflictStatement.id")


class ConflictStatement(Base):
    """What one side says, with where its evidence is. Append-only; the newest of a side is its position."""

    __tablename__ = "conflict_statements"
    id: Mapped[str] = mapped_column(primary_key=True)
    conflict_id: Mapped[str] = foreign_id("conflicts.id")
    holder_id: Mapped[str] = foreign_id("holders.id")
    position: Mapped[str]
    text: Mapped[str]
    links: Mapped[list[str]]
    at: Mapped[datetime]


class LookBack(Base):
    """An asset that came is looked for in what was checked before; `item_number` says how far."""

    __tablename__ = "look_backs"
    id: Mapped[str] = mapped_column(primary_key=True)
    asset_id: Mapped[str] = foreign_id("assets.id")
    item_number: Mapped[int] = mapped_column(default=0)
    looked_at: Mapped[int] = mapped_column(default=0)
    found: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
