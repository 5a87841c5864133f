"""Blobs in a folder: a finished file is renamed into place, so it is whole or absent."""

import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from api.durable import make_folder, put_in_place
from registry.blobs import SNAPSHOTS, BlobStore, Usage
from registry.database import InDoubt

PIECE_BYTES = 256 << 10
_KEY = re.compile(r"[a-z0-9_]{1,80}")


def checked(key: str) -> str:
    """A key that is one. Raises: ValueError."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no blob key")
    return key


@contextmanager
def adopted(blobs: BlobStore, path: Path, key: str) -> Iterator[None]:
    """What every store does to adopt a file for a block that puts its key on record."""
    blobs.adopt(path, key)
    try:
        yield
    except InDoubt:  # the row may name it; if none does, the housekeeping removes it
        raise
    except BaseException:
        blobs.delete(key)
        raise


class FolderBlobs:
    """A `registry.blobs.BlobStore` on one file system; `staging` is where files grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.staging = folder / "staging"
        self.staging.mkdir(parents=True, exist_ok=True)

    def adopt(self, path: Path, key: str) -> None:
        target = self._path(key)
        make_folder(target.parent)
        put_in_place(path, target)

    def adopted(self, path: Path, key: str) -> AbstractContextManager[None]:
        return adopted(self, path, key)

    @contextmanager
    def open(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(key)
        yield path

    def size_bytes(self, key: str) -> int:
        return self._path(key).stat().st_size

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        file = self._path(key).open("rb")

        def pieces() -> Iterator[bytes]:
            with file:
                file.seek(start)
                left = end - start
                while piece := file.read(min(PIECE_BYTES, left)):
                    yield piece
                    left -= len(piece)

        return pieces()

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keys(self, *, older_than: datetime, prefix: str = "") -> list[str]:
        found = (path for path in self._folder.glob(f"??/{prefix}*") if prefix or not path.name.startswith(SNAPSHOTS))
        return [path.name for path in found if _written_at(path) < older_than]

    def usage(self, *, most: int) -> Usage:
        files = total = 0
        for path in self._folder.glob("??/*"):
            if files == most:
                return Usage(files=files, bytes=total, is_all=False)
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # it was deleted this moment
                continue
            files += 1
        return Usage(files=files, bytes=total, is_all=True)

    def sweep_staging(self, *, older_than: datetime) -> None:
        sweep(self.staging, older_than=older_than)

    def _path(self, key: str) -> Path:
        return self._folder / checked(key)[-2:] / key


def sweep(staging: Path, *, older_than: datetime) -> None:
    """Remove files and folders that nobody touched since."""
    for path in staging.iterdir():
        if _written_at(path) >= older_than:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:  # another process was faster
        return datetime.now(UTC)
