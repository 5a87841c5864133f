"""The exact index in plain numpy: slow, obvious, and what every other engine is held against."""

import threading

import numpy as np

from fingerprinting.hamming import distances
from fingerprinting.index.protocol import Arrays, Hits, hits_of, id_range, items_of, row_ids
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors
from fingerprinting.traits import TRAITS


class ExactIndex:
    """Compares every query row with every row held."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._codes = TRAITS[algorithm].codes
        self._ids = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, TRAITS[algorithm].code_bits // 8), np.uint8)
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return len(self._ids)

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        with self._lock:
            self._ids = np.concatenate([self._ids, row_ids(item, descriptors)])
            self._vectors = np.concatenate([self._vectors, self._codes(descriptors.vectors)])

    def remove(self, item: ItemNumber) -> int:
        with self._lock:
            first, end = id_range(item)
            kept = (self._ids < first) | (self._ids >= end)
            self._ids, self._vectors = self._ids[kept], self._vectors[kept]
            return int((~kept).sum())

    def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        with self._lock:
            ids, vectors = self._ids, self._vectors
        rows, columns, found = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for row, query in enumerate(self._codes(queries)):
            distance = distances(query[None], vectors)[0].astype(np.int32)
            near = np.flatnonzero(distance <= radius_bits)
            rows.append(np.full(len(near), row, np.int64))
            columns.append(ids[near])
            found.append(distance[near])
        return hits_of(np.concatenate(rows), np.concatenate(columns), np.concatenate(found), limit=limit)

    def items(self) -> set[ItemNumber]:
        return items_of(self._ids)

    def dump(self) -> Arrays:
        with self._lock:
            return {"ids": self._ids, "vectors": self._vectors}

    def load(self, arrays: Arrays) -> None:
        if set(arrays) != {"ids", "vectors"}:
            raise ValueError(f"not a dump of this index: it holds {sorted(arrays)}")
        ids, vectors = arrays["ids"], arrays["vectors"]
        if ids.dtype != np.int64 or vectors.dtype != np.uint8 or ids.ndim != 1:
            raise ValueError("not a dump of this index: other arrays")
        if vectors.shape != (*ids.shape, self._vectors.shape[1]):
            raise ValueError("not a dump of this index: rows of another width, or not one for each identity")
        with self._lock:
            self._ids, self._vectors = ids, vectors
