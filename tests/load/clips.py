"""What is sent: clips as pipelines make them, 480 lines with sound, and never twice the same bytes.

Pictures and tunes are those of `tests.media`, which differ by seed. A file is told from its copies by a `free` box at
its end, which players skip and which costs no encoding.
"""

import itertools
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests import media

SECONDS = 5.0
_BITS_A_SECOND = "750k"
_numbers = itertools.count()


def clip(path: Path, *, seed: int, seconds: float = SECONDS, size: str = "854:480") -> Path:
    """A clip of half a megabyte; the same seed makes the same content."""
    drawn = media.clip_with_sound(path.with_name(f"drawn-{path.name}"), seconds=seconds, seed=seed)
    media.ffmpeg(
        "-i", drawn, "-vf", f"scale={size},noise=alls=6:allf=t", "-c:v", "libx264", "-preset", "veryfast",
        "-b:v", _BITS_A_SECOND, "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart", path,
    )  # fmt: skip
    drawn.unlink()
    return path


def clips(folder: Path, count: int, *, first_seed: int, size: str = "854:480") -> list[bytes]:
    """The contents of so many different clips."""
    seeds = range(first_seed, first_seed + count)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        made = threads.map(lambda seed: clip(folder / f"clip-{seed}.mp4", seed=seed, size=size), seeds)
        return [path.read_bytes() for path in made]


def distinct(content: bytes) -> bytes:
    """The same media in other bytes, each time others."""
    said = f"{os.getpid()}-{next(_numbers)}".encode()
    return content + struct.pack(">I4s", 8 + len(said), b"free") + said


def form(content: bytes, name: str = "clip.mp4") -> tuple[bytes, str]:
    """A multipart body with a part named file, and its content type."""
    boundary = b"clearmark-load-3f1c"
    head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: video/mp4\r\n\r\n'.encode()
    body = b"".join((b"--", boundary, b"\r\n", head, content, b"\r\n--", boundary, b"--\r\n"))
    return body, f"multipart/form-data; boundary={boundary.decode()}"
