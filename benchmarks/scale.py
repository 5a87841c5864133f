"""Scale: how index size, adding and searching grow with the rows held, and what a million works would need.

Every figure of the plan is measured here but the prices, which are assumptions and are said to be.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import cast

import numpy as np

from benchmarks import plots
from benchmarks.crowd import WORK_ROWS, Crowd
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import Report, table
from benchmarks.speed import checked_clip, held_bytes
from benchmarks.systems import Clearmark
from fingerprinting.constellation import find_by_landmarks
from fingerprinting.index.embedded import embedded_index
from fingerprinting.index.landmarks import LandmarkIndex
from fingerprinting.index.protocol import FingerprintIndex, VectorIndex
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, ItemNumber
from fingerprinting.traits import TRAITS

_HELD = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
_HELD_QUICK = _HELD[:5]
# Smaller indexes cost what a call costs: they say nothing about growth.
_FITTED_FROM = 100_000
_REAL_CLIPS = 4
_SEARCHES, _ADDED_WORKS = 7, 21

# The plan: a million works of three minutes on machines of this kind, all of whose cores search. Prices are
# assumptions: what a GiB-month of memory with its cores costs rented by the month, and at a large cloud on demand.
_CATALOGUES = (1_000, 10_000, 100_000, 1_000_000)
_PLANNED_WORKS, _WORK_S = 1_000_000, 180.0
_MACHINE_GIB, _MACHINE_CORES, _USABLE = 128, 16, 0.8
_WANTED_SEARCH_S = 2.0
_LEAST_PRICE, _MOST_PRICE = 1.0, 5.0
_STORED_PRICE = 0.1
_TIME_BYTES = 4
_CORES_HERE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """An index of `held` rows; a search is that of a check of 10 s, `asked` rows in one call."""

    held: int
    bytes_a_row: float
    add_work_ms: float
    asked: int
    search_ms: float


def scale(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    system, real = Clearmark("everything", Algorithm), _real(clips)
    for number, clip in enumerate(real):
        system.register(ItemNumber(number), system.describe(clip.path))
    look = system.look(checked_clip(real)).fingerprint
    curves, sizes = {}, _HELD_QUICK if quick else _HELD
    for algorithm in Algorithm:
        # A process of its own for each, or memory that one gave back would hide what the next one takes.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            crowd, asked = Crowd.around(algorithm, system.fingerprints), look.of(algorithm)
            assert asked is not None
            curves[algorithm] = process.submit(_curve, crowd, asked, sizes).result()
        say(f"{algorithm}: {curves[algorithm][-1]}")
    rates = {algorithm: _rows_a_second(algorithm, system.fingerprints) for algorithm in Algorithm}
    parts = [_HOW, "", table(_HEADINGS, [row for a in Algorithm for row in _rows(a, curves[a])]), ""]
    parts += [
        "## Growth",
        "",
        _EXPONENTS,
        "",
        table(_EXPONENT_HEADINGS, [_exponents(a, curves[a]) for a in Algorithm]),
        "",
    ]
    parts += [
        "![search](scale-search.png)",
        "",
        "![adding](scale-add.png)",
        "",
        *_capacity(curves, rates),
        "",
        *_plan(curves, rates),
    ]
    lines = {
        name: {a.value: ([p.held for p in curve], [getattr(p, field) for p in curve]) for a, curve in curves.items()}
        for name, field in (("search", "search_ms"), ("add", "add_work_ms"))
    }
    return Report(
        title="Scale",
        body="\n".join(parts),
        figures={
            "rows_a_second": rates,
            "curves": {algorithm: [asdict(point) for point in curve] for algorithm, curve in curves.items()},
        },
        plots={
            "scale-search.png": plots.growth("a check's search", "ms", lines["search"]),
            "scale-add.png": plots.growth(f"adding a work of {WORK_ROWS} rows", "ms", lines["add"]),
        },
    )


_HOW = f"""
Indexes as the service makes them, filled with a crowd made from real rows. A search is what a check of
10 s asks first, all rows in one call, on two shared cores, median of {_SEARCHES}; adding is one work of
{WORK_ROWS} rows, median of the last {_ADDED_WORKS}; memory is what the process holds more than before.
""".strip()
_HEADINGS = (
    "index",
    "rows held",
    "bytes a row",
    "add a work, ms",
    "rows asked",
    "search, ms",
    "a row asked and held, ns",
)
_EXPONENTS = f"""
Exponents of the rows held, fitted from {_FITTED_FROM:,} rows on: 0 is no growth, 1 is as fast as the rows.
""".strip()
_EXPONENT_HEADINGS = ("index", "search", "add a work", "most / least rows: add a work")


def _real(clips: Sequence[Clip]) -> list[Clip]:
    longest = sorted(clips, key=lambda clip: -clip.duration_s)
    real = [[clip for clip in longest if clip.kind is kind][:_REAL_CLIPS] for kind in (Kind.VIDEO, Kind.MUSIC)]
    if not all(real):
        raise NoMedia("Scale needs a clip with a picture and one of music.")
    return [clip for kind in real for clip in kind]


def _rows_a_second(algorithm: Algorithm, fingerprints: Sequence[Fingerprint]) -> float:
    """Rows that references have, the files taken together."""
    having = [one for one in fingerprints if one.of(algorithm) is not None]
    return sum(len(one.of(algorithm) or ()) for one in having) / sum(one.duration_s for one in having)


def _curve(crowd: Crowd, asked: Descriptors, sizes: Sequence[int]) -> list[_Point]:
    index, before = embedded_index(crowd.algorithm), held_bytes()
    points: list[_Point] = []
    held = 0
    for size in sizes:
        added = [_add(index, *work) for work in crowd.works(size, after=held)]
        held += WORK_ROWS * len(added)
        rows, search = _search(index, asked)
        searched_s = [_taken_s(search) for _ in range(_SEARCHES)]
        points.append(
            _Point(
                held=held,
                bytes_a_row=(held_bytes() - before) / held,
                add_work_ms=1000 * statistics.median(added[-_ADDED_WORKS:]),
                asked=rows,
                search_ms=1000 * statistics.median(searched_s),
            )
        )
    return points


def _search(index: FingerprintIndex, asked: Descriptors) -> tuple[int, Callable[[], object]]:
    """How many rows a check asks the index for, before any closer look; and how."""
    if isinstance(index, LandmarkIndex):
        return len(asked), lambda: find_by_landmarks(
            asked, index, query_duration_s=float(asked.times_s[-1]), reference_of=lambda _: None
        )
    traits, vectors = TRAITS[asked.algorithm], cast("VectorIndex", index)
    rows = np.concatenate([turn(asked.vectors[:: traits.search_every]) for turn in traits.turns])
    return len(rows), lambda: vectors.search(rows, radius_bits=traits.search_radius_bits, limit=traits.hits_a_row)


def _add(index: FingerprintIndex, item: ItemNumber, descriptors: Descriptors) -> float:
    return _taken_s(lambda: index.add(item, descriptors))


def _taken_s(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _rows(algorithm: Algorithm, curve: Sequence[_Point]) -> list[list[str]]:
    return [
        [
            algorithm.value,
            f"{point.held:,}",
            f"{point.bytes_a_row:.0f}",
            f"{point.add_work_ms:.2f}",
            str(point.asked),
            f"{point.search_ms:.1f}",
            f"{1e6 * point.search_ms / point.held / point.asked:.2f}",
        ]
        for point in curve
    ]


def _exponent(curve: Sequence[_Point], field: str) -> float:
    fitted = [point for point in curve if point.held >= _FITTED_FROM * 0.9]
    logs = np.log([[point.held, getattr(point, field)] for point in fitted])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def _exponents(algorithm: Algorithm, curve: Sequence[_Point]) -> list[str]:
    large = [point for point in curve if point.held >= _FITTED_FROM * 0.9]
    growth = large[-1].add_work_ms / large[0].add_work_ms
    return [
        algorithm.value,
        *(f"{_exponent(curve, field):.2f}" for field in ("search_ms", "add_work_ms")),
        f"{growth:.2f} ({large[-1].held:,} / {large[0].held:,})",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """What one index of so many rows takes; a check's search on the cores here."""

    rows: float
    index_gib: float
    stored_gib: float
    search_s: float


