"""Mutated media through the decoder in its sandbox: it becomes a fingerprint or is refused, and nothing is left.

The child may crash: that is what it is for. The service may not, nor may a child outlast its limits or leave a file.
"""

import tempfile
import time
from pathlib import Path

from fingerprinting.decode import DecodeLimits
from fingerprinting.errors import MediaError
from fingerprinting.extract import extract
from fingerprinting.sandbox import ProcessLimits
from tests import media
from tests.fuzz.parsers import Target, small_files

_LIMITS = DecodeLimits(
    max_duration_s=60.0,
    process=ProcessLimits(cpu_s=5, wall_s=20.0, memory_bytes=1 << 30),
    probe=ProcessLimits(cpu_s=5, wall_s=20.0, memory_bytes=1 << 30),
)
# What two children may take at most, on a machine that does other things too.
_MOST_WALL_S = 45.0


def media_target() -> Target:
    """Files of every kind, opened as an upload is."""
    folder = Path(tempfile.mkdtemp(prefix="clearmark-fuzz-"))
    path = folder / "upload"

    def run(data: bytes) -> object:
        path.write_bytes(data)
        began_s = time.monotonic()
        try:
            return extract(path, limits=_LIMITS)
        finally:
            took_s = time.monotonic() - began_s
            assert took_s < _MOST_WALL_S, f"it took {took_s:.0f} s"
            assert list(folder.iterdir()) == [path], "a file was left"

    return Target(run=run, seeds=clips(), refusals=(MediaError,), kind="boxes")


def clips() -> list[bytes]:
    """What people send, small: each kind of file, and a clip with sound that a fingerprint can be made of."""
    with tempfile.TemporaryDirectory() as folder:
        clip = media.clip_with_sound(Path(folder, "clip.mp4"), seconds=2, seed=7)
        moved = ["-i", str(clip), "-c", "copy", "-movflags", "+faststart"]
        for name, how in {"first.mp4": moved, "clip.mkv": moved[:4], "clip.ts": moved[:4]}.items():
            media.ffmpeg(*how, Path(folder, name))
        made = [path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.suffix != ".wav"]
    return [*small_files().values(), *made]
