"""A snapshot: the indexes' bytes in one file, so that a start need not read every vector again.

A snapshot is never trusted: its first line is its format and the checksum of all that follows (a header
with the log sequence, then the dumps), and whatever does not fit raises `BadSnapshot`, after which the
caller rebuilds from the database. Nothing is unpickled.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fingerprinting.errors import BadSnapshot

_FORMAT = "clearmark-index-1"
_MAX_SEAL_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Dumps by name, as the indexes were when the log stood at `sequence`."""

    sequence: int
    dumps: Mapping[str, bytes]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write to a temporary file beside `path`, then rename: a reader sees the old one or the new one."""
    parts = {name: len(data) for name, data in snapshot.dumps.items()}
    header = json.dumps({"sequence": snapshot.sequence, "parts": parts}).encode() + b"\n"
    digest = hashlib.sha256(header)
    for data in snapshot.dumps.values():
        digest.update(data)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{_FORMAT} {digest.hexdigest()}\n".encode() + header)
            for data in snapshot.dumps.values():
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_snapshot(path: Path) -> Snapshot:
    """Read a snapshot.

    Raises:
        BadSnapshot: there is none, or it is damaged, or of another format.
    """
    try:
        with path.open("rb") as file:
            found, _, expected = file.readline(_MAX_SEAL_BYTES).decode().strip().partition(" ")
            if found != _FORMAT:
                raise BadSnapshot(problem=f"{path.name} is not of format {_FORMAT!r}")
            after_seal = file.tell()
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise BadSnapshot(problem=f"{path.name} does not have its checksum")
            file.seek(after_seal)
            header = json.loads(file.readline())
            dumps = {name: file.read(size) for name, size in header["parts"].items()}
            return Snapshot(sequence=header["sequence"], dumps=dumps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSnapshot(problem=f"{path.name} cannot be read: {error}") from error
