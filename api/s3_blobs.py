"""Blobs in an object store that speaks S3. The only file that imports boto3.

An object is there once all of it arrived, so a blob is whole or absent. Beside each lies the SHA-256 of what was
stored: a copy that does not have it is not used. Files grow, and are read by what needs a file, on this machine's own
disk; what is only sent on comes straight from the store. Whom the store takes us for is AWS's own chain of settings:
environment, shared files, the role of the machine.

Objects are deleted for good here. A bucket with versions keeps what was deleted until its own rules let go of it.
"""

import hashlib
import logging
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types
from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore import exceptions  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from api.blobs import PIECE_BYTES, adopted, checked, sweep
from api.s3_place import S3Place
from registry.blobs import SNAPSHOTS, BlobDamaged, BlobsAway, Usage

_log = logging.getLogger(__name__)
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, MOST_ATTEMPTS = 3.0, 20.0, 3
# Files larger than this go in parts, a few at a time: each holds one of the parts in memory.
PART_BYTES, _PARTS_AT_ONCE = 16 << 20, 4
_SPARE_DISK_BYTES = 512 << 20
_SHA256 = "sha256"
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_UNKNOWN_TO_IT = "it does not take the credentials that it was shown; see the role or the access key, and the clock"
_REFUSED = (
    "it refused; allow s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, and s3:GetObject, s3:PutObject,"
    " s3:DeleteObject and s3:AbortMultipartUpload on what is in it"
)
_REASONS = {
    "NoSuchBucket": "it has no such bucket",
    "AccessDenied": _REFUSED,
    "403": _REFUSED,
    "InvalidAccessKeyId": _UNKNOWN_TO_IT,
    "SignatureDoesNotMatch": _UNKNOWN_TO_IT,
    "ExpiredToken": _UNKNOWN_TO_IT,
    "InvalidToken": _UNKNOWN_TO_IT,
    "RequestTimeTooSkewed": _UNKNOWN_TO_IT,
    "PermanentRedirect": "the bucket lies in another region; say which: ?region=",
    "AuthorizationHeaderMalformed": "the bucket lies in another region; say which: ?region=",
    "NoCredentialsError": "no credentials were found; give the machine a role, or set AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY",
    "PartialCredentialsError": "half of the credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "NoRegionError": "it wants to know the region; add ?region=",
}


