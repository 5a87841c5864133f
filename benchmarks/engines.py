"""The two index engines held against each other and against exact answers, filled with the same rows in one run.

FAISS is asked in a process of its own, Milvus as a server on this machine, both through the service's own classes: what
is compared is what a check waits for. Milvus is asked under each consistency, which is what it costs to see all that
was acknowledged.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import faiss
import numpy as np

from benchmarks.codes import WORK_ROWS, Codes, Rows, make_rows, real_models
from benchmarks.media import Clip
from benchmarks.report import Report, table
from benchmarks.sharing import resident_bytes
from fingerprinting.index import milvus_index
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.index.milvus_address import parse_milvus_url
from fingerprinting.index.milvus_index import Milvus, MilvusRows
from fingerprinting.index.protocol import VectorIndex
from fingerprinting.model import Algorithm, Descriptors, ItemNumber
from fingerprinting.traits import TRAITS
from tests.servers.milvus import NoMilvus, milvus_server

_QUICK_SIZES, _SIZES = (100_000,), (100_000, 1_000_000)
# Of copies, the cosine of the nearest and the farthest: as `benchmarks.index` has them.
_COPIES: Final = {Algorithm.VIDEO_PHASH_V1: (0.97, 0.77), Algorithm.VIDEO_SSCD_V1: (0.8, 0.45)}
_CHECKS, _ROWS_A_CHECK, _WORKS_TIMED = 12, 80, 9
_CALL_S, _SETTLED_S = 120.0, 600.0
_LEVELS: Final = ("Session", "Strong", "Bounded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One engine, filled.

    Attributes:
        row_bytes: what the process, or the server, holds more than before, by row.
        found_0_1: share of what an exact scan finds within the radius, as many as a check asks for.
        p50_ms, p95_ms: of a check's rows asked together.
    """

    engine: str
    build_s: float
    row_bytes: float
    found_0_1: float
    p50_ms: float
    p95_ms: float
    add_ms: float
    remove_ms: float


