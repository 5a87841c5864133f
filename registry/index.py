"""The indexes that this process asks, kept equal to the database through the index log.

The database is the truth: `index_log` says, in an order without gaps, which item's vectors go in and
out. A process holds its indexes at some sequence and catches up before it answers; when it cannot in
time, it says so, and the check is `unknown`. A snapshot only saves time at start.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import descriptors_from_bytes, times_to_bytes
from fingerprinting.errors import BadSnapshot, EngineAway
from fingerprinting.index.protocol import FingerprintIndex, OwnIndex, VectorIndex
from fingerprinting.index.snapshot import Snapshot, read_snapshot, write_snapshot
from fingerprinting.layout import thinned
from fingerprinting.looks import Glance
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Segment, Vectors
from registry.errors import RegistryError
from registry.models import Corpus, Heads, IndexLogRow, Item, StoredDescriptors

_logger = logging.getLogger(__name__)
_BATCH = 200
_LEFT_ALONE_S = 3.0
# Rows near to one that is asked for on its own.
_NEAREST = 200
type _Own = dict[tuple[Corpus, Algorithm], OwnIndex]
type _Indexes = Mapping[tuple[Corpus, Algorithm], FingerprintIndex]

# Corpora that are searched; checks are kept to look back at, not searched.
SEARCHED = (Corpus.WORKS, Corpus.RELEASES, Corpus.NEGATIVES)


class Operation(StrEnum):
    ADD = "add"
    REMOVE = "remove"


class IndexBehind(RegistryError):
    """The indexes could not be brought up to the log in time."""

    def __init__(self, *, sequence: int, target: int, problem: str | None = None) -> None:
        super().__init__(problem or f"the index stands at {sequence} of {target}")
        self.sequence = sequence
        self.target = target


class IndexAway(IndexBehind):
    """The engine that holds the vectors does not answer; nobody can say what it would have found."""

    def __init__(self, *, sequence: int, target: int) -> None:
        super().__init__(sequence=sequence, target=target, problem="the index engine does not answer")


# -- the log: used by whoever changes what is searchable ---------------------------------------


def store_item(session: Session, corpus: Corpus, subject_id: str, fingerprint: Fingerprint, *, at: datetime) -> Item:
    """Store a fingerprint and, where its corpus is searched, put it on the log at a reference's density."""
    searched = corpus in SEARCHED
    kept = [thinned(d) if searched else d for d in fingerprint.descriptors]
    item = Item(
        corpus=corpus.value,
        subject_id=subject_id,
        duration_s=fingerprint.duration_s,
        descriptors=[_stored(d) for d in kept if len(d)],
    )
    session.add(item)
    session.flush()
    if searched:
        for stored in item.descriptors:
            _log(session, Operation.ADD, item, stored.algorithm, at=at)
    return item


def supplement(session: Session, item: Item, descriptors: Descriptors, *, at: datetime) -> bool:
    """Give a searched item descriptors of an algorithm that it has none of; False when there is nothing to give."""
    kept = thinned(descriptors)
    if not len(kept) or any(stored.algorithm == kept.algorithm for stored in item.descriptors):
        return False
    item.descriptors.append(_stored(kept))
    session.flush()
    _log(session, Operation.ADD, item, kept.algorithm.value, at=at)
    return True


def remove_descriptors(session: Session, stored: StoredDescriptors, item: Item, *, at: datetime) -> None:
    """Take an item's descriptors of one algorithm out of the indexes and out of the database."""
    _log(session, Operation.REMOVE, item, stored.algorithm, at=at)
    item.descriptors.remove(stored)
    session.flush()


def remove_item(session: Session, subject_id: str, *, at: datetime) -> None:
    """Take a subject's fingerprint out of the indexes and out of the database."""
    item = session.scalar(sa.select(Item).where(Item.subject_id == subject_id))
    if item is None:
        return
    if item.corpus in SEARCHED:
        for stored in item.descriptors:
            _log(session, Operation.REMOVE, item, stored.algorithm, at=at)
    session.delete(item)
    session.flush()


def fingerprint_of(session: Session, subject_id: str) -> Fingerprint | None:
    """The stored fingerprint of an asset, release or check."""
    item = session.scalar(sa.select(Item).where(Item.subject_id == subject_id))
    return fingerprint_of_item(item) if item else None


def _stored(d: Descriptors) -> StoredDescriptors:
    return StoredDescriptors(algorithm=d.algorithm.value, times_ms=times_to_bytes(d), vectors=d.vectors.tobytes())


