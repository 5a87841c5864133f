"""Verification: what opening a file in a process of its own costs, and how long a whole answer takes.

A signed file is read by the bare library in a warm process, by our engine in the same process, and by the engine that
opens it in a child; one after another in turn, so that what else the machine does falls on all alike. Then by eight at
a time, sound files and hostile ones. A whole verification is asked of a service of its own process over HTTP.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import httpx
import numpy as np
from c2pa import Reader  # type: ignore[import-untyped]  # it ships no types

from benchmarks import cache, ffmpeg
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import Report, table
from benchmarks.speed import checked_clip
from benchmarks.systems import embedder
from fingerprinting.extract import extract_query
from provenance.authority import Credentials, ensure_development_signer
from provenance.engine import LibraryEngine
from provenance.isolated import IsolatedEngine
from provenance.model import AssertedCheck, ReleaseClaim
from provenance.source_types import SourceType

_FILE_S, _FILE_BITS_A_SECOND = 10, 8_000_000
_MEDIA_TYPE = "video/mp4"
_TIMES, _IN_A_ROW, _TOGETHER, _AT_ONCE = 100, 1_000, 200, 8
_ALONE, _CROWD, _QUICK_SHARE = 20, 60, 10
_CLIP_S = 10
_MIB = 1 << 20
_REFUSED = f"HTTP {HTTPStatus.SERVICE_UNAVAILABLE}"
# What a verification needs besides the slots of four at once and four that wait: nobody else, and no limit.
_UNLIMITED = {f"CLEARMARK_LIMIT_{name}": "100000/minute" for name in ("KEY", "HOLDER", "ANONYMOUS", "VERIFICATIONS")}


def verification(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    share = _QUICK_SHARE if quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = Credentials(signer=ensure_development_signer(folder / "signer", at=datetime.now(UTC)))
        signed = _signed(_large_clip(), folder / "large.mp4", own)
        hostile = _hostile(signed, _large_clip(), folder)
        with closing(IsolatedEngine(lambda: own)) as isolated:
            with _processors(1):
                reads = _reads(signed, own, isolated, _TIMES // share)
                say("files are read in three ways")
                growth = _in_a_row(signed, isolated, _IN_A_ROW // share)
                say("and one after another")
            with _processors(2):
                kinds = {"intact": [signed], **{kind: [path] for kind, path in hostile.items()}}
                kinds["all of these in turn"] = [signed, *hostile.values()]
                together = {kind: _together(files, isolated, _TOGETHER // share) for kind, files in kinds.items()}
                say("and by eight at a time")
            checked, large = checked_clip(_picture_and_sound(clips)), _large_clip()
            alone_times, often = 1 + max(3, _ALONE // share), max(16, _CROWD // share)
            clip = _signed(checked, folder / "clip.mp4", own)
            with _processors(2), _served(folder / "var") as url:
                # A service remembers what it found out about a file: it is sent each once.
                whole, read = (_signed_anew(one, folder, own, alone_times + often) for one in (checked, large))
                alone = _whole(url, clip, whole[:alone_times], read[:alone_times], isolated)
                say("whole verifications, one at a time")
                crowds = {
                    _WHOLE[0]: _over_http_together(url, whole[alone_times:]),
                    _ALONE_READ: _over_http_together(url, read[alone_times:], recognise=False),
                }
        return _report(signed.stat().st_size, clip.stat().st_size, reads, growth, together, alone, crowds)


def _picture_and_sound(clips: Sequence[Clip]) -> list[Clip]:
    pictures = [clip for clip in clips if clip.kind is Kind.VIDEO]
    sounds = [clip for clip in clips if clip.kind is Kind.MUSIC]
    if not pictures or not sounds:
        raise NoMedia("Verification needs a clip with a picture and one of music.")
    return [max(pictures, key=lambda clip: clip.path.stat().st_size), sounds[0]]


# -- files ---------------------------------------------------------------------------------------


def _large_clip() -> Path:
    """Ten megabytes of 720 lines, its grain made so that the encoder spends all that it may."""

    def make(path: Path) -> None:
        ffmpeg.run(
            "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25,noise=alls=40:allf=t", "-f", "lavfi", "-i", "sine=440",
            "-t", _FILE_S, "-c:v", "libx264", "-preset", "ultrafast", "-b:v", _FILE_BITS_A_SECOND, "-maxrate",
            _FILE_BITS_A_SECOND, "-bufsize", _FILE_BITS_A_SECOND, "-pix_fmt", "yuv420p", "-c:a", "aac", path,
        )  # fmt: skip

    return cache.media(cache.digest("verification 1", _FILE_S, _FILE_BITS_A_SECOND), ".mp4", make)


def _signed(source: Path, target: Path, own: Credentials) -> Path:
    at = datetime.now(UTC)
    check = AssertedCheck(
        check_id="chk_1", verdict="clear", algorithms=("video-phash-v1",), index_sequence=1, ledger_origin="benchmark",
        ledger_index=1, checked_at=at,
    )  # fmt: skip
    claim = ReleaseClaim(
        title="A clip", release_id="rel_1", media_type=_MEDIA_TYPE, created_at=at, generator_name=None,
        generator_version=None, source_type=SourceType.TRAINED_ALGORITHMIC_MEDIA, check=check,
    )  # fmt: skip
    LibraryEngine(own).sign(source, target, claim)
    return target


def _signed_anew(source: Path, folder: Path, own: Credentials, count: int) -> list[Path]:
    """The same media in so many files, no two of the same bytes."""
    return [_signed(source, folder / f"{source.stem}-{number}.mp4", own) for number in range(count)]


def _hostile(signed: Path, unsigned: Path, folder: Path) -> dict[str, Path]:
    """What a stranger may send: cut off half-way, bytes flipped in the picture or in the head, without credentials."""
    content = signed.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2 : len(content) // 2 + (64 << 10) : 1 << 10] = bytes(
        255 - byte for byte in content[len(content) // 2 : len(content) // 2 + (64 << 10) : 1 << 10]
    )
    head = bytearray(content)
    for place in range(1 << 10, 12 << 10, 97):  # the manifest store stands there
        head[place] ^= 0xFF
    files = {"truncated": content[: len(content) // 2], "media flipped": bytes(flipped), "head flipped": bytes(head)}
    for name, changed in files.items():
        (folder / f"{name}.mp4").write_bytes(changed)
    return {**{name: folder / f"{name}.mp4" for name in files}, "no credentials": unsigned}


# -- reading -------------------------------------------------------------------------------------


@contextmanager
def _processors(count: int) -> Iterator[None]:
    """This process and those that it starts meanwhile have so many processors."""
    before = os.sched_getaffinity(0)
    chosen = set(sorted(before)[-count:])
    others = _children()
    for process in (0, *others):
        os.sched_setaffinity(process, chosen)
    try:
        yield
    finally:
        for process in (0, *others):
            os.sched_setaffinity(process, before)


def _children() -> list[int]:
    """The processes that this one started. Source: proc_pid_children(5)."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(number) for task in tasks for number in task.read_text().split()]


