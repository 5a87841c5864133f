"""What is measured: the clips as references, and edited copies of them, each with its truth.

Edited files live in a temporary folder while they are fingerprinted. Hosts and places are chosen by
rule, not by chance, so that every run measures the same.
"""

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.edits import SOUND_EDITS, VIDEO_EDITS, Edit, SoundEdit, Truth
from benchmarks.media import Clip, Kind
from fingerprinting.errors import MediaError
from fingerprinting.extract import extract, reference_of
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.match import Reference
from fingerprinting.model import Algorithm, Fingerprint, ItemNumber

# A whole clip is edited only up to this length, and cut only from this one on.
_WHOLE_S, _CUTTABLE_S = 60.0, 8.0
_SOUND_PLACES = (0.31, 0.67)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An edited copy of item `source`; `hosts` are clusters whose other clips may rightly be found in it."""

    edit: str
    algorithm: Algorithm
    source: ItemNumber
    truth: Truth
    hosts: frozenset[str]
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """References with their indexes, the clips they came from, all by item number, and the queries."""

    clips: dict[ItemNumber, Clip]
    references: dict[ItemNumber, Reference]
    indexes: dict[Algorithm, FaissIndex]
    queries: list[Query]

    def summary(self) -> str:
        kinds = [clip.kind for clip in self.clips.values()]
        counts = ", ".join(f"{kinds.count(kind)} {name}" for kind, name in _NAMES.items() if kind in kinds)
        minutes = sum(reference.fingerprint.duration_s for reference in self.references.values()) / 60
        return f"References: {counts}; {minutes:.0f} minutes, {len(self.queries)} edited copies of them."


_NAMES = {Kind.VIDEO: "videos", Kind.MUSIC: "tracks of music", Kind.OTHER_SOUND: "other sounds"}


def prepare(clips: list[Clip], say: Callable[[str], None]) -> Corpus:
    """Fingerprint the clips and edited copies of them."""
    kept: dict[ItemNumber, Clip] = {}
    references: dict[ItemNumber, Reference] = {}
    indexes = {algorithm: FaissIndex() for algorithm in Algorithm}
    with ThreadPoolExecutor(os.cpu_count()) as pool, tempfile.TemporaryDirectory() as folder:
        for clip, fingerprint in zip(clips, pool.map(_reference, clips), strict=True):
            if fingerprint is None:
                continue
            number = ItemNumber(len(kept))
            kept[number] = clip
            references[number] = Reference(item=number, fingerprint=fingerprint)
            for descriptors in fingerprint.descriptors:
                indexes[descriptors.algorithm].add(number, descriptors)
        tasks = [*_video_tasks(kept, references), *_sound_tasks(kept, references)]
        say(f"{len(kept)} references; making {len(tasks)} edited copies")
        queries = list(pool.map(lambda task: task(Path(folder)), tasks))
    return Corpus(clips=kept, references=references, indexes=indexes, queries=queries)


def _reference(clip: Clip) -> Fingerprint | None:
    try:
        return reference_of(extract(clip.path).fingerprint)
    except MediaError:
        return None


Task = Callable[[Path], Query]


def _video_tasks(clips: dict[ItemNumber, Clip], references: dict[ItemNumber, Reference]) -> Iterator[Task]:
    for number, clip in clips.items():
        fingerprint = references[number].fingerprint
        if fingerprint.of(Algorithm.VIDEO_PHASH_V1) is None:
            continue
        duration_s = min(fingerprint.duration_s, clip.duration_s)
        hosts = [other for other in _others(clips, clip, Kind.VIDEO) if other.duration_s >= _CUTTABLE_S]
        for edit in VIDEO_EDITS:
            too_long_or_short = duration_s < _CUTTABLE_S if edit.cut else duration_s > _WHOLE_S
            if not too_long_or_short and (hosts or not edit.host):
                host = _pick(hosts, clip, edit.name) if edit.host else None
                yield partial(_video_query, edit, number, clip, duration_s, host)


def _sound_tasks(clips: dict[ItemNumber, Clip], references: dict[ItemNumber, Reference]) -> Iterator[Task]:
    for number, clip in clips.items():
        if clip.kind is not Kind.MUSIC or references[number].fingerprint.of(Algorithm.AUDIO_CHROMAPRINT_V1) is None:
            continue
        for edit in SOUND_EDITS:
            hosts = list(_others(clips, clip, Kind(edit.inside))) if edit.inside in set(Kind) else []
            if clip.duration_s < edit.length_s + 1 or (edit.inside in set(Kind) and not hosts):
                continue
            for place in _SOUND_PLACES:
                start_s = round((clip.duration_s - edit.length_s) * place, 2)
                host = _pick(hosts, clip, f"{edit.name}{place}") if hosts else None
                yield partial(_sound_query, edit, number, clip, start_s, host)


def _others(clips: dict[ItemNumber, Clip], clip: Clip, kind: Kind) -> Iterator[Clip]:
    return (other for other in clips.values() if other.kind is kind and other.cluster != clip.cluster)


def _pick(hosts: list[Clip], clip: Clip, salt: str) -> Clip:
    return hosts[zlib.crc32(f"{clip.path.name}{salt}".encode()) % len(hosts)]


def _video_query(
    edit: Edit, number: ItemNumber, clip: Clip, duration_s: float, host: Clip | None, folder: Path
) -> Query:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".mp4") as file:
        target = Path(file.name)
        truth = edit.apply(clip.path, target, duration_s=duration_s, host=host.path if host else None)
        return _query(edit.name, Algorithm.VIDEO_PHASH_V1, number, clip, host, truth, target)


def _sound_query(
    edit: SoundEdit, number: ItemNumber, clip: Clip, start_s: float, host: Clip | None, folder: Path
) -> Query:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".mp4") as file:
        target = Path(file.name)
        truth = edit.apply(clip.path, target, start_s=start_s, host=host.path if host else None)
        return _query(edit.name, Algorithm.AUDIO_CHROMAPRINT_V1, number, clip, host, truth, target)


def _query(
    edit: str, algorithm: Algorithm, number: ItemNumber, clip: Clip, host: Clip | None, truth: Truth, path: Path
) -> Query:
    hosts = frozenset({clip.cluster} | ({host.cluster} if host else set()))
    return Query(
        edit=edit, algorithm=algorithm, source=number, truth=truth, hosts=hosts, fingerprint=extract(path).fingerprint
    )