def _log(session: Session, operation: Operation, item: Item, algorithm: str, *, at: datetime) -> None:
    # The update locks the one row until commit: sequences have no gaps and commit in their order.
    sequence = session.execute(
        sa.update(Heads)
        .where(Heads.id == 1)
        .values(index_sequence=Heads.index_sequence + 1)
        .returning(Heads.index_sequence)
    ).scalar_one()
    row = IndexLogRow(
        sequence=sequence,
        operation=operation.value,
        corpus=item.corpus,
        item_number=item.number,
        algorithm=algorithm,
        at=at,
    )
    session.add(row)
    session.flush()


def log_again(
    session: Session, operation: Operation, *, corpus: str, item_number: int, algorithm: str, at: datetime
) -> None:  # fmt: skip
    """Put on the log what it should have said of an item, which may be gone; only for who mends the log."""
    _log(session, operation, Item(number=item_number, corpus=corpus), algorithm, at=at)


@cache
def algorithm_named(name: str) -> Algorithm | None:
    """An algorithm by its name; None for one of a later version, which left it in this database."""
    try:
        return Algorithm(name)
    except ValueError:
        _logger.warning("%s is of a later version: what only it finds is not found here until this is upgraded", name)
        return None


def fingerprint_of_item(item: Item) -> Fingerprint:
    known = [stored for stored in item.descriptors if algorithm_named(stored.algorithm) is not None]
    return Fingerprint(duration_s=item.duration_s, descriptors=tuple(_descriptors(stored) for stored in known))


def _descriptors(stored: StoredDescriptors) -> Descriptors:
    return descriptors_from_bytes(Algorithm(stored.algorithm), stored.times_ms, stored.vectors)


