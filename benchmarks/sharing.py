"""What a settled index costs a process: memory of its own and shared, time to be ready, adding and removing a work.

Rows are evenly random: nothing here depends on what is in them.
"""

import ctypes
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.codes import WORK_ROWS
from benchmarks.report import table
from fingerprinting.index.faiss_index import GROWTH, FaissIndex, Growth
from fingerprinting.index.snapshot import Snapshot, read_snapshot, write_snapshot
from fingerprinting.model import Algorithm, Descriptors, ItemNumber, Vectors

_ALGORITHM = Algorithm.VIDEO_PHASH_V1
_WORKS_TIMED = 100
_NEW = 1 << 20  # no work has such a number yet
_ASKED_ROWS, _RADIUS_BITS, _LIMIT = 80, 56, 64


def resident_bytes(kind: str) -> int:
    """Memory of this process, `RssAnon` (its own) or `RssFile` (mapped), once what was freed is given back (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{kind}:"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """A process that started from a snapshot."""

    own_bytes: int
    mapped_bytes: int
    ready_s: float
    add_us: float
    remove_ms: float


def sharing(sizes: Sequence[int]) -> str:
    """Measure and tell, as Markdown."""
    rows = []
    for count in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "snapshot"
            settle_s, write_s = _alone(_write, path, count)
            mapped, read = _alone(_start, path, False), _alone(_start, path, True)
            times = (settle_s, write_s, mapped.ready_s, mapped.add_us, mapped.remove_ms)
            sizes_mb = (path.stat().st_size, mapped.own_bytes, mapped.mapped_bytes, read.own_bytes)
            told = [f"{size / 1e6:.0f}" for size in sizes_mb] + [f"{taken:.2f}" for taken in times]
            rows.append([f"{count:,}", *told])
    headings = (
        "rows", "snapshot, MB", "mapped: own, MB", "shared, MB", "read: own, MB",
        "add all and settle, s", "write, s", "check and map, s", "add a work, µs", "remove one, ms",
    )  # fmt: skip
    return "\n".join(["## Growth and snapshots, 256 bits", "", _ABOUT, table(headings, rows)])


_ABOUT = """\
A process of its own settles the rows and writes a snapshot; others start from it, ask once, then add and remove works.
*Mapped* is what the service does: *own* is what a second process costs, *shared* what all have together.
"""


def _alone[**P, T](work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    with multiprocessing.get_context("spawn").Pool(1) as alone:
        return alone.apply(work, given, named)


def _write(path: Path, count: int) -> tuple[float, float]:
    codes = np.random.default_rng(1).integers(0, 256, (count, 32), np.uint8)
    growth = Growth(settle_rows=count, cells_from_rows=GROWTH[_ALGORITHM].cells_from_rows)
    index = FaissIndex(_ALGORITHM, growth=growth, aside=lambda work: work())
    begun = time.perf_counter()
    for number, first in enumerate(range(0, count, WORK_ROWS)):
        index.add(ItemNumber(number), _described(codes[first : first + WORK_ROWS]))
    between = time.perf_counter()
    write_snapshot(path, Snapshot(sequence=1, dumps={"index": index.dump()}))
    return between - begun, time.perf_counter() - between


def _start(path: Path, copied: bool) -> _Started:
    before_own, before_mapped = resident_bytes("RssAnon"), resident_bytes("RssFile")
    begun = time.perf_counter()
    arrays = read_snapshot(path).dumps["index"]
    index = FaissIndex(_ALGORITHM)
    index.load({name: array.copy() for name, array in arrays.items()} if copied else arrays)
    ready_s = time.perf_counter() - begun
    del arrays
    asked = np.random.default_rng(2).integers(0, 256, (_ASKED_ROWS, 32), np.uint8)
    index.search(asked, radius_bits=_RADIUS_BITS, limit=_LIMIT)
    own, mapped = resident_bytes("RssAnon") - before_own, resident_bytes("RssFile") - before_mapped
    work = _described(np.repeat(asked, 9, axis=0)[:WORK_ROWS])
    numbers = [ItemNumber(number) for number in range(_WORKS_TIMED)]
    added = [_taken_s(partial(index.add, ItemNumber(number + _NEW), work)) for number in numbers]
    removed = [_taken_s(partial(index.remove, number)) for number in numbers]
    return _Started(
        own_bytes=own,
        mapped_bytes=mapped,
        ready_s=ready_s,
        add_us=1e6 * float(np.median(added)),
        remove_ms=1e3 * float(np.median(removed)),
    )


def _described(codes: Vectors) -> Descriptors:
    times_s = np.arange(len(codes), dtype=np.float64)
    return Descriptors(algorithm=_ALGORITHM, times_s=times_s, vectors=codes)


def _taken_s(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
