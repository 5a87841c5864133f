"""What was made once and need not be made again: edited media, and what a system says of a file.

Everything is named by a digest of all that it was made from, so nothing is ever out of date; the folder
may be deleted at any time. It is $CLEARMARK_BENCH_CACHE, else ~/.cache/clearmark-bench.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[np.generic]]

FOLDER = Path(os.environ.get("CLEARMARK_BENCH_CACHE", Path.home() / ".cache" / "clearmark-bench"))


def digest(*parts: object) -> str:
    """One short name for all of the parts, by what they print as."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


@cache
def content_of(path: Path) -> str:
    """A file's name by its content; files of the cache are named so already."""
    if path.is_relative_to(FOLDER):
        return path.stem
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def media(name: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The cached file of that name; `make` writes it when there is none."""
    path = FOLDER / "media" / name[:2] / f"{name}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{os.getpid()}-{path.name}")
        try:
            make(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path


def arrays(name: str, make: Callable[[], Arrays]) -> Arrays:
    """The cached arrays of that name; `make` computes them when there are none."""
    path = FOLDER / "arrays" / name[:2] / f"{name}.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{os.getpid()}-{path.name}")
    np.savez(partial, allow_pickle=False, **made)
    partial.replace(path)
    return made
