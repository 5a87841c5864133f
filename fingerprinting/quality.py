"""The quality gate: whether a fingerprint can serve as a reference, told from the fingerprint alone.

The gate keeps out what would match everything (black, a still, silence, noise), what is nobody's (test
cards, counting leaders, intro cards) and what matches nothing (too short). Each modality passes or fails
on its own: one that fails carries no weight, whatever algorithms describe it. A query is not gated: a
short or dark clip is still searched for what it shows.

Thresholds: 200 real clips and pieces of music, and generated material; docs/adr/0014 has the figures.
"""

import math
from dataclasses import dataclass

import numpy as np

from fingerprinting import chromaprint, landmark
from fingerprinting.decode import FRAME_RATE_HZ
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.hamming import distances
from fingerprinting.layout import thinned
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, Modality, Vectors
from fingerprinting.traits import TRAITS

MIN_REFERENCE_S = 2.0
# One row of Chromaprint words takes this much sound.
_SHORTEST_SOUND_S = 2 * chromaprint.FIRST_ROW_S

# Rows that differ by no more are one picture, or one sound. Real clips of 4 s and more had at least 11
# pictures; bars under heavy grain 2, a logo that grows 3, a real intro card 4. Sounds: 4 in a looped second.
_SAME_BITS = {Modality.VIDEO: 16, Modality.AUDIO: 32}
# What differs must fill the shortest reference: 2 s of pictures, 1 s of sound, a quarter of what is shorter.
_MIN_DIFFERENT = 8
_STATIC_PICTURES = 2

# A loop: three rows of four come back so near within 2 s, and meanwhile were as far as this. Loops of 0.5 to
# 2 s came back at 4 to 14 bits; real clips that moved so far never came nearer than 30.
_BACK_BITS, _AWAY_BITS, _LOOP_TICKS = 16.0, 32.0, 32

# A counting leader holds each numeral for one second; between two, a frame may show both.
_HELD_BITS, _HELD_SHARE, _COUNT_STEP_S, _COUNT_SLACK_S = 8, 0.8, 1.0, 0.13
_ONE_CHANGE_S = 0.25  # an encoder may take a few frames over one
_MOST_NUMERALS, _FEWEST_NUMERALS = 20, 4

# Noise has peaks on any band at any time: of peaks 0.1 to 2 s apart hardly more lie on one band than on two that are
# no notes of one scale, and they do not come together (variance of the peaks of each 70 ms over their mean). In a
# looped piece of 0.5 to 2 s nearly all peaks are back on their band after the same time. `python -m benchmarks gate`
# tells how far real music, noise and loops lie from these.
_NOISE_RECURRENCE, _NOISE_CROWDING, _LOOP_RETURN = 2.0, 1.3, 0.8
_RECURRING_FRAMES, _CROWD_FRAMES, _RETURN_FRAMES = (5, 86), 3, (10, 90)
_BESIDE_BANDS = (5, 6, 7, 10)
# What is weak in every one of so many stretches of so many peaks, half a minute each, is weak.
_STRETCHES, _STRETCH_PEAKS = 6, 1000

_PROBLEMS = {
    MediaFault.BLACK: "The picture is blank throughout and there is no sound to go by. Send the work itself.",
    MediaFault.STATIC: "The picture never changes and there is no sound to go by: it would match every still."
    " Register a still as an image.",
    MediaFault.REPETITIVE: "It repeats itself, and what it repeats is too short to be recognised by."
    " Send a longer part of the work.",
    MediaFault.COUNTING: "It is a counting leader: every film has one. Cut it off and send the work itself.",
    MediaFault.SILENT: "There is nothing in the sound track but silence or a held tone, and no picture to go by.",
    MediaFault.NOISE: "The sound is noise and there is no picture to go by. Send the work itself.",
    MediaFault.TOO_SHORT: "The sound is too short to be recognised: send at least 4 s of it.",
    MediaFault.UNJUDGED: "The fingerprint lacks video-phash-v1, audio-chromaprint-v1 or audio-landmark-v1, by"
    " which its quality is judged. Make it again with this version.",
}


def weaknesses(fingerprint: Fingerprint) -> dict[Modality, MediaFault]:
    """Why a modality that the file has carries no weight, e.g. {VIDEO: BLACK}."""
    modalities = dict.fromkeys(d.algorithm.modality for d in fingerprint.descriptors)
    faults = {modality: _fault(fingerprint, modality) for modality in modalities}
    return {modality: fault for modality, fault in faults.items() if fault is not None}


