"""Speed: reading files, and checks end to end, as ratios of times taken in one run.

Two floors stand beside every check: the bundled ffmpeg decoding the same clip and nothing else, and that
with one pass of the network over one whole frame a second. vPDQ's method runs in the same run.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import cache, ffmpeg
from benchmarks.cache import Arrays
from benchmarks.crowd import Crowd, fingerprint_of
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import Report, table
from benchmarks.sharing import resident_bytes
from benchmarks.systems import Clearmark, Found, embedder
from fingerprinting import sscd
from fingerprinting.extract import extract, extract_output
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.match import Reference
from fingerprinting.model import Algorithm, ItemNumber, Modality
from fingerprinting.sscd import FrameEmbedder

_LINES = (480, 720, 1080)
_READ_S, _CHECKED_S = 30.0, 10.0
_TIMES = 3
_CHECKS = 20
_HELD = (100_000, 1_000_000, 10_000_000)
_MOST_REAL = 6
_PDQ_BITS = 31
_PDQ_NEAREST = 64


def speed(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    pictures = [clip for clip in clips if clip.kind is Kind.VIDEO]
    sounds = [clip for clip in clips if clip.kind is Kind.MUSIC]
    if not pictures or not sounds:
        raise NoMedia("Speed needs a clip with a picture and one of music.")
    picture = max(pictures, key=lambda clip: clip.path.stat().st_size)
    reading = {lines: _reading(_clip(picture, sounds[0], lines, _READ_S)) for lines in _LINES}
    say("files are read")
    real = [picture, sounds[0], *_others(clips, picture, sounds[0])]
    floors, checks = _checks(_asked(clips, real), real, _HELD[:2] if quick else _HELD, say)
    return Report(
        title="Speed",
        body="\n".join([_READING, "", _reading_table(reading), "", _CHECKING, "", *_checks_tables(floors, checks)]),
        figures={
            "reading_s": {str(lines): times for lines, times in reading.items()},
            "floors_s": floors,
            "checks": [check.figures(floors) for check in checks],
        },
    )


_READING = f"""
## Reading a file

{_READ_S:.0f} s of H.264 at 25 frames a second with AAC; the fastest of {_TIMES}. *Reference* is what registering a
work takes, *query* what a check does before it searches; a query's closer look comes on top where something
hints at a copy. In brackets: the time, ffmpeg decoding both and nothing else being 1.
""".strip()
_CHECKING = f"""
## A check

{_CHECKED_S:.0f} s of 1280x720 with sound, read and searched for among so many rows of each kind: those of real works
with a crowd around them that is made from theirs. A *copy* is as it was registered, a *hard copy* has its middle half
mirrored under noise, and echoing sound without its bass; of a *stranger* nothing is registered. {_CHECKS} checks
each; memory is what the process holds more than before.
""".strip()

# What is done to a copy: to its picture, to its sound.
_PLAIN, _HARD = ("null", "anull"), ("crop=iw/2:ih/2,hflip,noise=alls=15:allf=t", "highpass=f=500,aecho=0.8:0.7:180:0.5")


def _others(clips: Sequence[Clip], *taken: Clip) -> list[Clip]:
    """More works to mix a crowd from: the longest pictures and tracks."""
    ordered = sorted((clip for clip in clips if clip not in taken), key=lambda clip: clip.duration_s)
    kinds = [[clip for clip in ordered if clip.kind is kind] for kind in (Kind.VIDEO, Kind.MUSIC)]
    return [clip for kind in kinds for clip in kind[-_MOST_REAL:]]


def checked_clip(real: Sequence[Clip]) -> Path:
    """A check's clip: 10 s of 720p, its picture and its sound from the first of the works that have one."""
    picture = next(clip for clip in real if clip.kind is Kind.VIDEO)
    sound = next(clip for clip in real if clip.kind is Kind.MUSIC)
    return _clip(picture, sound, 720, _CHECKED_S)


def _asked(clips: Sequence[Clip], real: Sequence[Clip]) -> dict[str, Path]:
    """The clips that are checked, by kind."""
    picture, sound = real[:2]
    asked = {
        "copy": checked_clip(real),
        "hard copy": _clip(picture, sound, 720, _CHECKED_S, edits=_HARD),
    }
    strange = [next((c for c in clips if c.kind is kind and c not in real), None) for kind in (Kind.VIDEO, Kind.MUSIC)]
    if strange[0] and strange[1]:
        asked["stranger"] = _clip(strange[0], strange[1], 720, _CHECKED_S)
    return asked


