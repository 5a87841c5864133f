"""How `CLEARMARK_BLOB_URL` names a place in an object store. Nothing is asked there: `api.s3_blobs` does."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

# What S3 calls a bucket, and what we put between it and a key.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINT = re.compile(r"https?://[^\s/?#@]+/?")
_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Place:
    """A bucket, what keys in it begin with, and where it is asked; None: as AWS's own settings say."""

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None


def parse_s3_url(said: str) -> S3Place:
    """Read `s3://bucket/prefix?endpoint=https://…&region=…`; all but the bucket may be left out.

    Raises:
        ValueError: it is not such a URL, and why.
    """
    try:
        parsed = urlsplit(said)
        asked = dict(query := parse_qsl(parsed.query, keep_blank_values=True, strict_parsing=bool(parsed.query)))
    except ValueError:
        raise ValueError("it cannot be read; write s3://bucket/prefix?endpoint=https://…&region=…") from None
    if "@" in parsed.netloc:
        raise ValueError("credentials are not part of it; give them as AWS's own settings, or the machine a role")
    if parsed.scheme != "s3" or not _BUCKET.fullmatch(parsed.netloc) or parsed.fragment:
        raise ValueError("after s3:// comes the name of a bucket")
    prefix = parsed.path.strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or ".." in prefix):
        raise ValueError("what keys begin with is letters, digits, `-`, `_`, `.` and single slashes")
    if len(asked) < len(query) or not asked.keys() <= {"endpoint", "region"} or not all(asked.values()):
        raise ValueError("after the ? of s3:, `endpoint` and `region` are understood, each once")
    endpoint = asked.get("endpoint")
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise ValueError("the endpoint is https:// or http:// and a host")
    return S3Place(
        bucket=parsed.netloc, prefix=f"{prefix}/" if prefix else "", endpoint=endpoint, region=asked.get("region")
    )
