"""What is measured, behind one seam: works are registered, and queries are looked at and found among them.

Clearmark goes through its library, with embedded indexes. The other systems are in `peers`.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

import fingerprinting
from benchmarks.cache import Arrays, digest
from fingerprinting.extract import Extracted, extract, extract_output
from fingerprinting.index.embedded import embedded_index
from fingerprinting.layout import thinned
from fingerprinting.match import Reference, find_copies
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Modality, Segment
from fingerprinting.onnx_embedder import OnnxEmbedder, find_model
from fingerprinting.quality import reference_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One work that a system found in a query.

    Attributes:
        score: higher is surer; comparable within a system only.
        accepted: at the system's own thresholds, this is a match; the rest only draw its curve.
        box: (query start, query end, reference start, reference end) in seconds; None where it tells none.
    """

    item: ItemNumber
    score: float
    accepted: bool
    box: tuple[float, float, float, float] | None


class System[Look](Protocol):
    """A way to find copies: works are described and registered, a query is looked at, then found among them."""

    @property
    def name(self) -> str: ...

    @property
    def setting(self) -> str:
        """Its method and thresholds, and whose they are."""

    @property
    def modalities(self) -> frozenset[Modality]: ...

    @property
    def version(self) -> str:
        """Another one where what it says of a file could differ."""

    def describe(self, path: Path) -> Arrays:
        """What it keeps of a work. Raises MediaError or RuntimeError when it cannot read it."""

    def register(self, item: ItemNumber, described: Arrays) -> None:
        """Take in a work. Raises MediaError when it refuses to."""

    def look(self, path: Path) -> Look:
        """What it takes from a query. Raises as `describe` does."""

    def find(self, look: Look) -> Sequence[Found]:
        """The works that a query shows, each maybe several times."""


class Clearmark:
    """The library, with all of its algorithms or some; `stand_in` makes references whose rows alone were added."""

    modalities = frozenset(Modality)

    def __init__(self, name: str, algorithms: Iterable[Algorithm]) -> None:
        self.name, self.algorithms = name, frozenset(algorithms)
        self.stand_in: Callable[[ItemNumber], Reference | None] = lambda _: None
        self._embedder = embedder() if Algorithm.VIDEO_SSCD_V1 in self.algorithms else None
        self._references: dict[ItemNumber, Reference] = {}
        self._indexes = {algorithm: embedded_index(algorithm) for algorithm in self.algorithms}

    @property
    def setting(self) -> str:
        gate = "" if self.algorithms == set(Algorithm) else "; the quality gate sees all of a work all the same"
        return ", ".join(sorted(self.algorithms)) + gate + "; every segment that it reports counts as accepted"

    @property
    def version(self) -> str:
        return f"clearmark {_version_of_the_library()} {sorted(self.algorithms)}"

    def describe(self, path: Path) -> Arrays:
        fingerprint = extract(path, embedder=self._embedder).fingerprint
        kept = tuple(map(thinned, fingerprint.descriptors))
        return arrays_of(Fingerprint(duration_s=fingerprint.duration_s, descriptors=kept))

    def register(self, item: ItemNumber, described: Arrays) -> None:
        """Raises MediaError when the quality gate refuses it."""
        passed = reference_of(fingerprint_in(described, Algorithm))
        kept = tuple(one for one in passed.descriptors if one.algorithm in self.algorithms)
        fingerprint = Fingerprint(duration_s=passed.duration_s, descriptors=kept)
        self._references[item] = Reference(item=item, fingerprint=fingerprint)
        for descriptors in fingerprint.descriptors:
            self.add_rows(item, descriptors)

    def add_rows(self, item: ItemNumber, descriptors: Descriptors) -> None:
        """Index rows without keeping a reference."""
        self._indexes[descriptors.algorithm].add(item, descriptors)

    @property
    def fingerprints(self) -> list[Fingerprint]:
        """Those of the registered works."""
        return [reference.fingerprint for reference in self._references.values()]

    def look(self, path: Path) -> Extracted:
        return extract_output(path, embedder=self._embedder)

    def look_closely(self, path: Path) -> Fingerprint:
        """Everything that can be taken from a query, whether or not it hints at a copy."""
        look = self.look(path)
        closer = look.glance.closer([(0.0, np.inf)]) if look.glance else None
        if closer is None:
            return look.fingerprint
        rest = [one for one in look.fingerprint.descriptors if one.algorithm is not closer.algorithm]
        return Fingerprint(duration_s=look.fingerprint.duration_s, descriptors=(*rest, closer))

    def find(self, look: Extracted) -> list[Found]:
        segments = find_copies(look.fingerprint, self._indexes, reference_of=self._reference_of, glance=look.glance)
        return [_found(segment) for segment in segments]

    def _reference_of(self, item: ItemNumber) -> Reference | None:
        return self._references.get(item) or self.stand_in(item)


def arrays_of(fingerprint: Fingerprint) -> Arrays:
    """A fingerprint as arrays, so that it can be kept."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"duration_s": np.array(fingerprint.duration_s)}
    for descriptors in fingerprint.descriptors:
        arrays[f"{descriptors.algorithm} times_s"] = descriptors.times_s
        arrays[f"{descriptors.algorithm} vectors"] = descriptors.vectors
    return arrays


def fingerprint_in(arrays: Arrays, algorithms: Collection[Algorithm]) -> Fingerprint:
    """What `arrays_of` kept, of some algorithms."""
    descriptors = tuple(
        Descriptors(
            algorithm=algorithm,
            times_s=arrays[f"{algorithm} times_s"].astype(np.float64),
            vectors=arrays[f"{algorithm} vectors"].astype(np.uint8),
        )
        for algorithm in Algorithm
        if algorithm in algorithms and f"{algorithm} vectors" in arrays
    )
    return Fingerprint(duration_s=float(arrays["duration_s"]), descriptors=descriptors)


def _found(segment: Segment) -> Found:
    """Its score is the seconds in agreement; a picture, which has no time, is as long as it is shown."""
    is_picture = segment.reference_end_s <= segment.reference_start_s
    reference_end_s = segment.reference_start_s + segment.query_length_s if is_picture else segment.reference_end_s
    return Found(
        item=segment.item,
        score=segment.score_0_1 * segment.query_length_s,
        accepted=True,
        box=(segment.query_start_s, segment.query_end_s, segment.reference_start_s, reference_end_s),
    )


@once
def embedder(threads: int | None = None) -> OnnxEmbedder | None:
    """The network, where it is installed; None: as many threads as it thinks best."""
    model = find_model()
    return OnnxEmbedder(model, threads=threads) if model else None


@once
def _version_of_the_library() -> str:
    """A digest of its source: what it said of a file holds until a line of it changes."""
    sources = sorted(Path(fingerprinting.__path__[0]).rglob("*.py"))
    return digest(*[source.read_text() for source in sources])


def clearmark() -> list[Clearmark]:
    """Everything that is built in, and the part that needs no neural network."""
    hashes = [Algorithm.VIDEO_PHASH_V1, Algorithm.AUDIO_CHROMAPRINT_V1]
    return [Clearmark("Clearmark", Algorithm), Clearmark("Clearmark, hashes alone", hashes)]
