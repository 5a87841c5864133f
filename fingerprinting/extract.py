"""A file becomes a fingerprint, and the quality gate says whether it can serve as a reference.

The gate keeps out what would match everything (black, a still, silence) and what matches nothing
(too short). A query is not gated: a short or dark clip is still searched for what it shows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ, Decoded, DecodeLimits, decode
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.hamming import distances
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, MediaInfo, Modality
from fingerprinting.traits import TRAITS

MIN_REFERENCE_S = 2.0
# Frames that all lie this close to the first one are one picture; re-encoding a moving one gives more.
_STATIC_BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What one decode gave.

    Attributes:
        weak: why a modality that the file has carries no weight, e.g. {VIDEO: BLACK}.
    """

    media: MediaInfo
    fingerprint: Fingerprint
    weak: dict[Modality, MediaFault]


def extract(path: Path, *, limits: DecodeLimits | None = None) -> Extracted:
    """Fingerprint a file.

    Raises:
        MediaError: it is not media, is past a limit, or is damaged.
    """
    decoded = decode(path, limits=limits)
    weak: dict[Modality, MediaFault] = {}
    descriptors = []
    if decoded.media.has_video:
        descriptors.append(_describe_picture(decoded))
        if fault := _picture_fault(descriptors[-1], frames=decoded.frames):
            weak[Modality.VIDEO] = fault
    if decoded.media.has_audio:
        descriptors.append(chromaprint.describe(decoded.words))
        if not len(descriptors[-1]):
            weak[Modality.AUDIO] = _sound_fault(decoded)
    fingerprint = Fingerprint(duration_s=decoded.duration_s, descriptors=tuple(descriptors))
    return Extracted(media=decoded.media, fingerprint=fingerprint, weak=weak)


def reference_of(extracted: Extracted) -> Fingerprint:
    """Pass the quality gate: the fingerprint with what may stand in the index.

    Raises:
        MediaError: nothing of it may.
    """
    if extracted.fingerprint.duration_s < MIN_REFERENCE_S:
        problem = f"The file lasts {extracted.fingerprint.duration_s:.1f} s; a work needs at least {MIN_REFERENCE_S:.0f} s."
        raise MediaError(fault=MediaFault.TOO_SHORT, problem=problem)
    kept = tuple(
        thinned(d)
        for d in extracted.fingerprint.descriptors
        if len(d) and d.algorithm.modality not in extracted.weak
    )
    if kept:
        return Fingerprint(duration_s=extracted.fingerprint.duration_s, descriptors=kept)
    fault = extracted.weak.get(Modality.VIDEO) or extracted.weak.get(Modality.AUDIO) or MediaFault.NO_CONTENT
    raise MediaError(fault=fault, problem=_PROBLEMS[fault])


def thinned(descriptors: Descriptors) -> Descriptors:
    """The rows that a reference keeps: those on its algorithm's coarser grid."""
    traits = TRAITS[descriptors.algorithm]
    ticks = np.round((descriptors.times_s - traits.first_s) / traits.query_step_s).astype(np.int64)
    kept = ticks % round(traits.step_s / traits.query_step_s) == 0
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[kept], vectors=descriptors.vectors[kept]
    )


_PROBLEMS = {
    MediaFault.BLACK: "The picture is blank throughout and there is no sound to go by. Send the work itself.",
    MediaFault.STATIC: "The picture never changes and there is no sound to go by: it would match every still.",
    MediaFault.SILENT: "There is no sound in the file's sound track and no picture to go by.",
    MediaFault.TOO_SHORT: "The sound is too short to be recognised: send at least 4 s of it.",
    MediaFault.NO_CONTENT: "There is nothing in the file that could be recognised again.",
}


def _describe_picture(decoded: Decoded) -> Descriptors:
    return Descriptors(
        algorithm=Algorithm.VIDEO_PHASH_V1, times_s=decoded.shown / FRAME_RATE_HZ, vectors=decoded.hashes
    )


def _picture_fault(described: Descriptors, *, frames: int) -> MediaFault | None:
    if len(described) < max(FRAME_RATE_HZ, frames // 20):
        return MediaFault.BLACK
    if distances(described.vectors[:1], described.vectors).max() <= _STATIC_BITS:
        return MediaFault.STATIC
    return None


def _sound_fault(decoded: Decoded) -> MediaFault:
    return MediaFault.SILENT if len(decoded.words) >= chromaprint.WORDS_A_ROW else MediaFault.TOO_SHORT