def engines(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure both engines; FAISS alone where no server can be had.

    Raises:
        NoMedia: too little to make rows from.
    """
    models, results = real_models(clips), dict[tuple[Algorithm, int], list[Measured]]()
    for algorithm, copies in _COPIES.items():
        for count in (_QUICK_SIZES if quick else _SIZES) if algorithm in models else ():
            random = np.random.default_rng(count)
            cosines = random.uniform(min(copies), max(copies), _CHECKS * _ROWS_A_CHECK).astype(np.float32)
            with tempfile.TemporaryDirectory() as folder:
                say(f"{algorithm} at {count:,} rows: FAISS")
                rows = make_rows(
                    models[algorithm], Path(folder), count=count, cosines=cosines, floats=False, random=random
                )
                with multiprocessing.get_context("spawn").Pool(1) as alone:
                    found = alone.apply(_in_process, (algorithm, rows))
                say(f"{algorithm} at {count:,} rows: Milvus")
                try:
                    found += _in_server(algorithm, rows)
                except NoMilvus as absent:
                    say(f"Milvus is not measured: {absent}")
                results[algorithm, count] = found
    parts = [_ABOUT]
    for (algorithm, count), measured in results.items():
        asked = TRAITS[algorithm]
        title = f"## {algorithm}, {count:,} rows, {asked.search_radius_bits} bits, {asked.hits_a_row} hits a row"
        parts += [title, "", table(_HEADINGS, [_row(one) for one in measured]), ""]
    figures = {f"{algorithm} {count}": [asdict(one) for one in found] for (algorithm, count), found in results.items()}
    return Report(title="Index engines", body="\n".join(parts), figures=figures)


def _in_process(algorithm: Algorithm, rows: Rows) -> list[Measured]:
    codes, before, begun = np.load(rows.codes, mmap_mode="r"), resident_bytes("RssAnon"), time.perf_counter()
    index = FaissIndex(algorithm, aside=lambda work: work())
    _fill(index, algorithm, codes)
    build_s, held = time.perf_counter() - begun, resident_bytes("RssAnon") - before
    return [_measured("FAISS", index, algorithm, rows, build_s=build_s, row_bytes=held / len(codes))]


def _in_server(algorithm: Algorithm, rows: Rows) -> Iterator[Measured]:
    codes = np.load(rows.codes, mmap_mode="r")
    with milvus_server() as server:
        shared = MilvusRows(Milvus(parse_milvus_url(server.url), call_s=_CALL_S), algorithm, ["works"])
        mark, before, begun = shared.begin(), server.memory_bytes(), time.perf_counter()
        index = shared.as_of("works", mark)
        _fill(index, algorithm, codes)
        build_s = time.perf_counter() - begun
        _settle(shared)
        row_bytes = (server.memory_bytes() - before) / len(codes)
        for level in _LEVELS:
            milvus_index._READS = level  # what is chosen there is held against the others
            yield _measured(f"Milvus, {level}", index, algorithm, rows, build_s=build_s, row_bytes=row_bytes)
        milvus_index._READS = _LEVELS[0]


def _settle(shared: MilvusRows) -> None:
    """Let the server seal what it has, and make its cells: a service at rest is measured."""
    until = time.monotonic() + _SETTLED_S
    with shared.milvus.asked() as client:
        client.flush(shared.name, timeout=_CALL_S)
        while client.describe_index(shared.name, "code").get("pending_index_rows") and time.monotonic() < until:
            time.sleep(0.5)
    time.sleep(5)  # until it has taken what it made into use, which it does not tell of


def _fill(index: VectorIndex, algorithm: Algorithm, codes: Codes) -> None:
    for number, first in enumerate(range(0, len(codes), WORK_ROWS)):
        index.add(ItemNumber(number), _described(algorithm, codes[first : first + WORK_ROWS]))


def _described(algorithm: Algorithm, codes: Codes) -> Descriptors:
    """Rows of which these are the codes."""
    times_s = np.arange(len(codes), dtype=np.float64)
    return Descriptors(algorithm=algorithm, times_s=times_s, vectors=_rows_of(algorithm, codes))


def _rows_of(algorithm: Algorithm, codes: Codes) -> Codes:
    if algorithm is not Algorithm.VIDEO_SSCD_V1:
        return np.ascontiguousarray(codes)
    # An embedding's code is its signs.
    return np.where(np.unpackbits(codes, axis=1) == 1, 1, -1).astype(np.int8).view(np.uint8)


def _measured(
    engine: str, index: VectorIndex, algorithm: Algorithm, rows: Rows, *, build_s: float, row_bytes: float
) -> Measured:
    traits, codes = TRAITS[algorithm], np.load(rows.codes, mmap_mode="r")
    taken_ms, found, wanted = [], 0, 0
    for first in range(0, len(rows.queries), _ROWS_A_CHECK):
        queries = rows.queries[first : first + _ROWS_A_CHECK]
        asked = _rows_of(algorithm, queries)
        begun = time.perf_counter()
        hits = index.search(asked, radius_bits=traits.search_radius_bits, limit=traits.hits_a_row)
        taken_ms.append(1000 * (time.perf_counter() - begun))
        distances, _ = faiss.knn_hamming(queries, codes, traits.hits_a_row)
        right = _by_distance(
            np.repeat(np.arange(len(queries)), distances.shape[1]), distances.ravel(), traits.search_radius_bits
        )
        given = _by_distance(hits.query_rows, hits.distances_bits, traits.search_radius_bits)
        found, wanted = found + int(np.minimum(given, right).sum()), wanted + int(right.sum())
    work = _described(algorithm, codes[:WORK_ROWS])
    numbers = [ItemNumber(10_000_000 + number) for number in range(_WORKS_TIMED)]
    return Measured(
        engine=engine, build_s=build_s, row_bytes=row_bytes, found_0_1=found / wanted,
        p50_ms=float(np.median(taken_ms)), p95_ms=float(np.quantile(taken_ms, 0.95)),
        add_ms=float(np.median([_taken_ms(partial(index.add, number, work)) for number in numbers])),
        remove_ms=float(np.median([_taken_ms(partial(index.remove, number)) for number in numbers])),
    )  # fmt: skip


def _by_distance(query_rows: np.ndarray, distances: np.ndarray, radius_bits: int) -> np.ndarray:
    """How many hits each query row has at each distance: which of several at one distance are given is no matter."""
    near = distances <= radius_bits
    table_of = np.zeros((_ROWS_A_CHECK, radius_bits + 1), np.int64)
    np.add.at(table_of, (query_rows[near], distances[near]), 1)
    return table_of


def _taken_ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


_HEADINGS = (
    "engine", "build, s", "bytes a row", "of exact hits", "p50, ms", "p95, ms", "add a work, ms", "remove one, ms",
)  # fmt: skip
_ABOUT = f"""\
Both engines are filled with the same rows, a work of {WORK_ROWS} at a time, and asked for the {_ROWS_A_CHECK} rows of a
check together, as far and for as many as a check asks. *Of exact hits*: share of what a scan of all rows finds.
*Bytes a row* is what the process, or the server with all its parts, holds more than before. Milvus is a server with
everything in one process on the same machine, its nodes' clock at a tick of 50 ms; it is asked at rest, when it has
sealed what it has and made its cells. *Session* is what the service uses: a check sees every write that was
acknowledged before it. *Strong* waits for the clock at every question; *Bounded* may miss the last five seconds.
"""


def _row(one: Measured) -> list[str]:
    return [
        one.engine, f"{one.build_s:.1f}", f"{one.row_bytes:.0f}", f"{one.found_0_1:.3f}", f"{one.p50_ms:.1f}",
        f"{one.p95_ms:.1f}", f"{one.add_ms:.1f}", f"{one.remove_ms:.1f}",
    ]  # fmt: skip
