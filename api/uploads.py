"""Request bodies: media is streamed to disk while it is hashed; what is held in memory is bounded.

A route that needs a key names its actor before `Received`: nobody unknown may send a body first.
A body arrives as it arrives: this is async code, as little else of the service is. What is written here is a file in
the blob store's staging folder; it is removed after the request unless a blob store adopted it. In place of the file a
form may name a resumable upload (`api.resumable`).
"""

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from anyio import to_thread
from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.access import actor_of
from api.pressure import COMING
from api.problems import Problem
from api.resumable import STREAMED, Owner, Uploads, plain_name, require_disk, too_large
from api.service import Service
from fingerprinting.document import from_document
from fingerprinting.model import Fingerprint

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

_WRITE_BYTES = 1 << 20
_MAX_FIELD_BYTES = 1 << 16
_MAX_FIELDS = 16
_FILE, _MANIFEST, UPLOAD = "file", "manifest", "upload"
# Credentials that lie beside a file: those of many ingredients take some megabytes.
_MAX_MANIFEST_BYTES = 16 << 20
_MAX_HEADER_BYTES = 1 << 13
_MAX_DOCUMENT_BYTES = 64 << 20
# Of a body that FastAPI reads whole; 10,000 questions about preferences take 2 MB.
_MAX_BODY_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A received file.

    Attributes:
        name: what its sender calls it; only to be shown.
    """

    path: Path
    sha256: str
    size_bytes: int
    name: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether it is what browsers send for a field in which no file was chosen."""
        return not self.name and not self.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a request brought: a file or a fingerprint document, and the form's other fields."""

    upload: Upload | None = None
    fingerprint: Fingerprint | None = None
    document_sha256: str | None = None
    manifest: Upload | None = None
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        found = self.upload.sha256 if self.upload else self.document_sha256
        assert found is not None
        return found

    def require_upload(self) -> Upload:
        if self.upload is None:
            detail = "Send the file itself, as multipart/form-data with a part named file."
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
        return self.upload

    def json_field(self, name: str) -> dict[str, Any]:
        """A form field that holds a JSON object; absent means an empty one."""
        text = self.fields.get(name)
        if text is None:
            return {}
        try:
            value = json.loads(text)
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # what is no JSON could not be given back
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{name} must be a JSON object.", field=name)
        return value


class _Staged:
    """A part that is written to disk as it comes."""

    def __init__(self, path: Path, most_bytes: int, name: str = "") -> None:
        self.pending = bytearray()
        self._path, self._most_bytes, self._size_bytes, self._name = path, most_bytes, 0, plain_name(name)
        self._digest = hashlib.sha256()
        path.touch()

    @property
    def upload(self) -> Upload:
        return Upload(path=self._path, sha256=self._digest.hexdigest(), size_bytes=self._size_bytes, name=self._name)

    def take(self, content: bytes) -> None:
        """Some more of it."""
        self._size_bytes += len(content)
        if self._size_bytes > self._most_bytes:
            raise too_large(self._most_bytes)
        self.pending += content

    def flush(self) -> None:
        """Write what has gathered; called off the event loop."""
        if self.pending:
            with self._path.open("ab") as file:
                file.write(self.pending)
            self._digest.update(self.pending)
            self.pending.clear()

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class Parts:
    """What multipart events bring, as files on disk and small fields.

    Args:
        most_bytes: of each part that is a file.
        most_files: of one name.

    Attributes:
        said: the fields, in their order; a name may come again.
    """

    def __init__(self, staging: Path, most_bytes: Mapping[str, int], *, most_files: int, most_fields: int) -> None:
        self.said: list[tuple[str, str]] = []
        self._staged: dict[str, list[_Staged]] = {}
        self.ended = False
        self._parts = self._said_bytes = 0
        self._staging, self._most_bytes = staging, most_bytes
        self._most_files, self._most_parts = most_files, most_fields + most_files
        self._header_name, self._header_value = bytearray(), bytearray()
        self._name = ""
        self._file: _Staged | None = None
        self._value = bytearray()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._on_part_begin,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_end": self._on_end,
        }

    @property
    def files(self) -> list[Upload]:
        return [file.upload for file in self._staged.get(_FILE, [])]

    @property
    def manifest(self) -> Upload | None:
        return next((file.upload for file in self._staged.get(_MANIFEST, [])), None)

    @property
    def pending_bytes(self) -> int:
        return sum(len(file.pending) for file in self._all_files())

    def flush(self) -> None:
        """Write what has gathered; called off the event loop."""
        for file in self._all_files():
            file.flush()

    def remove(self) -> None:
        """Let go of what was received."""
        for file in self._all_files():
            file.remove()

    def _all_files(self) -> list[_Staged]:
        return [file for files in self._staged.values() for file in files]

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._most_parts:
            raise _bad_form("Too many fields.")
        self._name, self._file = "", None
        self._value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._bound_header()

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._bound_header()

    def _bound_header(self) -> None:
        if len(self._header_name) + len(self._header_value) > _MAX_HEADER_BYTES:
            raise _bad_form("A header of a part is too long.")

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            self._name = options.get(b"name", b"").decode(errors="replace")
            if self._name in self._most_bytes:
                path, name = self._staging / secrets.token_hex(16), options.get(b"filename", b"")
                self._file = _Staged(path, self._most_bytes[self._name], name.decode(errors="replace"))
                same = self._staged.setdefault(self._name, [])
                same.append(self._file)
                if len(same) > self._most_files:
                    raise _bad_form(f"Send at most {self._most_files} parts named {self._name}.")
        self._header_name.clear()
        self._header_value.clear()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.take(data[start:end])
        elif len(self._value) + end - start <= _MAX_FIELD_BYTES and self._said_bytes <= _MAX_BODY_BYTES:
            self._value += data[start:end]
            self._said_bytes += end - start
        else:
            raise _bad_form(f"The field {self._name!r} is longer than {_MAX_FIELD_BYTES} bytes.")

    def _on_part_end(self) -> None:
        if self._file is None:
            self.said.append((self._name, self._value.decode(errors="replace")))

    def _on_end(self) -> None:
        self.ended = True


