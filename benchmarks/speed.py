"""Speed: fingerprinting against bare decoding, and searching, as ratios of times taken in one run."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from benchmarks.edits import run_ffmpeg
from benchmarks.media import Clip, Kind, NoMedia
from benchmarks.report import table
from fingerprinting.extract import extract
from fingerprinting.index.exact import ExactIndex
from fingerprinting.index.faiss_index import FaissIndex
from fingerprinting.index.protocol import FingerprintIndex
from fingerprinting.match import HITS_PER_ROW
from fingerprinting.model import VECTOR_BYTES, Algorithm, Descriptors, ItemNumber
from fingerprinting.traits import TRAITS

_LENGTH_S = 60
_TIMES = 3
_INDEXED = (100_000, 1_000_000)
# A clip of a minute asks for about as many rows of its picture.
_ASKED_ROWS = 480
_ROWS_AN_ITEM = 1000


def speed(clips: list[Clip]) -> str:
    """Measure and tell, as Markdown."""
    return "\n".join([*_fingerprinting(clips), "", *_searching()])


def _fingerprinting(clips: list[Clip]) -> list[str]:
    videos = [clip for clip in clips if clip.kind is Kind.VIDEO]
    sounds = [clip for clip in clips if clip.has_audio]
    if not videos or not sounds:
        raise NoMedia("Speed needs a clip with a picture and one with sound.")
    with tempfile.TemporaryDirectory() as folder:
        both, picture, sound = (Path(folder) / name for name in ("both.mp4", "picture.mp4", "sound.m4a"))
        run_ffmpeg(
            "-stream_loop", "-1", "-i", max(videos, key=_size).path, "-stream_loop", "-1", "-i", sounds[0].path,
            "-map", "0:v:0", "-map", "1:a:0", "-t", _LENGTH_S, "-vf", "scale=1280:720,fps=25", "-pix_fmt", "yuv420p",
            "-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac", both,
        )  # fmt: skip
        run_ffmpeg("-i", both, "-an", "-c", "copy", picture)
        run_ffmpeg("-i", both, "-vn", "-c", "copy", sound)
        taken = {
            "ffmpeg decodes both, nothing else": _fastest(lambda: _decode(both)),
            "fingerprint, picture only": _fastest(lambda: extract(picture)),
            "fingerprint, sound only": _fastest(lambda: extract(sound)),
            "fingerprint, both": _fastest(lambda: extract(both)),
        }
    bare_s = next(iter(taken.values()))
    rows = [[name, f"{_LENGTH_S / s:.0f}", f"{s / bare_s:.2f}"] for name, s in taken.items()]
    made = f"{_LENGTH_S} s of 1280x720 at 25 frames a second, H.264 and AAC; the fastest of {_TIMES}."
    head = f"## Fingerprinting\n\n{made}\n"
    return [head, table(("what", "times real time", "time, bare decoding = 1"), rows)]


def _searching() -> list[str]:
    random = np.random.default_rng(1)
    radius_bits = TRAITS[Algorithm.VIDEO_PHASH_V1].search_radius_bits
    asked = random.integers(0, 256, (_ASKED_ROWS, VECTOR_BYTES), np.uint8)
    engines: list[tuple[str, FingerprintIndex, int]] = [("exact, NumPy", ExactIndex(), _INDEXED[0])]
    engines += [("FAISS, flat", FaissIndex(), size) for size in _INDEXED]
    taken = []
    for name, index, size in engines:
        vectors = random.integers(0, 256, (size, VECTOR_BYTES), np.uint8)
        for item, start in enumerate(range(0, size, _ROWS_AN_ITEM)):
            index.add(ItemNumber(item), _descriptors(vectors[start : start + _ROWS_AN_ITEM]))

        def search(index: FingerprintIndex = index) -> object:
            return index.search(asked, radius_bits=radius_bits, limit=HITS_PER_ROW)

        taken.append((name, size, _fastest(search)))
    least_ns = min(s / size for _, size, s in taken)
    rows = [
        [name, f"{size:,}", f"{1000 * s:.0f}", f"{1e9 * s / size / _ASKED_ROWS:.2f}", f"{s / size / least_ns:.1f}"]
        for name, size, s in taken
    ]
    headings = ("index", "rows held", f"{_ASKED_ROWS} rows asked, ms", "a comparison, ns", "fastest = 1")
    return ["## Searching\n\nRandom rows of 256 bits, all rows of a clip in one call.\n", table(headings, rows)]


def _descriptors(vectors: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Descriptors:
    times_s = np.arange(len(vectors), dtype=np.float64) * TRAITS[Algorithm.VIDEO_PHASH_V1].step_s
    return Descriptors(algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times_s, vectors=vectors)


def _size(clip: Clip) -> int:
    return clip.path.stat().st_size


def _fastest(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def _decode(path: Path) -> None:
    # Two threads, as fingerprinting has.
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-threads", "2", "-i", str(path)]
    subprocess.run([*command, "-f", "null", "-"], check=True)
