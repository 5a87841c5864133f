"""Whether an engine finds what stands in the database: searches of stored items, held against exact answers.

Decides by a sample, which is the same each time for the same database. It decides nothing about an index that differs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import descriptors_from_bytes
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.protocol import Hits, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from fingerprinting.traits import TRAITS
from registry.models import Corpus, Item, StoredDescriptors

_ITEMS, _ROWS_ASKED = 20, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What searches of a sample were to find, and what of it they found."""

    searches: int
    wanted: int
    found: int

    @property
    def share_0_1(self) -> float:
        return self.found / self.wanted if self.wanted else 1.0


def sample(session: Session, indexes: Mapping[tuple[Corpus, Algorithm], VectorIndex]) -> Sampled:
    """Search each index for rows of some of its items, and count what of the exact answer among those comes back.

    Raises:
        EngineAway: the engine does not answer.
    """
    searches = wanted = found = 0
    for (corpus, algorithm), index in indexes.items():
        exact, traits, asked = ExactIndex(algorithm), TRAITS[algorithm], list[Descriptors]()
        for number, descriptors in _some(session, corpus, algorithm):
            exact.add(number, descriptors)
            asked.append(descriptors)
        for descriptors in asked:
            rows = descriptors.vectors[:: max(1, len(descriptors) // _ROWS_ASKED)]
            near = traits.search_radius_bits, traits.hits_a_row
            right = exact.search(rows, radius_bits=near[0], limit=near[1])
            given = index.search(rows, radius_bits=near[0], limit=near[1])
            least = _owed(right, given, limit=near[1])
            searches, wanted, found = searches + 1, wanted + len(least), found + len(least & _pairs(given))
    return Sampled(searches=searches, wanted=wanted, found=found)


type _Pairs = set[tuple[int, int, float, int]]


def _pairs(hits: Hits) -> _Pairs:
    columns = (hits.query_rows, hits.items, hits.times_s, hits.distances_bits)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def _owed(right: Hits, given: Hits, *, limit: int) -> _Pairs:
    """What of the exact answer has to be there: where a row's answer is full, only what is nearer than its last hit."""
    last: dict[int, int] = {}
    count: dict[int, int] = {}
    for row, bits in zip(given.query_rows.tolist(), given.distances_bits.tolist(), strict=True):
        last[row], count[row] = bits, count.get(row, 0) + 1
    return {pair for pair in _pairs(right) if count.get(pair[0], 0) < limit or pair[3] < last[pair[0]]}


def _some(session: Session, corpus: Corpus, algorithm: Algorithm) -> Iterator[tuple[ItemNumber, Descriptors]]:
    """Items evenly from the first to the last."""
    those = sa.select(StoredDescriptors.item_number).join(Item, Item.number == StoredDescriptors.item_number)
    numbers = session.scalars(those.where(Item.corpus == corpus, StoredDescriptors.algorithm == algorithm)).all()
    for number in sorted(numbers)[:: max(1, len(numbers) // _ITEMS)]:
        stored = session.get_one(StoredDescriptors, (number, algorithm.value))
        yield ItemNumber(number), descriptors_from_bytes(algorithm, stored.times_ms, stored.vectors)