# -- the engine: used by whoever asks ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Segments, and the log sequence that the search saw."""

    segments: list[Segment]
    subjects: Mapping[ItemNumber, str]
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What lies in an engine outside of one algorithm, beside what the database says of it at that moment.

    Attributes:
        sequence: how far in the log; None where nothing lies there, or only something of another log.
        held: rows by corpus; `expected` likewise, at the head of the log.
    """

    sequence: int | None
    head: int
    held: Mapping[str, int]
    expected: Mapping[str, int]


class Shared(Protocol):
    """Indexes that processes share, see `registry.shared_index`."""

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """Those whose indexes are there; the others each process has for itself."""

    def caught_up(
        self, session: Session, target: int, *, until: float
    ) -> tuple[int, Mapping[tuple[Corpus, Algorithm], VectorIndex]]:
        """Indexes that hold all of the log up to `target`, and how far they have come; `until` is monotonic time."""

    def sizes(self, *, afresh: bool) -> Mapping[str, int]:
        """Rows held, by corpus and algorithm, now or as they were a moment ago. Raises: EngineAway."""

    def standing(self, session: Session, *, until: float) -> Mapping[Algorithm, Standing]:
        """What lies there, by algorithm; nothing is changed. Raises: EngineAway, IndexBehind."""

    def fill_again(self, session: Session, *, until: float) -> None:
        """Count all rows, and write those anew that are not as the database says. Raises: EngineAway, IndexBehind."""


@dataclass(slots=True, kw_only=True)
class IndexEngine:
    """All indexes that a process asks: one for each searched corpus and algorithm.

    Attributes:
        make_index: makes those that the process has for itself.
        shared: has the rest, where there is one.
        sequence: how far the process's own ones have come.
        is_away: whether the shared ones did not answer when they were asked last.
        epoch: how often they began anew; a sequence means the same only within one.
    """

    make_index: Callable[[Algorithm], OwnIndex]
    shared: Shared | None = None
    sequence: int = 0
    is_away: bool = False
    _ask_after: float = 0.0
    epoch: int = 0
    _indexes: _Own = field(default_factory=dict)
    _catching_up: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reset()

    @property
    def sizes(self) -> dict[str, int]:
        """Rows held, by corpus and algorithm; of the shared ones nothing while they are away."""
        own = {f"{corpus}/{algorithm}": index.size for (corpus, algorithm), index in self._indexes.items()}
        if self.shared is None or (self.is_away and time.monotonic() < self._ask_after):
            return own
        try:
            own |= self.shared.sizes(afresh=self.is_away)
            self.is_away = False
        except EngineAway:
            self._note_away()
        return own

    @property
    def items(self) -> dict[str, set[ItemNumber]]:
        """Numbers of the items that the process holds itself, by corpus and algorithm."""
        return {f"{corpus}/{algorithm}": index.items() for (corpus, algorithm), index in self._indexes.items()}

    def catch_up(self, session: Session, *, timeout_s: float) -> int:
        """Apply what the log says and this process has not seen; returns the sequence reached.

        Raises:
            IndexBehind: `timeout_s` was not enough. What was applied stays applied.
            IndexAway: there are shared indexes, and they do not answer.
        """
        return self._caught_up(session, timeout_s)[0]

    def _caught_up(self, session: Session, timeout_s: float) -> tuple[int, _Indexes]:
        """The sequence reached and the indexes that reached it, taken together: others may rebuild meanwhile."""
        deadline = time.monotonic() + timeout_s
        target = head_sequence(session)
        if not self._catching_up.acquire(timeout=max(0.0, timeout_s)):
            raise IndexBehind(sequence=self.sequence, target=target)
        try:
            # Ahead of this session's view is no wonder; ahead of the log itself, a backup was restored.
            if self.sequence > target and self.sequence > _committed_sequence(session):
                self._reset()
            while self.sequence < target:
                if time.monotonic() > deadline:
                    raise IndexBehind(sequence=self.sequence, target=target)
                self._apply(session, _rows_after(session, self.sequence))
            if self.shared is None:
                return self.sequence, self._indexes
            with self._asking(target):
                reached, shared = self.shared.caught_up(session, target, until=deadline)
            self.is_away = False
            return min(self.sequence, reached), {**self._indexes, **shared}
        finally:
            self._catching_up.release()

    @contextmanager
    def _asking(self, target: int) -> Iterator[None]:
        """Ask what may be away. Raises: IndexAway."""
        try:
            yield
        except EngineAway as error:
            self._note_away()
            _logger.warning("the index engine does not answer: %s", error)
            raise IndexAway(sequence=self.sequence, target=target) from error

    def _note_away(self) -> None:
        """Whoever only wants to know how things are need not wait for it again at once."""
        self.is_away, self._ask_after = True, time.monotonic() + _LEFT_ALONE_S

    def search(
        self, session: Session, corpus: Corpus, query: Fingerprint, *, timeout_s: float, glance: Glance | None = None
    ) -> Answer:
        """Catch up, then find what `query` copies in one corpus.

        Args:
            glance: see `find_copies`.

        Raises:
            IndexBehind: see `catch_up`.
        """
        sequence, held = self._caught_up(session, timeout_s)
        subjects: dict[ItemNumber, str] = {}

        def reference_of(number: ItemNumber) -> Reference | None:
            item = session.get(Item, number)
            if item is None:
                return None
            subjects[number] = item.subject_id
            return Reference(item=number, fingerprint=fingerprint_of_item(item))

        indexes = {algorithm: held[corpus, algorithm] for algorithm in Algorithm}
        with self._asking(sequence):
            segments = find_copies(query, indexes, reference_of=reference_of, glance=glance)
        return Answer(segments=segments, subjects=subjects, sequence=sequence)

    def nearest(
        self, session: Session, corpus: Corpus, algorithm: Algorithm, rows: Vectors, *, radius_bits: int,
        timeout_s: float,
    ) -> dict[str, npt.NDArray[np.int32]]:  # fmt: skip
        """The subjects that have rows near to these: for each, how far the nearest is from each row that has one.

        Args:
            rows: uint8 (n, algorithm.row_bytes), of an algorithm whose index is one of vectors.

        Raises:
            IndexBehind: see `catch_up`.
        """
        sequence, held = self._caught_up(session, timeout_s)
        index = cast("VectorIndex", held[corpus, algorithm])
        with self._asking(sequence):
            hits = index.search(rows, radius_bits=radius_bits, limit=_NEAREST)
        numbers = [int(number) for number in np.unique(hits.items)]
        known = sa.select(Item.number, Item.subject_id).where(Item.number.in_(numbers))
        found: dict[str, npt.NDArray[np.int32]] = {}
        for number, subject_id in session.execute(known):
            mine = hits.items == number
            _, first = np.unique(hits.query_rows[mine], return_index=True)  # ordered by distance
            found[subject_id] = hits.distances_bits[mine][first]
        return found

    def rivals(self, session: Session, subject_id: str, *, timeout_s: float = 600.0) -> Answer:
        """What else in the works' corpus a stored subject copies; itself left out.

        Raises:
            IndexBehind: see `catch_up`.
        """
        fingerprint = fingerprint_of(session, subject_id)
        if fingerprint is None:  # withdrawn meanwhile
            return Answer(segments=[], subjects={}, sequence=self.sequence)
        found = self.search(session, Corpus.WORKS, fingerprint, timeout_s=timeout_s)
        others = [s for s in found.segments if found.subjects[s.item] != subject_id]
        return Answer(segments=others, subjects=found.subjects, sequence=found.sequence)

    def one_alone(self, session: Session, subject_id: str) -> "OneAlone | None":
        """A search that knows one stored subject and nothing else; None when it is withdrawn."""
        item = session.scalar(sa.select(Item).where(Item.subject_id == subject_id))
        return OneAlone(self.make_index, item) if item is not None else None

    def save(self, path: Path) -> int:
        """Write a snapshot of what the process has for itself; returns its sequence."""
        with self._catching_up:
            dumps = {f"{corpus}/{algorithm}": index.dump() for (corpus, algorithm), index in self._indexes.items()}
            snapshot = Snapshot(sequence=self.sequence, dumps=dumps)
        write_snapshot(path, snapshot)
        return snapshot.sequence

    def restore(self, path: Path) -> int:
        """Start from a snapshot instead of from nothing; returns its sequence.

        Raises:
            BadSnapshot: it cannot be used; the engine is as it was, and catching up builds what is missing.
        """
        snapshot = read_snapshot(path)
        loaded = self._empty()
        try:
            if not {f"{corpus}/{algorithm}" for corpus, algorithm in loaded} <= set(snapshot.dumps):
                raise BadSnapshot(problem=f"{path.name} was made for other algorithms")
            for (corpus, algorithm), index in loaded.items():
                index.load(snapshot.dumps[f"{corpus}/{algorithm}"])
        except ValueError as error:
            raise BadSnapshot(problem=str(error)) from error
        with self._catching_up:
            # A check may have been quicker; what it has seen must not be taken away before it has searched.
            if snapshot.sequence > self.sequence:
                self._indexes, self.sequence = loaded, snapshot.sequence
        return snapshot.sequence

    def _reset(self) -> None:
        self._indexes, self.sequence, self.epoch = self._empty(), 0, self.epoch + 1

    def _empty(self) -> _Own:
        own = [each for each in Algorithm if self.shared is None or each not in self.shared.algorithms]
        return {(corpus, algorithm): self.make_index(algorithm) for corpus in SEARCHED for algorithm in own}

    def _apply(self, session: Session, rows: Sequence[sa.Row[int, str, str, int, str]]) -> None:
        # Columns, not entities: the session may be in the middle of a change of its own.
        for sequence, operation, corpus, item_number, algorithm in rows:
            known = algorithm_named(algorithm)
            index = self._indexes.get((Corpus(corpus), known)) if known is not None else None
            if known is None or index is None:
                pass  # a later version's, or shared: such an index follows the log by itself
            elif operation == Operation.REMOVE:
                index.remove(ItemNumber(item_number))
            else:
                query = sa.select(StoredDescriptors.times_ms, StoredDescriptors.vectors).where(
                    StoredDescriptors.item_number == item_number, StoredDescriptors.algorithm == algorithm
                )
                stored = session.execute(query).one_or_none()
                if stored is not None:  # else it was removed later in the log, and its vectors with it
                    descriptors = descriptors_from_bytes(known, stored.times_ms, stored.vectors)
                    index.add(ItemNumber(item_number), descriptors)
            self.sequence = sequence


class OneAlone:
    """One stored subject to be looked for in many fingerprints: as a check would find it, and so as exactly."""

    def __init__(self, make_index: Callable[[Algorithm], FingerprintIndex], item: Item) -> None:
        self._reference = Reference(item=ItemNumber(item.number), fingerprint=fingerprint_of_item(item))
        self._subjects = {self._reference.item: item.subject_id}
        self._indexes: dict[Algorithm, FingerprintIndex] = {}
        for described in self._reference.fingerprint.descriptors:
            index = self._indexes[described.algorithm] = make_index(described.algorithm)
            index.add(self._reference.item, described)

    def in_query(self, query: Fingerprint) -> Answer:
        """What the query copies of the subject."""
        segments = find_copies(query, self._indexes, reference_of=lambda _item: self._reference)
        return Answer(segments=segments, subjects=self._subjects, sequence=0)


def head_sequence(session: Session) -> int:
    return int(session.scalars(sa.select(Heads.index_sequence)).one())


def _committed_sequence(session: Session) -> int:
    """The end of the log as it is now, whenever the session began to look."""
    with Session(session.get_bind().engine.execution_options(write=False)) as fresh:
        return head_sequence(fresh)


def _rows_after(session: Session, sequence: int) -> Sequence[sa.Row[int, str, str, int, str]]:
    log = IndexLogRow
    query = sa.select(log.sequence, log.operation, log.corpus, log.item_number, log.algorithm)
    return session.execute(query.where(log.sequence > sequence).order_by(log.sequence).limit(_BATCH)).all()
