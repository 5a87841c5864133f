"""The ledger: signed tree heads, entries and proofs for anyone, receipts for whose record it is."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.orm import Session

from api.access import TheActor, TheService
from api.schemas.base import Page
from api.schemas.ledger import LedgerEntryOut, ProofOut
from api.service import Service
from registry import checks, consents, ledger, releases, reservations, works
from registry.access import Actor
from registry.domain import receipt
from registry.domain.identifiers import Prefix
from registry.errors import NotFound

_RECEIPT = "application/json"
router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
_Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/checkpoint", response_class=PlainTextResponse)
def get_checkpoint(service: TheService) -> str:
    with service.database.transaction() as session:
        return ledger.checkpoint(session, service.ledger, at=service.now())


@router.get("/key", response_class=PlainTextResponse)
def get_key(service: TheService) -> str:
    """The verifier key that checkpoints are signed with, as C2SP signed-note writes it."""
    return service.ledger.verifier_key


@router.get("/entries")
def get_entries(
    service: TheService, start: _Number = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Page[LedgerEntryOut]:
    with service.database.reading() as session:
        rows = ledger.entries(session, start=start, limit=limit + 1)
    items = [LedgerEntryOut(number=row.number, data=row.data, leaf_hash=row.leaf_hash.hex()) for row in rows[:limit]]
    return Page(items=items, next=str(rows[limit].number) if len(rows) > limit else None)


@router.get("/proof")
def get_proof(service: TheService, number: _Number) -> ProofOut:
    with service.database.transaction() as session:
        proof = ledger.prove(session, number, service.ledger, at=service.now())
    return ProofOut(
        number=proof.number,
        data=proof.data,
        checkpoint=proof.checkpoint,
        hashes=[h.hex() for h in proof.hashes],
    )


@router.get("/receipts/{subject_id}", response_class=Response, responses={200: {"content": {_RECEIPT: {}}}})
def get_receipt(subject_id: str, actor: TheActor, service: TheService) -> Response:
    """A file that proves what a work, reservation, consent, check, release or notice of yours says, for years."""
    with service.database.transaction() as session:
        subject = _own(session, actor, service, subject_id)
        made = ledger.receipt(session, subject, service.ledger, at=service.now())
    disposition = f'attachment; filename="{subject_id}.receipt.json"'
    return Response(receipt.write(made), media_type=_RECEIPT, headers={"Content-Disposition": disposition})


def _own(session: Session, actor: Actor, service: Service, subject_id: str) -> ledger.Record:
    match subject_id.partition("_")[0]:
        case Prefix.WORK:
            return works.own_work(session, actor, subject_id)
        case Prefix.RESERVATION:
            return reservations.own(session, actor, subject_id)
        case Prefix.CONSENT:
            return consents.visible(session, actor, subject_id)
        case Prefix.CHECK:
            return checks.visible(session, actor, subject_id)
        case Prefix.RELEASE:
            return releases.own_release(session, actor, subject_id)
        case Prefix.NOTICE:
            return service.desk.visible(session, actor, subject_id)
    raise NotFound(kind="record", id=subject_id)


@router.get("/consistency")
def get_consistency(
    service: TheService,
    old: Annotated[int, Query(alias="from", ge=1)],
    new: Annotated[int, Query(alias="to", ge=1)],
) -> list[str]:
    with service.database.reading() as session:
        return [value.hex() for value in ledger.prove_consistency(session, old, new)]
