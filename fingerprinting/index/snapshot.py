"""A snapshot: the indexes' bytes in one file, so that a start need not read every vector again.

A snapshot is never trusted: a header says format, log sequence and checksum, and whatever does not
fit raises `BadSnapshot`, after which the caller rebuilds from the database. Nothing is unpickled.
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
_MAX_HEADER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Dumps by name, as the indexes were when the log stood at `sequence`."""

    sequence: int
    dumps: Mapping[str, bytes]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write to a temporary file beside `path`, then rename: a reader sees the old one or the new one."""
    digest = hashlib.sha256()
    for data in snapshot.dumps.values():
        digest.update(data)
    header = {
        "format": _FORMAT,
        "sequence": snapshot.sequence,
        "sha256": digest.hexdigest(),
        "parts": {name: len(data) for name, data in snapshot.dumps.items()},
    }
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            for data in snapshot.dumps.values():
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
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
            header = json.loads(file.readline(_MAX_HEADER_BYTES))
            if header["format"] != _FORMAT:
                raise BadSnapshot(problem=f"format {header['format']!r} is not {_FORMAT!r}")
            dumps = {str(name): file.read(int(size)) for name, size in header["parts"].items()}
            rest = file.read(1)
            sequence, expected = int(header["sequence"]), str(header["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSnapshot(problem=f"{path.name} cannot be read: {error}") from error
    digest = hashlib.sha256()
    for data in dumps.values():
        digest.update(data)
    if rest or digest.hexdigest() != expected:
        raise BadSnapshot(problem=f"{path.name} does not have its checksum")
    return Snapshot(sequence=sequence, dumps=dumps)
