"""Preferences: how long ten thousand questions take among a million declarations, in one process.

A registry as large as a clearing house's is made in a temporary SQLite file: works of holders who say one thing of
their whole catalogue, works with words of their own on one to five uses, files, and a few disputed claims.
What is timed is the service that the route calls, and then the answer as JSON.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.routes.preferences import JSON, told
from api.service import upgrade_database
from benchmarks.media import Clip
from benchmarks.report import Report, table
from registry.database import Database
from registry.domain.feed import Kind
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import Use, Value
from registry.feed import note
from registry.models import Asset, Base, Holder, Reservation, Work
from registry.preferences import Asked, query

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_HOLDERS, _MOST_WORDS = 2_000, 5
_DECLARATIONS, _QUICK_DECLARATIONS = 1_000_000, 100_000
_ASKED, _TIMES = 10_000, 40
_ROWS_AT_ONCE = 20_000

_HOW = f"""
{{declarations:,}} declarations on {{works:,}} works of {_HOLDERS:,} holders, in SQLite. One call asks about {_ASKED:,}
of them, by id or by a file's SHA-256, for all six uses; other ones each time, {_TIMES} times, in one process.
""".strip()


def preferences(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as every part
    """Measure and tell."""
    wanted = _QUICK_DECLARATIONS if quick else _DECLARATIONS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'registry.db'}"
        upgrade_database(url)
        database = Database(url)
        works = fill(database, wanted)
        say(f"{wanted:,} declarations are on record")
        random = np.random.default_rng(1)
        rows = []
        for name, ask in (("by work", _by_work), ("by file", _by_file)):
            answered, told = zip(*(_timed(database, ask(random, works)) for _ in range(_TIMES)), strict=True)
            rows.append(
                [name, *_quantiles(answered), *_quantiles([a + b for a, b in zip(answered, told, strict=True)])]
            )
        database.dispose()
    headings = ("ten thousand", "answered, p50", "p95", "with its JSON, p50", "p95")
    body = f"{_HOW.format(declarations=wanted, works=len(works))}\n\n{table(headings, rows)}"
    return Report(title="Preferences", body=body, figures={"rows": rows})


def _quantiles(seconds: Sequence[float]) -> list[str]:
    return [f"{1000 * np.quantile(seconds, share):.0f} ms" for share in (0.5, 0.95)]


def _timed(database: Database, asked: Sequence[Asked]) -> tuple[float, float]:
    begun = time.perf_counter()
    with database.reading() as session:
        found = query(session, asked, list(Use), at=_AT + timedelta(days=1))
    answered = time.perf_counter()
    JSON.dump_json(told(found))
    return answered - begun, time.perf_counter() - answered


def _by_work(random: np.random.Generator, works: Sequence[str]) -> list[Asked]:
    return [Asked(work_id=works[place]) for place in random.choice(len(works), _ASKED, replace=False)]


def _by_file(random: np.random.Generator, works: Sequence[str]) -> list[Asked]:
    return [Asked(sha256=f"{place:064x}") for place in random.choice(len(works), _ASKED, replace=False)]


def fill(database: Database, wanted: int) -> list[str]:
    """Put that many declarations on record, with their works, files and holders; the ids of the works."""
    random, works, said = np.random.default_rng(0), list[str](), 0
    with database.transaction() as session:
        holders = [new_id(Prefix.HOLDER, at=_AT) for _ in range(_HOLDERS)]
        people = [
            {"id": one, "name": f"Holder {number}", "assurance": "vetted", "created_at": _AT}
            for number, one in enumerate(holders)
        ]
        _put(session, Holder, people)
        _put(session, Reservation, [_word(one, None, Use.TDM, Value.RESERVED) for one in holders[::2]])
        while said < wanted:
            owners = [holders[place] for place in random.integers(_HOLDERS, size=_ROWS_AT_ONCE // _MOST_WORDS)]
            batch = [_work(owner) for owner in owners]
            words = [word for work in batch for word in _words(random, work)]
            _put(session, Work, batch)
            _put(session, Asset, [_asset(one["id"], len(works) + n) for n, one in enumerate(batch)])
            _put(session, Reservation, words)
            works += [one["id"] for one in batch]
            said += len(words)
    return works


def _put(session: Session, model: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    session.execute(sa.insert(Base.metadata.tables[model.__tablename__]), rows)
    note(session, Kind[model.__name__.upper()], [row["id"] for row in rows])


def _words(random: np.random.Generator, work: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for use in random.permutation(list(Use))[: random.integers(1, _MOST_WORDS + 1)]:
        yield _word(work["holder_id"], work["id"], Use(use), list(Value)[random.choice(3, p=[0.2, 0.2, 0.6])])


def _word(holder_id: str, work_id: str | None, use: Use, value: Value) -> dict[str, Any]:
    return {
        "id": new_id(Prefix.RESERVATION, at=_AT), "holder_id": holder_id, "scope": "work" if work_id else "catalogue",
        "work_id": work_id, "use": use.value, "value": value.value, "territory": "worldwide",
        "terms_url": "https://terms.example/" if value is Value.CONSTRAINED else None,
        "declared_at": _AT, "valid_from": _AT,
    }  # fmt: skip


def _work(holder_id: str) -> dict[str, Any]:
    return {
        "id": new_id(Prefix.WORK, at=_AT), "holder_id": holder_id, "title": "A film", "kind": "film",
        "identifiers": {}, "creators": [], "policy": "review", "created_at": _AT, "updated_at": _AT,
        "shows_frames": False,
    }  # fmt: skip


def _asset(work_id: str, number: int) -> dict[str, Any]:
    return {
        "id": new_id(Prefix.ASSET, at=_AT), "work_id": work_id, "status": "indexed", "progress": 1.0,
        "sha256": f"{number:064x}", "warnings": [], "created_at": _AT,
    }  # fmt: skip
