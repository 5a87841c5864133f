"""A snapshot: the indexes' arrays in one file, so that a start need not read every vector again.

A snapshot is never trusted: its first line is its format and the checksum of all that follows (a header
with the log sequence and what arrays there are, then the arrays), and whatever does not fit raises `BadSnapshot`,
after which the caller rebuilds from the database. Nothing is unpickled. The arrays are mapped, not read: processes
that start from one snapshot share one copy of it, and a newer one, which takes its name, does not change it.
"""

import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from fingerprinting.errors import BadSnapshot
from fingerprinting.index.protocol import Arrays

_FORMAT = "clearmark-index-2"
_MAX_SEAL_BYTES = 256
# Arrays begin where the processor likes to read.
_ALIGNED_BYTES = 64
_KINDS = frozenset("biuf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Dumps by name, as the indexes were when the log stood at `sequence`."""

    sequence: int
    dumps: Mapping[str, Arrays]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write to a temporary file beside `path`, then rename: a reader sees the old one or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            digest = hashlib.sha256()
            unsealed = f"{_FORMAT} {digest.hexdigest()}\n".encode()
            file.write(unsealed)
            for piece in _body(snapshot, begins_at=len(unsealed)):
                digest.update(piece)
                file.write(piece)
            file.seek(0)
            file.write(f"{_FORMAT} {digest.hexdigest()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _body(snapshot: Snapshot, *, begins_at: int) -> Iterator[bytes | memoryview]:
    described = {
        name: {key: [array.dtype.str, list(array.shape)] for key, array in arrays.items()}
        for name, arrays in snapshot.dumps.items()
    }
    header = json.dumps({"sequence": snapshot.sequence, "dumps": described}).encode() + b"\n"
    yield header
    end = begins_at + len(header)
    for arrays in snapshot.dumps.values():
        for array in arrays.values():
            yield bytes(-end % _ALIGNED_BYTES)
            yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            end += -end % _ALIGNED_BYTES + array.nbytes


def read_snapshot(path: Path) -> Snapshot:
    """Check a snapshot and map it: its arrays are read-only.

    Raises:
        BadSnapshot: there is none, or it is damaged, or of another format.
    """
    try:
        with path.open("rb") as file:
            found, _, expected = file.readline(_MAX_SEAL_BYTES).decode().strip().partition(" ")
            if found != _FORMAT:
                raise BadSnapshot(problem=f"{path.name} is not of format {_FORMAT!r}")
            sealed_from = file.tell()
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                raise BadSnapshot(problem=f"{path.name} does not have its checksum")
            file.seek(sealed_from)
            header = json.loads(file.readline())
            return Snapshot(sequence=int(header["sequence"]), dumps=_mapped(file, header["dumps"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadSnapshot(problem=f"{path.name} cannot be read: {error}") from error


def _mapped(file: IO[bytes], described: dict[str, dict[str, Any]]) -> dict[str, Arrays]:
    """The arrays that a header describes, from where the file stands."""
    end = file.tell()
    whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    dumps: dict[str, Arrays] = {}
    for name, arrays in described.items():
        mapped = {}
        for key, (type_name, shape) in arrays.items():
            dtype = np.dtype(type_name)
            if dtype.kind not in _KINDS:
                raise ValueError(f"{key} is of type {type_name}")
            begin = end + -end % _ALIGNED_BYTES
            end = begin + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            held = np.frombuffer(memoryview(whole)[begin:end], dtype) if end > begin else np.empty(0, dtype)
            mapped[key] = held.reshape(shape)
        dumps[name] = mapped
    if end != len(whole):
        raise ValueError(f"{len(whole)} bytes instead of {end}")
    return dumps
