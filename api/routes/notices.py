"""Takedown notices: filing them, answering them, and what is done about them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from api import evidence, noticeboard
from api.access import IdempotencyHeader, TheActor, TheActorOrNobody, TheParty, TheService
from api.limits import Kind, guard_address
from api.noticeboard import shown
from api.paging import Cursor, Limit, page
from api.problems import Problem
from api.schemas.base import Page
from api.schemas.notices import (
    NOT_PAPERS,
    ComplaintIn,
    CounterNoticeIn,
    LetterOut,
    NoticeConfirmationIn,
    NoticeIn,
    NoticeOut,
    NoticeTransition,
    PublicationIn,
    QueueOut,
    TrackOut,
    UploaderIn,
)
from api.service import Service
from fingerprinting.document import from_document
from registry import idempotency, recovery
from registry.access import READS, Actor, Scope
from registry.admin_actions import Action, note
from registry.domain.identifiers import Prefix
from registry.errors import Invalid
from registry.models import Corpus, Notice, NoticeEvent, NoticeRelease, Release
from takedown import records
from takedown.correspondence import Uploader
from takedown.decisions import Judgement
from takedown.domain.completeness import CounterContent, NoticeContent, Statement
from takedown.domain.states import Actor as Role
from takedown.domain.states import Event, State
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.materials import Target
from takedown.papers import track_of
from takedown.records import Publication
from takedown.service import NewNotice

router = APIRouter(prefix="/v1", tags=["notices"])


@router.get("/notices/tracks")
def list_tracks() -> list[TrackOut]:
    """What each track of law asks for, with every statement in full, as it is subscribed to."""
    return [noticeboard.track_out(track) for track in TRACKS.values()]


@router.post("/notices", status_code=201)
def file_notice(
    body: NoticeIn, request: Request, actor: TheActorOrNobody, service: TheService,
    idempotency_key: IdempotencyHeader = None,
) -> NoticeOut:  # fmt: skip
    """File a notice. Without a key, an address is confirmed by a code that is mailed to it; nothing happens before."""
    _require_current(TRACKS[body.track].statements, body.statement_versions)
    if actor is None:  # a letter is written to whatever address is given
        guard_address(service.limiter, Kind.SIGN_IN, request.scope)
    if body.fingerprint is not None:
        guard_address(service.limiter, Kind.VERIFICATION, request.scope)
    found = _look_up(service, body.fingerprint) if body.fingerprint is not None else None
    at, digest = service.now(), idempotency.digest(body.model_dump_json())
    said = NewNotice(
        content=NoticeContent(**_tuples(body.model_dump(exclude=NOT_PAPERS))),
        track=body.track,
        target=Target(
            release_id=body.release_id, sha256=body.sha256, verification_id=body.verification_id,
            check_id=body.check_id, found=found,
        ),
        language=body.language,
        address=_address(request),
    )  # fmt: skip
    with service.database.transaction() as session:
        known = idempotency.recall(session, actor, "notice", idempotency_key, digest) if actor else None
        if known is not None and actor is not None:
            return _shown(session, service, actor, service.desk.visible(session, actor, known))
        notice = service.desk.file(session, actor, said, at=at)
        if actor is not None:
            idempotency.remember(session, actor, "notice", idempotency_key, digest, notice.id, at=at)
        return shown(session, service.desk, notice, frozenset({Role.CLAIMANT}), at=at)


@router.post("/notices/{notice_id}/confirmation")
def confirm_address(notice_id: str, body: NoticeConfirmationIn, service: TheService) -> NoticeOut:
    """Show, by the code of our letter, that the address of a notice is read by who filed it."""
    at = service.now()
    with service.database.transaction() as session:
        notice, ticket = service.desk.confirm_address(session, notice_id, body.code, at=at)
        seen = shown(session, service.desk, notice, frozenset({Role.CLAIMANT}), at=at)
        return seen.model_copy(update={"ticket": ticket})


@router.get("/notices")
def list_notices(
    actor: TheActor, service: TheService, cursor: Cursor = None, limit: Limit = 50,
    state: Annotated[State | None, Query()] = None, track: Annotated[TrackName | None, Query()] = None,
) -> Page[NoticeOut]:  # fmt: skip
    actor.require(*READS[Prefix.NOTICE])
    query = sa.select(Notice)
    if not actor.may(Scope.REVIEW):
        about = sa.select(NoticeRelease.notice_id).join(Release, Release.id == NoticeRelease.release_id)
        theirs = Notice.id.in_(about.where(Release.holder_id == actor.holder_id))
        told = Notice.id.in_(sa.select(NoticeEvent.notice_id).where(NoticeEvent.event == Event.DISABLE))
        concerned = sa.and_(theirs, told)
        query = query.where(sa.or_(Notice.holder_id == actor.holder_id, concerned))
    if state is not None:
        query = query.where(Notice.state == state)
    if track is not None:
        query = query.where(Notice.track == track)
    with service.database.reading() as session:
        return page(
            session, query, Notice.id, cursor, limit, lambda notice: _shown(session, service, actor, notice)
        )  # fmt: skip


@router.get("/notices/queue")
def queue(
    actor: TheActor, service: TheService, limit: Limit = 50, offset: Annotated[int, Query(ge=0, le=10**6)] = 0
) -> QueueOut:
    """What waits for a reviewer: what a statute sets a date for, then trusted flaggers, then by what is due first."""
    actor.require(Scope.REVIEW)
    with service.database.reading() as session:
        found = noticeboard.waiting(session, service.desk)
        items = [_shown(session, service, actor, one) for one in found[offset : offset + limit]]
    return QueueOut(items=items, total=len(found))


@router.get("/notices/{notice_id}")
def get_notice(notice_id: str, actor: TheParty, service: TheService) -> NoticeOut:
    with service.database.reading() as session:
        return _shown(session, service, actor, service.desk.visible(session, actor, notice_id))


@router.post("/notices/{notice_id}/transitions")
def act(notice_id: str, body: NoticeTransition, request: Request, actor: TheParty, service: TheService) -> NoticeOut:
    if body.event not in set(Event):
        raise Invalid(field="event", problem=f"Must be one of: {', '.join(Event)}.")
    event, at, desk = Event(body.event), service.now(), service.desk
    with service.database.transaction() as session:
        if body.supplied is not None and event is Event.CURE:
            supplied = body.supplied.model_dump(exclude=NOT_PAPERS, exclude_unset=True)
            track = track_of(desk.visible(session, actor, notice_id))
            _require_current(track.statements, body.supplied.statement_versions)
            notice = desk.cure(session, actor, notice_id, supplied, at=at, address=_address(request))
        else:
            judgement = Judgement(
                **body.model_dump(
                    include={
                        "reason", "reason_code", "fair_use", "legal_ground", "explanation", "intent",
                    }
                ),
                gravity=body.gravity,
            )  # fmt: skip
            notice = desk.act(session, actor, notice_id, event, judgement, at=at)
            if body.for_duplicates:
                for other in noticeboard.open_duplicates(session, notice, event):
                    desk.act(session, actor, other.id, event, judgement, at=at)
        return _shown(session, service, actor, notice)


@router.post("/notices/{notice_id}/counter-notice")
def counter(
    notice_id: str, body: CounterNoticeIn, request: Request, actor: TheParty, service: TheService
) -> NoticeOut:  # fmt: skip
    content = CounterContent(**_tuples(body.model_dump(exclude={"statement_versions"})))
    with service.database.transaction() as session:
        track = track_of(service.desk.visible(session, actor, notice_id))
        _require_current(track.counter_statements, body.statement_versions)
        at, address = service.now(), _address(request)
        notice = service.desk.counter(session, actor, notice_id, content, at=at, address=address)
        return _shown(session, service, actor, notice)


@router.post("/notices/{notice_id}/complaint")
def complain(notice_id: str, body: ComplaintIn, actor: TheParty, service: TheService) -> NoticeOut:
    """Have a decision looked at again, by somebody else than who made it."""
    with service.database.transaction() as session:
        judgement = Judgement(reason=body.reason)
        notice = service.desk.act(session, actor, notice_id, Event.COMPLAIN, judgement, at=service.now())
        return _shown(session, service, actor, notice)


@router.put("/notices/{notice_id}/uploader")
def set_uploader(notice_id: str, body: UploaderIn, actor: TheActor, service: TheService) -> NoticeOut:
    """Say whom to write to about material that no holder here released; they are sent a ticket to answer with."""
    with service.database.transaction() as session:
        said = Uploader(name=body.name, email=body.email, language=body.language)
        notice = service.desk.set_uploader(session, actor, notice_id, said, at=service.now())
        return _shown(session, service, actor, notice)


@router.get("/notices/{notice_id}/letters")
def list_letters(notice_id: str, actor: TheParty, service: TheService) -> list[LetterOut]:
    """What was written about a notice: all of it for reviewers, what was written to them for the parties."""
    with service.database.reading() as session:
        notice = service.desk.visible(session, actor, notice_id)
        roles = service.desk.roles(session, actor, notice)
        found = service.desk.letters.all_of(session, notice.id)
        return [noticeboard.letter_out(*one) for one in found if Role.REVIEWER in roles or one[0].party in roles]


@router.get(
    "/notices/{notice_id}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "The notice with its evidence."}},
)
def get_pdf(notice_id: str, actor: TheActor, service: TheService) -> Response:
    """The notice on paper, with its evidence; for reviewers."""
    notice = _for_review(service, actor, notice_id)
    with service.document_slots.taken(), service.database.reading() as session:
        made = evidence.paper(service, session, session.get_one(Notice, notice), at=service.now())
    return _file(made, "application/pdf", f"{notice_id}.pdf")


@router.get(
    "/notices/{notice_id}/evidence",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "Everything about the notice, hashed."}},
)
def get_evidence(notice_id: str, actor: TheActor, service: TheService) -> Response:
    """One zip with all there is about a notice, which proves itself offline; for reviewers."""
    notice, at = _for_review(service, actor, notice_id), service.now()
    with service.document_slots.taken():
        with service.database.reading() as session:
            gathered = evidence.gather(service, session, session.get_one(Notice, notice), at=at)
        with service.database.transaction() as session:  # receipts sign the head of the log
            made = evidence.write_bundle(service, session, session.get_one(Notice, notice), gathered, at=at)
            note(session, Action.EVIDENCE_EXPORTED, notice, by=actor, at=at)
    return _file(made, "application/zip", f"{notice_id}.evidence.zip")


@router.get("/notices/{notice_id}/statements-of-reasons")
def get_statements(notice_id: str, actor: TheActor, service: TheService) -> list[dict[str, Any]]:
    """A statement for each time it disabled something, as the DSA Transparency Database takes it; for reviewers."""
    actor.require(Scope.REVIEW)
    desk, url = service.desk, service.settings.url
    with service.database.reading() as session:
        notice = desk.visible(session, actor, notice_id)
        return [dict(one) for one in records.statements_of_reasons(session, notice, desk.calendar, url=url)]


@router.get("/notices/{notice_id}/lumen")
def get_lumen(notice_id: str, actor: TheActor, service: TheService) -> dict[str, Any]:
    """The public copy in the fields of the Lumen database; for reviewers, once published."""
    actor.require(Scope.REVIEW)
    desk = service.desk
    with service.database.reading() as session:
        return dict(records.lumen(session, desk.visible(session, actor, notice_id), desk.calendar, desk.policy))


@router.put("/notices/{notice_id}/publication")
def publish(notice_id: str, body: PublicationIn, actor: TheActor, service: TheService) -> NoticeOut:
    """Let anybody read the texts of a notice, redacted by rule and of `terms`."""
    actor.require(Scope.REVIEW)
    said = Publication(
        terms=tuple(body.terms),
        texts=body.publish_texts,
        material=body.publish_material,
        claimant=body.publish_claimant,
    )
    with service.database.transaction() as session:
        notice = service.desk.visible(session, actor, notice_id)
        return _shown(session, service, actor, records.publish(session, actor, notice, said, at=service.now()))


# -- parts ---------------------------------------------------------------------------------------


def _shown(session: Session, service: Service, actor: Actor, notice: Notice) -> NoticeOut:
    roles = service.desk.roles(session, actor, notice)
    return shown(session, service.desk, notice, roles, at=service.now(), reviewer=actor)


def _for_review(service: Service, actor: Actor, notice_id: str) -> str:
    actor.require(Scope.REVIEW)
    with service.database.reading() as session:
        return service.desk.visible(session, actor, notice_id).id


def _require_current(statements: Sequence[Statement], versions: dict[str, int] | None) -> None:
    """Refuse statements that somebody was shown in other words than they have now."""
    current = {one.name: one for one in statements}
    for name, version in (versions or {}).items():
        if name not in current:
            raise Invalid(field="statement_versions", problem=f"Must be of: {', '.join(current) or 'none'}.")
        if current[name].version != version:
            detail = f"The statement {name} has changed. Read version {current[name].version} and say it again."
            raise Problem(HTTPStatus.CONFLICT, "statement-changed", detail, statement=current[name].text)


def _look_up(service: Service, document: dict[str, Any]) -> list[str]:
    """The releases that a fingerprint leads to, the strongest first."""
    fingerprint = from_document(document)
    with service.media_slots.taken(), service.database.reading() as session:
        found = service.index.search(session, Corpus.RELEASES, fingerprint, timeout_s=service.settings.catch_up_s)
        return [one.release.id for one in recovery.recover(session, None, found)]


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
