"""Measure accuracy, thresholds and speed: `python -m benchmarks [--media FOLDER] [--write] [what]`."""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.accuracy import accuracy
from benchmarks.calibrate import calibrate
from benchmarks.corpus import prepare
from benchmarks.media import NoMedia, find_clips
from benchmarks.report import FOLDER, document
from benchmarks.speed import speed

_TITLES = {"accuracy": "Accuracy", "calibrate": "Calibration", "speed": "Speed"}
_FILES = {"accuracy": "accuracy.md", "calibrate": "calibration.md", "speed": "speed.md"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure accuracy and speed.")
    parser.add_argument("what", nargs="?", choices=(*_TITLES, "all"), default="all")
    parser.add_argument("--media", type=Path, metavar="FOLDER", help="clips to use instead of those in the wheels")
    parser.add_argument("--write", action="store_true", help="write the results to docs/benchmarks")
    chosen = parser.parse_args()
    parts = list(_TITLES) if chosen.what == "all" else [chosen.what]
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - begun:.0f} s] {what}", file=sys.stderr)

    try:
        clips = find_clips(chosen.media)
        corpus = prepare(clips, say) if set(parts) - {"speed"} else None
        for part in parts:
            say(part)
            if corpus is None or part == "speed":
                body = speed(clips)
            else:
                body = accuracy(corpus) if part == "accuracy" else calibrate(corpus)
            media = "--media FOLDER " if chosen.media else ""
            text = document(_TITLES[part], command=f"python -m benchmarks {media}{part}", body=body)
            print(text)
            if chosen.write:
                FOLDER.mkdir(parents=True, exist_ok=True)
                (FOLDER / _FILES[part]).write_text(text)
    except NoMedia as error:
        print(error, file=sys.stderr)
        return 2
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
