"""Vectors in an engine outside that all processes of a service share, kept equal to the database through its log.

Decides whose turn it is to write, what is written next, and when what lies there cannot be believed: it is not there,
it is of another log (a backup was restored, or the engine is another service's), or it has other rows than the
database. Then it is made anew from the database. Whoever finds it behind brings it up to date, one process at a time;
what one that died left half done is done again by the next, which changes nothing that was done already (ADR 0034).
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import descriptors_from_bytes
from fingerprinting.errors import EngineAway
from fingerprinting.index.protocol import Mark, SharedRows, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from registry.index import SEARCHED, IndexBehind, Operation, Standing, head_sequence
from registry.models import Corpus, IndexLogRow, Item, StoredDescriptors

_BATCH = 100
_TIME_BYTES = 4  # of a row, in `StoredDescriptors.times_ms`
_POLL_S = 0.05
# A long film's rows take a while to write. Whoever has less time than that waits for the item in hand all the same: cut
# short it would look as if the engine did not answer, and the next one would begin it again.
_WRITE_S = 30.0
# How many rows there are is asked so often at most, for pages and metrics.
_COUNT_EVERY_S = 10.0
_TURN = 0x636C6561726978  # "clearix": PostgreSQL's advisory lock for whoever writes to the engine


@dataclass(slots=True, kw_only=True)
class SharedIndexes:
    """All vector indexes of a service, in one engine.

    `rows` have a part for each searched corpus, by its name. Rows are counted when a process first uses them, and again
    after the engine was away; from then on the mark that they carry is believed.
    """

    rows: Mapping[Algorithm, SharedRows]
    _believed: set[Algorithm] = field(default_factory=set)
    _sizes: dict[str, int] = field(default_factory=dict)
    _counted_at: float = -_COUNT_EVERY_S

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        return frozenset(self.rows)

    def caught_up(
        self, session: Session, target: int, *, until: float
    ) -> tuple[int, dict[tuple[Corpus, Algorithm], VectorIndex]]:
        """Indexes that hold all of the log up to `target`, and how far they have come.

        Args:
            until: monotonic time at which to give up.

        Raises:
            IndexBehind: the time was not enough; what was applied stays applied.
            EngineAway: the engine does not answer.
        """
        found: dict[tuple[Corpus, Algorithm], VectorIndex] = {}
        reached = []
        try:
            for algorithm, rows in self.rows.items():
                mark = rows.mark(is_certain=False) if algorithm in self._believed else None
                if mark is None or not _is_level(session, mark, target):
                    with _turn(session, until=until, behind=(mark.sequence if mark else 0, target)):
                        mark = self._brought_up(session, algorithm, until=until)
                for corpus in SEARCHED:
                    found[corpus, algorithm] = rows.as_of(corpus.value, mark)
                reached.append(mark.sequence)
        except EngineAway:
            self._believed.clear()
            raise
        return min(reached), found

    def sizes(self, *, afresh: bool) -> Mapping[str, int]:
        """Rows by corpus and algorithm, now or as they were a moment ago. Raises: EngineAway."""
        if afresh or time.monotonic() - self._counted_at > _COUNT_EVERY_S:
            for algorithm, rows in self.rows.items():
                counts = rows.counts(is_certain=False)
                self._sizes |= {f"{corpus}/{algorithm}": count for corpus, count in counts.items()}
            self._counted_at = time.monotonic()
        return self._sizes

    def standing(self, session: Session, *, until: float) -> Mapping[Algorithm, Standing]:
        """What lies there, beside what the database says, while nobody writes; nothing is changed.

        Args:
            until: monotonic time at which to give up.

        Raises:
            IndexBehind: another process was writing all the time.
            EngineAway: the engine does not answer.
        """
        found: dict[Algorithm, Standing] = {}
        with _turn(session, until=until, behind=(0, head_sequence(session))), _view_of_now(session) as now:
            head = head_sequence(now)
            for algorithm, rows in self.rows.items():
                mark = rows.mark(is_certain=True)
                is_ours = mark is not None and _is_of_this_log(now, mark, head)
                found[algorithm] = Standing(
                    sequence=mark.sequence if mark is not None and is_ours else None,
                    head=head,
                    held=rows.counts(is_certain=True) if mark is not None else {},
                    expected=_expected_rows(now, algorithm),
                )
        return found

    def fill_again(self, session: Session, *, until: float) -> None:
        """Count all rows, and write those of an algorithm anew that are not as the database says.

        Args:
            until: monotonic time at which to give up.

        Raises:
            IndexBehind: the time was not enough; what was applied stays applied.
            EngineAway: the engine does not answer.
        """
        self._believed.clear()
        self.caught_up(session, head_sequence(session), until=until)

    def _brought_up(self, session: Session, algorithm: Algorithm, *, until: float) -> Mark:
        """Apply the log to its end, on a view of the database that is new each time. Whose turn it is calls this."""
        rows, is_new = self.rows[algorithm], False
        mark = rows.mark(is_certain=True)
        while True:
            with _view_of_now(session) as now:
                head = head_sequence(now)
                if mark is None or not _is_of_this_log(now, mark, head):
                    mark, is_new = rows.begin(), True
                    self._believed.discard(algorithm)
                if mark.sequence < head:
                    if time.monotonic() > until:
                        raise IndexBehind(sequence=mark.sequence, target=head)
                    mark = _apply(now, rows, algorithm, mark, head, until=until)
                    continue
                if algorithm in self._believed:
                    return mark
                is_whole = _expected_rows(now, algorithm) == rows.counts(is_certain=True)
            if is_whole:
                self._believed.add(algorithm)
                return mark
            if is_new:
                raise EngineAway(problem=f"{algorithm}: it does not hold what was just written to it")
            mark = None


def _apply(session: Session, rows: SharedRows, algorithm: Algorithm, mark: Mark, head: int, *, until: float) -> Mark:
    """Apply some of the log, then say so; an item that is gone by now is not put in, it goes out later in the log."""
    log = IndexLogRow
    query = sa.select(log.sequence, log.operation, log.corpus, log.item_number)
    next_rows = query.where(log.sequence > mark.sequence, log.algorithm == algorithm).order_by(log.sequence)
    found = session.execute(next_rows.limit(_BATCH)).all()
    # With nothing left for this algorithm, the rest of the log is applied too.
    sequence = found[-1].sequence if len(found) == _BATCH else head
    reached = mark.sequence
    for at, operation, corpus, item_number in found:
        if time.monotonic() > until:
            sequence = reached
            break
        if operation == Operation.REMOVE:
            rows.remove(corpus, ItemNumber(item_number), timeout_s=_WRITE_S)
        elif (descriptors := _stored(session, item_number, algorithm)) is not None:
            rows.add(corpus, ItemNumber(item_number), descriptors, timeout_s=_WRITE_S)
        reached = at
    if sequence == mark.sequence:
        return mark
    return rows.advance(mark, sequence=sequence, at_ms=_logged_ms(session, sequence) or 0)


def _stored(session: Session, item_number: int, algorithm: Algorithm) -> Descriptors | None:
    query = sa.select(StoredDescriptors.times_ms, StoredDescriptors.vectors).where(
        StoredDescriptors.item_number == item_number, StoredDescriptors.algorithm == algorithm
    )
    stored = session.execute(query).one_or_none()
    return descriptors_from_bytes(algorithm, stored.times_ms, stored.vectors) if stored is not None else None


def _is_level(session: Session, mark: Mark, target: int) -> bool:
    """Whether rows at a mark hold our log up to `target`, and not another one's."""
    if mark.sequence <= target:
        return mark.sequence == target and _is_of_this_log(session, mark, target)
    # Ahead of this session's view is no wonder.
    with _view_of_now(session) as now:
        return _is_of_this_log(now, mark, head_sequence(now))


