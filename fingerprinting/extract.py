"""A file becomes a fingerprint, and the quality gate says whether it can serve as a reference.

The gate keeps out what would match everything (black, a still, silence) and what matches nothing
(too short). A query is not gated: a short or dark clip is still searched for what it shows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ, DecodeLimits, decode
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.hamming import distances
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, MediaInfo, Modality
from fingerprinting.traits import TRAITS

MIN_REFERENCE_S = 2.0
# Frames that all lie this close to the first one are one picture; re-encoding a moving one gives more.
_STATIC_BITS = 4
# One row of Chromaprint words takes this much sound.
_SHORTEST_SOUND_S = 2 * chromaprint.FIRST_ROW_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What one decode gave."""

    media: MediaInfo
    fingerprint: Fingerprint


def extract(path: Path, *, limits: DecodeLimits | None = None) -> Extracted:
    """Fingerprint a file.

    Raises:
        MediaError: it is not media, is past a limit, or is damaged.
    """
    decoded = decode(path, limits=limits)
    descriptors = []
    if decoded.media.has_video:
        times_s = decoded.shown / FRAME_RATE_HZ
        picture = Descriptors(algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times_s, vectors=decoded.hashes)
        descriptors.append(picture)
    if decoded.media.has_audio:
        descriptors.append(chromaprint.describe(decoded.words))
    fingerprint = Fingerprint(duration_s=decoded.duration_s, descriptors=tuple(descriptors))
    return Extracted(media=decoded.media, fingerprint=fingerprint)


def extract_output(path: Path, *, limits: DecodeLimits | None = None) -> Extracted:
    """Fingerprint a file that somebody wants to publish: all of it must have been looked at.

    Raises:
        MediaError: as `extract`; or it has more sound tracks than the one that is listened to. (A work may
            have one for each language, and its first is enough to recognise it.)
    """
    extracted = extract(path, limits=limits)
    if extracted.media.audio_tracks > 1:
        problem = f"The file has {extracted.media.audio_tracks} sound tracks. Send a file with one."
        raise MediaError(fault=MediaFault.SEVERAL_TRACKS, problem=problem)
    return extracted


def weaknesses(fingerprint: Fingerprint) -> dict[Modality, MediaFault]:
    """Why a modality that the file has carries no weight, e.g. {VIDEO: BLACK}."""
    faults = {d.algorithm.modality: _fault(d, fingerprint.duration_s) for d in fingerprint.descriptors}
    return {modality: fault for modality, fault in faults.items() if fault is not None}


def reference_of(fingerprint: Fingerprint) -> Fingerprint:
    """Pass the quality gate: the fingerprint with what may stand in the index.

    Raises:
        MediaError: nothing of it may.
    """
    if fingerprint.duration_s < MIN_REFERENCE_S:
        problem = f"The file lasts {fingerprint.duration_s:.1f} s; a work needs at least {MIN_REFERENCE_S:.0f} s."
        raise MediaError(fault=MediaFault.TOO_SHORT, problem=problem)
    weak = weaknesses(fingerprint)
    kept = tuple(d for d in fingerprint.descriptors if d.algorithm.modality not in weak)
    if kept:
        return Fingerprint(duration_s=fingerprint.duration_s, descriptors=kept)
    fault = weak.get(Modality.VIDEO) or weak[Modality.AUDIO]
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
}


def _fault(descriptors: Descriptors, duration_s: float) -> MediaFault | None:
    kept = thinned(descriptors)
    if descriptors.algorithm.modality is Modality.AUDIO:
        silent = MediaFault.SILENT if duration_s > _SHORTEST_SOUND_S else MediaFault.TOO_SHORT
        return None if len(kept) else silent
    if len(kept) < max(1.0, duration_s / 20) / TRAITS[descriptors.algorithm].step_s:
        return MediaFault.BLACK
    if distances(descriptors.vectors[:1], descriptors.vectors).max() <= _STATIC_BITS:
        return MediaFault.STATIC
    return None
