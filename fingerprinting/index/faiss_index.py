"""The embedded engine: FAISS binary indexes in this process. The only file that imports faiss.

A flat index scans everything: exact, removes at once, and costs one to two nanoseconds a row (ADR 0004).
One lock is enough: FAISS releases the interpreter and spreads one search over its own threads.
"""

import os
import threading

# Waiting OpenMP threads spin by default and starve the decoders beside them; it is read when faiss loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import faiss
import numpy as np

from fingerprinting.index.protocol import Hits, hits_of, id_range, items_of, row_ids
from fingerprinting.model import VECTOR_BITS, Descriptors, ItemNumber, Vectors


class FaissIndex:
    """A flat FAISS index of 256-bit rows."""

    def __init__(self) -> None:
        self._index = faiss.IndexBinaryIDMap(faiss.IndexBinaryFlat(VECTOR_BITS))
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return int(self._index.ntotal)

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        ids = row_ids(item, descriptors)
        with self._lock:
            self._index.add_with_ids(np.ascontiguousarray(descriptors.vectors), ids)

    def remove(self, item: ItemNumber) -> int:
        with self._lock:
            return int(self._index.remove_ids(faiss.IDSelectorRange(*id_range(item))))

    def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        with self._lock:
            limit = min(limit, self.size)
            if not limit or not len(queries):
                nothing = np.empty(0, np.int64)
                return hits_of(nothing, nothing, np.empty(0, np.int32))
            distances, ids = self._index.search(np.ascontiguousarray(queries), limit)
        rows, columns = np.nonzero((ids >= 0) & (distances <= radius_bits))
        return hits_of(rows.astype(np.int64), ids[rows, columns], distances[rows, columns].astype(np.int32))

    def items(self) -> set[ItemNumber]:
        with self._lock:
            return items_of(faiss.vector_to_array(self._index.id_map))

    def dump(self) -> bytes:
        with self._lock:
            return bytes(faiss.serialize_index_binary(self._index).tobytes())

    def load(self, data: bytes) -> None:
        try:
            index = faiss.deserialize_index_binary(np.frombuffer(data, np.uint8))
        except RuntimeError as error:
            raise ValueError(f"not a dump of this index: {error}") from error
        if not isinstance(index, faiss.IndexBinaryIDMap) or index.d != VECTOR_BITS:
            raise ValueError("not a dump of this index: another index type or width")
        with self._lock:
            self._index = index
