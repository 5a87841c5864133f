"""Health: how a process and what it runs on are, as its operator is told."""

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import imageio_ffmpeg
from cryptography import x509
from sqlalchemy.orm import Session

from api.service import Service
from api.settings import Settings
from api.settings_shown import in_force
from provenance.trust import BadTrustList, TrustList
from registry import health
from registry.index import head_sequence

# So many files are counted: it takes a moment each time that somebody looks.
_MOST_COUNTED: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The index as it was written to disk last."""

    saved_at: datetime
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What this process finds copies by; `sequence` is how far it has read the log, which ends at `head`."""

    engine: str
    sequence: int
    head: int
    sizes: dict[str, int]
    snapshot: Snapshot | None
    threads: int
    processors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How much room things take; `is_all` is false where there are more files than were counted."""

    files: int
    file_bytes: int
    is_all: bool
    database: str
    database_bytes: int
    free_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The room on a disk."""

    free_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    subject: str
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerState:
    """Who signs releases, and until when."""

    name: str
    development: bool
    not_after: datetime
    days_left: int
    key_at: str
    chain: Sequence[Certificate]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A trust list; None where its file is damaged."""

    name: str
    found: TrustList | None
    certificates: int = 0
    expired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting in force, its secrets hidden."""

    name: str
    value: object
    is_default: bool
    description: str


def index_of(service: Service, session: Session) -> Index:
    return Index(
        engine=service.settings.index_engine,
        sequence=service.index.sequence,
        head=head_sequence(session),
        sizes={name: size for name, size in service.index.sizes.items() if size},
        snapshot=snapshot_of(service.settings.snapshot_path),
        threads=service.settings.worker_threads,
        processors=os.cpu_count() or 1,
    )


def snapshot_of(path: Path) -> Snapshot | None:
    """What was written there last; None where nothing was."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Snapshot(saved_at=datetime.fromtimestamp(found.st_mtime, UTC), bytes=found.st_size)


def storage_of(service: Service, session: Session) -> Storage:
    used = service.blobs.usage(most=_MOST_COUNTED)
    disk = free_space(service)
    return Storage(
        files=used.files,
        file_bytes=used.bytes,
        is_all=used.is_all,
        database="SQLite" if service.database.is_sqlite else "PostgreSQL",
        database_bytes=health.database_bytes(session),
        free_bytes=disk.free_bytes,
        disk_bytes=disk.disk_bytes,
    )


def free_space(service: Service) -> Space:
    """Of the disks that this process writes to, the one with the smallest share left."""
    folders = {service.settings.data_dir, service.blobs.staging}
    disk = min(map(shutil.disk_usage, folders), key=lambda found: found.free / found.total)
    return Space(free_bytes=disk.free, disk_bytes=disk.total)


def signer_of(service: Service) -> SignerState:
    at = service.now()
    signer = service.signers.current(at=at)
    chain = x509.load_pem_x509_certificates(signer.identity.certificate_chain_pem.encode("ascii"))
    return SignerState(
        name=signer.identity.name,
        development=signer.identity.development,
        not_after=signer.identity.not_after,
        days_left=max(0, (signer.identity.not_after - at).days),
        key_at=signer.key_at,
        chain=[
            Certificate(subject=one.subject.rfc4514_string(), not_after=one.not_valid_after_utc) for one in chain
        ],
    )  # fmt: skip


def trust_lists(service: Service) -> list[ListState]:
    """The trust lists, each on its own: one that is damaged hides no other."""
    return [_list_state(service, path.stem) for path in sorted(service.settings.trust_folder.glob("*.json"))]


def _list_state(service: Service, name: str) -> ListState:
    try:
        found = service.trust.get(name)
    except BadTrustList:
        found = None
    if found is None:
        return ListState(name=name, found=None)
    certificates, at = found.certificates, service.now()
    expired = sum(one.not_valid_after_utc <= at for one in certificates)
    return ListState(name=name, found=found, certificates=len(certificates), expired=expired)


_PACKAGES: Final = {
    "Clearmark": "clearmark", "c2pa-python": "c2pa-python", "FAISS": "faiss-cpu", "ONNX Runtime": "onnxruntime",
}  # fmt: skip


@cache
def versions() -> dict[str, str]:
    """Of what does the work."""
    known = {name: _version(package) for name, package in _PACKAGES.items()}
    return {**known, "FFmpeg": imageio_ffmpeg.get_ffmpeg_version(), "Python": platform.python_version()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "–"


def settings_of(settings: Settings) -> list[Setting]:
    """All settings as they are in force."""
    shown = in_force(settings)
    return [
        Setting(
            name=f"CLEARMARK_{name.upper()}", value=shown[name], is_default=getattr(settings, name) == field.default,
            description=str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]  # fmt: skip
