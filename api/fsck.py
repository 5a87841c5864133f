"""The whole registry held against itself: tables, files, index and ledger; and what can be mended, mended.

Decides the order in which it is looked at, and what happens to files and snapshots; what a flaw is and what may be
done about it is decided in `registry`. It may run beside a service: it reads one moment of the database, and what it
changes it changes as a job would.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from api.service import Service
from fingerprinting.errors import BadSnapshot, EngineAway
from registry import ledger
from registry.admin_actions import Action, console, note
from registry.blob_consistency import flaws_of_blobs, is_named, unnamed_blobs
from registry.consistency import MEANINGS, Code, Flaw, flaws_of_tables
from registry.index_consistency import flaws_of_index, flaws_of_shared
from registry.mending import mend
from takedown import watch

# As housekeeping has it: younger files may belong to a request that is not over.
_UNNAMED_AGE: Final = timedelta(hours=6)
# For who writes to a shared index engine to come to an end.
_TURN_S: Final = 30.0
_LOST_AND_FOUND: Final = "lost+found"
_SNAPSHOT: Final = frozenset({Code.SNAPSHOT_UNREADABLE, Code.SNAPSHOT_AHEAD, Code.SNAPSHOT_DIFFERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found; after a repair, what was mended and what is left."""

    flaws: Sequence[Flaw]
    mended: Sequence[Flaw] = ()

    @property
    def is_clean(self) -> bool:
        return not any(flaw.counts for flaw in self.flaws)


def examine(service: Service, *, is_quick: bool) -> list[Flaw]:
    """Look at everything; changes nothing.

    Args:
        is_quick: sizes of files instead of their content, and neither every page of the database nor the ledger's
            proof.
    """

    def still_named(key: str) -> bool:
        with service.database.reading() as fresh:
            return is_named(fresh, key)

    with service.database.reading() as session:
        flaws = list(flaws_of_tables(session, is_quick=is_quick))
        flaws += _unwatched(session)
        flaws += flaws_of_blobs(session, service.blobs, still_named, at=service.now(), is_quick=is_quick)
        flaws += unnamed_blobs(session, service.blobs, still_named, older_than=service.now() - _UNNAMED_AGE)
        flaws += _snapshot(service, session)
        if service.index.shared is not None:
            flaws += flaws_of_shared(session, service.index.shared, until=time.monotonic() + _TURN_S)
        if not is_quick:
            proof = ledger.verify(session, verifier_key=service.ledger.verifier_key)
            flaws += (Flaw(code=Code.LEDGER, subject="ledger", problem=problem) for problem in proof)
    return flaws


def repair(service: Service, *, is_quick: bool) -> Report:
    """Mend what can be, put on record what was, and look again."""
    mended: list[Flaw] = []
    for flaw in examine(service, is_quick=is_quick):
        if not MEANINGS[flaw.code].is_mended:
            continue
        is_done = (flaw.code is Code.BLOB_CHANGED and _set_aside(service, flaw)) or (
            flaw.code is Code.ENGINE_DIFFERS and _fill_engine(service)
        )
        with service.database.transaction() as session:
            if flaw.code in _SNAPSHOT:
                is_mended = _drop_snapshot(service.settings.snapshot_path)
            elif flaw.code is Code.NOTICE_UNWATCHED:
                service.desk.rearm(session, at=service.now())
                is_mended = True
            else:
                is_mended = mend(session, flaw, at=service.now()) or is_done
            if is_mended:
                said = {"code": flaw.code.value, "problem": flaw.problem}
                note(session, Action.FLAWS_MENDED, flaw.subject, by=console(), at=service.now(), details=said)
                mended.append(flaw)
    return Report(flaws=examine(service, is_quick=is_quick), mended=mended)


def _unwatched(session: Session) -> Iterator[Flaw]:
    for notice in watch.unwatched(session):
        problem = "It has a date to come, by statute or by rule, and no job watches it."
        yield Flaw(code=Code.NOTICE_UNWATCHED, subject=notice.id, problem=problem)


def _snapshot(service: Service, session: Session) -> Iterator[Flaw]:
    path = service.settings.snapshot_path
    if not path.exists():
        return
    try:
        sequence = service.index.restore(path)
    except BadSnapshot as error:
        problem = f"The snapshot of the index cannot be used: {error}."
        yield Flaw(code=Code.SNAPSHOT_UNREADABLE, subject=path.name, problem=problem)
        return
    yield from flaws_of_index(session, service.index.items, sequence=sequence, subject=path.name)


def _fill_engine(service: Service) -> bool:
    """As long as that takes, and before anything is put on record: others write meanwhile."""
    if service.index.shared is None:
        return False
    try:
        with service.database.reading() as session:
            service.index.shared.fill_again(session, until=math.inf)
    except EngineAway:  # the next look says so
        return False
    return True


def _drop_snapshot(path: Path) -> bool:
    is_there = path.exists()
    path.unlink(missing_ok=True)
    return is_there


def _set_aside(service: Service, flaw: Flaw) -> bool:
    """Keep what is left of a file that is not what it was, where nothing serves it; False where it is not there."""
    key = str(flaw.details["key"])
    folder = service.settings.data_dir / _LOST_AND_FOUND
    folder.mkdir(mode=0o700, exist_ok=True)
    try:  # as a stream: a store gives no file that it knows to be damaged
        pieces = service.blobs.read(key, 0, service.blobs.size_bytes(key))
    except FileNotFoundError:
        return False
    with (folder / key).open("wb") as kept:
        kept.writelines(pieces)
    service.blobs.delete(key)
    return True
