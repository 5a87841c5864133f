"""Preferences: what holders said of many works at once, for pipelines that filter before they use."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter

from api.access import TheActor, TheService
from api.schemas.preferences import (
    PreferenceAnswer,
    PreferenceAnswers,
    PreferenceItem,
    PreferenceQuery,
    PreferenceQuestion,
    ReservationOut,
)
from registry import reservations
from registry.domain.preferences import Answer, Use
from registry.preferences import Asked, Found, query

router = APIRouter(prefix="/v1", tags=["preferences"])
JSON: TypeAdapter[Any] = TypeAdapter(Any)


@router.post("/preferences/query", response_model=PreferenceAnswers)
def query_preferences(body: PreferenceQuery, _actor: TheActor, service: TheService) -> Response:
    """What holds for each item, for each use. Items are answered in their order."""
    at = body.at or service.now()
    asked = [asked_about(item) for item in body.items]
    with service.database.reading() as session:
        found: Iterable[Found] = query(session, asked, body.uses, at=at, territory=body.territory)
        declarations = None
        if body.details:
            found = list(found)
            ids = {said for one in found for holding in one.holding.values() for said in holding.declarations}
            declarations = {
                row.id: ReservationOut.model_validate(row, from_attributes=True)
                for row in reservations.with_ids(session, ids)
            }
    answer = {"at": at, "items": told(found), "declarations": declarations}
    return Response(JSON.dump_json(answer), media_type="application/json")


@router.get("/preferences")
def get_preferences(
    _actor: TheActor,
    service: TheService,
    asked: Annotated[PreferenceQuestion, Query()],
) -> PreferenceAnswer:
    """What holds for one work, file or web location, on any day since it was registered."""
    with service.database.reading() as session:
        found = query(session, [asked_about(asked)], list(Use), at=asked.at or service.now(), territory=asked.territory)
    [answer] = told(found)
    return PreferenceAnswer.model_validate(answer)


def asked_about(item: PreferenceItem) -> Asked:
    """The question that an item puts."""
    return Asked(work_id=item.work_id, asset_id=item.asset_id, sha256=item.sha256, iscc=item.iscc, url=item.url)


def told(found: Iterable[Found]) -> Iterator[dict[str, Any]]:
    """`PreferenceAnswer`s, as plain as can be: of ten thousand, models alone would take longer than finding them."""
    return (
        {
            "work_ids": one.work_ids,
            "preferences": {
                _USES[use]: {"answer": _ANSWERS[holding.answer], "declarations": holding.declarations}
                if holding.declarations
                else _UNSET
                for use, holding in one.holding.items()
            },
        }
        for one in found
    )


_USES, _ANSWERS = {use: use.value for use in Use}, {answer: answer.value for answer in Answer}
_UNSET: dict[str, object] = {"answer": Answer.UNSET.value, "declarations": []}
