"""Whether an index holds what the log of the index says, at the place in the log where it stands.

Decides by the items that each index of a process has, and by how many rows lie in an engine that processes share. It
asks for no search.
"""

from collections.abc import Iterator, Mapping, Set

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.document import descriptors_from_bytes
from fingerprinting.errors import EngineAway
from fingerprinting.index.embedded import embedded_index
from fingerprinting.model import Algorithm, ItemNumber
from registry.consistency import Code, Flaw, on_the_log
from registry.index import IndexBehind, Shared, head_sequence
from registry.models import StoredDescriptors

type Held = Mapping[str, Set[ItemNumber]]  # by "corpus/algorithm"
_NAMED = 5


def flaws_of_index(session: Session, held: Held, *, sequence: int, subject: str) -> Iterator[Flaw]:
    """What indexes that stand at `sequence` have too much, and what they lack."""
    head = head_sequence(session)
    if sequence > head:
        problem = f"It stands at {sequence} and its log ends at {head}: an older backup was restored under it."
        yield Flaw(code=Code.SNAPSHOT_AHEAD, subject=subject, problem=problem)
        return
    expected, now = _by_index(session, until=sequence), _by_index(session)
    for name in sorted(held):  # vectors that processes share follow the log by themselves, and are in no snapshot
        has, should = held[name], expected.get(name, set())
        # What was removed later in the log may be missing already: its rows were gone when the log was read.
        missing = (should - has) & now.get(name, set())
        lacks = {number for number in missing if _is_searchable(session, number, name)}
        for numbers, said in ((lacks, "lacks"), (has - should, "has, and should not have,")):
            if numbers:
                few = ", ".join(map(str, sorted(numbers)[:_NAMED])) + "…" * (len(numbers) > _NAMED)
                problem = f"At {sequence} the index {name} {said} {len(numbers)} items: {few}."
                yield Flaw(code=Code.SNAPSHOT_DIFFERS, subject=subject, problem=problem)


def flaws_of_shared(session: Session, shared: Shared, *, until: float) -> Iterator[Flaw]:
    """What an engine that processes share has too much or too little of, where it is as far as the log.

    Processes count its rows when they start, and believe its mark from then on; where that is behind or of another log,
    each of them sees it at its next check.

    Args:
        until: monotonic time at which to give up.
    """
    try:
        standing = shared.standing(session, until=until)
    except EngineAway as away:
        yield Flaw(code=Code.ENGINE_AWAY, subject="engine", problem=f"The index engine does not answer: {away}.")
        return
    except IndexBehind:
        problem = "Another process writes to the index engine."
        yield Flaw(code=Code.ENGINE_BEHIND, subject="engine", problem=problem)
        return
    for algorithm, at in standing.items():
        if at.sequence is None and at.head:
            problem = "The index engine has nothing of this algorithm, or something of another log."
            yield Flaw(code=Code.ENGINE_BEHIND, subject=algorithm, problem=problem)
        elif at.sequence is not None and at.sequence < at.head:
            problem = f"The index engine stands at {at.sequence} and its log ends at {at.head}."
            yield Flaw(code=Code.ENGINE_BEHIND, subject=algorithm, problem=problem)
        elif at.sequence is not None and at.held != at.expected:
            parts = [corpus for corpus in at.expected if at.held.get(corpus) != at.expected[corpus]]
            said = ", ".join(f"{at.held.get(corpus, 0)} of {at.expected[corpus]} rows of {corpus}" for corpus in parts)
            problem = f"The index engine has {said}: copies are missed, or found of what is not there."
            yield Flaw(code=Code.ENGINE_DIFFERS, subject=algorithm, problem=problem)


def _by_index(session: Session, *, until: int | None = None) -> dict[str, set[ItemNumber]]:
    found: dict[str, set[ItemNumber]] = {}
    for number, algorithm, corpus in session.execute(on_the_log(until=until), execution_options={"yield_per": 5000}):
        found.setdefault(f"{corpus}/{algorithm}", set()).add(ItemNumber(number))
    return found


def _is_searchable(session: Session, number: ItemNumber, name: str) -> bool:
    """Whether an index of this item alone would have it: a little sound has nothing that landmarks are made of."""
    algorithm = Algorithm(name.partition("/")[2])
    query = sa.select(StoredDescriptors.times_ms, StoredDescriptors.vectors).where(
        StoredDescriptors.item_number == number, StoredDescriptors.algorithm == algorithm.value
    )
    stored = session.execute(query).one_or_none()
    if stored is None:
        return False  # it is missing elsewhere too, and named for that
    alone = embedded_index(algorithm)
    try:
        alone.add(number, descriptors_from_bytes(algorithm, stored.times_ms, stored.vectors))
    except ValueError:
        return False  # likewise
    return bool(alone.items())
