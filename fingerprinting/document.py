"""Fingerprint documents: a fingerprint as JSON, made on the owner's machine, so the media stays there.

Everything in a document is hostile: shape, sizes, order and ranges are checked before a byte of it
is used. Unknown algorithms are refused rather than ignored, so that nobody believes in vain that
they are covered.
"""

import base64
import binascii
from typing import Any

import numpy as np

from fingerprinting.errors import BadDocument
from fingerprinting.layout import LAYOUTS, places
from fingerprinting.model import Algorithm, Descriptors, Fingerprint

FORMAT = "clearmark-fingerprint-1"
MAX_DURATION_S = 24 * 3600.0
_MAX_ROWS = 2_000_000
# Whole milliseconds are half a millisecond off at most: 0.022 of the shortest step, of 23 ms.
_OFF_GRID = 0.03


def to_document(fingerprint: Fingerprint) -> dict[str, Any]:
    """The fingerprint as JSON values: times in whole milliseconds, vectors in base64."""
    return {
        "format": FORMAT,
        "duration_s": round(fingerprint.duration_s, 3),
        "descriptors": [
            {
                "algorithm": d.algorithm.value,
                "times_ms": base64.b64encode(times_to_bytes(d)).decode(),
                "vectors": base64.b64encode(d.vectors.tobytes()).decode(),
            }
            for d in fingerprint.descriptors
        ],
    }


def from_document(document: object) -> Fingerprint:
    """Read a document.

    Raises:
        BadDocument: it is not one; says where and what to do.
    """
    body = _object(document, "$", {"format", "duration_s", "descriptors"})
    if body["format"] != FORMAT:
        raise BadDocument(path="$.format", problem=f"must be {FORMAT!r}: make the document with this version")
    duration_s = body["duration_s"]
    if isinstance(duration_s, bool) or not isinstance(duration_s, int | float) or not 0 <= duration_s <= MAX_DURATION_S:
        raise BadDocument(path="$.duration_s", problem=f"must be a number from 0, an image, to {MAX_DURATION_S:.0f}")
    parts = body["descriptors"]
    if not isinstance(parts, list) or not 0 < len(parts) <= len(Algorithm):
        raise BadDocument(path="$.descriptors", problem=f"must be a list of 1 to {len(Algorithm)} entries")
    descriptors = tuple(_descriptors(part, f"$.descriptors[{i}]", float(duration_s)) for i, part in enumerate(parts))
    if len({d.algorithm for d in descriptors}) != len(descriptors):
        raise BadDocument(path="$.descriptors", problem="names an algorithm twice")
    if not any(len(d) for d in descriptors):
        raise BadDocument(path="$.descriptors", problem="holds no rows: the media had nothing to recognise")
    return Fingerprint(duration_s=float(duration_s), descriptors=descriptors)


def times_to_bytes(descriptors: Descriptors) -> bytes:
    """Times as little-endian uint32 milliseconds."""
    return np.round(descriptors.times_s * 1000).astype("<u4").tobytes()


def descriptors_from_bytes(algorithm: Algorithm, times_ms: bytes, vectors: bytes) -> Descriptors:
    """Undo `times_to_bytes` and `vectors.tobytes()`; ValueError when they do not fit each other."""
    times = np.frombuffer(times_ms, "<u4").astype(np.float64) / 1000
    rows = np.frombuffer(vectors, np.uint8).reshape(-1, algorithm.row_bytes)
    return Descriptors(algorithm=algorithm, times_s=times, vectors=rows)


def _descriptors(part: object, path: str, duration_s: float) -> Descriptors:
    body = _object(part, path, {"algorithm", "times_ms", "vectors"})
    try:
        algorithm = Algorithm(body["algorithm"])
    except ValueError:
        known = ", ".join(Algorithm)
        raise BadDocument(path=f"{path}.algorithm", problem=f"must be one of: {known}") from None
    row_bytes = algorithm.row_bytes
    times, vectors = _bytes(body["times_ms"], f"{path}.times_ms"), _bytes(body["vectors"], f"{path}.vectors")
    if len(times) % 4 or len(times) // 4 > _MAX_ROWS or len(vectors) != len(times) // 4 * row_bytes:
        problem = f"must hold 4 bytes of time and {row_bytes} bytes of vector for each row, at most {_MAX_ROWS} rows"
        raise BadDocument(path=path, problem=problem)
    found = descriptors_from_bytes(algorithm, times, vectors)
    latest_s = duration_s + 1 if duration_s else 0.0
    if len(found) and (np.any(np.diff(found.times_s) < 0) or found.times_s[-1] > latest_s):
        raise BadDocument(path=f"{path}.times_ms", problem="must ascend and end within the duration")
    layout = LAYOUTS[algorithm]
    ticks = (found.times_s - layout.first_s) / layout.query_step_s
    if len(found) and (ticks.min() < -_OFF_GRID or np.abs(ticks - ticks.round()).max() > _OFF_GRID):
        problem = (
            f"must lie on the algorithm's grid: {layout.first_s:.3f} s and every {layout.query_step_s:.4f} s after"
        )
        raise BadDocument(path=f"{path}.times_ms", problem=problem)
    if len(found) and places(ticks.round()).max() >= layout.rows_a_time:
        raise BadDocument(path=f"{path}.times_ms", problem=f"may name one time {layout.rows_a_time} times at most")
    if len(found) and found.vectors[:, 0].max() >= layout.first_bytes:
        raise BadDocument(path=f"{path}.vectors", problem=f"a row's first byte must be below {layout.first_bytes}")
    return found


def _object(value: object, path: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise BadDocument(path=path, problem=f"must be an object with exactly: {', '.join(sorted(keys))}")
    return value


def _bytes(value: object, path: str) -> bytes:
    if not isinstance(value, str):
        raise BadDocument(path=path, problem="must be base64 text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise BadDocument(path=path, problem="must be base64 text") from None
