"""The ledger as people look at it: its entries newest first, who else vouches for it, and whether a receipt holds.

Everything here is public: an entry says what happened to which record and when, and only commits to what that said.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from cryptography.x509 import Certificate
from sqlalchemy.orm import Session

from registry import ledger_keys
from registry.domain import receipt
from registry.domain.handover import open_handover
from registry.domain.receipt import BadReceipt, Proved
from registry.ledger import LedgerIdentity
from registry.models import LedgerCosignature, LedgerEntry, LedgerTimestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry taken apart; `data` is its exact text."""

    number: int
    at: datetime
    kind: str
    subject: str
    commitment: str
    leaf_hash: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouchers:
    """What outsiders said last: a time-stamp authority, and each witness."""

    stamp: LedgerTimestamp | None
    cosigned: Sequence[LedgerCosignature]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What came of looking at a receipt.

    Attributes:
        proved: what it proves; None where it proves nothing, and `problem` says why.
        is_ours: a key of this service's log signed it, or one that leads to or from such a key.
        is_stamp_verified: who time-stamped it is one whom this service knows.
    """

    proved: Proved | None = None
    problem: str | None = None
    is_ours: bool = False
    is_stamp_verified: bool = False


def newest(session: Session, *, before: int | None = None, limit: int) -> list[Entry]:
    """Entries, the newest first; with `before`, those below that number."""
    query = sa.select(LedgerEntry).order_by(LedgerEntry.number.desc()).limit(limit)
    return _read(session, query if before is None else query.where(LedgerEntry.number < before))


def numbered(session: Session, number: int) -> list[Entry]:
    """The entry of that number, if there is one."""
    return _read(session, sa.select(LedgerEntry).where(LedgerEntry.number == number))


def about(session: Session, subject_id: str, *, before: int | None = None, limit: int) -> list[Entry]:
    """What happened to a record, the newest first."""
    query = sa.select(LedgerEntry).where(LedgerEntry.subject_id == subject_id).order_by(LedgerEntry.number.desc())
    return _read(session, (query if before is None else query.where(LedgerEntry.number < before)).limit(limit))


def _read(session: Session, query: sa.Select[LedgerEntry]) -> list[Entry]:
    return [
        Entry(
            number=row.number, at=datetime.fromisoformat(said["at"]), kind=said["kind"], subject=said["subject"],
            commitment=said["commitment"], leaf_hash=row.leaf_hash.hex(), data=row.data,
        )
        for row in session.scalars(query)
        for said in [json.loads(row.data)]
    ]  # fmt: skip


def vouchers(session: Session) -> Vouchers:
    """Who vouches for the log beside its own key, and up to where."""
    stamp = session.scalar(sa.select(LedgerTimestamp).order_by(LedgerTimestamp.size.desc()).limit(1))
    said = LedgerCosignature
    last = sa.select(said.witness_key, sa.func.max(said.size).label("size")).group_by(said.witness_key).subquery()
    query = sa.select(said).join(last, sa.and_(said.witness_key == last.c.witness_key, said.size == last.c.size))
    return Vouchers(stamp=stamp, cosigned=list(session.scalars(query.order_by(said.witness_key))))


def check(session: Session, file: bytes, identity: LedgerIdentity, *, tsa_roots: Sequence[Certificate]) -> Checked:
    """Whether a receipt holds, and whether it is of this log."""
    try:
        proved = receipt.prove(file)
    except BadReceipt as bad:
        return Checked(problem=bad.problem)
    handovers = [open_handover(key.handover) for key in ledger_keys.history(session) if key.handover]
    return Checked(
        proved=proved,
        is_ours=_holds(file, verifier_key=identity.verifier_key, handovers=handovers),
        is_stamp_verified=bool(tsa_roots) and _holds(file, tsa_roots=tsa_roots),
    )


def _holds(file: bytes, **asked: object) -> bool:
    try:
        receipt.prove(file, **asked)  # type: ignore[arg-type]
    except BadReceipt:
        return False
    return True
