"""One decode of a file: hashes of its frames at a fixed rate, Chromaprint words, and what else is asked for.

All media is hostile. It is opened only by a limited child: the ffmpeg that comes in a wheel, which
may read this one file and nothing else, and only as one of the containers named here (playlists and
image sequences, which name other files, are not among them). A still image is a video of one frame.
"""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from fingerprinting import chromaprint, sscd
from fingerprinting.borders import Box, borders, crop
from fingerprinting.child import ChildExceededLimit, ChildResult, Output, run_limited
from fingerprinting.errors import MediaError, MediaFault
from fingerprinting.model import MediaInfo, Vectors
from fingerprinting.phash import FRAME_PX, phash
from fingerprinting.sandbox import ProcessLimits

# Sixteen looks a second: whatever the cut and the frame rate of a copy, one of them falls within 31 ms
# of each of the reference's four. At four a second a fast pan or shake was missed (docs/adr/0003).
FRAME_RATE_HZ = 16
_FRAME_BYTES = FRAME_PX * FRAME_PX
# Frames hashed at once, whole stretches of the next: bounds memory whatever the length of the film.
_BATCH_FRAMES = 256
# Borders are those that stand for so many frames (2 s): a dark edge that comes and goes is picture.
_BORDER_FRAMES = 32
# A frame whose grey values spread less than this has no picture to hash: its bits would be noise.
_BLANK_LUMA_SPREAD = 4.0

_CONTAINERS = (
    "aac", "ac3", "aiff", "amr", "asf", "avi", "caf", "eac3", "flac", "flv", "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2", "mp3", "mpeg", "mpegts", "mpegvideo", "mxf", "ogg", "w64", "wav", "yuv4mpegpipe",
)  # fmt: skip

# Told by their first bytes, and read as just that: by their names, ffmpeg would look for whole sequences. A GIF is a
# still when it holds one picture.
_PNG, _GIF = b"\x89PNG\r\n\x1a\n", "gif"
_STILLS = {_PNG: "png_pipe", b"\xff\xd8\xff": "jpeg_pipe", b"RIFF????WEBP": "webp_pipe"}
_IMAGES = {**_STILLS, b"GIF8": _GIF}

# Pieces of a PNG before its picture; one with more is not looked through.
_MOST_CHUNKS = 10_000

# Media is read a little past the longest accepted: what then still goes on is too long.
_PAST_END_S = 1.0

