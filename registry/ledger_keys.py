"""The keys of the log: which signed since when, as their handovers say.

Decides by which keys a checkpoint of the past may be signed. When a key is introduced, and the entry about it, is the
ledger's business; where private keys are kept, the process edge's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain.checkpoint import BadCheckpoint, bears_signature
from registry.domain.handover import Handover, open_handover
from registry.models import LedgerKey

# How long an old key signs beside the new one, so that witnesses, who know a log by its key, can be told.
OVERLAP: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A key signs checkpoints of at least `first_size` entries, first at `since`."""

    verifier_key: str
    first_size: int
    since: datetime


def history(session: Session) -> list[LedgerKey]:
    """All keys, oldest first."""
    return list(session.scalars(sa.select(LedgerKey).order_by(LedgerKey.number)))


def first_size(key: LedgerKey) -> int:
    """The size of the first checkpoint that the key signs: the one with the entry about it."""
    return open_handover(key.handover).size + 1 if key.handover else 0


def handovers_to(keys: Sequence[LedgerKey], verifier_key: str) -> tuple[str, ...]:
    """The notes that lead from the first key to this one."""
    numbers = {key.verifier_key: key.number for key in keys}
    last = numbers.get(verifier_key, 0)
    return tuple(key.handover for key in keys if key.handover and key.number <= last)


def newest_signer(note: str, names: Iterable[str]) -> str | None:
    """The last of these verifier keys, oldest first, by which a note of ours is signed."""
    signed = [name for name in names if bears_signature(note, verifier_key=name)]
    return signed[-1] if signed else None


def signers_of(reigns: Sequence[Reign], size: int, *, at: datetime) -> list[str]:
    """Who may have signed a checkpoint of that size at that time: the key of its time, or one that it relieved."""
    begun = [reign for reign in reigns if reign.first_size <= size]
    relieved = [old.verifier_key for old, new in pairwise(begun) if at < new.since + OVERLAP]
    return [reign.verifier_key for reign in begun[-1:]] + relieved[::-1]


def check_chain(keys: Sequence[LedgerKey], verifier_key: str) -> Iterator[str]:
    """One sentence for everything that is wrong with the keys on record, of which `verifier_key` is known."""
    if keys and verifier_key not in {key.verifier_key for key in keys}:
        yield f"the key {verifier_key} is not among those on record"
    for before, key in pairwise(keys):
        try:
            found: Handover | None = open_handover(key.handover or "")
        except BadCheckpoint:
            found = None
        if found is None or (found.old, found.new) != (before.verifier_key, key.verifier_key):
            yield f"the key {key.verifier_key} is not introduced by the one before it"


def reigns_of(keys: Sequence[LedgerKey], verifier_key: str) -> list[Reign]:
    """When each key signs; a log without keys on record has had one for ever. The chain was checked."""
    if not keys:
        return [Reign(verifier_key=verifier_key, first_size=0, since=datetime.min.replace(tzinfo=UTC))]
    return [Reign(verifier_key=k.verifier_key, first_size=first_size(k), since=k.introduced_at) for k in keys]
