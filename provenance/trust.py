"""Trust lists: whose signatures and time-stamps this service believes beside its own.

Decides how a list lies in its folder (one file each, replaced at once) and what a new version changes. Which
lists to keep is the operator's decision; nothing is fetched here.
"""

import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.hashes import SHA256

from provenance.authority import AnchorKind, Standing, TrustAnchor
from provenance.errors import ProvenanceError

MAX_LIST_BYTES = 8 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_URI = "urn:clearmark:trust-list:"


class BadTrustList(ProvenanceError):
    """What was given is no trust list, or its name is none."""

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """CA certificates that somebody vouches for, under a name.

    Attributes:
        source: where it came from, an address or a file; it is fetched again from an address only.
    """

    name: str
    kind: AnchorKind
    standing: Standing
    source: str
    updated_at: datetime
    pem: str

    @property
    def uri(self) -> str:
        """What verifications call it."""
        return _URI + self.name

    @property
    def certificates(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.pem.encode("ascii"))

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.pem.encode()).hexdigest()

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(pem=self.pem, uri=self.uri, kind=self.kind, standing=self.standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a new version of a list brings and takes away, by the certificates' subjects."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def read_certificates(content: bytes) -> str:
    """The certificates of a PEM bundle, each once and nothing else of the file.

    Raises:
        BadTrustList: there are none, or one cannot be read.
    """
    if len(content) > MAX_LIST_BYTES:
        raise BadTrustList(reason=f"a trust list has at most {MAX_LIST_BYTES} bytes")
    try:
        found = x509.load_pem_x509_certificates(content)
    except (ValueError, x509.InvalidVersion) as error:
        raise BadTrustList(reason="give a PEM file with CA certificates: -----BEGIN CERTIFICATE-----") from error
    unique = {certificate.fingerprint(SHA256()): certificate for certificate in found}
    return "".join(
        certificate.public_bytes(serialization.Encoding.PEM).decode("ascii") for certificate in unique.values()
    )


def compare(old: TrustList | None, new: TrustList) -> Changed:
    """What putting `new` in the place of `old` would change."""
    before, after = (
        {certificate.fingerprint(SHA256()): certificate.subject.rfc4514_string() for certificate in certificates}
        for certificates in (old.certificates if old else [], new.certificates)
    )
    return Changed(
        added=tuple(name for key, name in after.items() if key not in before),
        removed=tuple(name for key, name in before.items() if key not in after),
    )


@dataclass(slots=True)
class TrustLists:
    """The lists of a folder, read again whenever one was changed, by whichever process."""

    folder: Path
    _known: tuple[object, tuple[TrustList, ...]] | None = None

    def all(self) -> tuple[TrustList, ...]:
        """Every list, by name."""
        known, state = self._known, self._state()
        if known is None or known[0] != state:
            known = self._known = state, tuple(one for one in map(_read, sorted(self.folder.glob("*.json"))) if one)
        return known[1]

    def _state(self) -> object:
        """What changes whenever a list is added, replaced or removed."""
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            return sorted((entry.name, entry.inode(), entry.stat().st_mtime_ns) for entry in entries)
        return None

    def get(self, name: str) -> TrustList | None:
        """The list of that name, whatever the others hold; None where there is none.

        Raises:
            BadTrustList: its file is damaged.
        """
        return _read(self._path(name)) if self.has(name) else None

    def has(self, name: str) -> bool:
        """Whether there is a file for that name, be it damaged or not."""
        return _NAME.fullmatch(name) is not None and self._path(name).is_file()

    def anchors(self) -> tuple[TrustAnchor, ...]:
        return tuple(one.anchor for one in self.all())

    def put(self, new: TrustList) -> None:
        """Add a list, or put it in the place of the one with its name, be that damaged or not."""
        if not _NAME.fullmatch(new.name):
            raise BadTrustList(reason="a list's name has small letters, digits and hyphens, at most 63")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = json.dumps({**asdict(new), "updated_at": new.updated_at.isoformat()}, indent=1)
        scratch = self.folder / f".new-{secrets.token_hex(8)}"
        try:
            with scratch.open("w") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._path(new.name))
        finally:
            scratch.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Believe a list no more, be it damaged or not.

        Raises:
            BadTrustList: there is none of that name.
        """
        if not self.has(name):
            raise BadTrustList(reason=f"there is no trust list {name!r}")
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _read(path: Path) -> TrustList | None:
    """The list in a file; None when it was removed this moment."""
    try:
        said = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadTrustList(reason=f"the trust list {path.name} is damaged; add it again") from error
    try:
        said["updated_at"] = datetime.fromisoformat(said["updated_at"])
        said["kind"], said["standing"] = AnchorKind(said["kind"]), Standing(said["standing"])
        found = TrustList(**said)
        if not all(isinstance(text, str) for text in (found.name, found.source, found.pem)):
            raise TypeError
        found.certificates  # noqa: B018 - a list that cannot be read is found here, not while somebody verifies
    except (ValueError, TypeError, KeyError, x509.InvalidVersion) as error:
        raise BadTrustList(reason=f"the trust list {path.name} is damaged; add it again") from error
    return found
