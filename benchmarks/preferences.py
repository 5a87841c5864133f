"""Preferences: how long ten thousand questions take among a million declarations.

A registry as large as a clearing house's is made in a temporary SQLite file: works of holders who say one thing of
their whole catalogue, works with words of their own on one to five uses, and files.
What is timed is a request to a service of its own process, from its first byte to the last of its answer, and the
work that the service's processor did meanwhile: the same on a machine that has other things to do.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.service import upgrade_database
from benchmarks.media import Clip
from benchmarks.report import Report, table
from registry.access import Scope, issue_key
from registry.database import Database
from registry.domain.feed import Kind
from registry.domain.identifiers import Prefix, new_id
from registry.domain.preferences import Use, Value
from registry.feed import note
from registry.models import Asset, Base, Holder, Reservation, Work

_AT = datetime(2026, 1, 1, tzinfo=UTC)
_HOLDERS, _MOST_WORDS = 2_000, 5
_DECLARATIONS, _QUICK_DECLARATIONS = 1_000_000, 100_000
_ASKED, _TIMES = 10_000, 40
_ROWS_AT_ONCE = 20_000

_HOW = f"""
{{declarations:,}} declarations on {{works:,}} works of {_HOLDERS:,} holders, in SQLite. One request asks about
{_ASKED:,} of them, by id or by a file's SHA-256, for all six uses; other ones each time, {_TIMES} times. Timed over
HTTP from the request's first byte to the answer's last, beside what the service's processor worked meanwhile.
""".strip()


def preferences(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as every part
    """Measure and tell."""
    wanted = _QUICK_DECLARATIONS if quick else _DECLARATIONS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'clearmark.db'}"
        upgrade_database(url)
        database = Database(url)
        works = fill(database, wanted)
        with database.transaction() as session:
            asker = session.scalars(sa.select(Holder).limit(1)).one()
            key = issue_key(session, asker, [Scope.CHECKS_WRITE], at=datetime.now(UTC)).key
        database.dispose()
        say(f"{wanted:,} declarations are on record")
        random = np.random.default_rng(1)
        with _served(Path(folder), key) as service:
            rows = [
                [name, *_quantiles([service.timed(ask(random, works)) for _ in range(_TIMES)])]
                for name, ask in (("by work", _by_work), ("by file", _by_file))
            ]
    headings = ("ten thousand", "over HTTP, p50", "p95", "processor, p50", "p95")
    body = f"{_HOW.format(declarations=wanted, works=len(works))}\n\n{table(headings, rows)}"
    return Report(title="Preferences", body=body, figures={"rows": rows})


def _quantiles(seconds: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{1000 * found:.0f} ms" for found in np.quantile(seconds, (0.5, 0.95), axis=0).T.ravel()]


class _Service:
    """A service in a process of its own, on a folder with its database."""

    def __init__(self, process: subprocess.Popen[str], client: httpx.Client) -> None:
        self._process, self._client = process, client

    def timed(self, items: Sequence[dict[str, str]]) -> tuple[float, float]:
        """Seconds for one request over all, and seconds of the service's processor."""
        body = json.dumps({"items": items}).encode()
        begun, worked = time.perf_counter(), self._worked_s()
        answer = self._client.post("/v1/preferences/query", content=body, headers={"Content-Type": "application/json"})
        took = time.perf_counter() - begun
        assert answer.status_code == HTTPStatus.OK, answer.text
        return took, self._worked_s() - worked

    def _worked_s(self) -> float:
        """Seconds that all threads of the process have run. Source: proc_pid_stat(5), utime and stime."""
        numbers = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _served(folder: Path, key: str) -> Iterator[_Service]:
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0"]
    environment = os.environ | {"CLEARMARK_DATA_DIR": str(folder)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = "http://" + process.stdout.readline().partition("http://")[2].split()[0]
            with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
                while client.get("/readyz").status_code != HTTPStatus.OK:
                    time.sleep(0.1)
                yield _Service(process, client)
        finally:
            process.terminate()


def _by_work(random: np.random.Generator, works: Sequence[str]) -> list[dict[str, str]]:
    return [{"work_id": works[place]} for place in random.choice(len(works), _ASKED, replace=False)]


def _by_file(random: np.random.Generator, works: Sequence[str]) -> list[dict[str, str]]:
    return [{"sha256": f"{place:064x}"} for place in random.choice(len(works), _ASKED, replace=False)]


def fill(database: Database, wanted: int) -> list[str]:
    """Put that many declarations on record, with their works, files and holders; the ids of the works."""
    random, works, said = np.random.default_rng(0), list[str](), 0
    with database.transaction() as session:
        holders = [new_id(Prefix.HOLDER, at=_AT) for _ in range(_HOLDERS)]
        people = [
            {"id": one, "name": f"Holder {number}", "name_key": one, "assurance": "vetted", "created_at": _AT}
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
