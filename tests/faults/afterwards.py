"""What holds of a service in this process whatever went wrong beneath it: what it promises after `kill -9` too.

Nothing that it acknowledged is lost, nothing happened twice, the ledger proves, its index holds what the database
says, and it finds nothing of itself that does not fit. What a test damaged on purpose must be found, and nothing else.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.fsck import examine
from api.service import Service
from fingerprinting.index.embedded import embedded_index
from registry.consistency import Code
from registry.index import IndexEngine
from registry.models import Asset, Check, IndexLogRow, LedgerEntry, Notice, Release, Reservation, Verification, Work

# Entries of the ledger that begin a record, or end it: each is there once for each.
_ONCE = frozenset({"work.registered", "reservation.declared", "verdict.given", "release.signed", "notice.submit"})
_ACKNOWLEDGED = (Work, Asset, Reservation, Check, Release, Verification, Notice)


def broken(service: Service, *, acknowledged: Collection[str] = (), leaves: Collection[Code] = ()) -> list[str]:
    """Promises that do not hold, each in a sentence.

    Args:
        acknowledged: ids that somebody was told.
        leaves: what the test damaged.
    """
    flaws = [flaw for flaw in examine(service, is_quick=False) if flaw.counts]
    found = [f"{flaw.code}: {flaw.subject}: {flaw.problem}" for flaw in flaws if flaw.code not in leaves]
    found += [f"{code} was done to it and is not found" for code in set(leaves) - {flaw.code for flaw in flaws}]
    with service.database.reading() as session:
        there = {id_ for model in _ACKNOWLEDGED for id_ in session.scalars(sa.select(model.id))}
        found += [f"{one} was acknowledged and is not there" for one in set(acknowledged) - there]
        found += written_twice(session) + _index_differs(session, service.index)
    return found


def written_twice(session: Session) -> list[str]:
    """What stands in the ledger or in the log of the index more often than it happened."""
    entries = [json.loads(data) for data in session.scalars(sa.select(LedgerEntry.data))]
    steps = Counter((entry["kind"], entry["subject"]) for entry in entries if entry["kind"] in _ONCE)
    log = sa.select(IndexLogRow.operation, IndexLogRow.item_number, IndexLogRow.algorithm)
    logged = Counter(tuple(row) for row in session.execute(log))
    found = [f"{n} entries {kind} of {subject}" for (kind, subject), n in steps.items() if n > 1]
    return found + [f"{n} rows {row} in the index log" for row, n in logged.items() if n > 1]


def grow_old(blobs: Path) -> None:
    """Make all files of a folder old enough to be swept where no row names them."""
    long_ago = time.time() - 7 * 3600
    for path in blobs.rglob("*"):
        with suppress(FileNotFoundError):  # a service that runs lets go of some meanwhile
            os.utime(path, (long_ago, long_ago))


def _index_differs(session: Session, index: IndexEngine) -> list[str]:
    """Against one that is made of the database now."""
    rebuilt = IndexEngine(make_index=embedded_index)
    for each in (index, rebuilt):
        each.catch_up(session, timeout_s=30)
    held, should = ((each.sequence, each.items, each.sizes) for each in (index, rebuilt))
    return [f"the index holds {held}, and the database says {should}"] if held != should else []
