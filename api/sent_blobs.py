"""Blobs as answers: whole or in a range, straight from where they lie, a piece at a time.

One range is answered; of several, the whole, as RFC 9110 (14.2) allows. A blob never changes under its key.
"""

import hashlib
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from provenance.media_types import media_type_in
from registry.blobs import BlobStore

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def media_type_of_blob(blobs: BlobStore, key: str) -> str | None:
    """What a blob is by its first bytes. Raises: FileNotFoundError, BlobsAway."""
    size_bytes = blobs.size_bytes(key)
    return media_type_in(
        lambda start, length: b"".join(blobs.read(key, min(start, size_bytes), min(start + length, size_bytes)))
    )


def sent_blob(
    blobs: BlobStore,
    key: str,
    request: Request,
    *,
    media_type: str,
    etag: str | None = None,
    headers: Mapping[str, str] | None = None,
    must_have_bytes: int | None = None,
) -> Response:
    """What answers a request for a blob.

    Args:
        must_have_bytes: how large it is on record; one of another size is not what was stored.
    Raises:
        FileNotFoundError: it is not there, or of another size.
        BlobsAway: see `BlobStore`.
    """
    size_bytes = blobs.size_bytes(key)
    if must_have_bytes not in (None, size_bytes):
        raise FileNotFoundError(key)
    etag = etag or f'"{hashlib.sha256(key.encode()).hexdigest()[:32]}"'
    said = {**(headers or {}), "Accept-Ranges": "bytes", "ETag": etag}
    start, end, status = 0, size_bytes, HTTPStatus.OK
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked and any(asked.groups()) and request.headers.get("if-range", etag) == etag:
        start, end = _between(asked[1], asked[2], size_bytes)
        if start >= end:
            return PlainTextResponse(status_code=416, headers={"Content-Range": f"bytes */{size_bytes}"})
        status, said["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {start}-{end - 1}/{size_bytes}"
    said["Content-Length"] = str(end - start)
    return StreamingResponse(blobs.read(key, start, end), status, headers=said, media_type=media_type)


def _between(first: str, last: str, size_bytes: int) -> tuple[int, int]:
    """The bytes [start, end) of a range; without a first one, so many from the end."""
    if not first:
        return max(0, size_bytes - int(last)), size_bytes
    return int(first), min(size_bytes, int(last) + 1 if last else size_bytes)
