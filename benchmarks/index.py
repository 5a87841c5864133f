"""Index types held against a flat scan: recall, time, memory, and what adding and removing a work costs.

Every type is built in a process of its own, so that its memory is its own, and asked in turn with a flat scan of the
same rows, so that its time is a ratio that a busy machine does not change.
"""

import multiprocessing
import operator
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import faiss
import numpy as np
import numpy.typing as npt

from benchmarks.codes import WORK_ROWS, Codes, Floats, Model, Rows, WordModel, make_rows, real_models
from benchmarks.media import Clip
from benchmarks.report import Report, table
from benchmarks.sharing import resident_bytes, sharing
from fingerprinting.index.faiss_index import FaissIndex, Growth
from fingerprinting.model import Algorithm, Descriptors, ItemNumber

QUICK_SIZES, SIZES = (100_000,), (100_000, 1_000_000, 10_000_000)
# As many as the service asks for.
_HITS_PER_ROW = 64
_CHECKS = 6
_TRAINING_ROWS, _TRAINING_ROUNDS, _ADDED_AT_ONCE = 100_000, 6, 1_000_000
_ALL_TYPES_UP_TO = 1_000_000
_OUR_CELLS, _FLOAT_CELLS = 512, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a check asks of one algorithm's index.

    Attributes:
        rows: query rows of a check.
        radius_bits: how far it looks.
        copies: cosine of the nearest and of the farthest copies; of bits, what makes the wanted distances.
        middle_bits: copies nearer than this are told apart in the table from those beyond.
    """

    rows: int
    radius_bits: int
    copies: tuple[float, float]
    middle_bits: int


def _cosine(bits: float) -> float:
    return float(np.cos(np.pi * bits / 256))


_ASKED = {
    Algorithm.VIDEO_PHASH_V1: Asked(rows=80, radius_bits=56, copies=(_cosine(20), _cosine(56)), middle_bits=40),
    Algorithm.AUDIO_CHROMAPRINT_V1: Asked(rows=80, radius_bits=48, copies=(_cosine(20), _cosine(48)), middle_bits=36),
    Algorithm.VIDEO_SSCD_V1: Asked(rows=70, radius_bits=190, copies=(0.8, 0.45), middle_bits=144),
}


def _remove_range(index: Any, first_row: int) -> None:
    index.remove_ids(faiss.IDSelectorRange(first_row, first_row + WORK_ROWS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An index type, built once and asked under each of its settings.

    Attributes:
        build: uint8 (n, bytes), or float32 (n, d) where `floats`, -> an index of FAISS's kind that holds them.
        settings: label, attribute and its value; more is slower and finds more.
        remove: takes a work's rows out, the number of its first given; None where the type cannot.
    """

    name: str
    build: Callable[[npt.NDArray[Any]], Any]
    settings: Sequence[tuple[str, str, int]] = (("", "", 0),)
    floats: bool = False
    remove: Callable[[Any, int], None] | None = _remove_range


def contenders(algorithm: Algorithm, count: int) -> list[Contender]:
    """The types that are tried at this size."""
    cells = 1024 if count <= 100_000 else 4096
    found = [
        Contender(name="flat", build=_flat),
        Contender(name=f"IVF, {cells} cells", build=_ivf(cells), settings=_probing(cells, (64, 16, 8, 4), "nprobe")),
    ]
    if algorithm is not Algorithm.VIDEO_SSCD_V1:
        ours = Contender(
            name=f"ours, {_OUR_CELLS} cells",
            build=lambda codes: _Ours(codes, algorithm),
            settings=[(f"{probed} probed", "probed", probed) for probed in (64, 96, 128)],
            remove=_Ours.remove,
        )
        found.append(ours)
    if count > _ALL_TYPES_UP_TO:
        return found
    beams = [(f"beam {width}", "hnsw.efSearch", width) for width in (64, 256, 1024)]
    found.append(Contender(name="HNSW, 16 links", build=_graph, settings=beams, remove=None))
    if algorithm is not Algorithm.VIDEO_SSCD_V1:
        flips = [(f"{flip} flips", "nflip", flip) for flip in (2, 3)]
        hashed = Contender(name="multi-hash, 12 of 20 bits", build=_hashes(12, 20), settings=flips, remove=None)
        return [*found, hashed]
    probing = _probing(_FLOAT_CELLS, (64, 16, 4), "nprobe")
    kinds = {"": "Flat", ", PQ of 64 bytes": "PQ64x8", ", a byte a number": "SQ8", ", RaBitQ": "RaBitQ"}
    found.append(Contender(name="floats: flat", build=_float("Flat"), floats=True))
    return found + [
        Contender(name=f"floats: IVF{kind}", build=_float(f"IVF{_FLOAT_CELLS},{code}"), settings=probing, floats=True)
        for kind, code in kinds.items()
    ]


