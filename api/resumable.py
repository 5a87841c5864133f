"""Resumable uploads: files that come in pieces, over connections that break, by the tus protocol 1.0.0 (https://tus.io).

An upload is a folder in the blob store's staging folder, which all processes of a machine share and which outlives
them: its file, and what was said of it. How much came is the size of the file, so nothing has to be kept in step with
it. The folder's name begins with whose it is: nobody else's word for it leads there. One at a time has the lock of the
file: who appends to it, ends it or uses it.
"""

import base64
import binascii
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from typing import Any, Final

from anyio import CancelScope, fail_after, to_thread
from fastapi import Request

from api.problems import Problem
from api.service import Service
from fingerprinting.errors import MediaError
from registry.errors import NotFound

KEPT: Final = timedelta(hours=24)
# Housekeeping lets go of what was touched last so long ago. Here that is a moment to come, when it expires.
SWEPT_AFTER: Final = timedelta(hours=6)
STREAMED: Final = "clearmark.streamed"
MOST_UPLOADS: Final = 20
# Of all visitors who are not signed in together: how many, and which part of the free disk.
_MOST_OF_VISITORS, _SHARE_OF_VISITORS = 1000, 0.25
_MOST_METADATA_CHARS, _MOST_NAME_CHARS = 4096, 255
_SPARE_DISK_BYTES = 512 << 20
_WRITE_BYTES = 1 << 20
# Where nothing comes for so long, a connection broke and nobody said so; who comes back must find the lock free.
_SILENCE_S = 30.0
_ID = re.compile(r"upl_[0-9a-f]{32}")
_ABOUT = "about"
# Marks the copy of a file that was used up.
_COPY = "copy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose uploads they are: a holder's, or a browser's while the same holder, or nobody, is signed in there.

    Attributes:
        name: of nobody else.
        counted: how the names begin of those who may have so many together: all browsers of a holder, and their keys.
    """

    name: str
    counted: str

    @classmethod
    def holder(cls, holder_id: str, *, visit_id: str = "") -> "Owner":
        counted = f"h{_digest(holder_id)}"
        return cls(name=counted + _digest(visit_id), counted=counted)

    @classmethod
    def visitor(cls, visit_id: str) -> "Owner":
        name = _VISITOR + _digest(visit_id)
        return cls(name=name, counted=name)


_VISITOR = "v"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumable:
    """An upload.

    Attributes:
        name: of the file, as its sender calls it: to be shown, and for nothing else.
        metadata: as it was sent, word for word.
    """

    id: str
    folder: Path
    length_bytes: int
    name: str
    metadata: str

    @property
    def path(self) -> Path:
        """The file, under a name that no other has."""
        return self.folder / self.id.removeprefix("upl_")

    @property
    def offset_bytes(self) -> int:
        """How much of it came. Raises: NotFound: it was used or ended meanwhile."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            raise NotFound(kind="upload", id=self.id) from None

    @property
    def expires_at(self) -> datetime:
        """Raises: NotFound."""
        try:
            touched_at = datetime.fromtimestamp(self.folder.stat().st_mtime, UTC)
        except FileNotFoundError:
            raise NotFound(kind="upload", id=self.id) from None
        return touched_at + SWEPT_AFTER

    @property
    def missing_bytes(self) -> int:
        return self.length_bytes - self.offset_bytes

    @property
    def headers(self) -> dict[str, str]:
        """How it stands, as tus says it."""
        expires = format_datetime(self.expires_at, usegmt=True)
        return {"Upload-Offset": str(self.offset_bytes), "Upload-Expires": expires, "Cache-Control": "no-store"}

    def touch(self, *, at: datetime) -> None:
        """Keep it for so long from now on."""
        until_s = (at + KEPT - SWEPT_AFTER).timestamp()
        try:
            os.utime(self.folder, (until_s, until_s))
        except FileNotFoundError:
            raise NotFound(kind="upload", id=self.id) from None

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Uploads:
    """The uploads of one owner."""

    def __init__(self, service: Service, owner: Owner) -> None:
        self.service, self._owner = service, owner
        self._staging = service.blobs.staging

    def create(self, length_bytes: int, metadata: str) -> Resumable:
        """Begin one. Raises: Problem: it is too large, there is no room, or its metadata cannot be read."""
        name, most_bytes = name_in(metadata), self.service.settings.max_upload_bytes
        if length_bytes > most_bytes:
            raise too_large(most_bytes)
        own = self._all_of(self._owner.counted)
        if len(own) >= MOST_UPLOADS or sum(one.length_bytes for one in own) + length_bytes > 2 * most_bytes:
            raise _no_space("You have begun too many uploads. Finish or end one, or wait until the oldest expires.")
        if self._is_visitor and len(self._all_of(_VISITOR)) >= _MOST_OF_VISITORS:
            raise _no_space(_CROWDED)
        self.require_room(length_bytes)
        upload_id = f"upl_{secrets.token_hex(16)}"
        about = {"length_bytes": length_bytes, "name": name, "metadata": metadata}
        begun = Resumable(id=upload_id, folder=self._folder(upload_id), **about)  # type: ignore[arg-type]
        begun.folder.mkdir()
        begun.path.touch()
        Path(begun.folder, _ABOUT).write_text(json.dumps(about))  # without it there is none: a crash leaves no half
        begun.touch(at=self.service.now())
        return begun

    def copy(self, file: Path, name: str) -> Resumable:
        """Keep a file that is used up, for a second time; of a holder the newest alone. Raises: Problem: no room."""
        for one in self._all_of(self._owner.counted):
            if Path(one.folder, _COPY).exists():
                with suppress(NotFound, Problem), _locked(one):  # who uses it now, ends it
                    one.remove()
        begun = self.create(file.stat().st_size, f"filename {base64.b64encode(name.encode()).decode()}")
        with _locked(begun):
            Path(begun.folder, _COPY).touch()
            shutil.copyfile(file, begun.path)
            begun.touch(at=self.service.now())
        return begun

    def find(self, upload_id: str) -> Resumable:
        """Raises: NotFound: there is none of this owner's, or no longer."""
        known = _ID.fullmatch(upload_id) is not None
        found = _read(self._folder(upload_id), upload_id) if known else None
        if found is None or found.expires_at <= self.service.now():
            raise NotFound(kind="upload", id=upload_id[:36])
        return found

    @contextmanager
    def held(self, upload_id: str) -> Iterator[tuple[Resumable, FileIO]]:
        """Be the one who writes to it, ends it or uses it. Raises: NotFound; Problem: another is."""
        found, file = self.hold(upload_id)
        with file:
            yield found, file

    def hold(self, upload_id: str) -> tuple[Resumable, FileIO]:
        """As `held`, until the file is closed."""
        found = self.find(upload_id)
        return found, _locked(found)

    def end(self, upload_id: str) -> None:
        """Let go of it."""
        with self.held(upload_id) as (found, _file):
            found.remove()

    @asynccontextmanager
    async def taken(self, upload_id: str) -> AsyncIterator[tuple[Resumable, str]]:
        """A whole upload and its SHA-256, to be used in the block; then it is gone.

        It stays where the block fails, to be used again, unless it is the file that nobody can use.

        Raises:
            NotFound; Problem: it is not whole, or another has it.
        """
        found, file = await to_thread.run_sync(self.hold, upload_id)
        with file:
            found.touch(at=self.service.now())
            sha256 = await to_thread.run_sync(_sha256, found, file)
            used = True
            try:
                yield found, sha256
            except BaseException as error:
                used = is_unusable(error) or not found.path.exists()
                raise
            finally:
                if used:
                    with CancelScope(shield=True):
                        await to_thread.run_sync(found.remove)

    def require_room(self, more_bytes: int) -> None:
        """Raises: Problem: so much more would fill the disk, or the part of it that is for visitors."""
        require_disk(self.service, more_bytes)
        if self._is_visitor:
            held_bytes = sum(map(_size_bytes, self._all_of(_VISITOR)))
            room_bytes = (shutil.disk_usage(self._staging).free + held_bytes) * _SHARE_OF_VISITORS
            if held_bytes + more_bytes > room_bytes:
                raise _no_space(_CROWDED)

    @property
    def _is_visitor(self) -> bool:
        return self._owner.name.startswith(_VISITOR)

    def _folder(self, upload_id: str) -> Path:
        return self._staging / f"{self._owner.name}_{upload_id.removeprefix('upl_')}"

    def _all_of(self, whose: str) -> list[Resumable]:
        found = (_read(folder, f"upl_{folder.name[-32:]}") for folder in self._staging.glob(f"{whose}*_*"))
        return [one for one in found if one is not None]


