"""What reviewers and the operator do beside single notices: misuse, trusted flaggers, letters."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse
from sqlalchemy.orm import Session

from api.access import TheActor, TheService
from api.mail import NoBounce, read_bounce
from api.problems import Problem
from api.schemas.notices import (
    BounceOut,
    FactorsOut,
    FlaggerEndIn,
    FlaggerIn,
    FlaggerOut,
    MisuseDecisionOut,
    MisuseIn,
    MisuseOut,
    StrikeOut,
    TemplateOut,
)
from api.service import Service
from registry import mail
from registry.access import Actor, Scope
from registry.admin_actions import Action, note
from registry.errors import NotFound
from registry.models import Holder, NoticeLetter, Strike
from registry.suspensions import Measure, Side
from takedown import misuse
from takedown.letter_samples import sample
from takedown.letters import LANGUAGES, TRACKS_OF, LetterName, render, version_of

router = APIRouter(prefix="/v1", tags=["takedown desk"])

_MOST_BOUNCE_BYTES = 1 << 20


@router.get("/misuse")
def list_misuse(actor: TheActor, service: TheService) -> list[MisuseOut]:
    """Holders with so many strikes that a reviewer should think of a suspension."""
    actor.require(Scope.REVIEW)
    with service.database.reading() as session:
        found = misuse.to_consider(session, service.desk.policy, at=service.now())
        return [_misuse(session, service, holder_id) for holder_id in dict.fromkeys(one for one, _ in found)]


@router.get("/holders/{holder_id}/misuse")
def get_misuse(holder_id: str, actor: TheActor, service: TheService) -> MisuseOut:
    """What counts against a holder, and what was decided (DSA art. 23): one's own, or any for reviewers."""
    if holder_id != actor.holder_id:
        actor.require(Scope.REVIEW)
    with service.database.reading() as session:
        return _misuse(session, service, holder_id, by=actor)


@router.post("/holders/{holder_id}/misuse")
def decide_misuse(holder_id: str, body: MisuseIn, actor: TheActor, service: TheService) -> MisuseOut:
    """Warn a holder, suspend them for a time after a warning, or lift that."""
    side, measure = Side(body.side), Measure(body.decision)
    with service.database.transaction() as session:
        at = service.now()
        service.desk.decide_misuse(session, actor, holder_id, side, measure, body.reason, at=at, until=body.until)
        return _misuse(session, service, holder_id)


@router.put("/holders/{holder_id}/trusted-flagger")
def trust(holder_id: str, body: FlaggerIn, actor: TheActor, service: TheService) -> FlaggerOut:
    """Make a holder a trusted flagger (DSA art. 22): their notices come first, and are counted apart."""
    with service.database.transaction() as session:
        row = misuse.trust(session, actor, holder_id, body.basis, at=service.now())
        return FlaggerOut.model_validate(row, from_attributes=True)


@router.post("/holders/{holder_id}/trusted-flagger/end")
def distrust(holder_id: str, body: FlaggerEndIn, actor: TheActor, service: TheService) -> FlaggerOut:
    with service.database.transaction() as session:
        row = misuse.distrust(session, actor, holder_id, body.reason, at=service.now())
        return FlaggerOut.model_validate(row, from_attributes=True)


# -- letters -------------------------------------------------------------------------------------


@router.get("/letters")
def list_templates(actor: TheActor) -> list[TemplateOut]:
    """Every letter that may be written, by language and version."""
    actor.require(Scope.REVIEW)
    return [
        TemplateOut(
            name=name,
            tracks=list(TRACKS_OF[name]),
            versions={language: version_of(name, language) for language in LANGUAGES},
        )
        for name in LetterName
    ]


@router.get(
    "/letters/{name}/preview",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}, "text/html": {}}, "description": "The letter with made-up facts."}},
)
def preview(
    name: LetterName, actor: TheActor,
    language: Annotated[str, Query(max_length=35)] = "en",
    track: Annotated[str | None, Query(max_length=40)] = None,
    html: bool = False,
) -> Response:  # fmt: skip
    """A letter as it would go out, with made-up facts."""
    actor.require(Scope.REVIEW)
    if track is not None and track not in TRACKS_OF[name]:
        raise NotFound(kind=f"letter {name} on track", id=track)
    made = render(name, sample(name, track=track), language=language)
    return HTMLResponse(made.html) if html else PlainTextResponse(f"Subject: {made.subject}\n\n{made.text}")


@router.post(
    "/letters/bounces",
    openapi_extra={"requestBody": {"content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def note_bounce(request: Request, actor: TheActor, service: TheService) -> BounceOut:
    """Note that a letter came back: the report of the mail server (RFC 3464), as it came."""
    actor.require(Scope.REVIEW)
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MOST_BOUNCE_BYTES:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", "A report has at most a mebibyte.")
    return await run_in_threadpool(_bounced, service, actor, bytes(raw))


@router.post("/letters/{mail_id}/again")
def send_again(mail_id: str, actor: TheActor, service: TheService) -> BounceOut:
    """Send a letter once more that failed, or of which nobody knows whether it went out.

    One that came back goes out as it is kept: without the code or the key that was in it.
    """
    actor.require(Scope.REVIEW)
    with service.database.transaction() as session:
        kept = session.get(NoticeLetter, mail_id)
        text, html = (kept.text, kept.html) if kept is not None else (None, None)
        sent = mail.again(session, mail_id, at=service.now(), text=text, html=html)
        note(session, Action.LETTER_SENT_AGAIN, mail_id, by=actor, at=service.now())
        return BounceOut(mail_id=sent.id, problem="")


def _bounced(service: Service, actor: Actor, raw: bytes) -> BounceOut:
    try:
        bounce = read_bounce(raw)
    except NoBounce as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error), field="body") from None
    with service.database.transaction() as session:
        row = mail.bounced(session, bounce.mail_id, bounce.problem, at=service.now())
        note(session, Action.LETTER_CAME_BACK, row.id, by=actor, at=service.now())
        return BounceOut(mail_id=row.id, problem=row.problem or "")


def _misuse(session: Session, service: Service, holder_id: str, *, by: Actor | None = None) -> MisuseOut:
    """All about a holder; who decided is for reviewers to see."""
    hidden = {"decided_by": None} if by is not None and not by.may(Scope.REVIEW) else {}
    if session.get(Holder, holder_id) is None:
        raise NotFound(kind="holder", id=holder_id)
    policy, at = service.desk.policy, service.now()
    strikes = session.scalars(sa.select(Strike).where(Strike.holder_id == holder_id).order_by(Strike.id))
    return MisuseOut(
        holder_id=holder_id,
        factors=[
            FactorsOut(side=side, **asdict(misuse.factors(session, holder_id, side, policy, at=at))) for side in Side
        ],
        strikes=[StrikeOut.model_validate(one, from_attributes=True) for one in strikes],
        decisions=[
            MisuseDecisionOut.model_validate(one, from_attributes=True).model_copy(update=hidden)
            for one in misuse.decisions_about(session, holder_id)
        ],
    )
