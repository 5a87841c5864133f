"""What was found out about files, remembered for who sends the same bytes again: verifications are asked often of few.

Only what follows from the bytes alone is remembered, by their SHA-256, and what follows from them and from the indexes
as they stand, by both; whatever may change otherwise is looked up each time. How credentials stand follows from the
time as well, so that is remembered for a moment only. All of it is bounded, and gone with the process.
"""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fingerprinting.extract import Extracted
from provenance.model import ManifestFacts
from registry.verifications import Seen

_EXTRACTED_BYTES, _FACTS_BYTES, _SEEN_BYTES = 16 << 20, 8 << 20, 2 << 20
_FACTS_KEPT_S = 30.0
# Of one value, what lies around the bytes that are counted.
_ROUGHLY_BYTES = 2048
# Of one segment, as Python holds it.
_SEGMENT_BYTES = 400


class Remembered[K: Hashable, V]:
    """The values asked for last, as many as fit."""

    def __init__(self, most_bytes: int, *, kept_s: float = float("inf")) -> None:
        self._most_bytes, self._kept_s = most_bytes, kept_s
        self._held: OrderedDict[K, tuple[V, int, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._turns: dict[K, threading.Lock] = {}
        self._turn_takers: Counter[K] = Counter()
        self.size_bytes = 0

    @contextmanager
    def finding_out(self, key: K) -> Iterator[None]:
        """One at a time of those who want the same value: who comes after finds it here."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
            self._turn_takers[key] += 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                self._turn_takers[key] -= 1
                if not self._turn_takers[key]:
                    del self._turns[key], self._turn_takers[key]

    def get(self, key: K) -> V | None:
        with self._lock:
            if key not in self._held:
                return None
            value, _, until_s = self._held[key]
            if time.monotonic() >= until_s:
                self._drop(key)
                return None
            self._held.move_to_end(key)
            return value

    def put(self, key: K, value: V, *, size_bytes: int) -> None:
        size_bytes += _ROUGHLY_BYTES
        if size_bytes > self._most_bytes // 4:  # one film would leave no room for anything else
            return
        with self._lock:
            if key in self._held:
                self._drop(key)
            self._held[key] = value, size_bytes, time.monotonic() + self._kept_s
            self.size_bytes += size_bytes
            while self.size_bytes > self._most_bytes:
                self._drop(next(iter(self._held)))

    def _drop(self, key: K) -> None:
        self.size_bytes -= self._held.pop(key)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What this process remembers of files that were sent to be verified."""

    extracted: Remembered[str, Extracted] = field(default_factory=lambda: Remembered(_EXTRACTED_BYTES))
    facts: Remembered[Hashable, ManifestFacts] = field(
        default_factory=lambda: Remembered(_FACTS_BYTES, kept_s=_FACTS_KEPT_S)
    )
    seen: Remembered[tuple[str, tuple[int, int]], Seen] = field(default_factory=lambda: Remembered(_SEEN_BYTES))

    def note_extracted(self, sha256: str, extracted: Extracted) -> None:
        held = sum(d.vectors.nbytes + d.times_s.nbytes for d in extracted.fingerprint.descriptors)
        glance = extracted.glance.size_bytes if extracted.glance is not None else 0
        self.extracted.put(sha256, extracted, size_bytes=held + glance)

    def note_facts(self, key: Hashable, facts: ManifestFacts) -> None:
        said = len(facts.manifest_store or b"") + len(facts.crjson or "")
        self.facts.put(key, facts, size_bytes=3 * said)

    def note_seen(self, sha256: str, seen: Seen) -> None:
        answers = (seen.releases, seen.works.works, seen.works.bank)
        segments = sum(len(answer.segments) for answer in answers)
        self.seen.put((sha256, seen.position), seen, size_bytes=_SEGMENT_BYTES * segments)
