"""One decode of a file: hashes of its frames at a fixed rate, and Chromaprint words.

All media is hostile. It is opened only by a limited child: the ffmpeg that comes in a wheel, which
may read this one file and nothing else, and only as one of the containers named here (playlists and
image sequences, which name other files, are not among them).
"""

import errno
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from fingerprinting import chromaprint
from fingerprinting.child import ChildExceededLimit, ChildResult, Output, ProcessLimits, run_limited
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.model import MediaInfo, Vectors
from fingerprinting.phash import FRAME_PX, phash

# Sixteen looks a second: whatever the cut and the frame rate of a copy, one of them falls within 31 ms
# of each of the reference's four. At four a second a fast pan or shake was missed (docs/adr/0003).
FRAME_RATE_HZ = 16
_FRAME_BYTES = FRAME_PX * FRAME_PX
# Frames hashed at once: bounds memory whatever the length of the film.
_BATCH_FRAMES = 256
# A frame whose grey values spread less than this has no picture to hash: its bits would be noise.
_BLANK_LUMA_SPREAD = 4.0

_CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "asf", "avi", "caf", "eac3", "flac", "flv", "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpeg", "mpegts", "mpegvideo", "mxf", "ogg", "w64", "wav", "yuv4mpegpipe",
)  # fmt: skip

# Media is read a little past the longest accepted: what then still goes on is too long.
_PAST_END_S = 1.0

# The first picture and the first sound, told in ffmpeg's own words: what it prints on its log also holds
# words of the file (a track's language, tags of any length), which could hide one of them.
_LISTING = ["-map", "0:V?", "-map", "0:a?", "-c", "copy", "-t", "0", "-f", "framecrc", "pipe:{streams}"]
_LISTING_BYTES = 1 << 16
_MEDIA_TYPE = re.compile(r"^#media_type \d+: (video|audio)$", re.MULTILINE)
_DIMENSIONS = re.compile(r"^#dimensions \d+: (\d+)x(\d+)$", re.MULTILINE)

