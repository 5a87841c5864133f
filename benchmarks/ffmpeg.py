"""The bundled ffmpeg on files that we made or trust: to edit, to decode, and to take as the floor of time."""

import subprocess

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]

SOUND_RATE_HZ = 44_100


def run(*arguments: object) -> bytes:
    """Run it; returns what it wrote to its standard output. A failure carries what it said."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(command[5:])}: {ran.stderr.decode(errors='replace')}")
    return ran.stdout


def samples(
    path: object, *, start_s: float = 0.0, length_s: float | None = None, rate_hz: int = SOUND_RATE_HZ
) -> Samples:
    """The sound of a file as one channel: float32 (n,), full scale is 1."""
    length = [] if length_s is None else ["-t", length_s]
    raw = run("-ss", start_s, *length, "-i", path, "-map", "0:a:0", "-ac", "1", "-ar", rate_hz, "-f", "f32le", "pipe:")
    return np.frombuffer(raw, np.float32)


def frames(path: object, *, rate_hz: float, width: int, height: int) -> Frames:
    """The picture of a file at a fixed rate: uint8 (n, height, width, 3), RGB."""
    filters = f"fps={rate_hz},scale={width}:{height}"
    raw = run("-i", path, "-map", "0:v:0", "-vf", filters, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def chromaprint(path: object) -> npt.NDArray[np.uint32]:
    """Raw Chromaprint words of a file's sound, uint32 (n,)."""
    raw = run("-i", path, "-map", "0:a:0", "-ac", 1, "-ar", 11_025, "-f", "chromaprint", "-fp_format", "raw", "pipe:")
    return np.frombuffer(raw[: len(raw) // 4 * 4], "<u4").astype(np.uint32)
