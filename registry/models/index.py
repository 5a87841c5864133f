"""Fingerprints, and what every index must do to agree with them."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base


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


class Rollout(Base):
    """An algorithm on its way to what was stored before it came; items up to `position` were looked at."""

    __tablename__ = "rollouts"
    algorithm: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    begun_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]
