"""The feed: how long a first copy of a registry takes, how long one that changed little, and how much memory.

A registry is made in a temporary SQLite file, as `preferences` makes it, and copied to another. One process does the
work of both sides, page after page: telling, signing, checking, storing. The network between them is left out.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from api.offline import opened
from api.service import upgrade_database
from benchmarks.media import Clip
from benchmarks.preferences import fill
from benchmarks.report import Report, table
from registry import copies, feed
from registry.database import Database
from registry.domain.feed import MAX_ITEMS, Kind, sign_page
from registry.domain.tokens import TokenKeys, generate_pem
from registry.models import Reservation

_DECLARATIONS, _QUICK_DECLARATIONS = 1_000_000, 50_000
_CHANGED = 100
_MIB = 1 << 20

_HOW = f"""
A copy of {{declarations:,}} declarations with their works, files and holders, in SQLite, in pages of {MAX_ITEMS:,}:
both sides in one process, without a network.
""".strip()


class _Service:
    """A service whose pages take no time on their way; counts how large they are."""

    def __init__(self, database: Database) -> None:
        self._database, self._keys = database, TokenKeys([generate_pem()])
        self.chars = 0

    def signing_keys(self) -> Mapping[str, Any]:
        return self._keys.public()

    def feed_page(self, since: int) -> str:
        with self._database.reading() as session:
            page = feed.page(session, issuer="benchmark", since=since, limit=MAX_ITEMS, at=_now())
        token = sign_page(page, self._keys)
        self.chars += len(token)
        return token


def feeds(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as every part
    """Measure and tell."""
    wanted = _QUICK_DECLARATIONS if quick else _DECLARATIONS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'registry.db'}"
        upgrade_database(url)
        database = Database(url)
        fill(database, wanted)
        say(f"{wanted:,} declarations are on record")
        service, path = _Service(database), Path(folder) / "copy.db"
        with opened(path, make=True) as copy:
            before_mib = _peak_mib()
            first = _timed(copy, service)
            grown_mib = _peak_mib() - before_mib
            file_mib = path.stat().st_size / _MIB
            sent_mib = service.chars / _MIB
            with database.transaction() as session:
                feed.note(session, Kind.RESERVATION, session.scalars(sa.select(Reservation.id).limit(_CHANGED)).all())
            later = _timed(copy, service)
        database.dispose()
    rows = [_row("first", first), _row("after some changes", later)]
    headings = ("sync", "items", "took", "items a second", "of one processor's time")
    body = f"""{_HOW.format(declarations=wanted)}

{table(headings, rows)}

{sent_mib:,.0f} MiB were sent for the first copy, and its file has {file_mib:,.0f} MiB. Meanwhile the process grew by
{grown_mib:,.0f} MiB.
"""
    return Report(title="Feed", body=body, figures={"rows": rows})


def _timed(copy: Database, service: _Service) -> tuple[int, float, float]:
    """Items, seconds, and seconds of the processor's."""
    begun, begun_cpu = time.perf_counter(), time.process_time()
    done = copies.sync(copy, service, now=_now)
    return done.items, time.perf_counter() - begun, time.process_time() - begun_cpu


def _row(name: str, timed: tuple[int, float, float]) -> list[str]:
    items, took_s, cpu_s = timed
    return [name, f"{items:,}", f"{took_s:.2f} s", f"{items / took_s:,.0f}", f"{items / cpu_s:,.0f}"]


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _now() -> datetime:
    return datetime.now(UTC)