def _bad_form(detail: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "bad-form", detail)


class BodyTooLarge(HTTPException):
    """A body that would be held in memory is too large. FastAPI lets no other exception out while it reads one."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def on_body_too_large(request: Request, _error: Exception) -> Response:
    return problems.answer(request, too_large(_MAX_BODY_BYTES))


class BoundedBodies:
    """Middleware: a body is bounded unless it is received here, piece by piece, under limits of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        flags = scope[STREAMED] = {"streamed": False}
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > _MAX_BODY_BYTES and not flags["streamed"]:
                raise BodyTooLarge
            return message

        await self._app(scope, bounded, send)


async def receive(request: Request) -> AsyncIterator[Submission]:
    """Receive the body of a request: a form with a file, or a fingerprint document."""
    if parse_options_header(request.headers.get("content-type", ""))[0] == b"application/json":
        yield await _document(request)
        return
    async with _form(request) as submission:
        yield submission


async def receive_file(request: Request) -> AsyncIterator[Submission]:
    """Receive a form with a file, and credentials that lie beside it, from anyone."""
    async with _form(request, manifest=True) as submission:
        yield submission


async def receive_raw(request: Request) -> AsyncIterator[Upload]:
    """Receive a file that is the body itself, from anyone."""
    service: Service = request.app.state.service
    _require_room(request, service, spare=0)
    request.scope[STREAMED]["streamed"] = True
    file = _Staged(service.blobs.staging / secrets.token_hex(16), service.settings.max_upload_bytes)
    try:
        async for chunk in request.stream():
            file.take(chunk)
            if len(file.pending) >= _WRITE_BYTES:
                await to_thread.run_sync(file.flush)
        await to_thread.run_sync(file.flush)
        yield file.upload
    finally:
        file.remove()


@asynccontextmanager
async def _form(request: Request, *, manifest: bool = False) -> AsyncIterator[Submission]:
    async with AsyncExitStack() as kept:
        parts = await kept.enter_async_context(received_form(request, manifest=manifest))
        fields, upload = dict(parts.said), next(iter(parts.files), None)
        if named := fields.pop(UPLOAD, ""):
            if upload is not None and not upload.is_blank:
                raise _bad_form("Send the file, or name an upload, not both.")
            uploads = await to_thread.run_sync(_uploads_of, request)
            upload = await kept.enter_async_context(taken(uploads, named))
        if upload is None:
            raise _bad_form("The form has no part named file, and names no upload.")
        yield Submission(upload=upload, manifest=parts.manifest, fields=fields)


