"""The distributed engine: codes that stand in Milvus and are searched there. The only file that imports pymilvus.

Each algorithm has a collection, each corpus a partition of it, each row a primary key made of its item and its place in
it. So adding again what is there already changes nothing, and who was interrupted may simply begin again. How far the
index log has been applied stands in the collection itself, as a row that is written after all that it speaks of: its
`Mark`. A search asks for that row beside the codes, in one request, and what comes without it is no answer: a
collection that was lost, emptied or made anew a moment ago cannot say that nothing was found.

Reads see every write before them that their client has made ("Session" consistency); where somebody else wrote, the
client first makes a write of its own, of nothing. So a check sees whatever was acknowledged before it, and waits only
where something changed. It decides nothing about whose turn it is to write: `registry.index` does (ADR 0034).
"""

import logging
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pymilvus import DataType, MilvusClient, MilvusException

from fingerprinting.errors import EngineAway
from fingerprinting.index.milvus_address import MilvusAddress
from fingerprinting.index.protocol import Hits, Mark, hits_of, id_range, items_of, row_ids
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors
from fingerprinting.traits import TRAITS

# A schema of another shape gets another number: what an older version wrote is left, for whoever goes back to it.
_SCHEMA: Final = 1
_MARKS: Final = "marks"
# Hashes stand in cells as in the embedded engine, and for its reasons (ADR 0012): all of them are looked at up to so
# many rows, from then on a quarter. Signs of embeddings are always compared one by one.
_CELLS, _PROBED, _ALL_UP_TO_ROWS = 512, 128, 2_000_000
# `python -m benchmarks engines` holds it against others.
_READS = "Session"
# What Milvus gives at once, whether hits or rows.
_MOST = 16_384
_ROWS_A_CALL = 10_000
# A mark is removed after the next one is written: so many may be there, after a crash or two.
_SPARE_MARKS = 4
# A key that no row has: deleting it is the write of nothing.
_NOBODY: Final = -(1 << 62)
_MAKE_S = 60.0
_NOT_FOUND: Final = frozenset({100, 200})  # Milvus' codes: collection, partition

# It logs every failed call with a traceback, and we tell of them ourselves.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)


class Milvus:
    """A server or cluster, connected to when it is needed and again after it was away."""

    def __init__(self, address: MilvusAddress, *, call_s: float = 5.0, prefix: str = "clearmark") -> None:
        """Say where it is; nothing is sent yet.

        Args:
            call_s: how long it may take to answer.
            prefix: what names of collections begin with.
        """
        self.call_s, self.prefix = call_s, prefix
        self.sessions = 0  # that ended: what a client has seen ends with it
        self._address = address
        self._connected: MilvusClient | None = None
        self._lock = threading.Lock()

    @contextmanager
    def asked(self) -> Iterator[MilvusClient]:
        """A client to ask. Raises: EngineAway, for whatever went wrong while it was asked."""
        client: MilvusClient | None = None
        try:
            client = self._client()
            yield client
        except MilvusException as error:
            if error.code not in _NOT_FOUND:
                self._give_up(client)
            raise EngineAway(problem=error.message or str(error.code)) from error
        except EngineAway:
            raise
        except Exception as error:  # gRPC's own errors among them, which pymilvus passes on
            self._give_up(client)
            raise EngineAway(problem=f"{type(error).__name__}: {error}") from error

    def _give_up(self, failed: MilvusClient | None) -> None:
        """Connect anew next time, unless another call that failed has seen to it: then it is a new client by now."""
        if failed is None:
            return
        with self._lock:
            is_news = failed is self._connected
            if is_news:
                self._connected = None
                self.sessions += 1
        if is_news:
            failed.close()

    def _client(self) -> MilvusClient:
        with self._lock:
            if self._connected is None:
                address = self._address
                self._connected = MilvusClient(
                    uri=address.uri, token=address.token, db_name=address.database, timeout=self.call_s
                )
            return self._connected