def reference_of(fingerprint: Fingerprint) -> Fingerprint:
    """Pass the quality gate: the fingerprint with what may stand in the index.

    Raises:
        MediaError: nothing of it may.
    """
    if not fingerprint.is_still and fingerprint.duration_s < MIN_REFERENCE_S:
        problem = f"The file lasts {fingerprint.duration_s:.1f} s; a work needs at least {MIN_REFERENCE_S:.0f} s."
        raise MediaError(fault=MediaFault.TOO_SHORT, problem=problem)
    weak = weaknesses(fingerprint)
    kept = tuple(d for d in fingerprint.descriptors if d.algorithm.modality not in weak)
    if kept:
        return Fingerprint(duration_s=fingerprint.duration_s, descriptors=kept)
    fault = weak.get(Modality.VIDEO) or weak[Modality.AUDIO]
    raise MediaError(fault=fault, problem=_PROBLEMS[fault])


def _fault(fingerprint: Fingerprint, modality: Modality) -> MediaFault | None:
    """By some descriptors of a modality; all others of it stand or fall with them."""
    if modality is Modality.VIDEO:
        pictures = fingerprint.of(Algorithm.VIDEO_PHASH_V1)
        return MediaFault.UNJUDGED if pictures is None else _picture_fault(pictures, fingerprint)
    words, peaks = fingerprint.of(Algorithm.AUDIO_CHROMAPRINT_V1), fingerprint.of(Algorithm.AUDIO_LANDMARK_V1)
    if words is None or peaks is None:
        return MediaFault.UNJUDGED
    return _sound_fault(words, peaks, fingerprint.duration_s)


def _picture_fault(descriptors: Descriptors, fingerprint: Fingerprint) -> MediaFault | None:
    if fingerprint.is_still:
        return None if len(descriptors) else MediaFault.BLACK
    descriptors = _one_a_frame(descriptors)
    kept = thinned(descriptors)
    if len(kept) < max(1.0, fingerprint.duration_s / 20) / TRAITS[descriptors.algorithm].step_s:
        return MediaFault.BLACK
    needed = _needed(kept)
    pictures = _different(kept.vectors, _SAME_BITS[Modality.VIDEO], most=max(needed, _MOST_NUMERALS + 1))
    if pictures < needed:
        return MediaFault.STATIC if pictures <= _STATIC_PICTURES else MediaFault.REPETITIVE
    if _loops(descriptors):
        return MediaFault.REPETITIVE
    if pictures <= _MOST_NUMERALS and _counts_seconds(descriptors):
        return MediaFault.COUNTING
    return None


def _sound_fault(words: Descriptors, peaks: Descriptors, duration_s: float) -> MediaFault | None:
    kept = thinned(words)
    if not len(kept):
        return MediaFault.SILENT if duration_s > _SHORTEST_SOUND_S else MediaFault.TOO_SHORT
    needed = _needed(kept)
    if _different(kept.vectors, _SAME_BITS[Modality.AUDIO], most=needed) < needed:
        return MediaFault.REPETITIVE
    stretches = [Course.of(stretch) for stretch in _stretches(landmark.strongest(peaks))]
    if stretches and all(course.loops for course in stretches):
        return MediaFault.REPETITIVE
    return MediaFault.NOISE if stretches and all(course.is_noise for course in stretches) else None


def _one_a_frame(descriptors: Descriptors) -> Descriptors:
    """The first row of each time: a frame with borders has another, of what is inside them."""
    first = np.diff(descriptors.times_s, prepend=-np.inf) > 0
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[first], vectors=descriptors.vectors[first]
    )


def _needed(kept: Descriptors) -> int:
    return min(_MIN_DIFFERENT, math.ceil(len(kept) / 4))


def _different(vectors: Vectors, same_bits: int, *, most: int) -> int:
    """How many different rows there are, counted up to `most`: each stands for all that are like it."""
    count = 0
    while len(vectors) and count < most:
        vectors = vectors[distances(vectors[:1], vectors)[0] > same_bits]
        count += 1
    return count


