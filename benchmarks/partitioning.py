"""Partitioning: whether checks split by month, and works by holder, answer sooner than one table with its indexes.

On a real PostgreSQL the tables that the migrations make are filled, and beside each a partitioned twin with the same
columns, indexes and rows. What the service asks of them is asked of both, in turn.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sqlalchemy as sa

from api.service import upgrade_database
from benchmarks.media import Clip
from benchmarks.report import Report, table
from tests.servers.postgres import create_database, postgres_server

_ROWS, _QUICK_ROWS = 1_000_000, 100_000
_HOLDERS, _MONTHS, _SLICES = 1_000, 12, 16
_SHOWN, _TIMES, _BATCHES, _A_BATCH = 50, 300, 40, 100

_HOW = f"""
{{rows:,}} rows of {_HOLDERS:,} holders over {_MONTHS} months on PostgreSQL {{version}}. The twin of checks has a
partition a month, that of works {_SLICES} by a hash of the holder. Each question is asked {_TIMES} times of both in
turn: p50, and p95 behind it. Rows are added {_A_BATCH} in a transaction. The oldest month is deleted and vacuumed in
the one, dropped in the other. Last, the one table with an index of the holder alone, in place of holder and id.
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A table, what it is filled with, and how its twin is split.

    Attributes:
        values: of each row, from its number `n`, the id, the holder and the time.
        key: what is unique; the column that splits a table belongs to it.
    """

    name: str
    prefix: str
    values: str
    by: str
    key: str
    partitions: Sequence[str]

    @property
    def twin(self) -> str:
        return f"{self.name}_split"

    def rows(self, into: str, first: int, last: int, of: int) -> sa.TextClause:
        """A statement that adds rows [first, last] of so many over the year."""
        columns, values = self.values.split(" = ")
        return sa.text(
            f"INSERT INTO {into} (id, holder_id, created_at, {columns})"  # noqa: S608 - all of it is ours
            f" SELECT '{self.prefix}' || lpad(n::text, 26, '0'), 'hld_' || (n * 7919::bigint) % {_HOLDERS},"
            f" timestamptz '2025-01-01Z' + n::float8 / {of} * interval '364 days', {values}"
            f" FROM generate_series({first}, {last}) n"
        )


_CHECKS = _Split(
    name="checks",
    prefix="chk_",
    values=(
        "status, progress, sha256, duration_s, context, verdict, reasons, engine, index_sequence, timings_ms,"
        " finished_at, expires_at = 'done', 1, md5(n::text) || md5((n + 1)::text), 5.0, '{}', 'clear', '[]',"
        """ '{"engine": "faiss", "algorithms": ["video-phash-v1", "video-sscd-v1"], "rows": {}}', 17,"""
        """ '{"decode": 180.2, "search": 21.4, "total": 201.6}', now(), now()"""
    ),
    by="RANGE (created_at)",
    key="id, created_at",
    partitions=[
        f"FROM ('2025-{month:02}-01Z') TO ('{2025 + month // 12}-{month % 12 + 1:02}-01Z')"
        for month in range(1, _MONTHS + 1)
    ],
)
_WORKS = _Split(
    name="works",
    prefix="wrk_",
    values=(
        "title, kind, identifiers, creators, contributors, shares, alternative_titles, policy, updated_at"
        " = 'Work ' || n, 'film', '{}', '[]', '[]', '[]', '[]', 'block', now()"
    ),
    by="HASH (holder_id)",
    key="id, holder_id",
    partitions=[f"WITH (MODULUS {_SLICES}, REMAINDER {number})" for number in range(_SLICES)],
)


def partitioning(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:  # noqa: ARG001 - as every part
    """Measure and tell."""
    rows = _QUICK_ROWS if quick else _ROWS
    told = {}
    with postgres_server() as server:
        url = create_database(server, "partitioning")
        upgrade_database(url)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            version = str(connection.execute(sa.text("SHOW server_version")).scalar_one())
            _add_holders(connection)
            for split in (_CHECKS, _WORKS):
                _fill(connection, split, rows)
                say(f"{rows:,} {split.name} are there, twice")
                told[split.name] = list(_measured(connection, split, rows))
        engine.dispose()
    parts = [
        f"## {name.capitalize()}\n\n{table(('', 'one table', 'partitioned'), found)}" for name, found in told.items()
    ]
    body = "\n\n".join([_HOW.format(rows=rows, version=version.split()[0]), *parts])
    return Report(title="Partitioning", body=body, figures={"rows": rows, "tables": told})


def _add_holders(connection: sa.Connection) -> None:
    columns = "id, name, name_key, assurance, created_at"
    values = "'hld_' || n, 'Holder ' || n, 'holder ' || n, 'vetted', now()"
    connection.execute(
        sa.text(f"INSERT INTO holders ({columns}) SELECT {values} FROM generate_series(0, {_HOLDERS - 1}) n")  # noqa: S608
    )


def _fill(connection: sa.Connection, split: _Split, rows: int) -> None:
    """The table, and its twin with the same rows and indexes."""
    connection.execute(split.rows(split.name, 0, rows - 1, rows))
    run = connection.exec_driver_sql
    run(f"CREATE TABLE {split.twin} (LIKE {split.name} INCLUDING DEFAULTS) PARTITION BY {split.by}")
    for number, bounds in enumerate(split.partitions):
        run(f"CREATE TABLE {split.twin}_{number} PARTITION OF {split.twin} FOR VALUES {bounds}")
    run(f"INSERT INTO {split.twin} SELECT * FROM {split.name}")  # noqa: S608
    run(f"ALTER TABLE {split.twin} ADD PRIMARY KEY ({split.key})")
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT LIKE 'pk_%%'"
    for (made,) in run(indexes, (split.name,)).all():
        before, _, after = made.partition(" ON ")
        run(f"{before.replace('ix_', 'ix_split_')} ON {after.replace(f'public.{split.name}', split.twin)}")
    for name in (split.name, split.twin):
        run(f"VACUUM ANALYZE {name}")


def _measured(connection: sa.Connection, split: _Split, rows: int) -> Iterator[list[str]]:
    random = np.random.default_rng(1)
    holders = [{"asked": f"hld_{n}"} for n in random.integers(0, _HOLDERS, _TIMES)]
    ids = [{"asked": f"{split.prefix}{n:026}"} for n in random.integers(0, rows, _TIMES)]
    newest = f"SELECT * FROM {{}} WHERE holder_id = :asked ORDER BY id DESC LIMIT {_SHOWN}"  # noqa: S608
    yield ["a holder's newest 50", *_asked(connection, split, newest, holders)]
    yield ["one by its id", *_asked(connection, split, "SELECT * FROM {} WHERE id = :asked", ids)]
    count = "SELECT count(*) FROM {} WHERE holder_id = :asked"
    yield ["how many a holder has", *_asked(connection, split, count, holders)]
    yield ["adding 100", *_added(connection, split, rows)]
    if split is _CHECKS:
        yield ["letting go of a month", *_let_go(connection, split)]
    size = "SELECT pg_total_relation_size(%s), (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(%s))"
    sizes = connection.exec_driver_sql(size, (split.name, split.twin)).one()
    yield ["on disk", *(f"{int(found) / 2**20:.0f} MiB" for found in sizes)]
    run = connection.exec_driver_sql
    run(f"DROP INDEX ix_{split.name}_holder_id_id")
    run(f"CREATE INDEX ix_{split.name}_holder_id ON {split.name} (holder_id)")
    alone, _ = _asked(connection, split, newest, holders)
    yield ["a holder's newest 50, index of the holder", alone, "–"]


def _asked(connection: sa.Connection, split: _Split, question: str, of: Sequence[dict[str, Any]]) -> list[str]:
    asked = [sa.text(question.format(name)) for name in (split.name, split.twin)]
    took = [
        [_timed(partial(lambda query, said: connection.execute(query, said).all(), query, said)) for query in asked]
        for said in of
    ]
    return _quantiles(took)


def _added(connection: sa.Connection, split: _Split, rows: int) -> list[str]:
    took = []
    for batch in range(_BATCHES):
        first = rows + batch * _A_BATCH  # as of the last moment of the year, where new rows come
        added = [
            split.rows(name, first, first + _A_BATCH - 1, rows + _BATCHES * _A_BATCH)
            for name in (split.name, split.twin)
        ]
        took.append([_timed(partial(connection.execute, query)) for query in added])
    return _quantiles(took)


def _let_go(connection: sa.Connection, split: _Split) -> list[str]:
    def delete() -> None:
        connection.exec_driver_sql(f"DELETE FROM {split.name} WHERE created_at < '2025-02-01Z'")  # noqa: S608
        connection.exec_driver_sql(f"VACUUM {split.name}")

    deleted = _timed(delete)
    dropped = _timed(lambda: connection.exec_driver_sql(f"DROP TABLE {split.twin}_0"))
    return [f"{1000 * deleted:.0f} ms", f"{1000 * dropped:.0f} ms"]


def _timed(done: Callable[[], object]) -> float:
    began = time.perf_counter()
    done()
    return time.perf_counter() - began


def _quantiles(seconds: Sequence[Sequence[float]]) -> list[str]:
    found = np.quantile(seconds, (0.5, 0.95), axis=0).T
    return [f"{1000 * p50_s:.2f} ms, {1000 * p95_s:.2f}" for p50_s, p95_s in found]
