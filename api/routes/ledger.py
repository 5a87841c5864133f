"""The ledger for anyone: signed tree heads, entries, proofs."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from api.access import TheService
from api.schemas import LedgerEntryOut, Page, ProofOut
from registry import ledger

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


@router.get("/consistency")
def get_consistency(
    service: TheService,
    old: Annotated[int, Query(alias="from", ge=1)],
    new: Annotated[int, Query(alias="to", ge=1)],
) -> list[str]:
    with service.database.reading() as session:
        return [value.hex() for value in ledger.prove_consistency(session, old, new)]
