"""The negative bank, for operators: material that everybody may use, and that counts for nobody."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Response

from api.access import IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.works import NegativeOut
from api.service import Service
from api.uploads import Received, Submission, form_body
from fingerprinting.decode import probe
from registry import idempotency, negatives
from registry.access import Actor, Scope
from registry.errors import Invalid
from registry.jobs import JobKind
from registry.models import Negative

router = APIRouter(prefix="/v1", tags=["negatives"])

_TITLE = {"type": "string", "minLength": 1, "maxLength": 500, "description": "As form field or query parameter."}
_FIELDS: dict[str, dict[str, Any]] = {"title": _TITLE}


@router.post("/negatives", status_code=202, openapi_extra=form_body(document=True, **_FIELDS))
def add_negative(
    actor: TheActor,
    received: Received,
    service: TheService,
    response: Response,
    title: str | None = None,
    idempotency_key: IdempotencyHeader = None,
) -> NegativeOut:
    actor.require(Scope.ADMIN)
    said = received.fields.get("title", title)
    if said is None:
        raise Invalid(field="title", problem="Say what it is: a title of at most 500 characters.")
    with service.database.reading() as session:
        known = idempotency.recall(session, actor, "negative", idempotency_key, received.sha256)
    entry_id = known or _add(service, actor, said, received, idempotency_key)
    response.headers["Location"] = f"/v1/negatives/{entry_id}"
    with service.database.reading() as session:
        return _negative(negatives.visible(session, actor, entry_id))


@router.get("/negatives")
def list_negatives(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[NegativeOut]:
    actor.require(Scope.ADMIN)
    held = sa.select(Negative).where(Negative.removed_at.is_(None))
    with service.database.reading() as session:
        return page(session, held, Negative.id, cursor, limit, _negative)


@router.get("/negatives/{negative_id}")
def get_negative(negative_id: str, actor: TheActor, service: TheService) -> NegativeOut:
    with service.database.reading() as session:
        return _negative(negatives.visible(session, actor, negative_id))


@router.delete("/negatives/{negative_id}", status_code=204)
def remove_negative(negative_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        freed = negatives.remove(session, actor, negative_id, at=service.now())
    if freed:
        service.blobs.delete(freed)
    return Response(status_code=204)


def _add(service: Service, actor: Actor, title: str, received: Submission, key: str | None) -> str:
    at = service.now()
    if received.upload is None:
        assert received.fingerprint is not None
        with service.database.transaction() as session:
            entry, job_id = negatives.add_fingerprint(session, actor, title, received.fingerprint, at=at)
            idempotency.remember(session, actor, "negative", key, received.sha256, entry.id, at=at)
    else:
        upload = received.upload
        probe(upload.path, limits=service.decode_limits)  # what is no media at all is refused at once
        blob = f"negative_{upload.path.name}"
        with service.blobs.adopted(upload.path, blob), service.database.transaction() as session:
            entry, job_id = negatives.add_upload(session, actor, title, blob_key=blob, sha256=upload.sha256, at=at)
            idempotency.remember(session, actor, "negative", key, upload.sha256, entry.id, at=at)
    service.hint(job_id, JobKind.NEGATIVE)
    return entry.id


def _negative(entry: Negative) -> NegativeOut:
    return NegativeOut.model_validate(entry, from_attributes=True)