class S3Blobs:
    """A `registry.blobs.BlobStore` in a bucket."""

    def __init__(self, place: S3Place, staging: Path) -> None:
        self.staging = staging
        staging.mkdir(parents=True, exist_ok=True)
        self._place = place
        with _spoken():
            self._s3: Any = boto3.session.Session().client(  # threads may share it
                "s3",
                region_name=place.region,
                endpoint_url=place.endpoint,
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    retries={"mode": "standard", "total_max_attempts": MOST_ATTEMPTS},
                    max_pool_connections=50,
                    # Few other stores answer to a bucket's name as a host name.
                    s3={"addressing_style": "path"} if place.endpoint else None,
                ),
            )
        self._transfer = TransferConfig(
            multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=_PARTS_AT_ONCE
        )

    def require(self) -> None:
        """Raises: BlobsAway: the store cannot be used as it is named."""
        with _spoken():
            self._s3.list_objects_v2(Bucket=self._place.bucket, Prefix=self._place.prefix, MaxKeys=1)

    def adopt(self, path: Path, key: str) -> None:
        named = self._named(key)
        with path.open("rb") as file, _spoken():
            told = {_SHA256: hashlib.file_digest(file, "sha256").hexdigest()}
            file.seek(0)
            extra = {"Metadata": told}
            self._s3.upload_fileobj(file, named["Bucket"], named["Key"], ExtraArgs=extra, Config=self._transfer)
        path.unlink()

    def adopted(self, path: Path, key: str) -> AbstractContextManager[None]:
        return adopted(self, path, key)

    @contextmanager
    def open(self, key: str) -> Iterator[Path]:
        path = self.staging / f"copy_{secrets.token_hex(16)}"
        try:
            self._fetch(key, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _fetch(self, key: str, path: Path) -> None:
        with _spoken():
            answer = self._s3.get_object(**self._named(key))
            with closing(answer["Body"]) as body:
                if shutil.disk_usage(self.staging).free < answer["ContentLength"] + _SPARE_DISK_BYTES:
                    raise BlobsAway(reason=f"{self.staging} has no room for a copy of {key}")
                digest = hashlib.sha256()
                with path.open("xb") as file:
                    try:
                        for piece in body.iter_chunks(PIECE_BYTES):
                            digest.update(piece)
                            file.write(piece)
                    except exceptions.FlexibleChecksumError as error:  # the store's own checksum says so
                        raise BlobDamaged(key=key) from error
        if digest.hexdigest() != answer["Metadata"].get(_SHA256):
            raise BlobDamaged(key=key)

    def size_bytes(self, key: str) -> int:
        with _spoken():
            return int(self._s3.head_object(**self._named(key))["ContentLength"])

    def read(self, key: str, start: int, end: int) -> Iterator[bytes]:
        if end <= start:
            return iter(())
        with _spoken():
            body = self._s3.get_object(**self._named(key), Range=f"bytes={start}-{end - 1}")["Body"]

        def pieces() -> Iterator[bytes]:
            with _spoken(), closing(body):
                yield from body.iter_chunks(PIECE_BYTES)

        return pieces()

    def delete(self, key: str) -> None:
        named = self._named(key)
        try:
            with _spoken():
                self._s3.delete_object(**named)
        except BlobsAway as away:  # whoever let go of it is done all the same
            _log.warning("%s is deleted later: %s", key, away)

    def keys(self, *, older_than: datetime, prefix: str = "") -> Iterator[str]:
        found = ((name, at) for name, at, _ in self._listed(prefix) if prefix or not name.startswith(SNAPSHOTS))
        return (name for name, stored_at in found if stored_at < older_than)

    def usage(self, *, most: int) -> Usage:
        files = total = 0
        for _, _, size_bytes in self._listed():
            if files == most:
                return Usage(files=files, bytes=total, is_all=False)
            files, total = files + 1, total + size_bytes
        return Usage(files=files, bytes=total, is_all=True)

    def sweep_staging(self, *, older_than: datetime) -> None:
        """As everywhere; in the bucket, the parts of what never became an object."""
        sweep(self.staging, older_than=older_than)
        with _spoken():
            for page in self._s3.get_paginator("list_multipart_uploads").paginate(**self._beginning()):
                for begun in page.get("Uploads", ()):
                    if begun["Initiated"] < older_than:
                        self._s3.abort_multipart_upload(
                            Bucket=self._place.bucket, Key=begun["Key"], UploadId=begun["UploadId"]
                        )

    def _listed(self, prefix: str = "") -> Iterator[tuple[str, datetime, int]]:
        """Key, time and size of what is ours; what others put there is left alone."""
        with _spoken():
            for page in self._s3.get_paginator("list_objects_v2").paginate(**self._beginning(prefix)):
                for found in page.get("Contents", ()):
                    name = found["Key"].removeprefix(self._place.prefix)
                    with suppress(ValueError):
                        yield checked(name), found["LastModified"], int(found["Size"])

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": self._place.prefix + checked(key)}

    def _beginning(self, prefix: str = "") -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Prefix": self._place.prefix + prefix}


@contextmanager
def _spoken() -> Iterator[None]:
    """Say what went wrong between us and the store in our own words."""
    try:
        yield
    except exceptions.ClientError as error:
        name = str(error.response.get("Error", {}).get("Code", ""))
        if name in _ABSENT:
            raise FileNotFoundError(name) from None
        raise BlobsAway(reason=_REASONS.get(name, f"it failed ({name[:60]})")) from None  # the rest is the store's
    except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
        raise BlobsAway(reason=f"it does not answer ({type(error).__name__})") from error
    except exceptions.BotoCoreError as error:
        name = type(error).__name__
        raise BlobsAway(reason=_REASONS.get(name, f"it cannot be asked ({name})")) from error
