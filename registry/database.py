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
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session, sessionmaker

from registry import feed
from registry.errors import RegistryError

_WAIT_S = 30
# How long PostgreSQL's server may take to take a connection, and a writer may say nothing before its turn is over.
_CONNECT_S, _SILENT_S = 5, 60
# So much of SQLite's file is read without a system call for each page; what lies beyond, as usual.
_MAPPED_BYTES = 1 << 30
_WRITER = 0x636C6561726D6B  # "clearmk": PostgreSQL's advisory lock for whoever writes
# Others must not wait for ever for a writer that was stopped in the middle, nor for one whose machine is gone.
_TAKE_TURN = f"""
SET LOCAL lock_timeout = '{_WAIT_S}s';
SET LOCAL idle_in_transaction_session_timeout = '{_SILENT_S}s';
SELECT pg_advisory_xact_lock({_WRITER})
"""


class DatabaseFault(StrEnum):
    """What stands in the way of the database, and may pass; anything else that it refuses is a bug."""

    AWAY = "away"
    BUSY = "busy"
    FULL = "full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"


class InDoubt(RegistryError):
    """The database went away as it was told to commit: nobody can say whether it did."""


# Primary result codes of SQLite (sqlite.org/rescode.html).
_OF_SQLITE: Final = {
    sqlite3.SQLITE_BUSY: DatabaseFault.BUSY, sqlite3.SQLITE_LOCKED: DatabaseFault.BUSY,
    sqlite3.SQLITE_FULL: DatabaseFault.FULL, sqlite3.SQLITE_READONLY: DatabaseFault.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: DatabaseFault.AWAY, sqlite3.SQLITE_IOERR: DatabaseFault.AWAY,
    sqlite3.SQLITE_CORRUPT: DatabaseFault.DAMAGED, sqlite3.SQLITE_NOTADB: DatabaseFault.DAMAGED,
}  # fmt: skip
# Of PostgreSQL, by SQLSTATE, or by its class of two characters (appendix A of its manual).
_OF_POSTGRESQL: Final = {
    "08": DatabaseFault.AWAY, "57P": DatabaseFault.AWAY, "25P03": DatabaseFault.AWAY, "58": DatabaseFault.AWAY,
    "40": DatabaseFault.BUSY, "55P03": DatabaseFault.BUSY, "57014": DatabaseFault.BUSY, "53": DatabaseFault.BUSY,
    "53100": DatabaseFault.FULL, "25006": DatabaseFault.READ_ONLY, "XX001": DatabaseFault.DAMAGED,
    "XX002": DatabaseFault.DAMAGED,
}  # fmt: skip


def fault_of(error: BaseException) -> DatabaseFault | None:
    """What stands in the way of the database; None for an error that is not the database's state."""
    if isinstance(error, InDoubt):
        return DatabaseFault.AWAY
    if isinstance(error, PoolTimeoutError):
        return DatabaseFault.BUSY
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return _OF_SQLITE.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
    state = getattr(error.orig, "sqlstate", None) or ""
    for length in (5, 3, 2):
        if found := _OF_POSTGRESQL.get(state[:length]):
            return found
    is_gone = error.connection_invalidated or (not state and isinstance(error, sa.exc.OperationalError))
    return DatabaseFault.AWAY if is_gone else None


class Database:
    """An engine and its two ways in: `transaction` to change, `reading` to look."""

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.engine = sa.create_engine(
            self.url,
            pool_pre_ping=True,
            hide_parameters=True,  # errors are logged, and what is stored is of people
            **_options(self.url),
        )
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
            InDoubt: it may have committed, or not.
        """
        is_ending = False
        try:
            with self._turns.taken() if self._turns else nullcontext(), self._write() as session, session.begin():
                yield session
                is_ending = True
        except DBAPIError as error:
            if is_ending and error.connection_invalidated:
                raise InDoubt("the database went away as it was told to commit") from error
            raise

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
    waits = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_S}
    return {"pool_size": 10, "max_overflow": 20, "connect_args": waits}


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
            f"busy_timeout={round(_WAIT_S * 1000)}",
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
            connection.exec_driver_sql(_TAKE_TURN)