def _is_of_this_log(session: Session, mark: Mark, head: int) -> bool:
    """Whether our log has the row that a mark speaks of; a restored backup's has another there, or none."""
    return mark.sequence == 0 or (mark.sequence <= head and _logged_ms(session, mark.sequence) == mark.at_ms)


def _logged_ms(session: Session, sequence: int) -> int | None:
    at = session.scalar(sa.select(IndexLogRow.at).where(IndexLogRow.sequence == sequence))
    return None if at is None else round(at.timestamp() * 1000)


def _expected_rows(session: Session, algorithm: Algorithm) -> dict[str, int]:
    """How many rows the database has of an algorithm, by corpus."""
    times = sa.func.sum(sa.func.length(StoredDescriptors.times_ms))
    query = sa.select(Item.corpus, times).join_from(StoredDescriptors, Item)
    query = query.where(StoredDescriptors.algorithm == algorithm, Item.corpus.in_(SEARCHED)).group_by(Item.corpus)
    found = {corpus: int(size) // _TIME_BYTES for corpus, size in session.execute(query)}
    return {corpus.value: found.get(corpus.value, 0) for corpus in SEARCHED}


@contextmanager
def _view_of_now(session: Session) -> Iterator[Session]:
    """The database as it is now, whenever the caller's session began to look; one moment for all that is asked."""
    engine = session.get_bind().engine
    is_sqlite = engine.dialect.name == "sqlite"
    options = {"write": False} if is_sqlite else {"write": False, "isolation_level": "REPEATABLE READ"}
    with Session(engine.execution_options(**options)) as fresh:
        yield fresh


@contextmanager
def _turn(session: Session, *, until: float, behind: tuple[int, int]) -> Iterator[None]:
    """Have the one turn that all processes on this database share; the system ends it with its process.

    Raises:
        IndexBehind: others had it until the time was up.
    """
    engine = session.get_bind().engine
    with (_turn_of_file if engine.dialect.name == "sqlite" else _turn_of_server)(engine) as is_taken:
        while not is_taken():
            if time.monotonic() > until:
                raise IndexBehind(sequence=behind[0], target=behind[1])
            time.sleep(_POLL_S)
        yield


@contextmanager
def _turn_of_file(engine: sa.Engine) -> Iterator[Callable[[], bool]]:
    """SQLite's processes are on one machine: a lock on a file beside the database."""
    with Path(f"{engine.url.database}.index-turn").open("w") as file:

        def is_taken() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield is_taken


@contextmanager
def _turn_of_server(engine: sa.Engine) -> Iterator[Callable[[], bool]]:
    """PostgreSQL's advisory lock, on a connection that is thrown away after, and the lock with it."""
    with engine.execution_options(isolation_level="AUTOCOMMIT", write=False).connect() as connection:
        try:
            yield lambda: bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_TURN))))
        finally:
            connection.invalidate()
