"""The registry as anybody may read it: works by their titles, numbers and holders, and what was said of their uses."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.access import TheService
from api.paging import Cursor, Limit
from api.schemas.base import Page, Time
from api.schemas.preferences import PreferenceOut
from api.schemas.public_registry import (
    DisputeOut,
    PublicDeclarationOut,
    PublicHolderOut,
    PublicWorkDetailOut,
    PublicWorkOut,
)
from registry import public_record
from registry.models import Holder, Work
from registry.public_record import Dispute, Listed, Word
from registry.search import STANDARD_NUMBERS

router = APIRouter(prefix="/v1/public/works", tags=["public records"])


@router.get("")
def search_works(
    service: TheService, cursor: Cursor = None, limit: Limit = 50,
    q: Annotated[str, Query(max_length=200, description="Words of titles and of the holder, or a number.")] = "",
) -> Page[PublicWorkOut]:  # fmt: skip
    """Works that have all these words, or this ISRC, ISWC, ISAN, EIDR, ISNI or ISCC; newest first."""
    with service.database.reading() as session:
        found, following = public_record.find(session, q, before=cursor, limit=limit, at=service.now())
        return Page(items=[PublicWorkOut(**_work(one)) for one in found], next=following)


@router.get("/{work_id}")
def get_public_work(
    work_id: str,
    service: TheService,
    at: Annotated[Time | None, Query(description="What was in force then; now, when it is left out.")] = None,
) -> PublicWorkDetailOut:
    """What was said of a work's uses, by whom, and who else claims it."""
    at = at or service.now()
    with service.database.reading() as session:
        found = public_record.of_work(session, work_id, at=at)
        work = found.listed.work
        return PublicWorkDetailOut(
            **_work(found.listed),
            at=at,
            alternative_titles=[one["title"] for one in work.alternative_titles],
            creators=work.creators,
            identifiers={name: value for name, value in work.identifiers.items() if name in STANDARD_NUMBERS},
            preferences={
                use: PreferenceOut(answer=one.answer, declarations=list(one.declarations))
                for use, one in found.holding.items()
            },
            declarations=[_declaration(word) for word in found.words],
            disputes=[_dispute(one) for one in found.disputes],
            sites=list(found.sites),
            entry=found.entry,
        )


def _work(listed: Listed) -> dict[str, object]:
    work: Work = listed.work
    return {
        "id": work.id, "title": work.title, "kind": work.kind, "year": work.year, "holder": _holder(work.holder),
        "answers": listed.answers, "is_disputed": listed.is_disputed, "is_held": listed.is_held,
        "registered_at": work.created_at,
    }  # fmt: skip


def _holder(holder: Holder) -> PublicHolderOut:
    return PublicHolderOut.model_validate(holder, from_attributes=True)


def _declaration(word: Word) -> PublicDeclarationOut:
    said, agent = word.said, word.agent
    names = set(PublicDeclarationOut.model_fields) - {"holder", "agent", "entry"}
    return PublicDeclarationOut(
        **{name: getattr(said, name) for name in names},
        holder=_holder(word.holder), agent=_holder(agent) if agent else None, entry=word.entry,
    )  # fmt: skip


def _dispute(found: Dispute) -> DisputeOut:
    rival = found.rival
    return DisputeOut(
        work_id=rival.id, title=rival.title_for(None), holder=_holder(rival.holder), seconds=found.seconds,
        since=found.since, came_first=found.came_first,
    )  # fmt: skip
