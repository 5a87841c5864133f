"""Works that nobody made, to stand around real ones where an index must be large.

Each is a stretch of a real work with its dimensions shuffled and some of them turned round, one way for all
of its rows: so its rows follow one another just as real ones do, and are as far from any other work's as
strangers are. What the real works have in common is lost: partitioned indexes find rows spread more evenly
than real ones are. (`codes` models that too, for comparing types of index.)

A work is made from its number alone: what an index holds need not be held a second time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprinting import landmark, sscd
from fingerprinting.chromaprint import WORDS_A_ROW
from fingerprinting.layout import LAYOUTS
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber, Times, Vectors

# A work of three minutes at four rows a second.
WORK_ROWS = 720
_FIRST = 1 << 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """Works of `WORK_ROWS` rows of one algorithm, numbered from `_FIRST` on, made from real rows and their times."""

    algorithm: Algorithm
    real: Vectors
    times_s: Times

    @classmethod
    def around(cls, algorithm: Algorithm, fingerprints: Sequence[Fingerprint]) -> "Crowd":
        """Made from all that the fingerprints have of an algorithm, one after another."""
        held = [(found, one.duration_s) for one in fingerprints if (found := one.of(algorithm)) is not None]
        begins_s = np.cumsum([0.0, *(duration_s for _, duration_s in held)])
        times_s = [found.times_s + begin_s for (found, _), begin_s in zip(held, begins_s[:-1], strict=True)]
        return cls(algorithm, np.concatenate([found.vectors for found, _ in held]), np.concatenate(times_s))

    def works(self, rows: int, *, after: int = 0) -> Iterator[tuple[ItemNumber, Descriptors]]:
        """So many works that they have `rows` rows in all, without those that make the first `after`."""
        for number in range(after // WORK_ROWS, rows // WORK_ROWS):
            item = ItemNumber(_FIRST + number)
            yield item, self.work(item)

    def work(self, item: ItemNumber) -> Descriptors:
        random = np.random.default_rng(item)
        taken = (random.integers(len(self.real)) + np.arange(WORK_ROWS)) % len(self.real)
        if self.algorithm is Algorithm.AUDIO_LANDMARK_V1:
            return self._peaks(taken, random)
        layout = LAYOUTS[self.algorithm]
        return Descriptors(
            algorithm=self.algorithm,
            times_s=layout.first_s + (np.arange(WORK_ROWS) // layout.reference_rows_a_time) * np.float64(layout.step_s),
            vectors=self._estranged(self.real[taken], random),
        )

    def _peaks(self, taken: npt.NDArray[np.int64], random: np.random.Generator) -> Descriptors:
        """Peaks at their times, in bands that have changed places."""
        taken = np.sort(taken)
        frames = np.round((self.times_s[taken] - self.times_s[taken[0]]) / landmark.FRAME_S)
        bands = random.permutation(landmark.BANDS)[self.real[taken, 0]]
        order = np.lexsort((bands, frames))
        peaks = np.stack([bands, self.real[taken, 1]], axis=1)[order].astype(np.uint8)
        times_s = landmark.FIRST_FRAME_S + frames[order] * landmark.FRAME_S
        return Descriptors(algorithm=self.algorithm, times_s=times_s, vectors=peaks)

    def _estranged(self, rows: Vectors, random: np.random.Generator) -> Vectors:
        if self.algorithm is Algorithm.VIDEO_SSCD_V1:
            signs = random.choice(np.array([-1, 1], np.float32), sscd.DIMENSIONS)
            return sscd.quantised(sscd.embeddings_of(rows)[:, random.permutation(sscd.DIMENSIONS)] * signs)
        # A word's bits keep their word: the next row begins with the second word of this one.
        words = WORDS_A_ROW if self.algorithm is Algorithm.AUDIO_CHROMAPRINT_V1 else 1
        bits = np.unpackbits(rows, axis=1).reshape(len(rows), words, -1)
        width = bits.shape[2]
        turned = bits[:, :, random.permutation(width)] ^ random.integers(0, 2, width, np.uint8)
        return np.packbits(turned.reshape(len(rows), -1), axis=1)


def fingerprint_of(item: ItemNumber, crowds: Sequence[Crowd]) -> Fingerprint:
    """What would be stored of a work of the crowds, of all their algorithms."""
    descriptors = tuple(crowd.work(item) for crowd in crowds)
    return Fingerprint(duration_s=float(max(one.times_s[-1] for one in descriptors)), descriptors=descriptors)