@asynccontextmanager
async def received_form(
    request: Request, *, manifest: bool, most_files: int = 1, most_fields: int = _MAX_FIELDS
) -> AsyncIterator[Parts]:
    """A form with files; they are removed after the block unless somebody adopted them. One without may be urlencoded.

    Args:
        manifest: whether credentials may lie beside them.
    Raises:
        Problem: it is none, it or a file in it is too large, or there is no room for it.
    """
    service: Service = request.app.state.service
    most_bytes = {_FILE: service.settings.max_upload_bytes} | ({_MANIFEST: _MAX_MANIFEST_BYTES} if manifest else {})
    parts = Parts(service.blobs.staging, most_bytes, most_files=most_files, most_fields=most_fields)
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind == b"application/x-www-form-urlencoded":
        async with request.form(max_fields=most_fields) as form:
            parts.said = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        yield parts
        return
    if kind != b"multipart/form-data" or not boundary:
        detail = "Send multipart/form-data with a part named file, or a fingerprint document as application/json."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    _require_room(request, service, spare=_MAX_FIELDS * _MAX_FIELD_BYTES + most_bytes.get(_MANIFEST, 0))
    try:
        await _stream(request, parts, boundary)
        yield parts
    finally:
        parts.remove()


@asynccontextmanager
async def taken(uploads: Uploads, upload_id: str) -> AsyncIterator[Upload]:
    """A resumable upload as if it came with this request. Raises: NotFound; Problem: it is not whole."""
    async with uploads.taken(upload_id) as (found, sha256):
        yield Upload(path=found.path, sha256=sha256, size_bytes=found.length_bytes, name=found.name)


def _uploads_of(request: Request) -> Uploads:
    """Those of the holder whose key is shown. Raises: Problem: none is."""
    service: Service = request.app.state.service
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    credentials = HTTPAuthorizationCredentials(scheme=scheme, credentials=shown) if scheme.lower() == "bearer" else None
    actor = actor_of(service, credentials, request.headers.get("clearmark-holder"))
    return Uploads(service, Owner.holder(actor.holder_id))


async def _stream(request: Request, receiver: Parts, boundary: bytes) -> None:
    request.scope[STREAMED]["streamed"] = True
    try:
        parser = MultipartParser(boundary, receiver.callbacks())
        async for chunk in request.stream():
            parser.write(chunk)
            if receiver.pending_bytes >= _WRITE_BYTES:
                await to_thread.run_sync(require_disk, request.app.state.service, receiver.pending_bytes)
                await to_thread.run_sync(receiver.flush)
        parser.finalize()
    except FormParserError as error:
        raise _bad_form(f"The form cannot be read: {error}.") from error
    if not receiver.ended:
        raise _bad_form("The form ends before its last boundary.")
    await to_thread.run_sync(receiver.flush)


def _require_room(request: Request, service: Service, *, spare: int) -> None:
    """Refuse a body that says to be too large, beyond so many bytes that are no file, or that would fill the disk."""
    declared = request.headers.get("content-length", "")
    if not declared.isdigit():
        return
    if int(declared) > service.settings.max_upload_bytes + spare:
        raise too_large(service.settings.max_upload_bytes)
    require_disk(service, int(declared) + request.scope.get(COMING, 0))


async def _document(request: Request) -> Submission:
    request.scope[STREAMED]["streamed"] = True
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_DOCUMENT_BYTES:
            raise too_large(_MAX_DOCUMENT_BYTES)
    return await to_thread.run_sync(_read_document, bytes(body))


def _read_document(body: bytes) -> Submission:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "bad-json", "The body is not JSON.") from None
    return Submission(fingerprint=from_document(document), document_sha256=hashlib.sha256(body).hexdigest())


Received = Annotated[Submission, Depends(receive)]
ReceivedFile = Annotated[Submission, Depends(receive_file)]


def form_body(*, document: bool, **fields: dict[str, Any]) -> dict[str, Any]:
    """The request body as OpenAPI says it: it is parsed by `receive`, which FastAPI cannot see into."""
    upload = {"type": "string", "description": "In place of the file: the id of a resumable upload."}
    form = {
        "type": "object",
        "anyOf": [{"required": ["file"]}, {"required": ["upload"]}],
        "properties": {"file": {"type": "string", "format": "binary"}, "upload": upload, **fields},
    }
    named = {"type": "object", "required": ["upload"], "properties": {"upload": upload, **fields}}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": form},
        "application/x-www-form-urlencoded": {"schema": named},
    }
    if document:
        content["application/json"] = {"schema": {"type": "object", "description": "A fingerprint document."}}
    return {"requestBody": {"required": True, "content": content}}
