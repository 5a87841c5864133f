"""Snapshots of the index in the blob store: a machine that is new starts from what another one saved.

Only where `CLEARMARK_BLOB_URL` says that blobs lie elsewhere; in the data folder there is a snapshot already. The
database stays the truth: a snapshot that is damaged, or of another history, is not used; what it lacks is caught up.
"""

import os
import re
import secrets
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fingerprinting.errors import BadSnapshot
from registry.blobs import SNAPSHOTS, BlobDamaged, BlobsAway
from registry.index import head_sequence

if TYPE_CHECKING:
    from api.service import Service

_KEY: Final = re.compile(SNAPSHOTS + r"[0-9]{20}_[0-9a-f]{8}")
# The last one, and one more for who reads it while a newer one comes, or finds it damaged.
_KEPT: Final = 2
# It may be large; what was logged since is read from the database in little time.
_EVERY: Final = timedelta(hours=1)


def store(service: "Service") -> None:
    """Put the snapshot of the data folder into the blob store, unless the newest there is as new or recent."""
    if not service.settings.blob_url or not service.index_ready.is_set():
        return
    blobs, at = service.blobs, service.now()
    known = _known(service)
    recent = set(known) - set(blobs.keys(older_than=at - _EVERY, prefix=SNAPSHOTS))
    if not recent and service.index.sequence > max(map(_sequence_of, known), default=-1):
        sequence = service.index.save(service.settings.snapshot_path)
        key = f"{SNAPSHOTS}{sequence:020d}_{secrets.token_hex(4)}"
        staged = blobs.staging / key
        try:
            os.link(service.settings.snapshot_path, staged)
        except OSError:  # another file system
            shutil.copyfile(service.settings.snapshot_path, staged)
        blobs.adopt(staged, key)
    for key in known[:-_KEPT]:
        blobs.delete(key)


def restore(service: "Service") -> str | None:
    """Start from the newest sound snapshot, here or in the blob store; returns what was wrong with one, if any."""
    path, problems = service.settings.snapshot_path, list[str]()
    try:
        service.index.restore(path)
    except BadSnapshot as error:
        problems += [str(error)] if path.exists() else []
    try:
        for key in reversed(_known(service)):
            if _sequence_of(key) <= service.index.sequence:
                break
            try:
                with service.blobs.open(key) as copy:
                    service.index.restore(copy)
                    break
            except (BadSnapshot, BlobDamaged) as error:
                problems.append(str(error))
            except FileNotFoundError:  # another process let go of it this moment
                continue
    except BlobsAway as away:
        problems.append(str(away))
    return f"rebuilt, because the snapshot was bad: {'; '.join(problems)}" if problems else None


def _known(service: "Service") -> list[str]:
    """Snapshots in the store, oldest first; those from before a backup was restored are let go of."""
    if not service.settings.blob_url:
        return []
    there = service.blobs.keys(older_than=service.now() + _EVERY, prefix=SNAPSHOTS)
    found = sorted(key for key in there if _KEY.fullmatch(key))
    with service.database.reading() as session:
        head = head_sequence(session)  # after the list: whatever is on it was saved before
    for key in found:
        if _sequence_of(key) > head:
            service.blobs.delete(key)
    return [key for key in found if _sequence_of(key) <= head]


def _sequence_of(key: str) -> int:
    return int(key.removeprefix(SNAPSHOTS).partition("_")[0])
