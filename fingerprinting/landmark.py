"""Landmarks: the peaks of a sound's spectrum, which stand out through speech, noise and filters.

A peak is a time and a place on an axis of log-frequency, so that a pitch shift moves every peak by the
same number of bands and a change of tempo stretches their times. The descriptor is the peaks themselves,
two bytes a row: the band, and the rank, how many peaks within half a second are stronger. How peaks are
looked up (`fingerprinting.index.landmarks`) and compared (`fingerprinting.constellation`) can therefore
change without listening to anything again.
"""

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import maximum_filter, uniform_filter

from fingerprinting.model import Algorithm, Descriptors

SAMPLE_RATE_HZ = 11025
# 186 ms see partials apart; 1,024 samples gave up narration and reverberation, 4,096 echo and pitch shifts.
_WINDOW_SAMPLES, _HOP_SAMPLES = 2048, 256
FRAME_S = _HOP_SAMPLES / SAMPLE_RATE_HZ
# The middle of the first frame.
FIRST_FRAME_S = _WINDOW_SAMPLES / 2 / SAMPLE_RATE_HZ

BANDS_PER_OCTAVE, BANDS = 48, 240
_LOWEST_HZ = 165.0
# A query keeps so many peaks a second, a reference only its strongest: of those, after a codec or an
# equaliser 9 in 10 are found again, under speech as loud as the music 6 or 7, under speech 6 dB louder 5.
QUERY_PEAKS_PER_S, REFERENCE_PEAKS_PER_S = 60, 30

# Peaks are sought among 36 bands an octave and placed exactly afterwards; each is the largest within so
# many frames and bands of itself.
_COARSE_PER_OCTAVE = 36
_REACH_FRAMES, _REACH_BANDS = 3, 4
# Strength is measured against most of what surrounds a peak: one second and half an octave to each side.
# Against all of it noise wins ranks from music, against none of it bass does, and a filter changes every rank.
_AROUND_FRAMES, _AROUND_BANDS, _AROUND_SHARE = 43, 18, 0.75
_RANKED_FRAMES = 21
# Silence and near silence: the amplitude of a tone that rounding to 16 bits could not have made.
_LEAST_AMPLITUDE = 4.0
# A held tone has no moment of its own: it must rise so much, in nepers, over its mean of seven frames.
_LEAST_RISE = 0.02

_BLOCK_FRAMES = 1024
_CONTEXT_FRAMES = _AROUND_FRAMES + _RANKED_FRAMES + _REACH_FRAMES + 1

Ints = npt.NDArray[np.int64]
Floats32 = npt.NDArray[np.float32]