# The first picture and the first sound, told in ffmpeg's own words: what it prints on its log also holds
# words of the file (a track's language, tags of any length), which could hide one of them.
_LISTED = ["-map", "0:V?", "-map", "0:a?", "-c", "copy"]
_LISTING = [*_LISTED, "-t", "0", "-f", "framecrc", "pipe:{streams}"]
_LISTING_WITH_TWO_PICTURES = [*_LISTED, "-frames:v", "2", "-f", "framecrc", "pipe:{streams}"]
_LISTING_BYTES = 1 << 16
_PICTURE = re.compile(r"^0,", re.MULTILINE)
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
        shown: int64 (n,) which of them had a picture, never descending: a picture within borders comes
            twice, with them and without.
        hashes: uint8 (n, 32) the perceptual hashes of those.
        words: uint32 (m,) raw Chromaprint; see `chromaprint` for their times.
        duration_s: what was decoded, the longer of picture and sound; 0 for a still image.
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
            self._hash(_BATCH_FRAMES)

    def finish(self) -> tuple[npt.NDArray[np.int64], Vectors]:
        self._hash(len(self._pending) // _FRAME_BYTES)
        return np.concatenate(self._shown), np.concatenate(self._hashes)

    def _hash(self, count: int) -> None:
        batch = np.frombuffer(bytes(self._pending[: count * _FRAME_BYTES]), np.uint8).reshape(-1, FRAME_PX, FRAME_PX)
        del self._pending[: count * _FRAME_BYTES]
        for start in range(0, count, _BORDER_FRAMES):
            frames = batch[start : start + _BORDER_FRAMES]
            self._keep(frames, borders(frames))
            self.frames += len(frames)

    def _keep(self, frames: npt.NDArray[np.uint8], box: Box) -> None:
        shown = frames.std(axis=(1, 2)) >= _BLANK_LUMA_SPREAD
        numbers, hashes = self.frames + np.flatnonzero(shown), phash(frames[shown])
        if box != Box.all_of(FRAME_PX):
            numbers = np.repeat(numbers, 2)
            hashes = np.stack([hashes, phash(crop(frames[shown], box))], axis=1).reshape(-1, hashes.shape[1])
        self._shown.append(numbers)
        self._hashes.append(hashes)


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
    image = _image_format(path)
    listing = _LISTING_WITH_TWO_PICTURES if image == _GIF else _LISTING
    command = [*_reading(path, limits, log_level="info"), *listing]
    result = _run(command, reads=path, outputs={"streams": streams}, limits=limits.probe)
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


type Take = Callable[[bytes], object]


def decode(
    path: Path, *, limits: DecodeLimits | None = None, media: MediaInfo | None = None,
    pictures: Take | None = None, sound: Take | None = None,
) -> Decoded:  # fmt: skip
    """Decode `path` once.

    Args:
        media: what `probe` said of it, where that was asked already.
        pictures: takes the frames that `sscd` looks at, raw RGB, as they come.
        sound: takes 16-bit mono samples at `chromaprint.SAMPLE_RATE_HZ` as they come.

    Raises:
        MediaError: not media, past a limit, or it broke before its end (a file that is decoded only in
            part must not pass for one that was looked at).
    """
    limits = limits or DecodeLimits()
    media = media or probe(path, limits=limits)
    command = _reading(path, limits, log_level="error")
    hasher, words_heard = _FrameHasher(), bytearray()
    most_s = limits.max_duration_s + 2 * _PAST_END_S
    outputs: dict[str, Output] = {}

    def put(graph: Sequence[str], outs: Sequence[_Out]) -> None:
        """One graph for all that looks at a stream: when a stream that two graphs share breaks, ffmpeg 7 never ends."""
        labels = "".join(f"[_{out.name}]" for out in outs)
        ends = [f"[_{out.name}]{out.filters}[{out.name}]" for out in outs]
        command.extend(["-filter_complex", ";".join([f"{','.join(graph)}={len(outs)}{labels}", *ends])])
        for out in outs:
            command.extend(["-map", f"[{out.name}]", *out.how, f"pipe:{{{out.name}}}"])
            outputs[out.name] = Output(take=out.take, most_bytes=int(most_s * out.bytes_a_second))

    if media.has_video:
        looks = [_looking(media, "frames", hasher.take, FRAME_RATE_HZ, FRAME_PX, "gray", 1)]
        if pictures is not None:
            looks.append(_looking(media, "pictures", pictures, sscd.FRAME_RATE_HZ, sscd.FRAME_PX, "rgb24", 3))
        put(["[0:V:0]split"], looks)
    if media.has_audio:
        raw = ("-f", "chromaprint", "-fp_format", "raw") if ffmpeg_has_chromaprint() else ("-f", "s16le")
        bytes_a_second = 2 * chromaprint.SAMPLE_RATE_HZ
        ears = [_Out("words", words_heard.extend, "anull", raw, bytes_a_second)]
        if sound is not None:
            ears.append(_Out("sound", sound, "anull", ("-f", "s16le"), bytes_a_second))
        resampled = f"[0:a:0]aresample={chromaprint.SAMPLE_RATE_HZ}:async=1:first_pts=0"
        put([resampled, "aformat=sample_fmts=s16:channel_layouts=mono", "asplit"], ears)
    result = _run(command, reads=path, outputs=outputs, limits=limits.process)
    if result.returncode != 0:
        raise _unreadable(result)
    shown, hashes = hasher.finish()
    words = _words(bytes(words_heard))
    frames_s, heard_s = hasher.frames / FRAME_RATE_HZ, chromaprint.heard_s(words)
    if max(frames_s, heard_s) > limits.max_duration_s + _PAST_END_S / 2:
        raise MediaError(fault=MediaFault.TOO_LONG, problem="The media goes on past the longest accepted.")
    _require_whole(media, frames_s=frames_s, heard_s=heard_s)
    # Sound shorter than Chromaprint's first word leaves no trace of its length but the container's.
    unheard_s = min(media.duration_s or 0.0, chromaprint.FIRST_WORD_S) if media.has_audio else 0.0
    duration_s = 0.0 if media.is_still else max(frames_s, heard_s, unheard_s)
    return Decoded(
        media=media,
        frames=hasher.frames,
        shown=shown,
        hashes=hashes,
        words=words,
        duration_s=duration_s,
    )


def decode_part(
    path: Path, how: Sequence[str], *, start_s: float, most_bytes: int, limits: DecodeLimits | None = None
) -> bytes:
    """What the decoder makes of a file from `start_s` on: for people to look at, not for fingerprints.

    Args:
        how: ffmpeg's options for the one output, streams and format among them.
        most_bytes: of the output.

    Raises:
        MediaError: it could not be read there, or gave more than `most_bytes`.
    """
    limits = limits or DecodeLimits()
    taken = bytearray()
    *options, _, source = _reading(path, limits, log_level="error")
    seek = ["-ss", f"{start_s:.3f}"] if start_s > 0 else []
    command = [*options, *seek, "-i", source, *how, "pipe:{part}"]
    part = Output(take=taken.extend, most_bytes=most_bytes)
    result = _run(command, reads=path, outputs={"part": part}, limits=limits.probe)
    if result.returncode != 0 or not taken:
        raise _unreadable(result)
    return bytes(taken)


@dataclass(frozen=True, slots=True)
class _Out:
    """One output of the decoder: who takes it, what is done for it alone, how it is written, how much it may be."""

    name: str
    take: Take
    filters: str
    how: Sequence[str]
    bytes_a_second: int


def _looking(
    media: MediaInfo, name: str, take: Take, rate_hz: int, px: int, pixels: str, bytes_a_pixel: int
) -> _Out:  # fmt: skip
    """Raw square frames at a fixed rate, on the clip's own time line from 0, which its sound shares."""
    rate = [] if media.is_still else [f"fps={rate_hz}:start_time=0"]
    filters = ",".join([*rate, f"scale={px}:{px}:flags=area", f"format={pixels}"])
    how = [*(["-frames:v", "1"] if media.is_still else []), "-f", "rawvideo"]
    return _Out(name, take, filters, how, rate_hz * px * px * bytes_a_pixel)


def _reading(path: Path, limits: DecodeLimits, *, log_level: str) -> list[str]:
    image = _image_format(path)
    # Decoders count the rows and columns that they add to fill their blocks; `probe` holds the exact limit.
    return [
        imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", log_level, "-threads", "2",
        "-filter_complex_threads", "1",
        "-protocol_whitelist", "file,pipe", "-format_whitelist", ",".join([*_CONTAINERS, *_IMAGES.values()]),
        "-max_streams", str(limits.max_streams), "-max_pixels", str(2 * limits.max_pixels),
        *(["-f", image] if image else []), "-t", str(limits.max_duration_s + _PAST_END_S),
        "-i", "file:" + _braced(path.resolve()),
    ]  # fmt: skip


def _image_format(path: Path) -> str | None:
    """The ffmpeg demuxer of an image; None for anything else.

    Raises:
        MediaError: it is an animated PNG, of which only the first picture would be looked at.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head.startswith(_PNG) and _is_animated(file):
            raise MediaError(
                fault=MediaFault.UNREADABLE, problem="Animated PNGs are not accepted. Send the animation as a video."
            )
    return next((name for magic, name in _IMAGES.items() if _begins(head, magic)), None)


def _is_animated(png: BinaryIO) -> bool:
    """Whether an `acTL` chunk comes before the picture. Source: PNG (Third Edition) section 11.3.6.1."""
    png.seek(len(_PNG))
    for _ in range(_MOST_CHUNKS):
        head = png.read(8)
        length, kind = int.from_bytes(head[:4]), head[4:]
        if kind in (b"IDAT", b"IEND", b""):
            return False
        if kind == b"acTL":
            return True
        png.seek(length + 4, os.SEEK_CUR)
    return True


def _begins(head: bytes, magic: bytes) -> bool:
    return len(head) >= len(magic) and all(m in (b, ord("?")) for b, m in zip(head, magic, strict=False))


def _braced(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")  # the command is a format string for its pipes


def _run(
    command: Sequence[str], *, reads: Path, outputs: Mapping[str, Output], limits: ProcessLimits
) -> ChildResult:  # fmt: skip
    try:
        return run_limited(command, limits=limits, outputs=outputs, reads=[reads])
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
    still = found[1] in _STILLS.values() or (found[1] == _GIF and len(_PICTURE.findall(listing)) == 1)
    duration = None if still or "Estimating duration from bitrate" in text else _DURATION.search(text)
    kinds, size = _MEDIA_TYPE.findall(listing), _DIMENSIONS.search(listing)
    return MediaInfo(
        container=found[1],
        duration_s=int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None,
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        video_tracks=kinds.count("video"),
        audio_tracks=kinds.count("audio"),
        is_still=still,
    )
