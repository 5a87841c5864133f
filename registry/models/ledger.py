"""The log, its tree and its signed heads."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base


class Heads(Base):
    """One row: the ends of both logs. Taking it in a transaction is the lock that keeps them gapless."""

    __tablename__ = "heads"
    id: Mapped[int] = mapped_column(primary_key=True)
    index_sequence: Mapped[int]
    ledger_size: Mapped[int]


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
