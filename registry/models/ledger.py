"""The log, its tree and its signed heads."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base


class Heads(Base):
    """One row: the ends of the logs. Taking it in a transaction is the lock that keeps them gapless."""

    __tablename__ = "heads"
    id: Mapped[int] = mapped_column(primary_key=True)
    index_sequence: Mapped[int]
    ledger_size: Mapped[int]
    feed_sequence: Mapped[int] = mapped_column(server_default="0")


class LedgerEntry(Base):
    """One leaf of the log. `data` is the exact text that was hashed; `salt` hides what it commits to.

    An empty salt is one that was destroyed: what the entry commits to is forgotten.
    """

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
    """A tree head, signed by the log's own keys; it gains signatures, but its text never changes."""

    __tablename__ = "ledger_checkpoints"
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str]
    signed_at: Mapped[datetime]


class LedgerTimestamp(Base):
    """An authority's word that a checkpoint existed at `at`.

    `note` is what was stamped: the checkpoint with the signature of `verifier_key` alone, which also made `signature`.
    """

    __tablename__ = "ledger_timestamps"
    size: Mapped[int] = mapped_column(sa.ForeignKey("ledger_checkpoints.size"), primary_key=True, autoincrement=False)
    note: Mapped[str]
    verifier_key: Mapped[str]
    reply: Mapped[bytes]
    signature: Mapped[bytes]
    authority: Mapped[str]
    at: Mapped[datetime]


class LedgerCosignature(Base):
    """A witness's signature on a checkpoint, as the line of its note has it."""

    __tablename__ = "ledger_cosignatures"
    witness_key: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(
        sa.ForeignKey("ledger_checkpoints.size"), primary_key=True, autoincrement=False, index=True
    )
    line: Mapped[str]
    at: Mapped[datetime]


class LedgerKey(Base):
    """A key that signs checkpoints, or did, and the handover by which the one before introduced it."""

    __tablename__ = "ledger_keys"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    verifier_key: Mapped[str] = mapped_column(unique=True)
    handover: Mapped[str | None]
    introduced_at: Mapped[datetime]
