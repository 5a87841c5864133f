"""What holders say, and the files it comes in."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base, foreign_id, partial_index


class Reservation(Base):
    """One declaration about one use. A change supersedes; nothing said is ever rewritten."""

    __tablename__ = "reservations"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    agent_id: Mapped[str | None] = mapped_column(sa.ForeignKey("holders.id"))
    scope: Mapped[str]
    work_id: Mapped[str | None] = mapped_column(sa.ForeignKey("works.id"), index=True)
    asset_id: Mapped[str | None] = mapped_column(sa.ForeignKey("assets.id"))
    location: Mapped[str | None]
    location_host: Mapped[str | None]
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
    # The few that are not about a work, each kind in an index that the million about works are not in.
    __table_args__ = (
        partial_index("ix_reservations_of_catalogues", "holder_id", where="scope = 'catalogue'"),
        partial_index("ix_reservations_asset_id", "asset_id", where="asset_id IS NOT NULL"),
        partial_index("ix_reservations_location_host", "location_host", where="location_host IS NOT NULL"),
    )


class ImportStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    DONE = "done"
    FAILED = "failed"


class Import(Base):
    """A catalogue file of a holder; `rows_done` says how far it is on record, so that it goes on there."""

    __tablename__ = "imports"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
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

    @property
    def skipped(self) -> int:
        """Rows that are no works of ours: neither taken nor wrong."""
        return self.rows_done - self.registered - self.known - self.refused


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
    note: Mapped[str | None]
    __table_args__ = (sa.Index("ix_import_rows_import_id_reference", "import_id", "reference"),)
