"""Files that a power cut does not take back.

Decides what it takes until a file that was promised is on the disk: its content, its name in its folder, and the
folder's own name. Renaming alone gives a file that is whole or absent, and it may yet be absent.
"""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Have the disk write what it holds of a file, or which names are in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder, and those above it that are not there."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode=mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync(folder.parent)


def put_in_place(path: Path, target: Path) -> None:
    """Give a finished file its name, in a folder of the same file system."""
    sync(path)
    path.replace(target)
    sync(target.parent)
