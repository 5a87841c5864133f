"""Large files: sent in pieces that come through broken connections (tus 1.0.0), then named by the request.

Where a service takes no pieces, or none from whoever asks, the request brings its file itself.
"""

import base64
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from clearmark.client.errors import BadAnswer, Problem, Unreachable
from clearmark.client.exchange import Answer, Flow, Retries, Send, Wait, exchange

LARGE_BYTES: Final = 64 << 20
PIECE_BYTES: Final = 16 << 20
_SPOKEN: Final = {"Tus-Resumable": "1.0.0"}
# What asks to look again where it stands, and go on.
_PASSING: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)  # fmt: skip


def exchange_large(send: Send, retries: Retries) -> Flow[Answer]:
    """As `exchange`; a file that is large goes before. Raises: as that does."""
    if send.file is None or send.piece is not None or send.file.stat().st_size <= LARGE_BYTES:
        return (yield from exchange(send, retries))
    try:
        path = yield from _sent(send, retries)
    except Problem as problem:
        if problem.status in _PASSING or problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise
        return (yield from exchange(send, retries))
    upload_id = path.rpartition("/")[2]
    try:
        named = replace(send, file=None, fields={**send.fields, "upload": upload_id})
        return (yield from exchange(named, retries))
    except Problem as problem:
        # An attempt before used it up, and its answer was lost: the same request with the file has the same answer.
        if problem.status != HTTPStatus.NOT_FOUND or upload_id not in str(problem):
            raise
    return (yield from exchange(send, retries))


def _sent(send: Send, retries: Retries) -> Flow[str]:
    """Send the file of a request; returns where it lies. Raises: Problem; Unreachable: it stays so."""
    assert send.file is not None
    size = send.file.stat().st_size
    name = base64.b64encode(send.file.name.encode(errors="replace")).decode()
    begin = {**_SPOKEN, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
    begun = yield from exchange(Send(method="POST", path="/v1/uploads", headers=begin, is_question=True), retries)
    path, offset, failures = _header(begun, "location"), 0, 0
    if not path.startswith("/v1/uploads/"):  # nor does a key go to any other place
        raise BadAnswer(f"The file is to be sent to {path!r}, which is no place of a Clearmark service.")
    while offset < size:
        said = {**_SPOKEN, "Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        piece = Send(method="PATCH", path=path, headers=said, file=send.file, piece=(offset, PIECE_BYTES))
        try:
            answer = yield from exchange(piece, retries)
        except (Problem, Unreachable) as failure:
            failures += 1
            wait_s = _wait_s(failure, failures, retries)
            if wait_s is None:
                raise
            yield Wait(wait_s)
            answer = yield from exchange(Send(method="HEAD", path=path, headers=_SPOKEN), retries)
        before, offset = offset, _offset(answer)
        if offset > before:
            failures = 0
        elif not failures:
            raise BadAnswer("The service took a piece of the file, and stands where it stood.")
    return path


def _wait_s(failure: Problem | Unreachable, failures: int, retries: Retries) -> float | None:
    """Before it is tried again; None when that would be no use."""
    if isinstance(failure, Unreachable):
        return retries.wait_s(failures, None)
    return retries.wait_s(failures, failure.retry_after_s) if failure.status in _PASSING else None


def _offset(answer: Answer) -> int:
    said = _header(answer, "upload-offset")
    if not (said.isascii() and said.isdigit()):
        raise BadAnswer(f"The service says to stand at {said!r}, which is no number of bytes.")
    return int(said)


def _header(answer: Answer, name: str) -> str:
    value = answer.headers.get(name)
    if value is None:
        raise BadAnswer(f"The answer has no header {name!r}: is this a Clearmark service?")
    return value
