"""Small real media for tests: clips and tracks that differ by seed, and the copies people make of them.

Pictures and tunes are drawn here from a seed, so they are the same on every machine; the bundled
ffmpeg only encodes and edits them. Nothing here judges what a copy is: tests do.
"""

import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

WIDTH_PX, HEIGHT_PX, RATE_HZ = 160, 120, 25
SAMPLE_RATE_HZ = 22050
_SCENE_S, _NOTE_S = 2.2, 0.19
# Lossless enough that one more encoding is the test's own doing; the last two make the file reproducible.
_VIDEO = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p"]
_PLAIN = ["-fflags", "+bitexact", "-map_metadata", "-1"]


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> None:
    """Run the bundled ffmpeg; a failure carries what it said."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    ran = subprocess.run(command, input=data, capture_output=True, check=False)
    if ran.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(command[5:])}: {ran.stderr.decode(errors='replace')}")


def frames(*, seconds: float, seed: int) -> npt.NDArray[np.uint8]:
    """Scenes of discs that drift over a slope: uint8 (n, HEIGHT_PX, WIDTH_PX) luma."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float32)
    shown: list[npt.NDArray[np.uint8]] = []
    scene_frames = round(_SCENE_S * RATE_HZ)
    for _ in range(-(-round(seconds * RATE_HZ) // scene_frames)):
        slope = random.uniform(-0.8, 0.8, 2)
        discs = random.uniform((0, 0, -25, -25, 14, -130), (WIDTH_PX, HEIGHT_PX, 25, 25, 40, 130), (9, 6))
        background = 128 + slope[0] * (x - WIDTH_PX / 2) + slope[1] * (y - HEIGHT_PX / 2)
        for frame in range(scene_frames):
            picture = background.copy()
            for left, top, right_a_s, down_a_s, radius, light in discs:
                across = (x - (left + right_a_s * frame / RATE_HZ) % WIDTH_PX) ** 2
                down = (y - (top + down_a_s * frame / RATE_HZ) % HEIGHT_PX) ** 2
                picture[across + down < radius**2] += light
            shown.append(picture.clip(16, 235).astype(np.uint8))
    return np.stack(shown[: round(seconds * RATE_HZ)])


def tune(*, seconds: float, seed: int) -> npt.NDArray[np.int16]:
    """Chords of three notes with overtones, a new one every 0.19 s: int16 (n,) at `SAMPLE_RATE_HZ`."""
    random = np.random.default_rng(seed)
    t = np.arange(round(_NOTE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 0.01) * np.exp(-3 * t)
    notes = []
    for _ in range(-(-round(seconds * SAMPLE_RATE_HZ) // len(t))):
        pitches_hz = 110 * 2 ** (random.integers(0, 36, 3) / 12)
        overtones = [np.sin(2 * np.pi * n * hz * t) / n for hz in pitches_hz for n in (1, 2, 3, 4)]
        notes.append(fade * np.sum(overtones, axis=0))
    sound = np.concatenate(notes)[: round(seconds * SAMPLE_RATE_HZ)]
    return np.asarray(sound / np.abs(sound).max() * 20_000, np.int16)


def moving_clip(path: Path, *, seconds: float, seed: int) -> Path:
    """A silent clip of `frames`."""
    return drawn_clip(path, frames(seconds=seconds, seed=seed))


def drawn_clip(path: Path, drawn: npt.NDArray[np.uint8]) -> Path:
    """A silent clip of these pictures: uint8 (n, HEIGHT_PX, WIDTH_PX) luma, RATE_HZ of them a second."""
    ffmpeg(*_raw_pictures(), *_VIDEO, *_PLAIN, path, data=drawn.tobytes())
    return path


def track(path: Path, *, seconds: float, seed: int) -> Path:
    """A sound file of `tune`, in the format its name says."""
    wav = path if path.suffix == ".wav" else path.with_name(path.name + ".wav")
    write_wav(wav, tune(seconds=seconds, seed=seed))
    if wav != path:
        ffmpeg("-i", wav, *_PLAIN, path)
        wav.unlink()
    return path


def clip_with_sound(path: Path, *, seconds: float, seed: int, sound_seed: int | None = None) -> Path:
    """A clip of `frames` with a `tune`; two clips may share one sound track."""
    wav = path.with_name(path.name + ".wav")
    write_wav(wav, tune(seconds=seconds, seed=seed if sound_seed is None else sound_seed))
    drawn = frames(seconds=seconds, seed=seed)
    ffmpeg(*_raw_pictures(), "-i", wav, *_VIDEO, "-c:a", "aac", *_PLAIN, path, data=drawn.tobytes())
    wav.unlink()
    return path


def filtered(path: Path, source: str, *, seconds: float, video: bool = True) -> Path:
    """A file made by one of ffmpeg's own sources, e.g. "color=black:s=160x120" or "anullsrc"."""
    ffmpeg("-f", "lavfi", "-i", source, "-t", str(seconds), *(_VIDEO if video else []), *_PLAIN, path)
    return path


def copied(
    source: Path,
    path: Path,
    *,
    start_s: float = 0.0,
    seconds: float | None = None,
    options: Sequence[str] = ("-crf", "30"),
) -> Path:
    """A re-encoded copy, cut to [start_s, start_s + seconds); options such as `-vf scale=96:72` change it."""
    length = [] if seconds is None else ["-t", str(seconds)]
    ffmpeg("-ss", str(start_s), *length, "-i", source, "-preset", "ultrafast", *options, path)
    return path


def joined(sources: Sequence[Path], path: Path, *, sound: bool = False) -> Path:
    """One clip of several, one after another, re-encoded."""
    inputs = [part for source in sources for part in ("-i", source)]
    pads = "".join(f"[{i}:v]" + (f"[{i}:a]" if sound else "") for i in range(len(sources)))
    graph = f"{pads}concat=n={len(sources)}:v=1:a={int(sound)}"
    ffmpeg(*inputs, "-filter_complex", graph, "-preset", "ultrafast", path)
    return path


def write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


def _raw_pictures() -> list[str]:
    size, rate = f"{WIDTH_PX}x{HEIGHT_PX}", str(RATE_HZ)
    return ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", rate, "-i", "pipe:"]
