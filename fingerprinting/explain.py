"""Explaining a match: what a person needs to see that a stretch of a clip copies a stretch of a work.

Frames of both at the same moments of the match, the sound of both as pictures, how loud it is around it, and where the
one lies in the other. Small by intent: it is kept. It decides nothing, and nothing is decided from it; who may see
which side is for others to say. Media is opened by the same limited child as anywhere (`decode`).
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fingerprinting.decode import DecodeLimits, decode_part
from fingerprinting.errors import MediaError
from fingerprinting.model import MediaInfo, Modality, Segment

# All pictures of one explanation together; in base64 they are a third more.
MOST_BYTES = 210_000
_PAIRS = 4
_MOST_PICTURE_BYTES = 24_000
_FRAME = [
    "-map", "0:V:0", "-an", "-frames:v", "1",
    "-vf", "scale=288:216:force_original_aspect_ratio=decrease:force_divisible_by=2,format=yuvj420p",
    "-c:v", "mjpeg", "-q:v", "8", "-f", "image2pipe",
]  # fmt: skip

_SOUND_S, _SOUND_HZ, _WINDOW = 20.0, 11025, 1024
_COLUMNS, _BANDS, _LOWEST_HZ, _RANGE_DB, _QUIET_DB = 288, 80, 80.0, 60.0, 60.0

# Of a wave: how often it is listened to, how many peaks it has, how much of what lies around a stretch it shows.
_WAVE_HZ, _PEAKS, _WAVE_S, _AROUND, _LEAST_AROUND_S = 8000, 240, 600.0, 0.3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """How loud a sound is from `start_s` to `end_s`: the peaks of equal parts, 0 to 100 of full scale."""

    start_s: float
    end_s: float
    peaks: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One moment of a match on both sides; a picture is a JPEG, None where its side could not be looked at.

    Of a sound, the waves show what lies around the match as well.
    """

    query_s: float
    reference_s: float
    query: bytes | None
    reference: bytes | None
    query_wave: Wave | None = None
    reference_wave: Wave | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What there is to see of one segment: frames of a picture, one pair of spectrograms of a sound."""

    segment: Segment
    pairs: tuple[Pair, ...]

    @property
    def size_bytes(self) -> int:
        return sum(len(side) for pair in self.pairs for side in (pair.query, pair.reference) if side)


def picture_of(path: Path, media: MediaInfo, *, limits: DecodeLimits | None = None) -> bytes | None:
    """A small JPEG that stands for a file: its picture, or a frame of its second third; None where it has none."""
    if not media.has_video:
        return None
    at_s = 0.0 if media.is_still else (media.duration_s or 0.0) / 3
    return _seen(_frame, path, at_s, 0.0, limits) or _seen(_frame, path, 0.0, 0.0, limits)


def explain(
    segment: Segment, *, query: Path | None, reference: Path | None, limits: DecodeLimits | None = None
) -> Explanation:
    """Look at a segment in the media of either side, where it is at hand."""
    if segment.algorithm.modality is Modality.AUDIO:
        return Explanation(segment=segment, pairs=(_heard(segment, query, reference, limits),))
    pairs = tuple(
        Pair(
            query_s=query_s,
            reference_s=reference_s,
            query=_seen(_frame, query, query_s, 0.0, limits),
            reference=_seen(_frame, reference, reference_s, 0.0, limits),
        )
        for query_s, reference_s in _moments(segment)
    )
    return Explanation(segment=segment, pairs=pairs)


def _heard(segment: Segment, query: Path | None, reference: Path | None, limits: DecodeLimits | None) -> Pair:
    """The sound of both sides from the beginning of a match on."""
    query_span = segment.query_start_s, segment.query_length_s
    reference_span = segment.reference_start_s, _reference_length_s(segment)
    return Pair(
        query_s=query_span[0],
        reference_s=reference_span[0],
        query=_seen(_spectrogram, query, *query_span, limits),
        reference=_seen(_spectrogram, reference, *reference_span, limits),
        query_wave=_seen(_wave, query, *query_span, limits),
        reference_wave=_seen(_wave, reference, *reference_span, limits),
    )


def _moments(segment: Segment) -> list[tuple[float, float]]:
    """Aligned times of both sides: the middles of equal parts."""
    length_s = max(segment.query_length_s, _reference_length_s(segment))
    shares = (np.arange(_PAIRS) + 0.5) / _PAIRS if length_s >= 1.0 else [0.5]
    return [
        (
            float(segment.query_start_s + share * segment.query_length_s),
            float(segment.reference_start_s + share * _reference_length_s(segment)),
        )
        for share in shares
    ]


def _reference_length_s(segment: Segment) -> float:
    return segment.reference_end_s - segment.reference_start_s


type _See[Seen] = Callable[[Path, float, float, DecodeLimits | None], Seen]


def _seen[Seen](
    see: _See[Seen], path: Path | None, at_s: float, length_s: float, limits: DecodeLimits | None
) -> Seen | None:  # fmt: skip
    if path is None:
        return None
    try:
        return see(path, at_s, length_s, limits)
    except MediaError:  # the file of a work may be gone or damaged by now: then there is less to see
        return None


def _frame(path: Path, at_s: float, _length_s: float, limits: DecodeLimits | None) -> bytes:
    return decode_part(path, _FRAME, start_s=at_s, most_bytes=_MOST_PICTURE_BYTES, limits=limits)


def _spectrogram(path: Path, at_s: float, length_s: float, limits: DecodeLimits | None) -> bytes:
    drawn = Image.fromarray(_drawn(_samples(path, at_s, min(length_s, _SOUND_S), _SOUND_HZ, limits)))
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=60)
    return written.getvalue()


def _wave(path: Path, at_s: float, length_s: float, limits: DecodeLimits | None) -> Wave:
    around_s = max(_LEAST_AROUND_S, length_s * _AROUND)
    start_s = max(0.0, at_s - around_s)
    loudness = np.abs(_samples(path, start_s, min(_WAVE_S, at_s + length_s + around_s - start_s), _WAVE_HZ, limits))
    parts = np.array_split(loudness, _PEAKS)
    peaks = tuple(round(part.max() / 32768 * 100) if len(part) else 0 for part in parts)
    return Wave(start_s=start_s, end_s=start_s + len(loudness) / _WAVE_HZ, peaks=peaks)


def _samples(
    path: Path, at_s: float, length_s: float, rate_hz: int, limits: DecodeLimits | None
) -> npt.NDArray[np.float64]:  # fmt: skip
    """The sound of a stretch, in one channel: float64 (n,), 16-bit values."""
    how = ["-map", "0:a:0", "-vn", "-t", f"{length_s:.3f}", "-ac", "1", "-ar", str(rate_hz), "-f", "s16le"]
    pcm = decode_part(path, how, start_s=at_s, most_bytes=int(2 * rate_hz * (length_s + 1)), limits=limits)
    return np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(np.float64)


def _drawn(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Loudness over time and pitch: float64 (n,) -> uint8 (_BANDS, _COLUMNS), the lowest pitch at the bottom."""
    samples = np.pad(samples, (0, max(0, _WINDOW - len(samples))))
    starts = np.linspace(0, len(samples) - _WINDOW, _COLUMNS).astype(np.int64)
    windows = samples[starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)
    loudness_db = 20 * np.log10(np.abs(np.fft.rfft(windows, axis=1)) + 1.0)
    pitches_hz = np.geomspace(_LOWEST_HZ, _SOUND_HZ / 2, _BANDS)
    bins = np.minimum(np.round(pitches_hz * _WINDOW / _SOUND_HZ).astype(np.int64), _WINDOW // 2)
    shown = loudness_db[:, bins].T[::-1]
    light: npt.NDArray[np.uint8] = (255 * np.clip((shown - max(shown.max(), _QUIET_DB)) / _RANGE_DB + 1, 0, 1)).astype(
        np.uint8
    )
    return light


# -- the plot ----------------------------------------------------------------------------------

_WIDTH, _HEIGHT, _MARGIN = 480, 280, 48
_COLOURS = {Modality.VIDEO: "#1f6f8b", Modality.AUDIO: "#b5541c"}


def plot(segments: Sequence[Segment], *, query_duration_s: float, reference_duration_s: float) -> str:
    """Draw where stretches of a clip lie in one work: SVG, nothing in it but numbers and words of our own."""
    across_s = max(query_duration_s, *(s.query_end_s for s in segments), 1.0)
    up_s = max(reference_duration_s, *(s.reference_end_s for s in segments), 1.0)

    def x(at_s: float) -> float:
        return _MARGIN + at_s / across_s * (_WIDTH - 2 * _MARGIN)

    def y(at_s: float) -> float:
        return _HEIGHT - _MARGIN - at_s / up_s * (_HEIGHT - 2 * _MARGIN)

    right, bottom, top = _WIDTH - _MARGIN, _HEIGHT - _MARGIN, _MARGIN
    lines = [
        f'<path d="M{_MARGIN} {top}V{bottom}H{right}" fill="none" stroke="#888"/>',
        f'<text x="{_MARGIN}" y="{bottom + 16}">0 s</text>',
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{across_s:.1f} s of the clip</text>',
        f'<text x="{_MARGIN}" y="{top - 8}">{up_s:.1f} s of the work</text>',
    ]
    for segment in segments:
        colour = _COLOURS[segment.algorithm.modality]
        dashes = "" if segment.confirmed else ' stroke-dasharray="6 4"'
        lines.append(
            f'<line x1="{x(segment.query_start_s):.1f}" y1="{y(segment.reference_start_s):.1f}"'
            f' x2="{x(segment.query_end_s):.1f}" y2="{y(segment.reference_end_s):.1f}"'
            f' stroke="{colour}" stroke-width="4" stroke-linecap="round"{dashes}/>'
        )
    inside = "".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        f' font-family="sans-serif" font-size="12" role="img">{inside}</svg>'
    )