_HANN = np.hanning(_WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
_BIN_HZ = SAMPLE_RATE_HZ / _WINDOW_SAMPLES
_COARSE_BANDS = BANDS * _COARSE_PER_OCTAVE // BANDS_PER_OCTAVE
# The first spectral line of each coarse band and of the one past the last; low bands share lines.
_EDGES = np.ceil(
    _LOWEST_HZ * 2 ** ((np.arange(_COARSE_BANDS + 1) - 0.5) / _COARSE_PER_OCTAVE) / _BIN_HZ,
).astype(np.int64)


class PeakPicker:
    """Finds the peaks of a stream: the same ones however the stream is cut into chunks."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._context_frames = 0  # at the start of what is pending: looked at, but picked from already
        self._picked_frames = 0
        self._frames: list[Ints] = []
        self._rows: list[npt.NDArray[np.uint8]] = []

    def take(self, chunk: bytes) -> None:
        """Listen to more: signed 16-bit little-endian mono samples at `SAMPLE_RATE_HZ`, cut anywhere."""
        self._pending += chunk
        while self._pending_frames() >= self._context_frames + _BLOCK_FRAMES + _CONTEXT_FRAMES:
            self._pick(self._context_frames + _BLOCK_FRAMES + _CONTEXT_FRAMES, picked_frames=_BLOCK_FRAMES)
            del self._pending[: 2 * _HOP_SAMPLES * (self._context_frames + _BLOCK_FRAMES - _CONTEXT_FRAMES)]
            self._context_frames = _CONTEXT_FRAMES

    def finish(self) -> Descriptors:
        """All peaks, by time and then by band."""
        seen_frames = self._pending_frames()
        if seen_frames > self._context_frames:
            self._pick(seen_frames, picked_frames=seen_frames - self._context_frames)
        frames = np.concatenate([np.empty(0, np.int64), *self._frames])
        return Descriptors(
            algorithm=Algorithm.AUDIO_LANDMARK_V1,
            times_s=(FIRST_FRAME_S + frames * FRAME_S).astype(np.float64),
            vectors=np.concatenate([np.empty((0, 2), np.uint8), *self._rows]),
        )

    def _pending_frames(self) -> int:
        return max(0, (len(self._pending) // 2 - _WINDOW_SAMPLES) // _HOP_SAMPLES + 1)

    def _pick(self, seen_frames: int, *, picked_frames: int) -> None:
        samples = np.frombuffer(self._pending, "<i2", (seen_frames - 1) * _HOP_SAMPLES + _WINDOW_SAMPLES)
        frames, bands, ranks = _peaks(samples.astype(np.float32))
        first = self._context_frames
        kept = (frames >= first) & (frames < first + picked_frames) & (ranks < QUERY_PEAKS_PER_S)
        self._frames.append(frames[kept] - first + self._picked_frames)
        self._rows.append(np.stack([bands[kept], ranks[kept]], axis=1).astype(np.uint8))
        self._picked_frames += picked_frames


def frames_of(descriptors: Descriptors) -> Ints:
    """The number of each peak's frame: int64 (n,); times rounded to milliseconds give the same."""
    return np.round((descriptors.times_s - FIRST_FRAME_S) / FRAME_S).astype(np.int64)


def strongest(descriptors: Descriptors) -> Descriptors:
    """The peaks that a reference keeps."""
    kept = descriptors.vectors[:, 1] < REFERENCE_PEAKS_PER_S
    return Descriptors(
        algorithm=descriptors.algorithm, times_s=descriptors.times_s[kept], vectors=descriptors.vectors[kept]
    )


def _peaks(samples: Floats32) -> tuple[Ints, Ints, Ints]:
    """Frames, bands and ranks of the peaks of float32 samples, by frame and then by band."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW_SAMPLES)[::_HOP_SAMPLES]
    # A tone of amplitude 1 makes a line of 1.
    lines = np.abs(scipy.fft.rfft(windows * _HANN, axis=1)) * np.float32(2 / _HANN.sum())
    coarse = np.maximum.reduceat(lines, _EDGES, axis=1)[:, :_COARSE_BANDS]
    loud = np.log(coarse + np.float32(1e-3))
    largest = loud == maximum_filter(loud, size=(2 * _REACH_FRAMES + 1, 2 * _REACH_BANDS + 1))
    rising = loud > uniform_filter(loud, size=(2 * _REACH_FRAMES + 1, 1)) + np.float32(_LEAST_RISE)
    frames, places = np.nonzero(largest & rising & (coarse >= _LEAST_AMPLITUDE))
    around = uniform_filter(loud, size=(2 * _AROUND_FRAMES + 1, 2 * _AROUND_BANDS + 1), mode="nearest")
    strengths = (loud - np.float32(_AROUND_SHARE) * around)[frames, places]
    bands = _placed(lines, frames, places)
    inside = (bands >= 0) & (bands < BANDS)
    # Low bands that share a line find the same peak twice.
    cells, first = np.unique(frames[inside] * BANDS + bands[inside], return_index=True)
    return cells // BANDS, cells % BANDS, _ranks(cells // BANDS, strengths[inside][first])


def _placed(lines: Floats32, frames: Ints, places: Ints) -> Ints:
    """The band of each peak: a parabola through the largest line of its coarse band and that line's neighbours."""
    top = _EDGES[places]
    for line in range(1, int(np.diff(_EDGES).max())):
        other = np.minimum(_EDGES[places] + line, np.maximum(_EDGES[places + 1] - 1, _EDGES[places]))
        top = np.where(lines[frames, other] > lines[frames, top], other, top)
    top = np.minimum(top, lines.shape[1] - 2)
    below, at, above = (np.log(lines[frames, top + step] + np.float32(1e-3)) for step in (-1, 0, 1))
    bend = below - 2 * at + above
    aside = np.where(bend < 0, 0.5 * (below - above) / np.where(bend < 0, bend, 1), 0).clip(-0.5, 0.5)
    bands: Ints = np.round(BANDS_PER_OCTAVE * np.log2((top + aside) * _BIN_HZ / _LOWEST_HZ)).astype(np.int64)
    return bands


def _ranks(frames: Ints, strengths: Floats32) -> Ints:
    """How many peaks within half a second of each are stronger."""
    first = np.searchsorted(frames, frames - _RANKED_FRAMES)
    last = np.searchsorted(frames, frames + _RANKED_FRAMES, side="right") - 1
    ranks = np.zeros(len(frames), np.int64)
    for step in range(int((last - first).max(initial=-1)) + 1):
        other = first + step
        ranks += (other <= last) & (strengths[np.minimum(other, last)] > strengths)
    return ranks
