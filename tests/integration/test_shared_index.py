"""Vectors that processes share, without an engine: what is written, and what is said when the time is not enough."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from fingerprinting.errors import EngineAway
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.protocol import Mark, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from registry.database import Database
from registry.index import SEARCHED, IndexBehind, head_sequence, store_item
from registry.models import Corpus
from registry.shared_index import SharedIndexes
from tests import factories
from tests.factories import AT

PHASH = Algorithm.VIDEO_PHASH_V1


@dataclass(kw_only=True)
class Rows:
    """Rows in memory, of which each item takes `write_s` to write: an engine that is slow and well."""

    write_s: float
    reached: Mark | None = None
    parts: dict[str, ExactIndex] = field(default_factory=dict)
    begun: int = 0

    def mark(self, *, is_certain: bool) -> Mark | None:  # noqa: ARG002 - as the protocol has it
        return self.reached

    def begin(self) -> Mark:
        self.begun += 1
        self.parts = {corpus.value: ExactIndex(PHASH) for corpus in SEARCHED}
        self.reached = Mark(sequence=0, at_ms=0, birth=b"")
        return self.reached

    def advance(self, mark: Mark, *, sequence: int, at_ms: int) -> Mark:
        self.reached = Mark(sequence=sequence, at_ms=at_ms, birth=mark.birth)
        return self.reached

    def add(self, part: str, item: ItemNumber, descriptors: Descriptors, *, timeout_s: float) -> None:
        time.sleep(min(self.write_s, timeout_s))
        if timeout_s < self.write_s:
            raise EngineAway(problem="not in time")
        self.parts[part].add(item, descriptors)

    def remove(self, part: str, item: ItemNumber, *, timeout_s: float) -> int:  # noqa: ARG002 - as the protocol has it
        return self.parts[part].remove(item)

    def counts(self, *, is_certain: bool) -> dict[str, int]:  # noqa: ARG002 - as the protocol has it
        return {part: index.size for part, index in self.parts.items()}

    def as_of(self, part: str, mark: Mark) -> VectorIndex:  # noqa: ARG002 - as the protocol has it
        return self.parts[part]


@pytest.fixture
def catch_up(database: Database) -> Callable[[SharedIndexes, float], int]:
    def catch_up(shared: SharedIndexes, timeout_s: float) -> int:
        with database.reading() as session:
            until = time.monotonic() + timeout_s
            return shared.caught_up(session, head_sequence(session), until=until)[0]

    return catch_up


def test_who_has_too_little_time_for_a_slow_engine_is_told_that_it_is_behind_and_not_that_it_is_away(
    database: Database, catch_up: Callable[[SharedIndexes, float], int]
) -> None:
    with database.transaction() as session:
        for seed in range(4):
            store_item(session, Corpus.WORKS, f"ast_{seed}", factories.fingerprint(seed, seconds=3.0), at=AT)
    rows = Rows(write_s=0.2)
    shared = SharedIndexes(rows={PHASH: rows})
    with pytest.raises(IndexBehind) as behind:
        catch_up(shared, 0.3)
    assert 0 < behind.value.sequence < 4, "the item in hand was written to its end"
    assert catch_up(shared, 30.0) == 4
    assert rows.begun == 1, "what was applied stayed applied"
