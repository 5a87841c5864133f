"""Verification: anyone may ask where a file came from; no key is needed."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter

from api.access import TheService
from api.problems import Problem
from api.schemas.releases import VerificationOut
from api.service import Service
from api.uploads import ReceivedFile, Upload, form_body
from fingerprinting.errors import MediaError
from fingerprinting.extract import Extracted, extract_query
from provenance.media_types import media_type_of
from registry import verifications
from registry.errors import NotFound
from registry.models import Verification

router = APIRouter(prefix="/v1", tags=["verifications"])


@router.post("/verifications", openapi_extra=form_body(document=False))
def verify(received: ReceivedFile, service: TheService) -> VerificationOut:
    upload = received.require_upload()
    with service.media_slots.taken():
        answer = _facts(service, upload)
    with service.database.transaction() as session:
        kept = verifications.keep(session, upload.sha256, answer, at=service.now())
    return _verification(kept)


@router.get("/verifications/{verification_id}")
def get_verification(verification_id: str, service: TheService) -> VerificationOut:
    with service.database.reading() as session:
        kept = session.get(Verification, verification_id)
    if kept is None:
        raise NotFound(kind="verification", id=verification_id)
    return _verification(kept)


def _facts(service: Service, upload: Upload) -> dict[str, Any]:
    media_type = media_type_of(upload.path)
    extracted: Extracted | None = None
    problem: MediaError | None = None
    try:
        extracted = extract_query(upload.path, limits=service.decode_limits, embedder=service.embedder)
    except MediaError as error:
        problem = error
    if problem is not None and media_type is None:
        # Neither a container that we know nor anything that could be played: not a file to verify.
        detail = f"{problem.problem} Send a video, sound or image file."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "not-media", detail, fault=problem.fault)
    facts = service.provenance.read(upload.path, media_type or "application/octet-stream")
    at = service.now()
    with service.database.reading() as session:
        recognised = verifications.recognise(session, extracted, service.index, at=at)
        consents = verifications.consents_in(session, facts, service.tokens.public(), at=at)
    unread = problem.problem if problem else None
    return {**verifications.describe(facts), **recognised, "consents": consents, "fingerprint_problem": unread}


def _verification(kept: Verification) -> VerificationOut:
    return VerificationOut.model_validate({"id": kept.id, "sha256": kept.sha256, **kept.answer})
