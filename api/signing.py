"""A checked file becomes a release: prepare, look at it, sign, store, in an order that survives a crash anywhere.

Signing takes long and holds no transaction. Until the last one commits there is only a file in
staging or an unnamed blob, which the housekeeping removes; after it there is a whole release.
"""

import secrets
from contextlib import ExitStack, suppress
from pathlib import Path

from api.service import Service
from fingerprinting.decode import DecodeLimits, probe
from fingerprinting.errors import MediaError
from fingerprinting.explain import picture_of
from fingerprinting.iscc import iscc_of
from registry import idempotency, releases
from registry.access import Actor
from registry.errors import Conflict
from registry.models import Release
from registry.releases import NewRelease, Prepared


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
        origin = service.ledger.origin
        prepared = releases.prepare(session, actor, said, ledger_origin=origin, at=service.now())
    target = service.blobs.staging / secrets.token_hex(16)
    blob_key = f"release_{target.name}"
    try:
        with ExitStack() as opened:
            source = opened.enter_context(service.blobs.open(prepared.source_blob))
            used = [opened.enter_context(service.blobs.open(kept.blob_key)) for kept in prepared.used]
            with service.media_slots.taken():
                prepared = _looked_at(prepared, source, service.decode_limits)
            signed = releases.sign(prepared, service.provenance, source=source, target=target, used=used)
        at = service.now()
        with service.blobs.adopted(target, blob_key), service.database.transaction() as session:
            release = releases.publish(session, actor, prepared, signed, blob_key=blob_key, at=at)
            idempotency.remember(session, actor, "release", idempotency_key, request_sha256, release.id, at=at)
    except FileNotFoundError as error:
        problem = "Its file, or one that went into it, is no longer kept. Check the files again."
        raise Conflict(kind="check", id=prepared.check_id, problem=problem) from error
    finally:
        target.unlink(missing_ok=True)
    return release


def _looked_at(prepared: Prepared, source: Path, limits: DecodeLimits) -> Prepared:
    """With a small picture and the ISCC of a file; one that cannot be looked at now is signed without them."""
    thumbnail = iscc = None
    with suppress(MediaError):
        media = probe(source, limits=limits)
        thumbnail = picture_of(source, media, limits=limits)
        iscc = iscc_of(source, media, limits=limits)
    return prepared.seen(thumbnail_jpeg=thumbnail, iscc=iscc)
