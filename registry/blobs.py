"""Where media lies. What it means is in the database; a blob that no row names is garbage."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """Files by key. Keys are ours; a name from outside never becomes one."""

    def adopt(self, path: Path, key: str) -> None:
        """Take a finished file over; it is whole or absent under `key`, whenever the process dies."""

    def open(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a local file, for reading. Raises FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Remove a blob; an absent one is no error."""

    def keys(self, *, older_than: datetime) -> list[str]:
        """Blobs that were stored before `older_than`."""