def _clip(picture: Clip, sound: Clip, lines: int, length_s: float, edits: tuple[str, str] = _PLAIN) -> Path:
    def make(path: Path) -> None:
        size = f"{edits[0]},scale={lines * 8 // 9 * 2}:{lines},setsar=1,fps=25"
        ffmpeg.run(
            "-stream_loop", -1, "-i", picture.path, "-stream_loop", -1, "-i", sound.path, "-map", "0:v:0",
            "-map", "1:a:0", "-t", length_s, "-vf", size, "-af", edits[1],
            "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", path,
        )  # fmt: skip

    sources = cache.content_of(picture.path), cache.content_of(sound.path)
    return cache.media(cache.digest("speed 2", *sources, lines, length_s, *edits), ".mp4", make)


def _reading(path: Path) -> dict[str, float]:
    """Seconds that each way to read the file takes."""
    network = embedder()
    picture = cache.media(f"{path.stem}-picture", ".mp4", lambda to: _run("-i", path, "-an", "-c", "copy", to))
    sound = cache.media(f"{path.stem}-sound", ".m4a", lambda to: _run("-i", path, "-vn", "-c", "copy", to))
    ways: dict[str, Callable[[], object]] = {
        "ffmpeg decodes both, nothing else": lambda: decode(path),
        "picture: hashes": lambda: extract_output(picture),
        "sound": lambda: extract_output(sound),
        "both, hashes alone": lambda: extract_output(path),
    }
    if network is not None:
        ways |= {
            "picture: hashes and network, query": lambda: extract_output(picture, embedder=network),
            "picture: hashes and network, reference": lambda: extract(picture, embedder=network),
            "everything, query": lambda: extract_output(path, embedder=network),
            "everything, reference": lambda: extract(path, embedder=network),
        }
    return {name: _fastest(way) for name, way in ways.items()}


def _run(*arguments: object) -> None:
    ffmpeg.run(*arguments)


def decode(path: Path) -> None:
    """The floor: decode with as many threads as fingerprinting has."""
    ffmpeg.run("-threads", 2, "-i", path, "-f", "null", "-")


def held_bytes() -> int:
    """Memory of this process, its own and mapped."""
    return sum(resident_bytes(kind) for kind in ("RssAnon", "RssFile", "RssShmem"))


def _fastest(work: Callable[[], object]) -> float:
    return min(_taken_s(work) for _ in range(_TIMES))


def _taken_s(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _reading_table(reading: Mapping[int, Mapping[str, float]]) -> str:
    ways = next(iter(reading.values()))
    bare = {lines: next(iter(times.values())) for lines, times in reading.items()}
    rows = [
        [way, *(f"{_READ_S / times[way]:.0f} ({times[way] / bare[lines]:.2f})" for lines, times in reading.items())]
        for way in ways
    ]
    return table(("times real time", *(f"{lines} lines" for lines in reading)), rows)


# By clip and by name, seconds.
type _Floors = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One system's checks of one clip among `held` rows of each kind; all of them in seconds."""

    system: str
    clip: str
    held: int
    found: bool
    taken_s: list[float]
    looked_s: float
    resident_bytes: int

    def told(self) -> str:
        return f"{self.system}, {self.clip}, {self.held:,} rows: {self.quantile(0.5):.2f} s"

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.taken_s, share))

    def figures(self, floors: _Floors) -> dict[str, object]:
        return {
            "system": self.system,
            "clip": self.clip,
            "held": self.held,
            "found": self.found,
            **{f"p{percent}_s": self.quantile(percent / 100) for percent in (50, 95, 99)},
            "looked_s": self.looked_s,
            "resident_bytes": self.resident_bytes,
            "p95_by_floor": {name: self.quantile(0.95) / floor for name, floor in floors[self.clip].items()},
        }


def _checks(
    asked: Mapping[str, Path], real: Sequence[Clip], sizes: Sequence[int], say: Callable[[str], None]
) -> tuple[_Floors, list[_Check]]:
    floors = {name: _floors(clip) for name, clip in asked.items()}
    checks = _clearmark_checks("hashes of the picture alone", [Algorithm.VIDEO_PHASH_V1], asked, real, sizes, say)
    checks += _clearmark_checks("everything", Algorithm, asked, real, sizes, say)
    return floors, checks + _vpdq_checks(asked, real, sizes, say)


def _floors(clip: Path) -> dict[str, float]:
    """What the least that a check can do takes, in seconds."""
    floors = {"decoding": statistics.median(_taken_s(lambda: decode(clip)) for _ in range(_CHECKS))}
    network = embedder()
    if network is not None:
        with_a_pass = [_taken_s(lambda: _decode_and_see(clip, network)) for _ in range(_CHECKS)]
        floors["decoding and one pass"] = statistics.median(with_a_pass)
    return floors


