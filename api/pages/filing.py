"""Filing a notice: for which track, about what, by whom; and the code of the letter that shows whose address it is."""

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import noticeboard
from api.limits import Kind, guard_address
from api.pages.forms import Form
from api.pages.notice_forms import notice_of
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, PageActorOrNobody, PostedForm, ThePage
from api.pages.uploads import PageFiles
from api.pages.visit import SignedIn
from api.problems import Problem
from api.routes import notices, verifications
from api.schemas.notices import NoticeConfirmationIn
from registry.access import Actor
from registry.errors import NotFound
from takedown.domain.completeness import Assessment
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS

router = APIRouter()


class Asked(BaseModel):
    """What a link to the form says already."""

    track: Annotated[str, Field(max_length=40)] = ""
    release_id: Annotated[str, Field(max_length=64)] = ""
    verification_id: Annotated[str, Field(max_length=64)] = ""
    check_id: Annotated[str, Field(max_length=64)] = ""
    sha256: Annotated[str, Field(max_length=64)] = ""
    work_id: Annotated[str, Field(max_length=64)] = ""

    def but(self, **other: str) -> str:
        """The address of the form, with something else said."""
        said = {name: value for name, value in (self.model_dump() | other).items() if value}
        return f"/notices/new?{urlencode(said)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """To which releases a file was led back; `is_known`: whether it is still known which file that was."""

    is_known: bool
    releases: list[dict[str, Any]]


@router.get("/notices/new")
def show_form(page: ThePage, actor: PageActorOrNobody, asked: Annotated[Asked, Query()]) -> Response:
    if asked.track not in set(TrackName):
        return page.show("notices/which.html.j2", asked=asked, say=NoticeWords.of(page))
    return _form(page, actor, _begun(page, actor, asked), asked)


@router.post("/notices/new")
def file(page: ThePage, actor: PageActorOrNobody, form: PostedForm) -> Response:
    """What is missing is told before it is filed; then it is filed in any case, if its claimant wants that."""
    lacking = None
    with form.heeding():
        track = _track(form)
        body = notice_of(form, track)
        lacking = noticeboard.lacks(body)
        if not lacking.missing or form.get("as_it_is"):
            key = form.get("idempotency_key") or None
            notice = notices.file_notice(body, page.request, actor, page.service, idempotency_key=key)
            if actor is not None:
                told = page.gettext("Your notice %(id)s is filed.", id=notice.id)
                return page.go(f"/my-notices/{notice.id}", told=told)
            told = page.gettext(
                "Your notice %(id)s is filed. A letter with a code is on its way to %(email)s.",
                id=notice.id, email=body.contact_email,
            )  # fmt: skip
            return page.go(f"/my-notices/{notice.id}/confirm", told=told)
        form.status = HTTPStatus.UNPROCESSABLE_ENTITY
    asked = Asked(**{name: form.get(name) for name in Asked.model_fields})
    return _form(page, actor, form, asked, lacking)


@router.post("/notices/new/file")
def verify_file(page: ThePage, sent: PageFiles) -> Response:
    """Look at a file that somebody found, to learn which release it is."""
    form, asked = sent.form, Asked(**{name: sent.form.get(name) for name in Asked.model_fields})
    with form.heeding():
        guard_address(page.service.limiter, Kind.VERIFICATION, page.request.scope)
        found = verifications.verify(sent.require_file(), page.service)
        return page.go(asked.but(verification_id=found.id, release_id="", sha256=""))
    if asked.track not in set(TrackName):
        return page.go("/notices/new")
    begun = _begun(page, page.actor, asked)
    begun.errors, begun.status = form.errors, form.status
    return _form(page, page.actor, begun, asked)


@router.get("/my-notices/{notice_id}/confirm")
def show_confirmation(notice_id: str, page: ThePage) -> Response:
    return page.show("notices/confirm.html.j2", form=page.form(), notice_id=notice_id)


@router.post("/my-notices/{notice_id}/confirm")
def confirm(notice_id: str, page: ThePage, form: PostedForm) -> Response:
    """Take the code of the letter; who has no account is let in with the ticket from then on."""
    with form.heeding():
        notice = notices.confirm_address(notice_id, form.parse(NoticeConfirmationIn), page.service)
        if notice.ticket is not None and page.actor is not None and page.actor.ticket_sha256 is None:
            told = page.gettext(
                "Your address is confirmed. The ticket of this notice, shown this once: %(ticket)s",
                ticket=notice.ticket,
            )
            return page.go("/my-notices", told=told)
        answer = page.go(f"/my-notices/{notice.id}", told=confirmed(page))
        if notice.ticket is not None:
            page.cookies.sign_in(answer, SignedIn(credential=notice.ticket), at=page.at)
        return answer
    return page.show("notices/confirm.html.j2", status=form.status, form=form, notice_id=notice_id)


def confirmed(page: Page) -> str:
    """Where the page of a notice says this, it shows the ticket, too."""
    return page.gettext("Your address is confirmed. From now on we write to you about this notice.")


def _track(form: Form) -> Track:
    if form.get("track") not in set(TrackName):
        detail = "Choose what describes it best."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, field="track")
    return TRACKS[TrackName(form.get("track"))]


def _begun(page: Page, actor: Actor | None, asked: Asked) -> Form:
    """The form as it is first seen: what the link says, and who is signed in."""
    account = page.account if actor is not None else None
    said: dict[str, Any] = {name: value for name, value in asked.model_dump(exclude={"work_id"}).items() if value}
    said |= {"language": page.visit.language, "work_ids": [asked.work_id] if asked.work_id else []}
    if account is not None:
        said |= {"contact_name": account.name, "contact_email": account.email}
    return Form.filled(said)


def _form(page: Page, actor: Actor | None, form: Form, asked: Asked, lacking: Assessment | None = None) -> Response:
    if form.get("track") not in set(TrackName):
        return page.show("notices/which.html.j2", asked=asked, say=NoticeWords.of(page))
    with page.service.database.reading() as session:
        works = noticeboard.works_to_name(session, actor, asked.check_id or None) if actor is not None else []
    if asked.work_id and asked.work_id not in {one.id for one in works} and not form.get("other_work"):
        form.put("other_work", asked.work_id)
    return page.show(
        "notices/new.html.j2", status=form.status, form=form, asked=asked, track=_track(form), actor=actor,
        works=[(one.id, one.title, None) for one in works],
        found=_found(page, form.get("verification_id")), lacking=lacking, say=NoticeWords.of(page),
        idempotency_key=form.get("idempotency_key") or secrets.token_urlsafe(16),
    )  # fmt: skip


def _found(page: Page, verification_id: str) -> Found | None:
    """Where a verified file was led back to."""
    if not verification_id:
        return None
    try:
        answer = verifications.get_verification(verification_id, page.service)
    except NotFound:
        return Found(is_known=False, releases=[])
    by_id = {one["release_id"]: one for one in (*answer.recovered, answer.release) if one}
    return Found(is_known=True, releases=list(by_id.values()))