def _read(folder: Path, upload_id: str) -> Resumable | None:
    try:
        about: dict[str, Any] = json.loads(Path(folder, _ABOUT).read_text())
    except (OSError, ValueError):
        return None
    return Resumable(id=upload_id, folder=folder, **about)


def _locked(upload: Resumable) -> FileIO:
    """Its file, which nobody else has until it is closed. Raises: NotFound; Problem: another has it."""
    try:
        file = upload.path.open("r+b", buffering=0)
    except FileNotFoundError:
        raise NotFound(kind="upload", id=upload.id) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _ = upload.offset_bytes  # it was used or ended just before
    except BlockingIOError:
        file.close()
        detail = "Another connection is still sending or using this upload. Ask again in a moment."
        raise Problem(HTTPStatus.LOCKED, "locked", detail, headers={"Retry-After": "2"}) from None
    except BaseException:
        file.close()
        raise
    return file


def _size_bytes(upload: Resumable) -> int:
    try:
        return upload.offset_bytes
    except NotFound:
        return 0


def _sha256(upload: Resumable, file: FileIO) -> str:
    if missing := upload.missing_bytes:
        detail = f"This upload is not finished: {missing} of its {upload.length_bytes} bytes are missing."
        raise Problem(HTTPStatus.CONFLICT, "upload-unfinished", detail, missing_bytes=missing)
    return hashlib.file_digest(file, "sha256").hexdigest()


