"""The embedded engine: codes compared by FAISS in this process. The only file that imports faiss.

New rows stand in a head. When the head has grown by its share, all rows are settled in the background into a new
block, which then takes the place of the old block and of what it took from the head, in one step: every row is always
in exactly one of the two, so there is nothing to wait for and no gap. Blocks are scanned flat; from a size on, and
for the algorithms where it finds what a scan finds, a block has cells and only the nearest are scanned (ADR 0012).
Memory is numpy's throughout, which is what lets processes share it: FAISS gets slices of it.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# Waiting OpenMP threads spin by default and starve the decoders beside them; it is read when faiss loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import faiss
import numpy as np
import numpy.typing as npt

from fingerprinting.index.block import Block, Head, Ids, Marks, flat_block, from_arrays
from fingerprinting.index.protocol import Arrays, Hits, hits_of, items_of, row_ids
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors
from fingerprinting.traits import TRAITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """When an index settles its head, and when its block gets cells.

    Attributes:
        settle_rows: a smaller head stays as it is.
        settle_share: so does one that is a smaller part of the block; rows are moved 1 / share times as it doubles.
        cells_from_rows: a smaller block is flat; None where it always is.
        cells: into how many cells a block is parted.
        probed: how many of them are scanned for a query row.
    """

    settle_rows: int = 1 << 18
    settle_share: float = 0.25
    cells_from_rows: int | None = None
    cells: int = 512
    probed: int = 128


# Measured by `python -m benchmarks index`, see docs/benchmarks/index.md: a quarter of 512 cells holds 0.986 and more of
# what a scan finds, in half its time at 10^6 rows and a quarter of it at 10^7. Signs of embeddings are asked so far
# out that no partition finds enough: theirs are scanned whatever their number.
_WITH_CELLS = Growth(cells_from_rows=2_000_000)
_FLAT = Growth()
GROWTH: Mapping[Algorithm, Growth] = {
    Algorithm.VIDEO_PHASH_V1: _WITH_CELLS,
    Algorithm.AUDIO_CHROMAPRINT_V1: _WITH_CELLS,
    Algorithm.VIDEO_SSCD_V1: _FLAT,
}

# Rows that a centre is trained on.
_TRAINING_ROWS_A_CELL = 48
_TRAINING_ROUNDS = 6
_ROWS_AT_ONCE = 1 << 20
# Below this, all rows within the radius are cheaper to collect than the nearest ones are to keep sorted.
_FEW_ROWS = 1 << 16


def in_background(work: Callable[[], None]) -> None:
    """Run `work` in a thread of its own, on one core: searches go on beside it."""

    def run() -> None:
        faiss.omp_set_num_threads(1)  # of this thread
        work()

    threading.Thread(target=run, name="index settles", daemon=True).start()


class FaissIndex:
    """An index of one algorithm's codes."""

    def __init__(
        self,
        algorithm: Algorithm,
        *,
        growth: Growth | None = None,
        aside: Callable[[Callable[[], None]], None] = in_background,
    ) -> None:
        """Make an empty index; `aside` runs, or has run, what may take long."""
        self._codes = TRAITS[algorithm].codes
        self._code_bytes = TRAITS[algorithm].code_bits // 8
        self._growth = growth or GROWTH[algorithm]
        self._aside = aside
        self._head = Head(code_bytes=self._code_bytes)
        self._block = self._head.block()
        # Counted along, because counting marks would make adding dearer the more there is.
        self._living = self._dead_in_block = 0
        self._settling = False
        self._removed_meanwhile: list[ItemNumber] = []
        self._lock = threading.Lock()
        # A search already uses every core: a second one at the same time would only slow both.
        self._searching = threading.Lock()

    @property
    def size(self) -> int:
        return self._living

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        ids, codes = row_ids(item, descriptors), self._codes(descriptors.vectors)
        with self._lock:
            self._head.append(ids, codes)
            self._living += len(ids)
        self._settle_when_due()

    def remove(self, item: ItemNumber) -> int:
        with self._lock:
            if self._settling:
                self._removed_meanwhile.append(item)
            from_head, from_block = self._head.block().mark(item), self._block.mark(item)
            self._living -= from_head + from_block
            self._dead_in_block += from_block
        self._settle_when_due()
        return from_head + from_block

    def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        asked = np.ascontiguousarray(self._codes(queries))
        with self._searching:
            with self._lock:
                head, block = self._head.block(), self._block
            found = [
                *_scanned(asked, head, slice(0, len(head)), radius_bits=radius_bits, limit=limit),
                *_probed(asked, block, self._growth.probed, radius_bits=radius_bits, limit=limit),
            ]
        return hits_of(*_joined(found), limit=limit)

    def items(self) -> set[ItemNumber]:
        with self._lock:
            return set().union(*(items_of(part.ids[~part.dead]) for part in (self._head.block(), self._block)))

    def dump(self) -> Arrays:
        with self._lock:
            parts = {"block": self._block, "head": self._head.block()}
            return {f"{name}_{key}": array for name, part in parts.items() for key, array in part.arrays().items()}

    def load(self, arrays: Arrays) -> None:
        block, added = (
            from_arrays(
                {key.removeprefix(name): array for key, array in arrays.items() if key.startswith(name)},
                code_bytes=self._code_bytes,
            )
            for name in ("block_", "head_")
        )
        head = Head(code_bytes=self._code_bytes)
        head.append(added.ids[~added.dead], added.codes[~added.dead])
        with self._lock:
            self._block, self._head = block, head
            self._dead_in_block = int(block.dead.sum())
            self._living = len(head) + len(block) - self._dead_in_block

    # -- growth --

    def _settle_when_due(self) -> None:
        with self._lock:
            growth = self._growth
            changed = len(self._head) + self._dead_in_block
            if self._settling or changed < max(growth.settle_rows, growth.settle_share * len(self._block)):
                return
            self._settling = True
        self._aside(self._settle)

    def _settle(self) -> None:
        """Make a block of all living rows and put it in the place of the old one."""
        try:
            with self._lock:
                head, block, added = self._head, self._block, self._head.block()
                self._removed_meanwhile.clear()
            settled = _settled([block, added], self._growth)
            with self._lock:
                if self._head is not head or self._block is not block:
                    return  # something else was loaded meanwhile
                for item in self._removed_meanwhile:
                    settled.mark(item)
                later = head.block(len(added))
                self._head = Head(code_bytes=self._code_bytes)
                self._head.append(later.ids[~later.dead], later.codes[~later.dead])
                self._block, self._dead_in_block = settled, int(settled.dead.sum())
        finally:
            with self._lock:
                self._settling = False