# What a decode that ends before its container's own word may lack: rounding, a cut last packet.
_MISSING_SHARE, _MISSING_S = 0.15, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """What one file may be, and what the child that decodes it may take."""

    max_duration_s: float = 4 * 3600.0
    max_pixels: int = 8192 * 4320
    max_streams: int = 64
    process: ProcessLimits = ProcessLimits(cpu_s=3600, wall_s=3600.0, memory_bytes=4 << 30)
    probe: ProcessLimits = ProcessLimits(cpu_s=20, wall_s=20.0, memory_bytes=2 << 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One file's raw descriptors.

    Attributes:
        frames: how many looks were taken, one every 1 / FRAME_RATE_HZ s from the file's start.
        shown: int64 (n,) which of them had a picture, ascending.
        hashes: uint8 (n, 32) the perceptual hashes of those.
        words: uint32 (m,) raw Chromaprint; see `chromaprint` for their times.
        duration_s: what was decoded, the longer of picture and sound.
    """

    media: MediaInfo
    frames: int
    shown: npt.NDArray[np.int64]
    hashes: Vectors
    words: npt.NDArray[np.uint32]
    duration_s: float


class _FrameHasher:
    """Turns a stream of raw frames into hashes, a batch at a time."""

    def __init__(self) -> None:
        self.frames = 0
        self._pending = bytearray()
        self._shown: list[npt.NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._hashes: list[Vectors] = [phash(np.empty((0, FRAME_PX, FRAME_PX), np.uint8))]

    def take(self, chunk: bytes) -> None:
        self._pending += chunk
        if len(self._pending) >= _BATCH_FRAMES * _FRAME_BYTES:
            self._hash()

    def finish(self) -> tuple[npt.NDArray[np.int64], Vectors]:
        self._hash()
        return np.concatenate(self._shown), np.concatenate(self._hashes)

    def _hash(self) -> None:
        whole = len(self._pending) // _FRAME_BYTES * _FRAME_BYTES
        batch = np.frombuffer(bytes(self._pending[:whole]), np.uint8).reshape(-1, FRAME_PX, FRAME_PX)
        del self._pending[:whole]
        shown = batch.std(axis=(1, 2)) >= _BLANK_LUMA_SPREAD if len(batch) else np.empty(0, bool)
        self._shown.append(self.frames + np.flatnonzero(shown))
        self._hashes.append(phash(batch[shown]))
        self.frames += len(batch)


@cache
def ffmpeg_has_chromaprint() -> bool:
    """Whether the bundled ffmpeg can compute Chromaprint itself (the Linux wheels' can)."""
    listed = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-muxers"],
        capture_output=True,
        text=True,
        check=False,
    )
    return " chromaprint " in listed.stdout


def probe(path: Path, *, limits: DecodeLimits | None = None) -> MediaInfo:
    """Read the container's headers.

    Raises:
        MediaError: not media that we open, or past a limit.
    """
    limits = limits or DecodeLimits()
    if path.stat().st_size == 0:
        raise MediaError(fault=MediaFault.EMPTY, problem="The file is empty. Send the media itself.")
    listed = bytearray()
    streams = Output(take=listed.extend, most_bytes=_LISTING_BYTES)
    command = [*_reading(path, limits, log_level="info"), *_LISTING]
    result = _run(command, outputs={"streams": streams}, limits=limits.probe)
    media = _parse_headers(result.stderr, listed.decode(errors="replace"))
    if media is None or _was_limited(result):
        raise _unreadable(result)
    if not (media.has_video or media.has_audio):
        raise MediaError(fault=MediaFault.NO_MEDIA, problem="The file holds neither picture nor sound.")
    if media.video_tracks > 1:
        # Only the first is looked at, and a player may show another.
        problem = f"The file has {media.video_tracks} picture tracks. Send a file with one."
        raise MediaError(fault=MediaFault.SEVERAL_TRACKS, problem=problem)
    if media.duration_s is not None and media.duration_s > limits.max_duration_s:
        raise MediaError(
            fault=MediaFault.TOO_LONG,
            problem=f"The file says it lasts {media.duration_s:.0f} s; at most {limits.max_duration_s:.0f} s"
            " is accepted. Cut it into parts.",
        )
    if (media.width or 0) * (media.height or 0) > limits.max_pixels:
        raise MediaError(
            fault=MediaFault.TOO_LARGE,
            problem=f"The picture is {media.width}x{media.height}; at most {limits.max_pixels} pixels a frame"
            " are accepted. Scale it down.",
        )
    return media


def decode(path: Path, *, limits: DecodeLimits | None = None) -> Decoded:
    """Decode `path` once.

    Raises:
        MediaError: not media, past a limit, or it broke before its end (a file that is decoded only in
            part must not pass for one that was looked at).
    """
    limits = limits or DecodeLimits()
    media = probe(path, limits=limits)
    command = _reading(path, limits, log_level="error")
    hasher, sound = _FrameHasher(), bytearray()
    outputs: dict[str, Output] = {}
    if media.has_video:
        # The clip's own time line from 0, so that picture and sound keep their common clock.
        picture = f"fps={FRAME_RATE_HZ}:start_time=0,scale={FRAME_PX}:{FRAME_PX}:flags=area,format=gray"
        command += ["-map", "0:V:0", "-vf", picture, "-f", "rawvideo", "pipe:{frames}"]
        most = int((limits.max_duration_s + 2 * _PAST_END_S) * FRAME_RATE_HZ) * _FRAME_BYTES
        outputs["frames"] = Output(take=hasher.take, most_bytes=most)
    if media.has_audio:
        heard = f"aresample={chromaprint.SAMPLE_RATE_HZ}:async=1:first_pts=0"
        raw = ["-f", "chromaprint", "-fp_format", "raw"] if ffmpeg_has_chromaprint() else ["-f", "s16le"]
        command += ["-map", "0:a:0", "-af", heard, "-ac", "1", *raw, "pipe:{sound}"]
        most = int((limits.max_duration_s + 2 * _PAST_END_S) * chromaprint.SAMPLE_RATE_HZ) * 2
        outputs["sound"] = Output(take=sound.extend, most_bytes=most)
    result = _run(command, outputs=outputs, limits=limits.process)
    if result.returncode != 0:
        raise _unreadable(result)
    shown, hashes = hasher.finish()
    words = _words(bytes(sound))
    frames_s, heard_s = hasher.frames / FRAME_RATE_HZ, chromaprint.heard_s(words)
    if max(frames_s, heard_s) > limits.max_duration_s + _PAST_END_S / 2:
        raise MediaError(fault=MediaFault.TOO_LONG, problem="The media goes on past the longest accepted.")
    _require_whole(media, frames_s=frames_s, heard_s=heard_s)
    # Sound shorter than Chromaprint's first word leaves no trace of its length but the container's.
    unheard_s = min(media.duration_s or 0.0, chromaprint.FIRST_WORD_S) if media.has_audio else 0.0
    return Decoded(
        media=media,
        frames=hasher.frames,
        shown=shown,
        hashes=hashes,
        words=words,
        duration_s=max(frames_s, heard_s, unheard_s),
    )


def _reading(path: Path, limits: DecodeLimits, *, log_level: str) -> list[str]:
    # Decoders count the rows and columns that they add to fill their blocks; `probe` holds the exact limit.
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", log_level, "-threads", "2",
        "-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join(_CONTAINERS),
        "-max_streams", str(limits.max_streams), "-max_pixels", str(2 * limits.max_pixels),
        "-t", str(limits.max_duration_s + _PAST_END_S), "-i", "file:" + _braced(path.resolve()),
    ]  # fmt: skip