def _need(algorithm: Algorithm, curve: Sequence[_Point], rows: float) -> _Need:
    """Between the sizes measured from its neighbours, beyond them from the largest by the fitted exponent."""
    held, last = [point.held for point in curve], curve[-1]
    grown = max(1.0, rows / last.held) ** max(0.0, _exponent(curve, "search_ms"))
    return _Need(
        rows=rows,
        index_gib=rows * float(np.interp(rows, held, [point.bytes_a_row for point in curve])) / 2**30,
        stored_gib=rows * (algorithm.row_bytes + _TIME_BYTES) / 2**30,
        search_s=grown * float(np.interp(rows, held, [point.search_ms for point in curve])) / 1000,
    )


def _needs(works: int, curves: Mapping[Algorithm, Sequence[_Point]], rates: Mapping[Algorithm, float]) -> list[_Need]:
    return [_need(algorithm, curve, rates[algorithm] * _WORK_S * works) for algorithm, curve in curves.items()]


def _machines(needs: Sequence[_Need]) -> tuple[float, float]:
    """How many machines the memory wants, and how many a search in time."""
    by_memory = sum(need.index_gib for need in needs) / (_MACHINE_GIB * _USABLE)
    return by_memory, sum(need.search_s for need in needs) * _CORES_HERE / _MACHINE_CORES / _WANTED_SEARCH_S