# -- searching: pairs as rows of the query (int64), identities (int64) and distances (int32) --

type _Pairs = tuple[npt.NDArray[np.int64], Ids, npt.NDArray[np.int32]]
_NOTHING: _Pairs = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))


def _joined(found: Sequence[_Pairs]) -> _Pairs:
    rows, ids, distances = zip(_NOTHING, *found, strict=True)
    return np.concatenate(rows), np.concatenate(ids), np.concatenate(distances)


def _probed(asked: Vectors, block: Block, probed: int, *, radius_bits: int, limit: int) -> Iterator[_Pairs]:
    """What lies near in the cells that each query row is nearest to; in a flat block, anywhere."""
    if not len(block.centres) or not len(asked):
        yield from _scanned(asked, block, slice(0, len(block)), radius_bits=radius_bits, limit=limit)
        return
    _, nearest = faiss.knn_hamming(asked, block.centres, min(probed, len(block.centres)))
    order = np.argsort(nearest, axis=None, kind="stable")
    cells, firsts = np.unique(nearest.ravel()[order], return_index=True)
    # A cell at a time, for all rows that ask for it: it is read once, while it is in the processor's cache.
    for cell, asking in zip(cells, np.split(order // nearest.shape[1], firsts[1:]), strict=True):
        rows = slice(int(block.starts[cell]), int(block.starts[cell + 1]))
        for query_rows, ids, distances in _scanned(asked[asking], block, rows, radius_bits=radius_bits, limit=limit):
            yield asking[query_rows], ids, distances


def _scanned(asked: Vectors, block: Block, rows: slice, *, radius_bits: int, limit: int) -> Iterator[_Pairs]:
    """The nearest `limit` living rows of a stretch for each query row, ties and all that is cheap besides."""
    codes, dead = block.codes[rows], block.dead[rows]
    if not len(codes) or not len(asked):
        return
    if len(codes) <= _FEW_ROWS:
        found = _within(asked, codes, radius_bits)
    else:
        found, short = _nearest(asked, codes, dead, radius_bits, limit)
        again = _within(asked[short], codes, radius_bits)
        found = _joined([found, (short[again[0]], *again[1:])])
    query_rows, places, distances = found
    living = ~dead[places]
    if living.any():
        yield query_rows[living], block.ids[rows][places[living]], distances[living]


def _nearest(
    asked: Vectors, codes: Vectors, dead: Marks, radius_bits: int, limit: int
) -> tuple[_Pairs, npt.NDArray[np.int64]]:
    """The nearest rows, and the query rows for which dead ones may have taken the places of living ones."""
    distances, places = faiss.knn_hamming(asked, codes, min(limit, len(codes)))
    within = distances <= radius_bits
    cut_short = within[:, -1] & (within & dead[places]).any(axis=1)
    query_rows, columns = np.nonzero(within & ~cut_short[:, None])
    return (query_rows, places[query_rows, columns], distances[query_rows, columns]), np.flatnonzero(cut_short)


def _within(asked: Vectors, codes: Vectors, radius_bits: int) -> _Pairs:
    """All rows within the radius."""
    if not len(asked):
        return _NOTHING
    result = faiss.RangeSearchResult(len(asked))
    sizes = (len(asked), len(codes), radius_bits + 1, codes.shape[1])  # the radius itself is left out
    faiss.hamming_range_search(faiss.swig_ptr(asked), faiss.swig_ptr(codes), *sizes, result)  # type: ignore[attr-defined]  # its stubs have not all it has
    ends = faiss.rev_swig_ptr(result.lims, len(asked) + 1).astype(np.int64)
    count = int(ends[-1])
    if not count:
        return _NOTHING
    places = faiss.rev_swig_ptr(result.labels, count).astype(np.int64)
    distances = faiss.rev_swig_ptr(result.distances, count).astype(np.int32)
    return np.repeat(np.arange(len(asked)), np.diff(ends)), places, distances


# -- settling --


def _settled(parts: Sequence[Block], growth: Growth) -> Block:
    """A block of all living rows."""
    living = [~part.dead for part in parts]
    ids = np.concatenate([part.ids[kept] for part, kept in zip(parts, living, strict=True)])
    codes = np.concatenate([part.codes[kept] for part, kept in zip(parts, living, strict=True)])
    dead = np.zeros(len(ids), np.bool_)
    if growth.cells_from_rows is None or len(ids) < growth.cells_from_rows:
        return flat_block(ids, codes, dead)
    centres = _centres(codes, growth.cells)
    cells = np.concatenate(
        [
            faiss.knn_hamming(codes[first : first + _ROWS_AT_ONCE], centres, 1)[1][:, 0]
            for first in range(0, len(codes), _ROWS_AT_ONCE)
        ]
    )
    order = np.argsort(cells, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=len(centres)))])
    return Block(ids=ids[order], codes=codes[order], dead=dead, centres=centres, starts=starts)


def _centres(codes: Vectors, cells: int) -> Vectors:
    """Centres that divide these rows: uint8 (cells, code bytes). The same rows give the same ones."""
    step = max(1, len(codes) // (cells * _TRAINING_ROWS_A_CELL))
    bits = codes.shape[1] * 8
    trained = faiss.IndexBinaryFlat(bits)
    index = faiss.IndexBinaryIVF(trained, bits, cells)
    index.cp.niter = _TRAINING_ROUNDS
    index.cp.min_points_per_centroid = 1  # it would only warn
    index.train(np.ascontiguousarray(codes[::step]))
    centres: Vectors = faiss.vector_to_array(trained.xb)  # type: ignore[attr-defined]  # as above
    return centres.reshape(cells, codes.shape[1])
