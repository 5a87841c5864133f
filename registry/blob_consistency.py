"""Whether every file that a row names is there and is the one that it names, and which files no row names.

Decides which columns name files (`named_blobs`), for whoever sweeps, copies or compares them. Files are read through
`registry.blobs.BlobStore` alone, wherever it keeps them.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import checks
from registry.blobs import BlobDamaged, BlobStore
from registry.consistency import Code, Flaw
from registry.models import Asset, Check, Import, Negative, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBlob:
    """A file as a row names it.

    Attributes:
        column: the row's column, as `assets.blob_key`.
        sha256: of its content, where that is on record; `size_bytes` likewise.
    """

    key: str
    subject: str
    column: str
    sha256: str | None = None
    size_bytes: int | None = None


# model, column of the key, columns of SHA-256 and size.
_NAMING: Final[tuple[tuple[Any, str, str | None, str | None], ...]] = (
    (Asset, "blob_key", "sha256", None),
    (Check, "blob_key", "sha256", None),
    (Check, "explanation_key", None, None),
    (Release, "blob_key", "sha256", "size_bytes"),
    (Negative, "blob_key", "sha256", None),
    (Import, "blob_key", None, None),
)


def named_blobs(session: Session) -> Iterator[NamedBlob]:
    """All files that rows name."""
    nothing = sa.null()
    for model, key, sha256, size in _NAMING:
        column = getattr(model, key)
        said = (getattr(model, name) if name else nothing for name in (sha256, size))
        query = sa.select(column, model.id, *said).where(column.is_not(None)).order_by(model.id)
        for row in session.execute(query, execution_options={"yield_per": 1000}):
            yield NamedBlob(
                key=row[0], subject=row[1], column=f"{model.__tablename__}.{key}", sha256=row[2], size_bytes=row[3]
            )


def is_named(session: Session, key: str) -> bool:
    """Whether a row names this file."""
    columns = (getattr(model, name) for model, name, _, _ in _NAMING)
    return any(session.scalar(sa.select(column).where(column == key).limit(1)) is not None for column in columns)


def flaws_of_blobs(
    session: Session, blobs: BlobStore, still_named: Callable[[str], bool], *, at: datetime, is_quick: bool
) -> Iterator[Flaw]:
    """Files that are lost, cut off or changed.

    One that housekeeping would let go of at `at` is not lost: a database that was copied a while before its files names
    such ones.

    Args:
        still_named: whether the database names a file now: a running service may have let go of it meanwhile.
        is_quick: look at sizes, and do not read the files.
    """
    for named in named_blobs(session):
        code, problem = _look(blobs, named, is_quick=is_quick)
        if code is not None and still_named(named.key):
            if code is Code.BLOB_MISSING and _is_to_be_forgotten(session, named, at):
                code, problem = Code.BLOB_FORGOTTEN, "Its file, which nothing would use any more, is deleted already."
            details = {"key": named.key, "column": named.column}
            yield Flaw(code=code, subject=named.subject, problem=problem, details=details)


def unnamed_blobs(
    session: Session, blobs: BlobStore, still_named: Callable[[str], bool], *, older_than: datetime
) -> Iterator[Flaw]:  # fmt: skip
    """Files that no row names, which housekeeping is about to delete."""
    named = {one.key for one in named_blobs(session)}
    for key in blobs.keys(older_than=older_than):
        if key not in named and not still_named(key):
            yield Flaw(code=Code.BLOB_UNNAMED, subject=key, problem="No row names this file.")


def _is_to_be_forgotten(session: Session, named: NamedBlob, at: datetime) -> bool:
    is_useless = {
        "checks.blob_key": checks.is_media_useless(at), "checks.explanation_key": checks.is_explanation_old(at),
    }.get(named.column)  # fmt: skip
    if is_useless is None:
        return False
    return session.scalar(sa.select(Check.id).where(Check.id == named.subject, is_useless)) is not None


def _look(blobs: BlobStore, named: NamedBlob, *, is_quick: bool) -> tuple[Code | None, str]:
    try:
        size_bytes = blobs.size_bytes(named.key)
        if named.size_bytes is not None and size_bytes != named.size_bytes:
            return Code.BLOB_CHANGED, f"Its file has {size_bytes} bytes and should have {named.size_bytes}."
        if size_bytes == 0:
            return Code.BLOB_CHANGED, "Its file is empty."
        if named.sha256 is not None and not is_quick:
            with blobs.open(named.key) as path:
                if sha256_of(path) != named.sha256:
                    return Code.BLOB_CHANGED, f"Its file, of {size_bytes} bytes, is not the one that was stored."
    except FileNotFoundError:
        return Code.BLOB_MISSING, f"Its file is lost: {named.key}."
    except BlobDamaged as damaged:
        return Code.BLOB_CHANGED, f"{damaged}."
    return None, ""


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
