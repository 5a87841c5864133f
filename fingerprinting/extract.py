"""A file becomes a fingerprint; whether it can serve as a reference is the quality gate's to say."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fingerprinting import chromaprint
from fingerprinting.decode import FRAME_RATE_HZ, DecodeLimits, decode, probe
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.landmark import PeakPicker
from fingerprinting.looks import Glance, ReferenceLooks
from fingerprinting.model import Algorithm, Descriptors, Fingerprint, MediaInfo
from fingerprinting.sscd import FrameEmbedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What one decode gave; `glance` can see more of a query's frames where an embedder looked at them."""

    fingerprint: Fingerprint
    glance: Glance | None = None

    def again(self) -> "Extracted":
        """The same for another search, whose closer looks are its own."""
        return replace(self, glance=self.glance.again() if self.glance is not None else None)

    def in_full(self) -> Fingerprint:
        """The fingerprint with every view of every frame, for who cannot look closer later."""
        if self.glance is None:
            return self.fingerprint
        self.glance.closer([(-np.inf, np.inf)])
        seen = self.glance.seen()
        descriptors = (seen if d.algorithm is seen.algorithm else d for d in self.fingerprint.descriptors)
        return replace(self.fingerprint, descriptors=tuple(descriptors))


def extract(
    path: Path, *, limits: DecodeLimits | None = None, embedder: FrameEmbedder | None = None,
    media: MediaInfo | None = None,
) -> Extracted:  # fmt: skip
    """Fingerprint a file as a reference.

    Args:
        media: what `probe` said of it, where that was asked already.
    Raises:
        MediaError: it is not media, is past a limit, or is damaged.
    """
    media = media or probe(path, limits=limits)
    looks = ReferenceLooks(embedder, tall=_is_tall(media)) if embedder and media.has_video else None
    return Extracted(fingerprint=_fingerprint(path, media, limits, looks))


def extract_query(
    path: Path, *, limits: DecodeLimits | None = None, embedder: FrameEmbedder | None = None
) -> Extracted:  # fmt: skip
    """Fingerprint a file to look for what it copies.

    Raises:
        MediaError: as `extract`.
    """
    return _glanced_at(path, probe(path, limits=limits), limits, embedder)


def extract_output(
    path: Path, *, limits: DecodeLimits | None = None, embedder: FrameEmbedder | None = None,
    media: MediaInfo | None = None,
) -> Extracted:  # fmt: skip
    """As `extract_query`, for a file that somebody wants to publish: all of it must have been looked at.

    Raises:
        MediaError: as `extract`; or it has more sound tracks than the one that is listened to. (A work may
            have one for each language, and its first is enough to recognise it.)
    """
    media = media or probe(path, limits=limits)
    if media.audio_tracks > 1:
        problem = f"The file has {media.audio_tracks} sound tracks. Send a file with one."
        raise MediaError(fault=MediaFault.SEVERAL_TRACKS, problem=problem)
    return _glanced_at(path, media, limits, embedder)


def _glanced_at(
    path: Path, media: MediaInfo, limits: DecodeLimits | None, embedder: FrameEmbedder | None
) -> Extracted:  # fmt: skip
    glance = Glance(embedder, tall=_is_tall(media)) if embedder and media.has_video else None
    return Extracted(fingerprint=_fingerprint(path, media, limits, glance), glance=glance)


def _fingerprint(
    path: Path, media: MediaInfo, limits: DecodeLimits | None, looks: ReferenceLooks | Glance | None
) -> Fingerprint:
    pictures = looks.take if looks else None
    peaks = PeakPicker()
    decoded = decode(path, limits=limits, media=media, pictures=pictures, sound=peaks.take)
    descriptors = []
    if media.has_video:
        times_s = decoded.shown / FRAME_RATE_HZ
        hashes = Descriptors(algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times_s, vectors=decoded.hashes)
        descriptors.append(hashes)
    if looks:
        descriptors.append(looks.finish())
    if media.has_audio:
        descriptors += [chromaprint.describe(decoded.words), peaks.finish()]
    return Fingerprint(duration_s=decoded.duration_s, descriptors=tuple(descriptors))


def _is_tall(media: MediaInfo) -> bool:
    return (media.height or 0) > (media.width or 0)
