"""Measure accuracy, thresholds and speed: `python -m benchmarks [--media FOLDER] [--quick] [--write] [what]`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.accuracy import accuracy
from benchmarks.calibrate import calibrate
from benchmarks.corpus import QUICK, USUAL, prepare
from benchmarks.differences import what_changed
from benchmarks.engines import engines
from benchmarks.feed import feeds
from benchmarks.gate import gate
from benchmarks.index import index
from benchmarks.machines import machines
from benchmarks.media import Clip, NoMedia, find_clips
from benchmarks.pages import pages
from benchmarks.partitioning import partitioning
from benchmarks.peers import peers
from benchmarks.preferences import preferences
from benchmarks.recovery import recovery
from benchmarks.report import Report
from benchmarks.scale import scale
from benchmarks.speed import speed
from benchmarks.systems import clearmark
from benchmarks.verification import verification

Say = Callable[[str], None]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure accuracy and speed.")
    parser.add_argument("what", nargs="?", choices=(*_PARTS, "all"), default="all")
    parser.add_argument("--media", type=Path, metavar="FOLDER", help="clips to use instead of those in the wheels")
    parser.add_argument("--quick", action="store_true", help="a sample of clips and of edits, the same each time")
    parser.add_argument("--write", action="store_true", help="write the results to docs/benchmarks")
    chosen = parser.parse_args()
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - begun:.0f} s] {what}", file=sys.stderr, flush=True)

    try:
        clips = find_clips(chosen.media)
        for part in list(_PARTS) if chosen.what == "all" else [chosen.what]:
            say(part)
            report = _PARTS[part](clips, quick=chosen.quick, say=say)
            command = " ".join(
                ["python -m benchmarks", *["--media FOLDER"] * bool(chosen.media), *["--quick"] * chosen.quick, part]
            )
            print(report.text(command))
            if chosen.write:
                report.write(_DOCUMENTS.get(part, part), command)
    except NoMedia as error:
        print(error, file=sys.stderr)
        return 2
    say("done")
    return 0


class _Part(Protocol):
    def __call__(self, clips: Sequence[Clip], *, quick: bool, say: Say) -> Report: ...


def _accuracy(clips: Sequence[Clip], *, quick: bool, say: Say) -> Report:
    return accuracy(prepare(clips, QUICK if quick else USUAL, say), [*clearmark(), *peers(say)], say)


def _calibrate(clips: Sequence[Clip], *, quick: bool, say: Say) -> Report:
    return calibrate(prepare(clips, QUICK if quick else USUAL, say), say)


_PARTS: dict[str, _Part] = {
    "accuracy": _accuracy,
    "calibrate": _calibrate,
    "gate": gate,
    "speed": speed,
    "index": index,
    "engines": engines,
    "scale": scale,
    "preferences": preferences,
    "feed": feeds,
    "recovery": recovery,
    "verification": verification,
    "pages": pages,
    "partitioning": partitioning,
    "machines": machines,
    "differences": what_changed,
}
# The document of a part, where it is named otherwise.
_DOCUMENTS = {"calibrate": "calibration"}

if __name__ == "__main__":
    sys.exit(main())
