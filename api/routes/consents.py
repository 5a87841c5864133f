"""Consents: a person lets a pipeline use their likeness or voice, takes it back, and sees what is made with them.

Nobody is recognised by face or voice: only what a check's context says of persons is looked at, and copies of their
registered reference clips.
"""

from datetime import datetime

from fastapi import APIRouter, Response

from api.access import IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.consents import ConsentIn, ConsentOut, DraftOut
from registry import consents, drafts, idempotency
from registry.consents import NewConsent
from registry.drafts import Made
from registry.models import Consent, Draft

router = APIRouter(prefix="/v1", tags=["consents"])


@router.post("/works/{work_id}/consents", status_code=201)
def grant(
    work_id: str,
    body: ConsentIn,
    actor: TheActor,
    service: TheService,
    response: Response,
    idempotency_key: IdempotencyHeader = None,
) -> ConsentOut:
    at, operation, digest = service.now(), f"consent:{work_id}", idempotency.digest(body.model_dump_json())
    with service.database.transaction() as session:
        known = idempotency.recall(session, actor, operation, idempotency_key, digest)
        if known is not None:
            row = consents.visible(session, actor, known)
        else:
            said = NewConsent(**body.model_dump())
            row = consents.grant(session, actor, work_id, said, service.tokens, at=at)
            idempotency.remember(session, actor, operation, idempotency_key, digest, row.id, at=at)
        response.headers["Location"] = f"/v1/consents/{row.id}"
        return _consent(row, service.now())


@router.get("/works/{work_id}/consents")
def list_consents_of_person(
    work_id: str, actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50
) -> Page[ConsentOut]:
    """All that a person ever granted, what was revoked too."""
    at = service.now()
    with service.database.reading() as session:
        query = consents.of_person(session, actor, work_id)
        return page(session, query, Consent.id, cursor, limit, lambda row: _consent(row, at))


@router.get("/consents")
def list_consents_given_to_me(
    actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50
) -> Page[ConsentOut]:
    """All that was ever granted to you as a pipeline, with the tokens to present."""
    at = service.now()
    with service.database.reading() as session:
        return page(session, consents.given_to(actor), Consent.id, cursor, limit, lambda row: _consent(row, at))


@router.get("/consents/{consent_id}")
def get_consent(consent_id: str, actor: TheActor, service: TheService) -> ConsentOut:
    with service.database.reading() as session:
        return _consent(consents.visible(session, actor, consent_id), service.now())


@router.delete("/consents/{consent_id}", status_code=204)
def revoke(consent_id: str, actor: TheActor, service: TheService) -> Response:
    """Take a consent back at once: no check passes by it from now on, and no release that rests on it goes out."""
    with service.database.transaction() as session:
        consents.revoke(session, actor, consent_id, at=service.now())
    return Response(status_code=204)


@router.get("/works/{work_id}/drafts")
def list_drafts(
    work_id: str, actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50
) -> Page[DraftOut]:
    """Clips made with a person: every check that names them, and what was released of it."""
    with service.database.reading() as session:
        query = drafts.of_person(session, actor, work_id)
        return page(session, query, Draft.check_id, cursor, limit, lambda row: _draft(drafts.made(session, row)))


def _consent(row: Consent, at: datetime) -> ConsentOut:
    granted = consents.grant_of(row)
    return ConsentOut(
        id=row.id,
        work_id=row.work_id,
        title=row.work.title,
        granted_by=row.granted_by,
        grantee_id=row.grantee_id,
        uses=granted.uses,
        scope=granted.scope,
        clip_sha256=row.clip_sha256,
        project=row.project,
        conditions=row.conditions,
        not_before=row.not_before,
        expires=row.expires,
        granted_at=row.granted_at,
        revoked_at=row.revoked_at,
        state=granted.state(at=at),
        token=row.token,
    )


def _draft(made: Made) -> DraftOut:
    return DraftOut.model_validate(made, from_attributes=True)
