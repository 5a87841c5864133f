"""What a holder manages of themselves: keys, agents, domains."""

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Body, Response

from api.access import TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.accounts import (
    AgencyOut,
    AgentIn,
    ApiKeyOut,
    DomainIn,
    DomainOut,
    NewKeyIn,
    RepresentedIn,
    RotationIn,
    ToPublish,
)
from api.schemas.base import Page
from api.schemas.holders import KeyOut
from registry import access, agencies, domains
from registry.access import IssuedKey, Scope
from registry.models import Agency, ApiKey, Domain

router = APIRouter(prefix="/v1", tags=["holders"])


@router.get("/keys")
def list_keys(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[ApiKeyOut]:
    actor.require(Scope.HOLDER_WRITE)
    own = sa.select(ApiKey).where(ApiKey.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(
            session, own, ApiKey.id, cursor, limit, lambda key: ApiKeyOut.model_validate(key, from_attributes=True)
        )


@router.post("/keys", status_code=201)
def make_key(body: NewKeyIn, actor: TheActor, service: TheService) -> KeyOut:
    """Make a key; it is shown this once, may do no more than you, and ends with the key or the person that made it."""
    with service.database.transaction() as session:
        issued = access.issue_own_key(
            session, actor, body.scopes, name=body.name, expires_at=body.expires_at, at=service.now()
        )
    return _issued(issued)


@router.post("/keys/{key_id}/rotation", status_code=201)
def rotate_key(
    key_id: str, actor: TheActor, service: TheService, body: Annotated[RotationIn | None, Body()] = None
) -> KeyOut:
    """Make a key that replaces another, which works on for a while and then ends by itself."""
    overlap = timedelta(seconds=(body or RotationIn()).overlap_s)
    with service.database.transaction() as session:
        return _issued(access.rotate_key(session, actor, key_id, overlap=overlap, at=service.now()))


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(key_id: str, actor: TheActor, service: TheService) -> Response:
    """End a key at once, and every key that was made with it."""
    with service.database.transaction() as session:
        access.revoke_key(session, access.own_key(session, actor, key_id).id, at=service.now())
    return Response(status_code=204)


@router.get("/agents")
def list_agents(actor: TheActor, service: TheService) -> list[AgencyOut]:
    """Who acts for you, and for whom you act."""
    with service.database.reading() as session:
        return [_agency(row) for row in agencies.known_to(session, actor, at=service.now())]


@router.post("/agents", status_code=201)
def appoint_agent(body: AgentIn, actor: TheActor, service: TheService) -> AgencyOut:
    """Let another holder act for you. They send `Clearmark-Holder` with your id; what they declare bears both names."""
    with service.database.transaction() as session:
        return _agency(
            agencies.appoint(session, actor, body.agent_id, body.scopes, valid_until=body.valid_until, at=service.now())
        )


@router.delete("/agents/{agency_id}", status_code=204)
def end_agency(agency_id: str, actor: TheActor, service: TheService) -> Response:
    """End it at once; either side may, and the operator."""
    with service.database.transaction() as session:
        agencies.end(session, actor, agency_id, at=service.now())
    return Response(status_code=204)


@router.post("/holders", status_code=201)
def represent(body: RepresentedIn, actor: TheActor, service: TheService) -> AgencyOut:
    """Make a holder whom you represent and who has nobody here; they are unverified until more is shown."""
    with service.database.transaction() as session:
        _, agency = agencies.represent(session, actor, body.name, body.kind, at=service.now())
        return _agency(agency)


@router.get("/domains")
def list_domains(actor: TheActor, service: TheService) -> list[DomainOut]:
    with service.database.reading() as session:
        return [_domain(row) for row in domains.of_holder(session, actor)]


@router.post("/domains", status_code=201)
def claim_domain(body: DomainIn, actor: TheActor, service: TheService) -> DomainOut:
    """Say that a domain is yours; the answer says what to put there. Then ask for it to be checked."""
    with service.database.transaction() as session:
        return _domain(domains.claim(session, actor, body.domain, at=service.now()))


@router.get("/domains/{domain_id}")
def get_domain(domain_id: str, actor: TheActor, service: TheService) -> DomainOut:
    with service.database.reading() as session:
        return _domain(domains.own(session, actor, domain_id))


@router.post("/domains/{domain_id}/check")
def check_domain(domain_id: str, actor: TheActor, service: TheService) -> DomainOut:
    """Look now whether the text is there, once a minute at most; when it was found, it is looked at again every day."""
    with service.probe_slots.taken():
        with service.database.transaction() as session:
            row = domains.begin_look(session, actor, domain_id, at=service.now())
        found = domains.look(service.probe, row.name, row.proof)
    with service.database.transaction() as session:
        row = domains.own(session, actor, domain_id)
        domains.saw(session, row, found, at=service.now())
        return _domain(row)


@router.delete("/domains/{domain_id}", status_code=204)
def let_domain_go(domain_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        domains.let_go(session, actor, domain_id, at=service.now())
    return Response(status_code=204)


def _issued(key: IssuedKey) -> KeyOut:
    return KeyOut(id=key.id, key=key.key, scopes=list(key.scopes), expires_at=key.expires_at)


def _agency(row: Agency) -> AgencyOut:
    return AgencyOut.model_validate(row, from_attributes=True)


def _domain(row: Domain) -> DomainOut:
    where = ToPublish(text=row.proof, dns_name=domains.record_name(row.name), file_url=domains.file_url(row.name))
    return DomainOut(
        id=row.id, domain=row.name, to_publish=where, verified_at=row.verified_at,
        method=domains.Method(row.method) if row.method else None, checked_at=row.checked_at, problem=row.problem,
        lapsed_at=row.lapsed_at, created_at=row.created_at,
    )  # fmt: skip