def _probing(cells: int, parts: Sequence[int], attribute: str) -> list[tuple[str, str, int]]:
    return [(f"{cells // part} probed", attribute, cells // part) for part in parts]


def _flat(codes: Codes) -> Any:
    return _filled(faiss.IndexBinaryFlat(codes.shape[1] * 8), codes)


def _ivf(cells: int) -> Callable[[Codes], Any]:
    def build(codes: Codes) -> Any:
        index = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(codes.shape[1] * 8), codes.shape[1] * 8, cells)
        index.cp.niter = _TRAINING_ROUNDS
        index.cp.min_points_per_centroid = 1
        return _filled(index, codes)

    return build


def _graph(codes: Codes) -> Any:
    return _filled(faiss.IndexBinaryHNSW(codes.shape[1] * 8, 16), codes)


def _hashes(count: int, bits: int) -> Callable[[Codes], Any]:
    return lambda codes: _filled(faiss.IndexBinaryMultiHash(codes.shape[1] * 8, count, bits), codes)


def _float(factory: str) -> Callable[[Floats], Any]:
    def build(rows: Floats) -> Any:
        index: Any = faiss.index_factory(rows.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
        if factory.startswith("IVF"):
            index.cp.niter = _TRAINING_ROUNDS
        if factory.endswith("PQ64x8"):
            index.pq.cp.niter = _TRAINING_ROUNDS
        return _filled(index, rows)

    return build


def _filled(index: Any, rows: npt.NDArray[Any]) -> Any:
    if not index.is_trained:
        index.train(np.ascontiguousarray(rows[:: max(1, len(rows) // _TRAINING_ROWS)]))
    for first in range(0, len(rows), _ADDED_AT_ONCE):
        index.add(np.ascontiguousarray(rows[first : first + _ADDED_AT_ONCE]))
    return index


class _Ours:
    """The service's own index, settled into cells, asked as FAISS's are."""

    def __init__(self, codes: Codes, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self._growth = Growth(settle_rows=len(codes), cells_from_rows=1, cells=_OUR_CELLS)
        self._index = FaissIndex(algorithm, growth=self._growth, aside=lambda work: work())
        self._works = 0
        for first in range(0, len(codes), WORK_ROWS):
            self.add(codes[first : first + WORK_ROWS])

    @property
    def probed(self) -> int:
        return self._growth.probed

    @probed.setter
    def probed(self, probed: int) -> None:
        self._growth = replace(self._growth, probed=probed)
        arrays = self._index.dump()
        self._index = FaissIndex(self._algorithm, growth=self._growth)
        self._index.load(arrays)

    def add(self, codes: Codes) -> None:
        times_s = np.arange(len(codes), dtype=np.float64)
        self._index.add(ItemNumber(self._works), Descriptors(algorithm=self._algorithm, times_s=times_s, vectors=codes))
        self._works += 1

    def remove(self, first_row: int) -> None:
        self._index.remove(ItemNumber(first_row // WORK_ROWS))

    def search(self, queries: Codes, limit: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        hits = self._index.search(queries, radius_bits=_ASKED[self._algorithm].radius_bits, limit=limit)
        place = np.arange(len(hits)) - np.searchsorted(hits.query_rows, hits.query_rows)
        distances, rows = np.zeros((len(queries), limit), np.int32), np.full((len(queries), limit), -1, np.int64)
        distances[hits.query_rows, place] = hits.distances_bits
        rows[hits.query_rows, place] = hits.items * WORK_ROWS + hits.times_s.astype(np.int64)
        return distances, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One type under one setting.

    Attributes:
        near_0_1, far_0_1: share of the copies, nearer and farther than the middle, whose source was among the hits.
        of_flat_0_1: share of what a flat scan found within the radius; None for floats, which find other rows.
        ratio: median time of a check, a flat scan of the codes taking 1.
        remove_ms: None where the type cannot.
    """

    name: str
    setting: str
    near_0_1: float
    far_0_1: float
    of_flat_0_1: float | None
    p50_ms: float
    p95_ms: float
    ratio: float
    row_bytes: float
    build_s: float
    add_ms: float
    remove_ms: float | None


def _measure(algorithm: Algorithm, position: int, rows: Rows) -> list[Measured]:
    codes = np.load(rows.codes, mmap_mode="r")
    contender = contenders(algorithm, len(codes))[position]
    source = rows.floats if contender.floats else rows.codes
    assert source is not None
    before, begun = resident_bytes("RssAnon"), time.perf_counter()
    index = contender.build(np.load(source, mmap_mode="r"))
    build_s, held = time.perf_counter() - begun, resident_bytes("RssAnon") - before
    searched = [_searched(algorithm, contender, index, codes, rows, setting) for setting in contender.settings]
    some = np.ascontiguousarray(np.load(source, mmap_mode="r")[:WORK_ROWS])
    add_ms = float(np.median([_taken_ms(lambda: index.add(some)) for _ in range(5)]))
    remove, middle = contender.remove, len(codes) // 2
    remove_ms = None if remove is None else _taken_ms(lambda: remove(index, middle))
    return [
        Measured(
            name=contender.name, setting=setting[0], row_bytes=held / len(codes), build_s=build_s, add_ms=add_ms,
            remove_ms=remove_ms, **found,
        )
        for setting, found in zip(contender.settings, searched, strict=True)
    ]  # fmt: skip


def _searched(
    algorithm: Algorithm, contender: Contender, index: Any, codes: Codes, rows: Rows, setting: tuple[str, str, int]
) -> dict[str, Any]:
    asked = _ASKED[algorithm]
    if setting[1]:
        path, _, name = setting[1].rpartition(".")
        setattr(operator.attrgetter(path)(index) if path else index, name, setting[2])
    queries = rows.query_floats if contender.floats else rows.queries
    mine_ms, flat_ms, found, flat = [], [], [], []
    for first in range(0, len(queries), asked.rows):
        some = slice(first, first + asked.rows)
        begun = time.perf_counter()
        flat.append(_within(*faiss.knn_hamming(rows.queries[some], codes, _HITS_PER_ROW), asked.radius_bits))
        between = time.perf_counter()
        distances, ids = index.search(queries[some], _HITS_PER_ROW)
        mine_ms.append(1000 * (time.perf_counter() - between))
        flat_ms.append(1000 * (between - begun))
        found.append(ids if contender.floats else _within(distances, ids, asked.radius_bits))
    mine, theirs = np.concatenate(found), np.concatenate(flat)
    apart = np.bitwise_count(rows.queries ^ codes[rows.sources]).sum(axis=1)
    near = apart < asked.middle_bits
    far = ~near & (apart <= asked.radius_bits)
    hit = (mine == rows.sources[:, None]).any(axis=1)
    shared = sum(len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(mine, theirs, strict=True))
    return {
        "near_0_1": float(hit[near].mean()),
        "far_0_1": float(hit[far].mean()),
        "of_flat_0_1": None if contender.floats else shared / int((theirs >= 0).sum()),
        "p50_ms": float(np.median(mine_ms)),
        "p95_ms": float(np.quantile(mine_ms, 0.95)),
        "ratio": float(np.median(mine_ms) / np.median(flat_ms)),
    }


def _within(distances: npt.NDArray[np.int32], ids: npt.NDArray[np.int64], radius_bits: int) -> npt.NDArray[np.int64]:
    return np.where(distances <= radius_bits, ids, -1)


def _taken_ms(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def measured(model: Model | WordModel, algorithm: Algorithm, count: int) -> Iterator[Measured]:
    """All types at one size, one after the other."""
    asked = _ASKED[algorithm]
    random = np.random.default_rng(count)
    cosines = random.uniform(min(asked.copies), max(asked.copies), _CHECKS * asked.rows).astype(np.float32)
    floats = algorithm is Algorithm.VIDEO_SSCD_V1 and count <= _ALL_TYPES_UP_TO
    with tempfile.TemporaryDirectory() as folder:
        rows = make_rows(model, Path(folder), count=count, cosines=cosines, floats=floats, random=random)
        for position in range(len(contenders(algorithm, count))):
            with multiprocessing.get_context("spawn").Pool(1) as alone:
                yield from alone.apply(_measure, (algorithm, position, rows))


def index(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure every type at every size, and what growth and snapshots cost.

    Raises:
        NoMedia: too little to make rows from.
    """
    sizes = QUICK_SIZES if quick else SIZES
    results: dict[tuple[Algorithm, int], list[Measured]] = {}
    for algorithm, model in real_models(clips).items():
        for count in sizes:
            say(f"{algorithm} at {count:,} rows")
            results[algorithm, count] = list(measured(model, algorithm, count))
    say("growth and snapshots")
    return Report(title="Index types", body=told(results) + "\n" + sharing(sizes), figures=figures(results))


def figures(results: Mapping[tuple[Algorithm, int], Sequence[Measured]]) -> dict[str, object]:
    return {f"{algorithm} {count}": [asdict(one) for one in found] for (algorithm, count), found in results.items()}


def told(results: Mapping[tuple[Algorithm, int], Sequence[Measured]]) -> str:
    parts = [_ABOUT]
    for (algorithm, count), found in results.items():
        asked = _ASKED[algorithm]
        near, far = f"copies < {asked.middle_bits} bits", f"to {asked.radius_bits}"
        headings = ("type", near, far, "of flat's", "p50, ms", "p95, ms", "a row, ms", "flat = 1", *_COSTS)
        rows = [_row(one, asked) for one in found]
        parts += [f"## {algorithm}, {count:,} rows, {asked.rows} asked", "", table(headings, rows), ""]
    return "\n".join(parts)


_COSTS = ("bytes a row", "build, s", "add a work, ms", "remove one, ms")
_ABOUT = """\
A check's rows are asked together. *Copies*: share of edited copies, by how many bits they are from their source, whose
source was among the 64 nearest rows within the search radius. *Of flat's*: share of the rows a flat scan gives that the
type gives as well. *Flat = 1*: time, a flat scan of the codes in the same process taking 1. A work is 720 rows.
*Bytes a row* is the process's memory, so what a type needed to build counts where it did not give it back.

Rows are made: a Gaussian with the frequencies and correlations of the bits (of embeddings: their covariance) of real
clips, in scenes that drift as theirs do, most leaning towards some real row; Chromaprint's as a process of words.
Copies are mixed with more of the same, which turns those bits first that were undecided. Evenly random bits would
flatter partitioned types on crowding and wrong them on distance. *Floats* are the embeddings themselves, the rest their
signs; they and the graph and the multi-hash (half a kilobyte a row and more) are tried up to a million rows only.
"""


def _row(one: Measured, asked: Asked) -> list[str]:
    return [
        f"{one.name}, {one.setting}" if one.setting else one.name,
        f"{one.near_0_1:.3f}",
        f"{one.far_0_1:.3f}",
        "-" if one.of_flat_0_1 is None else f"{one.of_flat_0_1:.3f}",
        f"{one.p50_ms:.1f}",
        f"{one.p95_ms:.1f}",
        f"{one.p50_ms / asked.rows:.3f}",
        f"{one.ratio:.2f}",
        f"{one.row_bytes:.0f}",
        f"{one.build_s:.1f}",
        f"{one.add_ms:.2f}",
        "cannot" if one.remove_ms is None else f"{one.remove_ms:.2f}",
    ]
