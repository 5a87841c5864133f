"""Notices as their parties see them: where one stands, what happens next, and what each may do about it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import noticeboard
from api.pages.filing import confirmed
from api.pages.forms import Form
from api.pages.notice_forms import aside, counter_of, cure_of
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, PageParty, PostedForm, ThePage
from api.routes import notices
from api.schemas.notices import ComplaintIn, NoticeTransition
from registry.access import READS, Actor
from registry.domain.identifiers import Prefix
from takedown.domain.states import Actor as Role
from takedown.domain.states import Event
from takedown.domain.track import Track, TrackName
from takedown.domain.tracks import TRACKS

router = APIRouter(prefix="/my-notices")

# What a party can do, by the name that it has in addresses; what is unfolded by itself comes first.
_DOINGS: Final = {
    "cure": Event.CURE, "counter-notice": Event.RECEIVE_COUNTER, "complaint": Event.COMPLAIN,
    "court-action": Event.COURT_ACTION, "retract": Event.RETRACT,
}  # fmt: skip
# These wait for the party alone.
_UNFOLDED: Final = ("cure",)


@router.get("")
def list_mine(page: ThePage, actor: PageParty, cursor: Annotated[str | None, Query(max_length=64)] = None) -> Response:
    """What a holder filed or is told of; a ticket leads to its one notice."""
    desk, at = page.service.desk, page.at
    with page.service.database.reading() as session:
        if actor.ticket_sha256 is not None:
            return page.go(_place(noticeboard.of_ticket(session, actor)), told=page.visit.told)
        actor.require(*READS[Prefix.NOTICE])
        opened, more = noticeboard.of_party(session, desk, actor, are_over=False, at=at)
        over, next_ = noticeboard.of_party(session, desk, actor, are_over=True, before=cursor, limit=20, at=at)
    return page.show(
        "notices/mine.html.j2", open_rows=opened, is_cut=more is not None, over_rows=over, next=next_,
        say=NoticeWords.of(page),
    )  # fmt: skip


@router.get("/{notice_id}")
def show(
    notice_id: str, page: ThePage, actor: PageParty, do: Annotated[str, Query(max_length=20)] = ""
) -> Response:  # fmt: skip
    return _shown(page, actor, notice_id, do, Form())


@router.post("/{notice_id}/cure")
def cure(notice_id: str, page: ThePage, actor: PageParty, form: PostedForm) -> Response:
    with form.heeding():
        done = notices.act(notice_id, cure_of(form, _track(page, actor, notice_id)), page.request, actor, page.service)
        told = page.gettext("Thank you, the notice is complete now.")
        if done.missing:
            told = page.gettext("Thank you. Something is still missing.")
        return page.go(_place(notice_id), told=told)
    return _shown(page, actor, notice_id, "cure", form)


@router.post("/{notice_id}/counter-notice")
def counter(notice_id: str, page: ThePage, actor: PageParty, form: PostedForm) -> Response:
    with form.heeding():
        counter_notice = counter_of(form, _track(page, actor, notice_id))
        done = notices.counter(notice_id, counter_notice, page.request, actor, page.service)
        told = page.gettext("Your counter-notice is complete, and went to the claimant.")
        if done.missing:
            told = page.gettext("Your counter-notice came. Something is missing from it; nothing was passed on yet.")
        return page.go(_place(notice_id), told=told)
    return _shown(page, actor, notice_id, "counter-notice", form)


@router.post("/{notice_id}/complaint")
def complain(notice_id: str, page: ThePage, actor: PageParty, form: PostedForm) -> Response:
    with form.heeding(), aside(form):
        notices.complain(notice_id, form.parse(ComplaintIn), actor, page.service)
        return page.go(_place(notice_id), told=page.gettext("Your complaint is received."))
    return _shown(page, actor, notice_id, "complaint", form)


@router.post("/{notice_id}/court-action")
def tell_of_court(notice_id: str, page: ThePage, actor: PageParty, form: PostedForm) -> Response:
    told = page.gettext("It is noted. The material stays down.")
    return _final(page, actor, notice_id, "court-action", form, told)


@router.post("/{notice_id}/retract")
def retract(notice_id: str, page: ThePage, actor: PageParty, form: PostedForm) -> Response:
    return _final(page, actor, notice_id, "retract", form, page.gettext("The notice is withdrawn."))


def _final(page: Page, actor: Actor, notice_id: str, doing: str, form: Form, told: str) -> Response:
    """Do what cannot be undone, once somebody said that they mean it."""
    if form.is_sure(page.gettext("Tick this if you mean it.")):
        with form.heeding(), aside(form):
            body = form.parse(NoticeTransition, event=_DOINGS[doing].value)
            notices.act(notice_id, body, page.request, actor, page.service)
            return page.go(_place(notice_id), told=told)
    return _shown(page, actor, notice_id, doing, form)


def _shown(page: Page, actor: Actor, notice_id: str, doing: str, form: Form) -> Response:
    """The notice, with the form for what somebody wants to do; where they may no more, without it."""
    notice = notices.get_notice(notice_id, actor, page.service)
    with page.service.database.reading() as session:
        row = page.service.desk.visible(session, actor, notice_id)
        roles, may = noticeboard.standing(session, page.service.desk, actor, row, among=noticeboard.PARTIES)
    if not roles:
        return page.go(f"/review/notices/{notice_id}")
    choices = [name for name, event in _DOINGS.items() if event in may]
    unfolded = next((one for one in choices if one in _UNFOLDED), None)
    return page.show(
        "notices/notice.html.j2", status=form.status, notice=notice, form=form, choices=choices,
        doing=doing if doing in choices else unfolded, letters=notices.list_letters(notice_id, actor, page.service),
        is_claimant=Role.CLAIMANT in roles, is_maker=Role.UPLOADER in roles, ticket=_ticket(page),
        say=NoticeWords.of(page),
    )  # fmt: skip


def _track(page: Page, actor: Actor, notice_id: str) -> Track:
    return TRACKS[TrackName(notices.get_notice(notice_id, actor, page.service).track)]


def _ticket(page: Page) -> str | None:
    """The ticket, on the page that a browser comes to with it first."""
    is_first = page.visit.told == confirmed(page) and page.actor is not None and page.actor.ticket_sha256 is not None
    return page.visit.signed_in.credential if is_first and page.visit.signed_in else None


def _place(notice_id: str) -> str:
    return f"/my-notices/{notice_id}"
