"""Rings of keys: a folder of PEM files by number, the newest of which signs.

The first is made at first start, by exactly one of the processes that try. Older ones stay, since what they signed
must still be verified. A process reads its ring once: after a rotation it is to be started again.
"""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from api.durable import sync


def open_ring(folder: Path, generate: Callable[[], bytes]) -> list[bytes]:
    """The keys of a ring, oldest first; a new ring gets its first key."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _files(folder):
        _store(folder / _name(1), generate())
    return [path.read_bytes() for path in _files(folder)]


def adopt(folder: Path, single: Path) -> None:
    """Make a key that lay alone, from before it had a ring, the first of its ring; once, and without loss."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    first = folder / _name(1)
    with suppress(FileNotFoundError):  # there is none, or another process adopts it too
        if not _files(folder):
            with suppress(FileExistsError):
                os.link(single, first)
        if first.exists() and single.samefile(first):
            single.unlink()


def rotate(folder: Path, generate: Callable[[], bytes]) -> Path:
    """Add a key that signs from the next start on; returns its file."""
    numbers = [int(path.stem) for path in _files(folder)]
    path = folder / _name(max(numbers, default=0) + 1)
    _store(path, generate())
    return path


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9][0-9][0-9][0-9].pem"))


def _name(number: int) -> str:
    return f"{number:04d}.pem"


def _store(path: Path, pem: bytes) -> None:
    # Of a name that is drawn: in containers all processes have one number, and one that was killed leaves its file.
    descriptor, name = tempfile.mkstemp(prefix=f"{path.stem}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
        sync(path.parent)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        Path(name).unlink()
