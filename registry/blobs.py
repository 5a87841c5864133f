"""Where media lies. What it means is in the database; a blob that no row names is garbage, a snapshot excepted."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from registry.errors import RegistryError

# Keys of the index's snapshots begin so: no row names them.
SNAPSHOTS: Final = "snapshot_"


class BlobsAway(RegistryError):
    """The store of the files does not answer, or lets us do nothing; asking again later may help."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the store of the files cannot be used: {reason}")
        self.reason = reason


class BlobDamaged(RegistryError):
    """What lies under a key is not what was put there."""

    def __init__(self, *, key: str) -> None:
        super().__init__(f"the blob {key} is not what was stored under this key: restore it from a backup")
        self.key = key


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How many blobs there are, and how large together; `is_all` is false where there are more than were counted."""

    files: int
    bytes: int
    is_all: bool


class BlobStore(Protocol):
    """Files by key. Keys are ours; a name from outside never becomes one: ValueError. All may raise `BlobsAway`.

    Attributes:
        staging: a folder of this machine where files grow until they are adopted.
    """

    @property
    def staging(self) -> Path: ...

    def adopt(self, path: Path, key: str) -> None:
        """Take a finished file over; it is whole or absent under `key`, whenever the process dies."""

    def adopted(self, path: Path, key: str) -> AbstractContextManager[None]:
        """Adopt a file for the block that puts its key on record; when the block fails, nobody needs the file."""

    def open(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a local file, to be read within the block. Raises: FileNotFoundError, BlobDamaged."""

    def size_bytes(self, key: str) -> int:
        """Raises: FileNotFoundError."""

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes [start, end) as they come, asked for at once. Raises: FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Remove a blob; an absent one is no error. Where that fails the sweep of what no row names does it again."""

    def keys(self, *, older_than: datetime, prefix: str = "") -> Iterable[str]:
        """Blobs that were stored before `older_than`, page by page; without a prefix, those that a row should name."""

    def usage(self, *, most: int) -> Usage:
        """How much is stored; no more than `most` files are counted."""

    def sweep_staging(self, *, older_than: datetime) -> None:
        """Remove what interrupted uploads and signings left behind."""
