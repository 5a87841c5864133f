"""Sessions on SQLite and PostgreSQL, with one meaning: one writer at a time, and readers who see one moment.

So a service may look and then act on what it saw: nothing changes between. Nearly every change ends at the
one head of a log anyway; taking turns from the beginning adds little waiting and spares every deadlock.
Services get a session, flush, and never commit; `transaction` below is where edges commit. What copies of the
registry must hear of is noted as it is written (`registry.feed`).
"""

import json
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, sessionmaker

from registry import feed

_WAIT_S = 30
# So much of SQLite's file is read without a system call for each page; what lies beyond, as usual.
_MAPPED_BYTES = 1 << 30
_WRITER = 0x636C6561726D6B  # "clearmk": PostgreSQL's advisory lock for whoever writes


class Database:
    """An engine and its two ways in: `transaction` to change, `reading` to look."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.engine = sa.create_engine(self.url, pool_pre_ping=True, **_options(self.url))
        if self.is_sqlite:
            _make_transactional(self.engine)
            reader = self.engine
        else:
            _let_writers_queue(self.engine)
            reader = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self._turns = _Turns() if self.is_sqlite else None
        self._write = sessionmaker(self.engine.execution_options(write=True), expire_on_commit=False)
        feed.watch(self._write)
        self._read = sessionmaker(reader, expire_on_commit=False, autoflush=False)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or changes nothing when the block raises.

        Raises:
            TimeoutError: others were writing for too long.
        """
        with self._turns.taken() if self._turns else nullcontext(), self._write() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for looking; it never waits for a writer, and sees the database as it was at its first look."""
        with self._read() as session:
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


class _Turns:
    """Writers of this process, in the order in which they came.

    SQLite lets whoever looks first have the file: a job that writes again and again would leave a request none of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have one's turn. Raises: TimeoutError."""
        mine = threading.Event()
        with self._lock:
            if self._is_taken:
                self._waiting.append(mine)
            else:
                self._is_taken = True
                mine.set()
        if not mine.wait(_WAIT_S):
            with self._lock:
                if not mine.is_set():
                    self._waiting.remove(mine)
                    raise TimeoutError(f"the database was being written to for {_WAIT_S} s: try again")
        try:
            yield
        finally:
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()  # the turn goes on without being free in between
                else:
                    self._is_taken = False


def among(session: Session, column: sa.SQLColumnExpression[Any], names: Collection[str]) -> sa.ColumnElement[bool]:
    """`column IN names`, with one parameter for all: one for each of ten thousand takes longer than the query."""
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(sa.select(sa.func.json_each(json.dumps(list(names))).table_valued("value")))
    return column == sa.any_(sa.literal(list(names), sa.ARRAY(sa.Text)))


def _options(url: sa.URL) -> dict[str, object]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _WAIT_S, "check_same_thread": False}, "poolclass": sa.QueuePool}
    return {"pool_size": 10, "max_overflow": 20}


def _use_wal(connection: sqlite3.Connection) -> None:
    """Of two processes that open a new file at once, SQLite tells one that it is locked, without waiting."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - only to be out of step with the other
        else:
            return


def _make_transactional(engine: sa.Engine) -> None:
    """SQLite as SQLAlchemy documents it: WAL, foreign keys, and our own BEGIN.

    A writer says BEGIN IMMEDIATE: a transaction that reads first and writes later could otherwise
    fail half way with "database is locked", which no waiting helps.
    """

    @sa.event.listens_for(engine, "connect")
    def _connect(connection, _record):  # type: ignore[no-untyped-def]
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_WAIT_S * 1000}",
            f"mmap_size={_MAPPED_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        immediate = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _let_writers_queue(engine: sa.Engine) -> None:
    """PostgreSQL with the same meaning: a writer waits at its beginning, and then sees all that was committed."""

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("write", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