def _decode_and_see(clip: Path, network: FrameEmbedder) -> None:
    """The other floor: the network sees one whole frame a second."""
    decode(clip)
    network.embed(ffmpeg.frames(clip, rate_hz=1, width=sscd.INPUT_PX, height=sscd.INPUT_PX))


def _clearmark_checks(
    name: str,
    algorithms: Iterable[Algorithm],
    asked: Mapping[str, Path],
    real: Sequence[Clip],
    sizes: Sequence[int],
    say: Callable[[str], None],
) -> list[_Check]:
    begun_bytes = held_bytes()
    system = Clearmark(name, algorithms)
    modalities = {algorithm.modality for algorithm in system.algorithms}
    for number, work in enumerate(real):
        if Modality.AUDIO in modalities or work.kind is Kind.VIDEO:
            system.register(ItemNumber(number), system.describe(work.path))
    crowds = [Crowd.around(algorithm, system.fingerprints) for algorithm in system.algorithms]
    system.stand_in = lambda item: Reference(item=item, fingerprint=fingerprint_of(item, crowds))
    checks, held = [], 0
    for size in sizes:
        for crowd in crowds:
            for item, descriptors in crowd.works(size, after=held):
                system.add_rows(item, descriptors)
        held = size
        for clip, path in asked.items():
            checks.append(_checked(name, clip, size, partial(system.look, path), system.find, begun_bytes))
            say(checks[-1].told())
    return checks


def _checked[Look](
    name: str,
    clip: str,
    held: int,
    look: Callable[[], Look],
    find: Callable[[Look], Sequence[Found]],
    begun_bytes: int,
) -> _Check:
    taken, looked = [], []
    for _ in range(_CHECKS):
        begun = time.perf_counter()
        seen = look()
        looked.append(time.perf_counter() - begun)
        found = find(seen)
        taken.append(time.perf_counter() - begun)
    return _Check(
        system=name,
        clip=clip,
        held=held,
        found=bool(found),
        taken_s=taken,
        looked_s=statistics.median(looked),
        resident_bytes=held_bytes() - begun_bytes,
    )


def _vpdq_checks(
    asked: Mapping[str, Path], real: Sequence[Clip], sizes: Sequence[int], say: Callable[[str], None]
) -> list[_Check]:
    """vPDQ's method with its documented pruning: an index proposes works, whose frames are then compared."""
    try:
        from benchmarks.peers.frames import VPdq
    except ModuleNotFoundError as error:
        say(f"vPDQ is left out: {error}")
        return []
    begun_bytes = held_bytes()
    system, index = VPdq(of_the_query=True), FaissIndex(Algorithm.VIDEO_PHASH_V1)
    hashes = []
    for number, work in enumerate(one for one in real if one.kind is Kind.VIDEO):
        described = system.describe(work.path)
        system.register(ItemNumber(number), described)
        hashes.append(described["hashes"].astype(np.uint8))
    rows = np.concatenate(hashes)
    crowd = Crowd(Algorithm.VIDEO_PHASH_V1, rows, np.arange(len(rows), dtype=np.float64))

    def find(look: Arrays) -> list[Found]:
        index.search(look["hashes"].astype(np.uint8), radius_bits=_PDQ_BITS, limit=_PDQ_NEAREST)
        return [found for found in system.find(look) if found.accepted]

    checks, held = [], 0
    for size in sizes:
        for item, descriptors in crowd.works(size, after=held):
            index.add(item, descriptors)
        held = size
        for clip, path in asked.items():
            checks.append(_checked("vPDQ's method", clip, size, partial(system.look, path), find, begun_bytes))
            say(checks[-1].told())
    return checks


def _checks_tables(floors: _Floors, checks: Sequence[_Check]) -> list[str]:
    names = list(next(iter(floors.values())))
    told = [[clip, *(f"{1000 * own[name]:.0f}" for name in names)] for clip, own in floors.items()]
    rows = [
        [
            f"{check.system}, {check.held:,} rows",
            check.clip,
            "yes" if check.found else "no",
            *(f"{1000 * check.quantile(share):.0f}" for share in (0.5, 0.95, 0.99)),
            f"{1000 * check.looked_s:.0f}",
            *(f"{check.quantile(0.95) / floors[check.clip][name]:.2f}" for name in names),
            f"{check.resident_bytes / 1e6:.0f}",
        ]
        for check in checks
    ]
    by_floors = [f"p95 / {name}" for name in names]
    headings = (
        "check",
        "clip",
        "found",
        "p50, ms",
        "p95, ms",
        "p99, ms",
        "of it reading, ms",
        *by_floors,
        "memory, MB",
    )
    return [table(("floor, ms", *names), told), "", table(headings, rows)]
