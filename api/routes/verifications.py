"""Verification: anyone may ask where a file came from; no key is needed."""

import functools
from collections.abc import Hashable
from contextlib import nullcontext
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from api.access import TheService
from api.problems import Problem
from api.schemas.releases import VerificationOut
from api.service import Service
from api.shown import shown_in
from api.uploads import ReceivedFile, Upload, form_body
from fingerprinting.errors import MediaError
from fingerprinting.extract import Extracted
from provenance.authority import Credentials
from provenance.media_types import media_type_of
from provenance.model import IntegrityState, ManifestFacts
from registry import recovery, releases, verifications
from registry.errors import NotFound
from registry.index import IndexAway
from registry.models import Verification

router = APIRouter(prefix="/v1", tags=["verifications"])
_UNKNOWN = "application/octet-stream"

_RECOGNISE = "Whether works and releases are looked for in what it shows. Without, the answer comes many times sooner."
type Recognise = Annotated[bool, Query(description=_RECOGNISE)]
_MANIFEST_FIELD = {"type": "string", "format": "binary", "description": "Credentials that lie beside the file (.c2pa)."}


@router.post("/verifications", openapi_extra=form_body(document=False, manifest=_MANIFEST_FIELD))
def verify(received: ReceivedFile, service: TheService, recognise: Recognise = True) -> VerificationOut:
    upload = received.require_upload()
    believed = service.credentials()
    is_known = received.manifest is None and _is_known(service, upload, believed, recognise=recognise)
    with nullcontext() if is_known else service.media_slots.taken():
        manifest = received.manifest.path.read_bytes() if received.manifest is not None else None
        answer, facts = _facts(service, upload, manifest, believed, recognise=recognise)
    with service.database.transaction() as session:
        kept = verifications.keep(session, upload.sha256, answer, facts, at=service.now())
        return _verification(session, kept)


@router.get("/verifications/{verification_id}")
def get_verification(verification_id: str, service: TheService) -> VerificationOut:
    with service.database.reading() as session:
        kept = session.get(Verification, verification_id)
        if kept is None:
            raise NotFound(kind="verification", id=verification_id)
        return _verification(session, kept)


@router.get(
    "/verifications/{verification_id}/crjson",
    response_class=Response,
    responses={200: {"content": {"application/json": {}}, "description": "The credentials as crJSON (C2PA 2.4)."}},
)
def get_crjson(verification_id: str, service: TheService) -> Response:
    """What the file said of itself, in the C2PA's own JSON."""
    return Response(_said(service, verification_id, "crjson"), media_type="application/json")


@router.get(
    "/verifications/{verification_id}/manifest",
    response_class=Response,
    responses={200: {"content": {"application/c2pa": {}}, "description": "The manifest store, byte for byte."}},
)
def get_manifest(verification_id: str, service: TheService) -> Response:
    """The manifest store that the file carried."""
    headers = {"Content-Disposition": f'attachment; filename="{verification_id}.c2pa"'}
    return Response(_said(service, verification_id, "store"), media_type="application/c2pa", headers=headers)


def _said(service: Service, verification_id: str, what: Literal["crjson", "store"]) -> str | bytes:
    with service.database.reading() as session:
        kept = verifications.manifest_of(session, verification_id)
    if kept is None:
        raise NotFound(kind="manifest of verification", id=verification_id)
    said: str | bytes = getattr(kept, what)
    return said


def _facts(
    service: Service, upload: Upload, manifest: bytes | None, believed: Credentials, *, recognise: bool
) -> tuple[dict[str, Any], ManifestFacts]:  # fmt: skip
    media_type = media_type_of(upload.path)
    extracted: Extracted | None = None
    unseen: str | None = None if recognise else verifications.NOT_ASKED
    if recognise:
        try:
            extracted = shown_in(service, upload)
        except MediaError as error:
            unseen = error.problem
            if media_type is None:
                # Neither a container that we know nor anything that could be played: not a file to verify.
                detail = f"{error.problem} Send a video, sound or image file."
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "not-media", detail, fault=error.fault) from error
    facts, lies = _read(service, upload, media_type or _UNKNOWN, manifest, believed)
    at = service.now()
    anchors = believed.anchors
    with service.database.reading() as session:
        release = verifications.release_of(session, facts, sha256=upload.sha256)
        recognise_in = functools.partial(
            verifications.recognise, session, engine=service.index, sha256=upload.sha256, anchors=anchors,
            carried=release if lies == "embedded" else None, at=at,
        )  # fmt: skip
        try:
            recognised = recognise_in(extracted, seen=_seen(service, session, upload, extracted))
        except IndexAway:
            recognised, unseen = recognise_in(None), verifications.UNANSWERED
        consents = verifications.consents_in(session, facts, service.tokens.public(), at=at)
        standing = recovery.standing(session, release) if release is not None else None
    answer = {
        **verifications.describe(facts),
        **recognised,
        "manifest_source": lies,
        "media_type": media_type,
        "duration_s": round(extracted.fingerprint.duration_s, 3) if extracted else None,
        "release": standing,
        "consents": consents,
        "fingerprint_problem": unseen,
    }
    return answer, facts


def _is_known(service: Service, upload: Upload, believed: Credentials, *, recognise: bool) -> bool:
    """Whether nothing of a file has to be opened: the same bytes were looked at a moment ago."""
    memory, key = service.memory, _key(upload, media_type_of(upload.path) or _UNKNOWN, None, believed)
    return memory.facts.get(key) is not None and (not recognise or memory.extracted.get(upload.sha256) is not None)


def _seen(
    service: Service, session: Session, upload: Upload, extracted: Extracted | None
) -> verifications.Seen | None:  # fmt: skip
    """Raises: IndexBehind."""
    if extracted is None:
        return None
    memory = service.memory
    seen = verifications.look_up(
        session, extracted, service.index, before=lambda position: memory.seen.get((upload.sha256, position))
    )
    memory.note_seen(upload.sha256, seen)
    return seen


def _read(
    service: Service, upload: Upload, media_type: str, manifest: bytes | None, believed: Credentials
) -> tuple[ManifestFacts, str | None]:  # fmt: skip
    """What a file says of itself, and where that lies: in it, beside it as sent, or beside it as kept here."""
    if manifest:  # an empty part is a form's field that was left blank
        return service.provenance.read(upload.path, media_type, manifest), "sent"
    facts = _facts_in(service, upload, media_type, None, believed)
    if facts.manifest_label is not None:
        return facts, "embedded"
    with service.database.reading() as session:
        kept = releases.kept_beside(session, upload.sha256)
    if kept is not None:
        return _facts_in(service, upload, media_type, kept, believed), "kept"
    return facts, None


def _facts_in(
    service: Service, upload: Upload, media_type: str, store: bytes | None, believed: Credentials
) -> ManifestFacts:  # fmt: skip
    key = _key(upload, media_type, store, believed)
    with service.memory.facts.finding_out(key):
        known = service.memory.facts.get(key)
        if known is None:
            known = service.provenance.read(upload.path, media_type, store)
            if known.integrity.state is not IntegrityState.UNREADABLE:  # a slow machine may have been to blame for that
                service.memory.note_facts(key, known)
    return known


def _key(upload: Upload, media_type: str, store: bytes | None, believed: Credentials) -> Hashable:
    """What a file says of itself follows from its bytes, and from whom is believed."""
    return upload.sha256, media_type, store, believed.trust_anchors, believed.former_sha256


def _verification(session: Session, kept: Verification) -> VerificationOut:
    return VerificationOut.model_validate(verifications.shown(session, kept))
