"""A checked file becomes a release: prepare, sign, store, in an order that survives a crash anywhere.

Signing takes long and holds no transaction. Until the last one commits there is only a file in
staging or an unnamed blob, which the housekeeping removes; after it there is a whole release.
"""

import secrets

from api.service import Service
from registry import idempotency, releases
from registry.access import Actor
from registry.errors import Conflict
from registry.models import Release
from registry.releases import NewRelease


def release_check(
    service: Service,
    actor: Actor,
    said: NewRelease,
    *,
    idempotency_key: str | None = None,
    request_sha256: str = "",
) -> Release:
    """Sign and store the file of a check.

    Raises:
        Conflict: the check does not allow it.
        ProvenanceError: the file cannot be signed.
    """
    with service.database.reading() as session:
        prepared = releases.prepare(session, actor, said, at=service.now())
    target = service.blobs.staging / secrets.token_hex(16)
    try:
        with service.blobs.open(prepared.source_blob) as source:
            signed = releases.sign(prepared, service.provenance, source=source, target=target)
        blob_key = f"release_{target.name}"
        service.blobs.adopt(target, blob_key)
    except FileNotFoundError as error:
        problem = "Its file is no longer kept. Check the file again."
        raise Conflict(kind="check", id=prepared.check_id, problem=problem) from error
    finally:
        target.unlink(missing_ok=True)
    at = service.now()
    try:
        with service.database.transaction() as session:
            release = releases.publish(session, actor, prepared, signed, blob_key=blob_key, at=at)
            idempotency.remember(session, actor, "release", idempotency_key, request_sha256, release.id, at=at)
    except BaseException:
        service.blobs.delete(blob_key)
        raise
    return release