def _braced(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")  # the command is a format string for its pipes


def _run(command: Sequence[str], *, outputs: Mapping[str, Output], limits: ProcessLimits) -> ChildResult:
    try:
        return run_limited(command, limits=limits, outputs=outputs)
    except ChildExceededLimit as error:
        if error.limit == "wall":
            problem = f"Reading the file took longer than {limits.wall_s:.0f} s. Re-encode it and send it again."
            raise MediaError(fault=MediaFault.LIMIT_EXCEEDED, problem=problem) from error
        raise MediaError(fault=MediaFault.TOO_LONG, problem="The media goes on past the longest accepted.") from error


def _unreadable(result: ChildResult) -> MediaError:
    if _was_limited(result):
        problem = "Reading the file needed more memory or time than one file may take. Re-encode it."
        return MediaError(fault=MediaFault.LIMIT_EXCEEDED, problem=problem)
    problem = "The file could not be read as audio or video: it is damaged or of a kind that is not accepted."
    return MediaError(fault=MediaFault.UNREADABLE, problem=problem)


def _was_limited(result: ChildResult) -> bool:
    """Ended by a signal, or told that there is no memory (ffmpeg exits with the low byte of its error)."""
    return result.returncode < 0 or result.returncode == 256 - errno.ENOMEM


def _words(sound: bytes) -> npt.NDArray[np.uint32]:
    if ffmpeg_has_chromaprint():
        return np.frombuffer(sound[: len(sound) // 4 * 4], "<u4").astype(np.uint32)
    return chromaprint.words_of_pcm(sound)


def _require_whole(media: MediaInfo, *, frames_s: float, heard_s: float) -> None:
    """A stream that gave nothing, or media that ends long before its container says, is damage."""
    claimed_s = media.duration_s
    long_enough_to_hear = claimed_s is None or claimed_s > chromaprint.FIRST_WORD_S + _MISSING_S
    if (media.has_video and not frames_s) or (media.has_audio and not heard_s and long_enough_to_hear):
        problem = "A stream of the file could not be decoded at all. Re-encode it and send it again."
        raise MediaError(fault=MediaFault.CORRUPT, problem=problem)
    decoded_s = max(frames_s, heard_s)
    if claimed_s is not None and decoded_s < claimed_s * (1 - _MISSING_SHARE) - _MISSING_S:
        problem = f"Only {decoded_s:.1f} s of {claimed_s:.1f} s could be decoded: the file is cut off or damaged."
        raise MediaError(fault=MediaFault.CORRUPT, problem=problem)


# A file's own words can imitate these lines; then it only lies about its container and its length, which
# it may do in its headers as well.
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d\.\d+)", re.MULTILINE)
_INPUT = re.compile(r"^Input #0, ([\w,]+), from ", re.MULTILINE)


def _parse_headers(text: str, listing: str) -> MediaInfo | None:
    found = _INPUT.search(text)
    if found is None:
        return None
    # A length that ffmpeg only estimated from the bit rate can be wrong by half: nothing was said.
    duration = None if "Estimating duration from bitrate" in text else _DURATION.search(text)
    kinds, size = _MEDIA_TYPE.findall(listing), _DIMENSIONS.search(listing)
    return MediaInfo(
        container=found[1],
        duration_s=int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None,
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        video_tracks=kinds.count("video"),
        audio_tracks=kinds.count("audio"),
    )