class MilvusRows:
    """One algorithm's rows, in parts that are searched apart; processes share them."""

    def __init__(self, milvus: Milvus, algorithm: Algorithm, parts: Sequence[str]) -> None:
        self.milvus, self.algorithm = milvus, algorithm
        self.name = f"{milvus.prefix}_{_SCHEMA}_{algorithm.value.replace('-', '_')}"
        self._parts = tuple(parts)
        self._code_bits = TRAITS[algorithm].code_bits
        self._is_flat = algorithm is Algorithm.VIDEO_SSCD_V1
        self._counts: dict[str, int] = {}
        self._seen: tuple[Mark, int] | None = None

    # -- how far they are --

    def mark(self, *, is_certain: bool) -> Mark | None:
        """How far they have come; None where they are not there, or not whole.

        Args:
            is_certain: wait until all that anybody wrote is seen; only for whose turn it is. Else they may be farther
                by now, never less far.
        """
        with self.milvus.asked() as client:
            if is_certain and not self._is_ready(client):
                return None
            try:
                found = client.query(
                    self.name, filter="key < 0", output_fields=["key", "at_ms", "code"], partition_names=[_MARKS],
                    consistency_level="Strong" if is_certain else _READS, timeout=self.milvus.call_s,
                )  # fmt: skip
            except MilvusException as error:
                if error.code in _NOT_FOUND:
                    return None
                raise
            marks = [Mark(sequence=-1 - row["key"], at_ms=row["at_ms"], birth=row["code"][0]) for row in found]
            marks.sort(key=lambda mark: mark.sequence)
            if is_certain and len(marks) > 1:  # who wrote the last one died before the one before it was removed
                stale = [_key_of(mark) for mark in marks[:-1]]
                client.delete(self.name, ids=stale, partition_name=_MARKS, timeout=self.milvus.call_s)
        return marks[-1] if marks else None

    def begin(self) -> Mark:
        """Make them anew: empty, at the beginning of the log."""
        mark = Mark(sequence=0, at_ms=0, birth=secrets.token_bytes(self._code_bits // 8))
        with self.milvus.asked() as client:
            client.drop_collection(self.name, timeout=_MAKE_S)
            schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("key", DataType.INT64, is_primary=True)
            schema.add_field("at_ms", DataType.INT64)
            schema.add_field("code", DataType.BINARY_VECTOR, dim=self._code_bits)
            client.create_collection(self.name, schema=schema, consistency_level="Strong", timeout=_MAKE_S)
            for part in (*self._parts, _MARKS):
                client.create_partition(self.name, part, timeout=_MAKE_S)
            indexes = client.prepare_index_params()
            kind, shape = ("BIN_FLAT", {}) if self._is_flat else ("BIN_IVF_FLAT", {"nlist": _CELLS})
            indexes.add_index("code", index_type=kind, metric_type="HAMMING", params=shape)
            client.create_index(self.name, indexes, timeout=_MAKE_S)
            client.load_collection(self.name, timeout=_MAKE_S)
        self._counts = {}
        self._write(_MARKS, [_row_of(mark)], timeout_s=_MAKE_S)
        self._seen = mark, self.milvus.sessions
        return mark

    def advance(self, mark: Mark, *, sequence: int, at_ms: int) -> Mark:
        """Say that all of the log is applied up to a row of it."""
        later = Mark(sequence=sequence, at_ms=at_ms, birth=mark.birth)
        self._write(_MARKS, [_row_of(later)], timeout_s=self.milvus.call_s)
        with self.milvus.asked() as client:
            client.delete(self.name, ids=[_key_of(mark)], partition_name=_MARKS, timeout=self.milvus.call_s)
        self._seen = later, self.milvus.sessions
        return later

    def as_of(self, part: str, mark: Mark) -> "MilvusIndex":
        """A part, to be searched as it is at a mark or later."""
        if self._seen != (mark, self.milvus.sessions):
            # Somebody else has written since: a write of ours, and we see all before it.
            with self.milvus.asked() as client:
                client.delete(self.name, ids=[_NOBODY], partition_name=_MARKS, timeout=self.milvus.call_s)
            self._seen = mark, self.milvus.sessions
        return MilvusIndex(self, part, mark)

    # -- what is in them --

    def add(self, part: str, item: ItemNumber, descriptors: Descriptors, *, timeout_s: float) -> None:
        """Write an item's rows, over those that it has already: of the same descriptors they are the same."""
        first, _ = id_range(item)
        times_ms = row_ids(item, descriptors) - first
        codes = TRAITS[self.algorithm].codes(descriptors.vectors)
        rows = [
            {"key": first + place, "at_ms": at_ms, "code": code.tobytes()}
            for place, (at_ms, code) in enumerate(zip(times_ms.tolist(), codes, strict=True))
        ]
        for begin in range(0, len(rows), _ROWS_A_CALL):
            self._write(part, rows[begin : begin + _ROWS_A_CALL], timeout_s=timeout_s)

    def remove(self, part: str, item: ItemNumber, *, timeout_s: float) -> int:
        """Delete an item's rows; returns how many there were."""
        first, end = id_range(item)
        removed = 0
        while keys := self._keys(part, f"key >= {first} && key < {end}"):
            with self.milvus.asked() as client:
                client.delete(self.name, ids=keys, partition_name=part, timeout=timeout_s)
            removed += len(keys)
        return removed

    def counts(self, *, is_certain: bool) -> dict[str, int]:
        """Rows in each part; see `mark` for how certain."""
        self._counts = {part: self.count(part, is_certain=is_certain) for part in self._parts}
        return self._counts

    def count(self, part: str, *, is_certain: bool) -> int:
        with self.milvus.asked() as client:
            [found] = client.query(
                self.name, filter="", output_fields=["count(*)"], partition_names=[part],
                consistency_level="Strong" if is_certain else _READS, timeout=self.milvus.call_s,
            )  # fmt: skip
        return int(found["count(*)"])

    def items(self, part: str) -> set[ItemNumber]:
        found: set[ItemNumber] = set()
        last = -1
        while keys := self._keys(part, f"key > {last}"):
            found |= items_of(np.array(keys, np.int64))
            last = max(keys)
        return found

    def search(self, part: str, mark: Mark, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        """See `VectorIndex.search`. Raises: EngineAway: also where these are not the rows that stood at the mark."""
        codes = TRAITS[self.algorithm].codes(queries)
        asked = [*(code.tobytes() for code in codes), mark.birth]
        probed = _CELLS if self._counts.get(part, 0) <= _ALL_UP_TO_ROWS else _PROBED
        # Without cells the radius, which is left out, is for the server too: of most rows nothing is near, and nothing
        # is sent. With cells it would stop at the first few that have nothing near.
        how = {"radius": radius_bits + 1} if self._is_flat else {"nprobe": probed}
        with self.milvus.asked() as client:
            answers = client.search(
                self.name, data=asked, anns_field="code", limit=min(limit + _SPARE_MARKS, _MOST),
                search_params={"metric_type": "HAMMING", "params": how}, output_fields=["at_ms"],
                partition_names=[part, _MARKS], consistency_level=_READS, timeout=self.milvus.call_s,
            )  # fmt: skip
        *near, marks = answers
        reached = [-1 - hit["id"] for hit in marks if hit["id"] < 0 and hit["distance"] == 0]
        if max(reached, default=-1) < mark.sequence:
            raise EngineAway(problem=f"{self.name} was made anew while it was searched")
        found = [
            (row, hit["id"], hit["entity"]["at_ms"], hit["distance"])
            for row, hits in enumerate(near)
            for hit in hits
            if hit["id"] >= 0 and hit["distance"] <= radius_bits
        ]
        columns = np.array(found, np.int64).reshape(-1, 4).T
        return hits_of(columns[0], _identities(columns[1], columns[2]), columns[3].astype(np.int32), limit=limit)

    def _is_ready(self, client: MilvusClient) -> bool:
        """Whether the collection is there and in memory, into which it is brought where it is not."""
        if not client.has_collection(self.name, timeout=self.milvus.call_s):
            return False
        parts = client.list_partitions(self.name, timeout=self.milvus.call_s)
        if not {*self._parts, _MARKS} <= set(parts) or not client.list_indexes(self.name):
            return False
        if client.get_load_state(self.name, timeout=self.milvus.call_s)["state"].name != "Loaded":
            client.load_collection(self.name, timeout=_MAKE_S)
        return True

    def _keys(self, part: str, condition: str) -> list[int]:
        with self.milvus.asked() as client:
            found = client.query(
                self.name, filter=condition, output_fields=["key"], partition_names=[part], limit=_MOST,
                consistency_level="Strong", timeout=self.milvus.call_s,
            )  # fmt: skip
        return [int(row["key"]) for row in found]

    def _write(self, part: str, rows: list[dict[str, Any]], *, timeout_s: float) -> None:
        with self.milvus.asked() as client:
            client.upsert(self.name, rows, partition_name=part, timeout=timeout_s)


class MilvusIndex:
    """One part of one algorithm's rows, at a mark."""

    def __init__(self, rows: MilvusRows, part: str, mark: Mark) -> None:
        self._rows, self._part, self._mark = rows, part, mark

    @property
    def size(self) -> int:
        return self._rows.count(self._part, is_certain=True)

    def add(self, item: ItemNumber, descriptors: Descriptors) -> None:
        self._rows.add(self._part, item, descriptors, timeout_s=self._rows.milvus.call_s)

    def remove(self, item: ItemNumber) -> int:
        return self._rows.remove(self._part, item, timeout_s=self._rows.milvus.call_s)

    def items(self) -> set[ItemNumber]:
        return self._rows.items(self._part)

    def search(self, queries: Vectors, *, radius_bits: int, limit: int) -> Hits:
        return self._rows.search(self._part, self._mark, queries, radius_bits=radius_bits, limit=limit)


def _key_of(mark: Mark) -> int:
    """Rows of items have keys from 0 up, marks from -1 down."""
    return -1 - mark.sequence


def _row_of(mark: Mark) -> dict[str, Any]:
    return {"key": _key_of(mark), "at_ms": mark.at_ms, "code": mark.birth}


def _identities(keys: npt.NDArray[np.int64], at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Item and time, as other engines have them: several rows of one item may be of one time."""
    return (keys >> 32 << 32) | at_ms