def is_unusable(error: BaseException) -> bool:
    """Whether a request failed for what is in the file."""
    return isinstance(error, MediaError) or (isinstance(error, Problem) and "fault" in error.members)


class _Piece:
    """The next piece of an upload, as it comes."""

    def __init__(self, service: Service, upload: Resumable, file: FileIO) -> None:
        self.upload, self.pending = upload, bytearray()
        self._service, self._file = service, file
        self._end_bytes = upload.offset_bytes
        file.seek(self._end_bytes)

    def take(self, chunk: bytes) -> None:
        """Some more of it. Raises: Problem: that is more than is missing."""
        self._end_bytes += len(chunk)
        if self._end_bytes > self.upload.length_bytes:
            raise too_large(self.upload.length_bytes)
        self.pending += chunk

    def flush(self) -> None:
        """Write what has gathered; called off the event loop. Raises: Problem: the disk is full."""
        left = memoryview(bytes(self.pending))
        self.pending.clear()
        try:
            require_disk(self._service, len(left))
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _no_space(_FULL) from None
        self.upload.touch(at=self._service.now())

    def close(self) -> None:
        self._file.close()


def _begin(uploads: Uploads, upload_id: str, offset_bytes: int, declared: str) -> _Piece:
    """Raises: NotFound; Problem."""
    found, file = uploads.hold(upload_id)
    try:
        if offset_bytes != found.offset_bytes:
            detail = f"This upload goes on at byte {found.offset_bytes}, not at {offset_bytes}."
            raise Problem(HTTPStatus.CONFLICT, "wrong-offset", detail, offset=found.offset_bytes)
        if declared.isdecimal() and int(declared) > found.missing_bytes:
            raise too_large(found.length_bytes)
        uploads.require_room(int(declared) if declared.isdecimal() else 0)
        return _Piece(uploads.service, found, file)
    except BaseException:
        file.close()
        raise


async def append(request: Request, uploads: Uploads, upload_id: str, offset_bytes: int) -> Resumable:
    """Take the body of a request as the next piece; where it breaks off, what came stays.

    Raises:
        NotFound: there is no such upload.
        Problem: another sends it, it goes on elsewhere, this is too long, the disk is full, or nothing came.
    """
    declared = request.headers.get("content-length", "")
    piece = await to_thread.run_sync(_begin, uploads, upload_id, offset_bytes, declared)
    request.scope[STREAMED]["streamed"] = True
    body = aiter(request.stream())
    try:
        while (chunk := await _next(body)) is not None:
            piece.take(chunk)
            if len(piece.pending) >= _WRITE_BYTES:
                await to_thread.run_sync(piece.flush)
    finally:
        try:
            with CancelScope(shield=True):
                await to_thread.run_sync(piece.flush)
        finally:
            piece.close()
    return piece.upload


async def _next(body: AsyncIterator[bytes]) -> bytes | None:
    """What comes next; None at the end. Raises: Problem: nothing came."""
    try:
        with fail_after(_SILENCE_S):
            return await anext(body, None)
    except TimeoutError:
        detail = f"Nothing came for {_SILENCE_S:.0f} seconds. What came before is kept: go on from there."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "timeout", detail) from None


def name_in(metadata: str) -> str:
    """The file's name in the metadata of an upload: pairs of a key and base64, as tus writes them. Raises: Problem."""
    if len(metadata) > _MOST_METADATA_CHARS:
        raise _bad_metadata()
    pairs = [pair.split() for pair in metadata.split(",") if pair.strip()]
    if any(len(pair) > 2 for pair in pairs):
        raise _bad_metadata()
    try:
        said = {pair[0]: base64.b64decode("".join(pair[1:]), validate=True).decode() for pair in pairs}
    except (binascii.Error, ValueError):
        raise _bad_metadata() from None
    return plain_name(said.get("filename") or said.get("name") or "")


def plain_name(name: str) -> str:
    """What a sender calls a file, without folders and what cannot be seen."""
    seen = "".join(character for character in re.split(r"[/\\]", name)[-1] if character.isprintable())
    return seen[:_MOST_NAME_CHARS]


def _bad_metadata() -> Problem:
    detail = "Upload-Metadata is pairs of a key and base64, such as `filename bXkubXA0`, separated by commas."
    return Problem(HTTPStatus.BAD_REQUEST, "bad-request", detail)


def too_large(max_bytes: int) -> Problem:
    detail = f"At most {max_bytes} bytes are accepted."
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)


_FULL = "The server has no room for this file now."
_CROWDED = "Too many people are sending files now. Come again later, or sign in."


def require_disk(service: Service, more_bytes: int) -> None:
    """Raises: Problem: so much more would fill the disk."""
    if shutil.disk_usage(service.blobs.staging).free < more_bytes + _SPARE_DISK_BYTES:
        raise _no_space(_FULL)


def _no_space(detail: str) -> Problem:
    return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "no-space", detail)
