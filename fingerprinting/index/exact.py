"""The exact index in plain numpy: slow, obvious, and what every other engine is held against."""

import io
import threading
import zipfile

import numpy as np

from fingerprinting.hamming import distances
from fingerprinting.index.protocol import Hits, hits_of, id_range, items_of, row_ids
from fingerprinting.model import VECTOR_BYTES, Descriptors, ItemNumber, Vectors


class ExactIndex:
    """Compares every query row with every row held."""

    def __init__(self) -> None:
        self._ids = np.empty(0, np.int64)
        self._vectors: Vectors = np.empty((0, VECTOR_BYTES), np.uint8)
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return len(self._ids)

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        with self._lock:
            self._ids = np.concatenate([self._ids, row_ids(item, descriptors)])
            self._vectors = np.concatenate([self._vectors, descriptors.vectors])

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
        for row, query in enumerate(queries):
            distance = distances(query[None], vectors)[0].astype(np.int32)
            near = np.flatnonzero(distance <= radius_bits)
            near = near[np.lexsort((ids[near], distance[near]))][:limit]
            rows.append(np.full(len(near), row, np.int64))
            columns.append(ids[near])
            found.append(distance[near])
        return hits_of(np.concatenate(rows), np.concatenate(columns), np.concatenate(found))

    def items(self) -> set[ItemNumber]:
        return items_of(self._ids)

    def dump(self) -> bytes:
        buffer = io.BytesIO()
        with self._lock:
            np.savez(buffer, ids=self._ids, vectors=self._vectors)
        return buffer.getvalue()

    def load(self, data: bytes) -> None:
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                ids, vectors = arrays["ids"], arrays["vectors"]
        except (OSError, KeyError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(f"not a dump of this index: {error}") from error
        if ids.dtype != np.int64 or vectors.dtype != np.uint8 or vectors.shape != (*ids.shape, VECTOR_BYTES):
            raise ValueError("not a dump of this index: other arrays")
        with self._lock:
            self._ids, self._vectors = ids, vectors
