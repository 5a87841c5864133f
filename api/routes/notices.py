"""Takedown notices and counter-notices."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter

from api.access import IdempotencyHeader, TheActor, TheService
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.notices import (
    CounterNoticeIn,
    DeadlineOut,
    MissingOut,
    NoticeEventOut,
    NoticeIn,
    NoticeOut,
    NoticeTransition,
)
from registry import idempotency
from registry.access import Scope
from registry.errors import Invalid
from registry.models import Notice
from takedown.domain.completeness import CounterContent, NoticeContent
from takedown.domain.states import Event
from takedown.service import Desk, assessment_of, possible_events

router = APIRouter(prefix="/v1", tags=["notices"])


@router.post("/notices", status_code=201)
def file_notice(
    body: NoticeIn, actor: TheActor, service: TheService, idempotency_key: IdempotencyHeader = None
) -> NoticeOut:
    at = service.now()
    digest = idempotency.digest(body.model_dump_json())
    with service.database.transaction() as session:
        known = idempotency.recall(session, actor, "notice", idempotency_key, digest)
        if known is not None:
            return _notice(service.desk.visible(session, actor, known), service.desk)
        content = NoticeContent(**_tuples(body.model_dump(exclude={"release_id"})))
        notice = service.desk.file(session, actor, content, release_id=body.release_id, at=at)
        idempotency.remember(session, actor, "notice", idempotency_key, digest, notice.id, at=at)
        return _notice(notice, service.desk)


@router.get("/notices")
def list_notices(actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50) -> Page[NoticeOut]:
    query = sa.select(Notice)
    if not actor.may(Scope.REVIEW):
        query = query.where(Notice.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(session, query, Notice.id, cursor, limit, lambda notice: _notice(notice, service.desk))


@router.get("/notices/{notice_id}")
def get_notice(notice_id: str, actor: TheActor, service: TheService) -> NoticeOut:
    with service.database.reading() as session:
        return _notice(service.desk.visible(session, actor, notice_id), service.desk)


@router.post("/notices/{notice_id}/transitions")
def act(notice_id: str, body: NoticeTransition, actor: TheActor, service: TheService) -> NoticeOut:
    if body.event not in set(Event):
        raise Invalid(field="event", problem=f"Must be one of: {', '.join(Event)}.")
    event, at = Event(body.event), service.now()
    with service.database.transaction() as session:
        if body.supplied is not None and event is Event.CURE:
            supplied = body.supplied.model_dump(exclude={"release_id"}, exclude_unset=True)
            notice = service.desk.cure(session, actor, notice_id, supplied, at=at)
        else:
            notice = service.desk.act(session, actor, notice_id, event, reason=body.reason, at=at)
        return _notice(notice, service.desk)


@router.post("/notices/{notice_id}/counter-notice")
def counter(notice_id: str, body: CounterNoticeIn, actor: TheActor, service: TheService) -> NoticeOut:
    content = CounterContent(**_tuples(body.model_dump()))
    with service.database.transaction() as session:
        notice = service.desk.counter(session, actor, notice_id, content, at=service.now())
        return _notice(notice, service.desk)


def _notice(notice: Notice, desk: Desk) -> NoticeOut:
    return NoticeOut(
        id=notice.id,
        track=notice.track,
        state=notice.state,
        release_id=notice.release_id,
        missing=[
            MissingOut(element=m.element, reference=m.reference, what_to_supply=m.what_to_supply)
            for m in assessment_of(notice).missing
        ],
        deadlines=[
            DeadlineOut(name=d.name, at=d.at, basis=d.basis, statutory=d.statutory) for d in desk.deadlines(notice)
        ],
        possible_events=[event.value for event in possible_events(notice)],
        history=[NoticeEventOut.model_validate(event, from_attributes=True) for event in notice.events],
        created_at=notice.created_at,
    )


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