def _loops(descriptors: Descriptors) -> bool:
    """Whether the picture moves and is back where it was within two seconds, over and over."""
    ticks = np.round(descriptors.times_s * FRAME_RATE_HZ).astype(np.int64)
    row_at = np.full(ticks[-1] + 1, -1)
    row_at[ticks] = np.arange(len(ticks))
    away = 0.0
    for lag in range(1, min(_LOOP_TICKS, len(row_at) // 2)):
        now, later = row_at[:-lag], row_at[lag:]
        both = (now >= 0) & (later >= 0)
        if not both.any():  # a document may hold every fourth row
            continue
        changed = np.bitwise_count(descriptors.vectors[now[both]] ^ descriptors.vectors[later[both]]).sum(axis=1)
        distance = float(np.percentile(changed, 75))
        if away >= _AWAY_BITS and distance <= _BACK_BITS:
            return True
        away = max(away, distance)
    return False


def _counts_seconds(descriptors: Descriptors) -> bool:
    """Whether the picture is held, and changes every second and at no other time."""
    jumps = np.bitwise_count(descriptors.vectors[1:] ^ descriptors.vectors[:-1]).sum(axis=1)
    changed_s = descriptors.times_s[1:][jumps > _SAME_BITS[Modality.VIDEO]]
    changed_s = changed_s[np.diff(changed_s, prepend=-np.inf) > _ONE_CHANGE_S]
    held = float((jumps <= _HELD_BITS).mean())
    steps_s = np.diff(changed_s)
    regular = bool(np.all(np.abs(steps_s - _COUNT_STEP_S) <= _COUNT_SLACK_S))
    return held >= _HELD_SHARE and len(changed_s) >= _FEWEST_NUMERALS and regular


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a sound goes on, told from its peaks.

    Attributes:
        recurrence: how much likelier two peaks near in time are on one band than on two beside each other.
        crowding: variance over mean of how many peaks come at once.
        return_0_1: the share of peaks that are there again after some time, always the same.
    """

    recurrence: float
    crowding: float
    return_0_1: float

    @property
    def is_noise(self) -> bool:
        return self.recurrence < _NOISE_RECURRENCE and self.crowding < _NOISE_CROWDING

    @property
    def loops(self) -> bool:
        return self.return_0_1 >= _LOOP_RETURN

    @classmethod
    def of(cls, peaks: Descriptors) -> "Course":
        """The course of audio-landmark-v1 peaks, at least one."""
        frames, bands = landmark.frames_of(peaks), peaks.vectors[:, 0].astype(np.int64)
        crowds = np.bincount((frames - frames[0]) // _CROWD_FRAMES)
        return cls(
            recurrence=_recurrence(frames, bands),
            crowding=float(crowds.var() / crowds.mean()),
            return_0_1=_return(frames, bands),
        )


def _stretches(peaks: Descriptors) -> list[Descriptors]:
    """Some stretches of a sound, evenly spread; all of a short one."""
    if not len(peaks):
        return []
    last = max(0, len(peaks) - _STRETCH_PEAKS)
    begins = dict.fromkeys(np.linspace(0, last, _STRETCHES if last else 1).astype(int).tolist())
    inside = [slice(begin, begin + _STRETCH_PEAKS) for begin in begins]
    return [
        Descriptors(algorithm=peaks.algorithm, times_s=peaks.times_s[cut], vectors=peaks.vectors[cut]) for cut in inside
    ]


def _return(frames: landmark.Ints, bands: landmark.Ints) -> float:
    cells = frames * landmark.BANDS + bands
    most = 0.0
    for lag in range(*_RETURN_FRAMES):
        later = cells[frames + lag <= frames[-1]] + lag * landmark.BANDS
        if len(later) < len(cells) / 2:
            break
        again = [np.isin(later + slack * landmark.BANDS, cells) for slack in (-1, 0, 1)]
        most = max(most, float(np.logical_or.reduce(again).mean()))
    return most


def _recurrence(frames: landmark.Ints, bands: landmark.Ints) -> float:
    first, last = _RECURRING_FRAMES
    counts = np.zeros(max(_BESIDE_BANDS) + 1)
    for step in range(1, len(frames)):
        apart = frames[step:] - frames[:-step]
        if apart.min() > last:
            break
        rises = np.abs(bands[step:] - bands[:-step])[(apart >= first) & (apart <= last)]
        counts += np.bincount(rises[rises < len(counts)], minlength=len(counts))
    # A rise is found both ways, up and down; none only once.
    beside = counts[list(_BESIDE_BANDS)].mean() / 2
    return float(counts[0] / beside) if beside else math.inf
