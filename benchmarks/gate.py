"""The quality gate for sound: how far music, speech, noise and loops lie from its thresholds, and what it refuses.

Every clip of sound is cut into stretches of one length and each is judged as a file of its own would be: the gate
must pass music whatever is registered of it. Noise and loops of the clips are made for it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import cache, ffmpeg
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import Report, table
from fingerprinting.errors import MediaError
from fingerprinting.extract import extract
from fingerprinting.landmark import strongest
from fingerprinting.model import Algorithm, Descriptors
from fingerprinting.quality import Course

_LENGTHS_S = (3.0, 5.0, 10.0, 30.0)
_NOISES = ("white", "pink", "brown", "blue", "violet", "velvet")
_NOISE_S, _LOOPED_S, _LOOPS_S = 180.0, 14.0, (0.5, 0.73, 1.0, 1.37, 2.0)
_QUICK_CLIPS = 12

_HOW = """
*Recurrence* is how much likelier two peaks near in time are on one band than on two beside each other, *crowding*
the variance over the mean of how many come at once: below both thresholds a stretch is noise. *Return* is the share
of peaks that are there again after some time, always the same: above its threshold it is a loop.
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sound:
    kind: str
    peaks: Descriptors


def gate(clips: Sequence[Clip], *, quick: bool, say: Callable[[str], None]) -> Report:
    """Measure and tell."""
    sounds = [clip for clip in clips if clip.kind is not Kind.VIDEO]
    if not sounds:
        raise NoMedia("The gate for sound needs clips of sound.")
    heard = list(_heard(sounds[:: max(1, len(sounds) // _QUICK_CLIPS)] if quick else sounds))
    say(f"{len(heard)} sounds are heard")
    rows = []
    for kind in dict.fromkeys(one.kind for one in heard):
        for length_s in _LENGTHS_S:
            courses = [Course.of(s) for one in heard if one.kind == kind for s in _cut(one.peaks, length_s)]
            if courses:
                rows.append([kind, f"{length_s:.0f} s", str(len(courses)), *_cells(courses)])
    headings = ("sound", "stretches", "number", "recurrence, 1 %", "median", "99 %", "crowding, 1 %", "median", "99 %",
                "return, median", "most", "noise", "loop")  # fmt: skip
    return Report(title="The quality gate for sound", body=f"{_HOW}\n\n{table(headings, rows)}", figures={"rows": rows})


def _heard(sounds: Sequence[Clip]) -> Iterator[_Sound]:
    for kind, path in _files(sounds):
        try:
            peaks = extract(path).fingerprint.of(Algorithm.AUDIO_LANDMARK_V1)
        except MediaError:
            continue
        if peaks is not None and len(peaks):
            yield _Sound(kind=kind, peaks=strongest(peaks))


def _files(sounds: Sequence[Clip]) -> Iterator[tuple[str, Path]]:
    for clip in sounds:
        yield clip.kind.value, clip.path
    for colour in _NOISES:
        yield "noise", cache.media(cache.digest("gate noise", colour, _NOISE_S), ".wav", _noise(colour))
    for clip in sounds:
        if clip.kind is Kind.MUSIC and clip.duration_s > 20:
            for length_s in _LOOPS_S:
                name = cache.digest("gate loop", cache.content_of(clip.path), length_s, _LOOPED_S)
                yield "looped music", cache.media(name, ".wav", _loop(clip.path, length_s))


def _noise(colour: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        ffmpeg.run("-f", "lavfi", "-i", f"anoisesrc=c={colour}:seed=1:d={_NOISE_S}:r=22050:a=0.3", path)

    return make


def _loop(source: Path, length_s: float) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        once = path.with_name(f"once-{path.name}")
        try:
            ffmpeg.run("-ss", 15, "-t", length_s, "-i", source, "-ac", 1, "-ar", 22050, once)
            ffmpeg.run("-stream_loop", -1, "-i", once, "-t", _LOOPED_S, path)
        finally:
            once.unlink(missing_ok=True)

    return make


def _cut(peaks: Descriptors, length_s: float) -> Iterator[Descriptors]:
    """Whole stretches that have so many peaks as a sound of that length usually has at least."""
    numbers = (peaks.times_s // length_s).astype(int)
    for number in range(int(numbers[-1])):
        inside = numbers == number
        if inside.sum() >= 10 * length_s:
            yield Descriptors(algorithm=peaks.algorithm, times_s=peaks.times_s[inside], vectors=peaks.vectors[inside])


def _cells(courses: Sequence[Course]) -> list[str]:
    def told(values: list[float], *shares: float) -> list[str]:
        return [f"{value:.2f}" for value in np.quantile(np.minimum(values, 999), shares)]

    return [
        *told([one.recurrence for one in courses], 0.01, 0.5, 0.99),
        *told([one.crowding for one in courses], 0.01, 0.5, 0.99),
        *told([one.return_0_1 for one in courses], 0.5, 1.0),
        *(f"{np.mean(values):.2%}" for values in ([c.is_noise for c in courses], [c.loops for c in courses])),
    ]
