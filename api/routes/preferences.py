"""Preferences: what holders said of many works at once, for pipelines that filter before they use."""

from fastapi import APIRouter

from api.access import TheActor, TheService
from api.schemas import PreferenceAnswer, PreferenceAnswers, PreferenceOut, PreferenceQuery
from registry.domain.preferences import Effective
from registry.reservations import query

router = APIRouter(prefix="/v1", tags=["preferences"])


@router.post("/preferences/query")
def query_preferences(body: PreferenceQuery, _actor: TheActor, service: TheService) -> PreferenceAnswers:
    at = body.at or service.now()
    asked = [(item.work_id, item.sha256) for item in body.items]
    with service.database.reading() as session:
        answers = query(session, asked, body.uses, at=at)
    return PreferenceAnswers(
        at=at,
        items=[
            PreferenceAnswer(
                work_ids=answer.work_ids,
                preferences={use: _preference(effective) for use, effective in answer.effective.items()},
            )
            for answer in answers
        ],
    )


def _preference(effective: Effective) -> PreferenceOut:
    return PreferenceOut(answer=effective.answer, declarations=[said.id for said in effective.declarations])