def _forking() -> int:
    """The process that forks those that open files."""
    return next(
        number for number in _children() if b"provenance.worker" in Path(f"/proc/{number}/cmdline").read_bytes()
    )


def _resident_bytes(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def _taken_s(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _bare(path: Path) -> None:
    """The library as its own examples use it, with its own settings: no trust list, one report."""
    with path.open("rb") as stream, Reader(_MEDIA_TYPE, stream) as reader:
        reader.json()


_WAYS = ("the library, bare", "our engine, same process", "our engine, isolated")


def _reads(signed: Path, own: Credentials, isolated: IsolatedEngine, times: int) -> dict[str, list[float]]:
    """Seconds of each way, in turn."""
    engine = LibraryEngine(own)
    return _in_turn(
        {
            _WAYS[0]: lambda: _bare(signed),
            _WAYS[1]: lambda: engine.read(signed, _MEDIA_TYPE),
            _WAYS[2]: lambda: isolated.read(signed, _MEDIA_TYPE),
        },
        times,
    )


def _in_turn(ways: Mapping[str, Callable[[], object]], times: int) -> dict[str, list[float]]:
    """Seconds of each way, one after another in each round; the first round only warms up."""
    rounds = [{name: _taken_s(way) for name, way in ways.items()} for _ in range(times + 1)][1:]
    return {name: [one[name] for one in rounds] for name in ways}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    """Resident memory before and after so many reads, and what they took in the first and the last tenth, medians."""

    reads: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    first_s: float
    last_s: float


def _in_a_row(signed: Path, isolated: IsolatedEngine, reads: int) -> _Growth:
    processes = {"the service's process": os.getpid(), "the process that forks": _forking()}
    before = {name: _resident_bytes(process) for name, process in processes.items()}
    taken = [_taken_s(lambda: isolated.read(signed, _MEDIA_TYPE)) for _ in range(reads)]
    after = {name: _resident_bytes(process) for name, process in processes.items()}
    tenth = reads // 10
    return _Growth(
        reads=reads, before=before, after=after,
        first_s=statistics.median(taken[:tenth]), last_s=statistics.median(taken[-tenth:]),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Together:
    """Seconds of each question that was let in, and of all together; what was answered, each how often."""

    taken_s: list[float]
    all_s: float
    answers: Mapping[str, int]

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.taken_s, share))


def _together(files: Sequence[Path], isolated: IsolatedEngine, reads: int) -> _Together:
    def read(number: int) -> str:
        facts = isolated.read(files[number % len(files)], _MEDIA_TYPE)
        failures = "".join(f" ({failure.code})" for failure in facts.integrity.failures[:1])
        return f"{facts.integrity.state}{failures}"

    return _at_once(read, reads)


def _at_once(ask: Callable[[int], str], times: int) -> _Together:
    """Ask with `_AT_ONCE` threads, each again as soon as it has its answer."""

    def timed(number: int) -> tuple[float, str]:
        begun = time.perf_counter()
        answer = ask(number)
        return time.perf_counter() - begun, answer

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = time.perf_counter()
        answered = list(pool.map(timed, range(times)))
        all_s = time.perf_counter() - begun
    answers = [answer for _, answer in answered]
    return _Together(
        taken_s=[taken for taken, answer in answered if answer != _REFUSED],
        all_s=all_s,
        answers={answer: answers.count(answer) for answer in sorted(set(answers))},
    )


# -- whole verifications -------------------------------------------------------------------------


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The URL of a service of its own process on an empty folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARMARK_")}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", "0"]
    environment = {**kept, **_UNLIMITED, "CLEARMARK_DATA_DIR": str(folder)}
    with (
        (folder.parent / "service.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            url = "http://" + process.stdout.readline().partition("http://")[2].split()[0]
            with httpx.Client(base_url=url, timeout=60) as client:
                while client.get("/readyz").status_code != HTTPStatus.OK:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def _verify(client: httpx.Client, clip: Path, *, recognise: bool = True) -> str:
    with clip.open("rb") as file:
        parameters, files = {"recognise": recognise}, {"file": (clip.name, file)}
        answer = client.post("/v1/verifications", params=parameters, files=files)
    if answer.status_code != HTTPStatus.OK:
        return f"HTTP {answer.status_code}"
    return str(answer.json()["integrity"]["state"])


_WHOLE = ("the whole answer, over HTTP", "of it fingerprinting", "of it reading credentials, isolated")
_ALONE_READ = "the large file over HTTP, `recognise=false`"


def _whole(
    url: str, clip: Path, whole: Sequence[Path], read: Sequence[Path], isolated: IsolatedEngine
) -> dict[str, list[float]]:  # fmt: skip
    """Seconds of each, in turn: of an answer, of its two costly parts in this process, and of one without the first."""
    network, whole_files, read_files = embedder(), iter(whole), iter(read)
    with httpx.Client(base_url=url, timeout=60) as client:
        return _in_turn(
            {
                _WHOLE[0]: lambda: _verify(client, next(whole_files)),
                _WHOLE[1]: lambda: extract_query(clip, embedder=network),
                _WHOLE[2]: lambda: isolated.read(clip, _MEDIA_TYPE),
                _ALONE_READ: lambda: _verify(client, next(read_files), recognise=False),
            },
            len(whole) - 1,
        )


def _over_http_together(url: str, files: Sequence[Path], *, recognise: bool = True) -> _Together:
    with httpx.Client(base_url=url, timeout=120) as client:
        return _at_once(lambda number: _verify(client, files[number], recognise=recognise), len(files))


# -- telling -------------------------------------------------------------------------------------

_HOW = f"""
{{mb:.1f}} MB of mp4, {_FILE_S} s of 1280x720 with sound, signed. *Bare* is the C2PA library's reader in a warm process,
with its own settings; *our engine* believes our own signer, and takes the chain of certificates and the manifest store
as well; *isolated*, it does so in a child that is forked for the file, has limits and no network, and ends. {{times}}
reads each, in turn, on one processor.
""".strip()
_GROWTH_HOW = """
{reads:,} isolated reads in a row, on one processor. The median of the last tenth is {ratio:.2f} of the first tenth's.
""".strip()
_TOGETHER_HOW = f"""
{{reads}} reads by {_AT_ONCE} threads, each with its next as soon as it has its answer, on two processors. *Truncated*
is cut off half-way; *media flipped* has bytes of its picture changed, *head flipped* bytes of its manifest. In
brackets: in medians of one isolated read alone.
""".strip()
_WHOLE_HOW = f"""
`POST /v1/verifications` of {{mb:.1f}} MB, {_CLIP_S} s of 1280x720 with sound, signed, to a service of its own process
that holds nothing else and sees each file for the first time, on two processors; beside it, in turn, what
fingerprinting and reading take alone, here, and how long files of {{large_mb:.1f}} MB like the one above take when
works and releases are not looked for in what they show.
By {_AT_ONCE} at a time as above, which is as many as the service lets in: four at once, and four that wait up to ten
seconds before they are told to come again (HTTP 503), and are counted and not timed.
""".strip()


def _report(
    signed_bytes: int,
    clip_bytes: int,
    reads: Mapping[str, list[float]],
    growth: _Growth,
    together: Mapping[str, _Together],
    alone: Mapping[str, list[float]],
    crowds: Mapping[str, _Together],
) -> Report:
    one_s = statistics.median(reads[_WAYS[2]])
    whole_s = statistics.median(alone[_WHOLE[0]])
    body = f"""
## What isolation costs

{_HOW.format(mb=signed_bytes / 1e6, times=len(reads[_WAYS[0]]))}

{_ways_table("read by", reads, statistics.median(reads[_WAYS[0]]), "of the bare")}

{_GROWTH_HOW.format(reads=growth.reads, ratio=growth.last_s / growth.first_s)}

{_growth_table(growth)}

{_TOGETHER_HOW.format(reads=len(next(iter(together.values())).taken_s))}

{_together_table("files", together, one_s)}

## A whole verification

{_WHOLE_HOW.format(mb=clip_bytes / 1e6, large_mb=signed_bytes / 1e6)}

{_ways_table("one at a time", alone, whole_s, "of the whole")}

{_together_table("eight at a time", crowds, whole_s)}
"""
    return Report(
        title="Verification",
        body=body.strip(),
        figures={
            "reads_s": {**reads, **alone},
            "resident_bytes": {"before": growth.before, "after": growth.after},
            "together_s": {name: one.taken_s for name, one in {**together, **crowds}.items()},
        },
    )


def _ways_table(name: str, ways: Mapping[str, list[float]], one_s: float, ratio: str) -> str:
    rows = [
        [way, *(f"{1000 * float(np.quantile(taken, share)):.1f}" for share in (0.5, 0.95)),
         f"{statistics.median(taken) / one_s:.2f}"]
        for way, taken in ways.items()
    ]  # fmt: skip
    return table((name, "p50, ms", "p95, ms", ratio), rows)


def _growth_table(growth: _Growth) -> str:
    rows = [[name, f"{growth.before[name] / _MIB:.1f}", f"{growth.after[name] / _MIB:.1f}"] for name in growth.before]
    return table(("resident memory", "before, MiB", "after, MiB"), rows)


def _together_table(name: str, together: Mapping[str, _Together], one_s: float) -> str:
    rows = [
        [
            kind,
            *(f"{1000 * one.quantile(share):.0f} ({one.quantile(share) / one_s:.1f})" for share in (0.5, 0.95)),
            f"{len(one.taken_s) / one.all_s:.1f}",
            ", ".join(f"{count} {answer}" for answer, count in one.answers.items()),
        ]
        for kind, one in together.items()
    ]
    return table((name, "p50, ms", "p95, ms", "a second", "answers"), rows)
