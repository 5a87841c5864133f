"""The ledger: signed tree heads, entries and proofs for anyone, receipts for whose record it is."""

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import StringConstraints
from sqlalchemy.orm import Session

from api.access import TheActor, TheService
from api.schemas.base import Page
from api.schemas.ledger import LedgerEntryOut, LedgerKeyOut, ProofOut, TimestampOut
from api.service import Service
from registry import anchors, checks, conflicts, consents, ledger, ledger_keys, lookback, releases, reservations, works
from registry.access import Actor, Scope
from registry.domain import receipt
from registry.domain.identifiers import Prefix
from registry.errors import NotFound
from registry.facts import Record

_RECEIPT = "application/json"
router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
_Number = Annotated[int, Query(ge=0, le=2**31 - 1)]


_MAX_WITNESSES = 16
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


@router.get("/checkpoint", response_class=PlainTextResponse)
def get_checkpoint(
    service: TheService, witness: Annotated[list[_Name] | None, Query(max_length=_MAX_WITNESSES)] = None
) -> str:
    """The signed head of the log; with `witness`, the newest that these witnesses, by name, have cosigned."""
    if witness:
        with service.database.reading() as session:
            return ledger.cosigned(session, anchors.newest_cosigned(session, witness))
    with service.database.transaction() as session:
        return ledger.checkpoint(session, service.ledger, at=service.now())


@router.get("/checkpoint/timestamp")
def get_timestamp(service: TheService, size: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None) -> TimestampOut:
    """What a time-stamp authority says of the checkpoint of a size; else of the newest that was stamped."""
    with service.database.reading() as session:
        found = anchors.timestamp_of(session, size)
    return TimestampOut(
        size=found.size, at=found.at, authority=found.authority, note=found.note, key=found.verifier_key,
        reply=b64encode(found.reply).decode(),
    )  # fmt: skip


@router.get("/key", response_class=PlainTextResponse)
def get_key(service: TheService) -> str:
    """The verifier key that checkpoints are signed with, as C2SP signed-note writes it."""
    return service.ledger.verifier_key


@router.get("/keys")
def get_keys(service: TheService) -> list[LedgerKeyOut]:
    """Every key that ever signed, oldest first, with the statements by which each introduced the next."""
    with service.database.reading() as session:
        keys = ledger_keys.history(session)
        entries = {key.id: ledger.last_entry_about(session, key.id) for key in keys}
    return [
        LedgerKeyOut(
            number=key.number, key=key.verifier_key, first_size=ledger_keys.first_size(key), handover=key.handover,
            introduced_at=key.introduced_at, entry=entry.number if entry else None,
            salt=entry.salt.hex() if entry else None,
        )
        for key, entry in ((key, entries[key.id]) for key in keys)
    ]  # fmt: skip


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
    """A file that proves for years what a record of yours says, also one that was withdrawn."""
    with service.database.transaction() as session:
        subject = _own(session, actor, service, subject_id)
        made = ledger.receipt(session, subject, service.ledger, at=service.now())
    disposition = f'attachment; filename="{subject_id}.receipt.json"'
    return Response(receipt.write(made), media_type=_RECEIPT, headers={"Content-Disposition": disposition})


def _own(session: Session, actor: Actor, service: Service, subject_id: str) -> Record:
    match subject_id.partition("_")[0]:
        case Prefix.WORK:
            return works.ever_own(session, actor, subject_id)
        case Prefix.RESERVATION:
            return reservations.own(session, actor, subject_id)
        case Prefix.CONSENT:
            return consents.visible(session, actor, subject_id)
        case Prefix.CHECK:
            return checks.visible(session, actor, subject_id)
        case Prefix.RELEASE:
            return releases.own_release(session, actor, subject_id)
        case Prefix.NOTICE:
            actor.require(Scope.REVIEW)  # it holds what either party said of themselves
            return service.desk.visible(session, actor, subject_id)
        case Prefix.CONFLICT:
            return conflicts.visible(session, actor, subject_id)
        case Prefix.FINDING:
            return lookback.visible(session, actor, subject_id)
    raise NotFound(kind="receipt of", id=subject_id)


@router.get("/consistency")
def get_consistency(
    service: TheService,
    old: Annotated[int, Query(alias="from", ge=1)],
    new: Annotated[int, Query(alias="to", ge=1)],
) -> list[str]:
    with service.database.reading() as session:
        return [value.hex() for value in ledger.prove_consistency(session, old, new)]
