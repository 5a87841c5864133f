"""Blobs in a folder: a finished file is renamed into place, so it is whole or absent."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_KEY = re.compile(r"[a-z0-9_]{1,80}")


class FolderBlobs:
    """A `registry.blobs.BlobStore` on one file system; `staging` is where files grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.staging = folder / "staging"
        self.staging.mkdir(parents=True, exist_ok=True)

    def adopt(self, path: Path, key: str) -> None:
        target = self._path(key)
        target.parent.mkdir(exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(target)

    @contextmanager
    def adopted(self, path: Path, key: str) -> Iterator[None]:
        """Adopt a file for the block that puts its key on record; when the block fails, nobody needs the file."""
        self.adopt(path, key)
        try:
            yield
        except BaseException:
            self.delete(key)
            raise

    @contextmanager
    def open(self, key: str) -> Iterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise FileNotFoundError(key)
        yield path

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def keys(self, *, older_than: datetime) -> list[str]:
        return [path.name for path in self._folder.glob("??/*") if _written_at(path) < older_than]

    def sweep_staging(self, *, older_than: datetime) -> None:
        """Remove what interrupted uploads and signings left behind."""
        for path in self.staging.iterdir():
            if _written_at(path) >= older_than:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no blob key")
        return self._folder / key[-2:] / key


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except FileNotFoundError:  # another process was faster
        return datetime.now(UTC)