def _capacity(curves: Mapping[Algorithm, Sequence[_Point]], rates: Mapping[Algorithm, float]) -> list[str]:
    """What catalogues of several sizes need, a row each."""
    rows = []
    for works in _CATALOGUES:
        needs = _needs(works, curves, rates)
        index, stored, search = (
            sum(getattr(need, name) for need in needs) for name in ("index_gib", "stored_gib", "search_s")
        )
        machines = int(np.ceil(max(_machines(needs))))
        rows.append([f"{works:,}", f"{index:,.2f}", f"{stored:,.2f}", f"{search:,.2f}", str(machines)])
    return ["## Capacity", "", table(_CAPACITY_HEADINGS, rows), "", _CAPACITY]


_CAPACITY_HEADINGS = ("works", "index, GiB", "stored rows, GiB", "a check's search here, s", "machines")
_CAPACITY = f"""
Works of {_WORK_S / 60:.0f} minutes with picture and sound, in all four indexes; files that were sent are not counted.
Between the sizes measured above figures are those of their neighbours; beyond the largest, search is extended as
below. Machines are as many of {_MACHINE_GIB} GiB and {_MACHINE_CORES} cores as hold the indexes and search them within
{_WANTED_SEARCH_S:.0f} s.
""".strip()


def _plan(curves: Mapping[Algorithm, Sequence[_Point]], rates: Mapping[Algorithm, float]) -> list[str]:
    """What `_PLANNED_WORKS` would need, from the measured figures."""
    needs = _needs(_PLANNED_WORKS, curves, rates)
    rows = [
        [
            algorithm.value,
            f"{rates[algorithm]:.1f}",
            f"{need.rows:,.0f}",
            f"{need.index_gib:.0f}",
            f"{need.stored_gib:.0f}",
            f"{need.search_s:.1f}",
        ]
        for algorithm, need in zip(curves, needs, strict=True)
    ]
    by_memory, by_time = _machines(needs)
    machines = int(np.ceil(max(by_memory, by_time)))
    stored_gib = sum(need.stored_gib for need in needs)
    low, high = (machines * _MACHINE_GIB * price + stored_gib * _STORED_PRICE for price in (_LEAST_PRICE, _MOST_PRICE))
    told = _PLAN.format(
        memory=f"{sum(need.index_gib for need in needs):,.0f}",
        stored=f"{stored_gib:,.0f}",
        search=f"{sum(need.search_s for need in needs):,.0f}",
        by_memory=f"{by_memory:.1f}",
        by_time=f"{by_time:.1f}",
        machines=machines,
        low=f"{low:,.0f}",
        high=f"{high:,.0f}",
    )
    return [f"## {_PLANNED_WORKS:,} works of {_WORK_S / 60:.0f} minutes", "", table(_PLAN_HEADINGS, rows), "", told]


_PLAN_HEADINGS = ("index", "rows a second", "rows in all", "index, GiB", "stored rows, GiB", "a check's search here, s")
_PLAN = f"""
Rows a second are those of the real works registered here; search is extended from the largest index by its
fitted exponent, on {_CORES_HERE} cores. In all: {{memory}} GiB of indexes, {{stored}} GiB of stored rows on disk, and
{{search}} s of search for one check on these cores.

With machines of {_MACHINE_GIB} GiB ({_USABLE:.0%} of it for the index) and {_MACHINE_CORES} cores, the works being
spread over them and every check asking all: {{by_memory}} machines by memory; {{by_time}} for a search within
{_WANTED_SEARCH_S:.0f} s, cores counting in full. So **{{machines}}** for one check at a time; each further check at
the same time wants {{by_time}} more.

Money, assuming {_LEAST_PRICE:.0f} to {_MOST_PRICE:.0f} USD a month for each GiB of memory with its cores (rented by
the month, or at a large cloud on demand) and {_STORED_PRICE:.2f} USD a month for each GiB of disk: {{low}} to {{high}}
USD a month. Prices are assumptions, not measurements.
""".strip()
