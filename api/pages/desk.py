"""Notices as reviewers see them: by deadline, with everything that is needed to decide.

Misuse, and whom to trust first, is `desk_misuse`.
"""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from api import noticeboard
from api.noticeboard import Wanted
from api.pages import desk_evidence, desk_misuse
from api.pages.forms import Form
from api.pages.notice_forms import aside, counter_of, publication_of
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.routes import notices, takedown_desk
from api.schemas.base import In
from api.schemas.notices import NoticeOut, NoticeTransition, PublicationIn, UploaderIn
from registry.access import Actor, Scope
from takedown import records
from takedown.domain.states import DECISIONS, Event, State
from takedown.domain.states import Actor as Role
from takedown.domain.track import TrackName
from takedown.domain.tracks import TRACKS
from takedown.letters import TRACKS_OF, LetterName
from takedown.misuse import Tier
from takedown.records import Publication

router = APIRouter(prefix="/review")
router.include_router(desk_misuse.router)

_AT_ONCE: Final = 30
# What a reviewer can do, as it is grouped; the rest of what is possible moves a notice on.
_DECIDE: Final = (
    Event.DISABLE, Event.DECLINE, Event.RESTORE, Event.REINSTATE, Event.UPHOLD, Event.REJECT_ABUSE,
)  # fmt: skip
_CAME: Final = (Event.RECEIVE_COUNTER, Event.COURT_ACTION, Event.COMPLAIN, Event.RETRACT)
# What most who look at a notice in its state are there for.
_UNFOLDED: Final = (Event.DISABLE, Event.RESTORE, Event.REINSTATE)
_UPLOADER, _PUBLISH = "uploader", "publish"


class QueueAsked(In):
    """Which notices somebody wants to see: those that wait, or all; from where on."""

    view: str = "waiting"
    track: TrackName | None = None
    state: State | None = None
    tier: Tier | None = None
    cursor: Annotated[str | None, Field(max_length=64)] = None
    id: str | None = None

    @property
    def wanted(self) -> Wanted:
        return Wanted(track=self.track, state=self.state, tier=self.tier)


class _Text(BaseModel):
    name: str
    text: str


class Preview(BaseModel):
    """What anybody would read of a notice; or why it cannot be published like this."""

    texts: list[_Text]
    problem: str | None = None


@router.get("/notices")
def show_queue(page: ThePage, actor: PageActor) -> Response:
    actor.require(Scope.REVIEW)
    form, asked = Form(page.request.query_params.multi_items()), QueueAsked()
    with form.heeding():
        asked = form.parse(QueueAsked)
    if asked.id:
        return page.go(f"/review/notices/{asked.id}")
    is_all, desk, at = asked.view == "all", page.service.desk, page.at
    cursor = asked.cursor or ""
    offset = int(cursor) if cursor.isdecimal() and not is_all else 0
    with page.service.database.reading() as session:
        queue = noticeboard.queue(session, desk, asked.wanted, offset=offset, limit=_AT_ONCE, at=at)
        rows, next_ = queue.rows, str(offset + _AT_ONCE) if queue.total > offset + _AT_ONCE else None
        if is_all:
            rows, next_ = noticeboard.found(
                session, desk, asked.wanted, before=asked.cursor, limit=_AT_ONCE, at=at
            )  # fmt: skip
    said = asked.model_dump(exclude={"cursor", "id"}, exclude_none=True, exclude_defaults=True)
    return page.show(
        "desk/queue.html.j2", status=form.status, asked=asked, queue=queue, rows=rows, next=next_, form=form,
        path=f"/review/notices?{urlencode(said)}", say=NoticeWords.of(page), tracks=list(TRACKS), states=list(State),
        tiers=list(Tier),
    )  # fmt: skip


@router.get("/notices/next")
def show_next(page: ThePage, actor: PageActor) -> Response:
    """The one that is most urgent."""
    actor.require(Scope.REVIEW)
    first = notices.queue(actor, page.service, limit=1, offset=0).items
    return page.go(f"/review/notices/{first[0].id}" if first else "/review/notices")


@router.get("/notices/letters")
def list_letters(page: ThePage, actor: PageActor) -> Response:
    """Every letter that may be written."""
    return page.show("desk/letters.html.j2", templates=takedown_desk.list_templates(actor), say=NoticeWords.of(page))


@router.get("/notices/letters/{name}")
def preview_letter(
    name: LetterName, page: ThePage, actor: PageActor, language: Annotated[str, Query(max_length=35)] = "en",
    track: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:  # fmt: skip
    made = takedown_desk.preview(name, actor, language=language, track=track or None)
    return page.show(
        "desk/letter.html.j2", name=name, text=bytes(made.body).decode(), language=language, track=track,
        tracks=TRACKS_OF[name], say=NoticeWords.of(page),
    )  # fmt: skip


@router.get("/notices/{notice_id}")
def show(
    notice_id: str, page: ThePage, actor: PageActor, do: Annotated[str, Query(max_length=20)] = ""
) -> Response:  # fmt: skip
    return _shown(page, actor, notice_id, do, Form())


@router.post("/notices/{notice_id}/act")
def act(notice_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Do what is possible: decide, enter what came by letter, move it on."""
    with form.heeding(), aside(form):
        done = notices.act(notice_id, form.parse(NoticeTransition), page.request, actor, page.service)
        return _done(page, done)
    return _shown(page, actor, notice_id, form.get("event"), form)


@router.post("/notices/{notice_id}/counter-notice")
def counter(notice_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Enter a counter-notice that came by letter."""
    with form.heeding():
        track = TRACKS[TrackName(notices.get_notice(notice_id, actor, page.service).track)]
        return _done(page, notices.counter(notice_id, counter_of(form, track), page.request, actor, page.service))
    return _shown(page, actor, notice_id, Event.RECEIVE_COUNTER, form)


@router.post("/notices/{notice_id}/uploader")
def set_uploader(notice_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        notices.set_uploader(notice_id, form.parse(UploaderIn), actor, page.service)
        return page.go(f"/review/notices/{notice_id}", told=page.gettext("A letter with a ticket goes to them."))
    return _shown(page, actor, notice_id, _UPLOADER, form)


@router.post("/notices/{notice_id}/publication")
def publish(notice_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        notices.publish(notice_id, publication_of(form), actor, page.service)
        return page.go(f"/review/notices/{notice_id}", told=page.gettext("Anybody can read it now."))
    return _shown(page, actor, notice_id, _PUBLISH, form)


@router.post("/notices/{notice_id}/publication/preview")
def preview_publication(notice_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """What anybody would read, for the script of the page; without scripts the page with it."""
    if "application/json" in page.request.headers.get("accept", ""):
        return JSONResponse(_preview(page, actor, notice_id, form).model_dump())
    return _shown(page, actor, notice_id, _PUBLISH, form)


@router.post("/notices/{notice_id}/letters/{mail_id}")
def send_again(notice_id: str, mail_id: str, page: ThePage, actor: PageActor, _form: PostedForm) -> Response:
    takedown_desk.send_again(mail_id, actor, page.service)
    return page.go(f"/review/notices/{notice_id}#letters", told=page.gettext("The letter goes out once more."))


@router.get("/notices/{notice_id}/pdf")
def get_pdf(notice_id: str, page: ThePage, actor: PageActor) -> Response:
    return notices.get_pdf(notice_id, actor, page.service)


@router.get("/notices/{notice_id}/evidence")
def get_evidence(notice_id: str, page: ThePage, actor: PageActor) -> Response:
    return notices.get_evidence(notice_id, actor, page.service)


@router.get("/notices/{notice_id}/statements")
def get_statements(notice_id: str, page: ThePage, actor: PageActor) -> Response:
    """The statements of reasons, as the DSA Transparency Database takes them."""
    return _saved(notices.get_statements(notice_id, actor, page.service), f"{notice_id}.statements.json")


@router.get("/notices/{notice_id}/lumen")
def get_lumen(notice_id: str, page: ThePage, actor: PageActor) -> Response:
    return _saved(notices.get_lumen(notice_id, actor, page.service), f"{notice_id}.lumen.json")


def _shown(page: Page, actor: Actor, notice_id: str, doing: str, form: Form) -> Response:
    """All there is about a notice, with the form for what somebody wants to do."""
    actor.require(Scope.REVIEW)
    notice, desk = notices.get_notice(notice_id, actor, page.service), page.service.desk
    with page.service.database.reading() as session:
        row = desk.visible(session, actor, notice_id)
        _, may = noticeboard.standing(session, desk, actor, row, among=frozenset({Role.REVIEWER}))
        evidence = desk_evidence.gather(page.service, session, actor, notice_id)
        uploader, is_public = row.uploader, records.is_public(row)
    is_barred = notice.review is not None and actor.person in notice.review.barred
    groups = _groups(notice, may, is_barred=is_barred, is_public=is_public)
    choices = [one for group in groups.values() for one in group]
    doing = doing if doing in choices else next((one for one in choices if one in _UNFOLDED), "")
    if doing == _PUBLISH and not form.tree():
        form = Form.filled({"publish_texts": True, "publish_material": True})
    if doing == _UPLOADER and uploader and not form.tree():
        form = Form.filled(uploader)
    return page.show(
        "desk/notice.html.j2", status=form.status, notice=notice, form=form, groups=groups, doing=doing,
        evidence=evidence, uploader=uploader, is_public=is_public, is_barred=is_barred,
        preview=_preview(page, actor, notice_id, form) if doing == _PUBLISH else None,
        letters=notices.list_letters(notice_id, actor, page.service), say=NoticeWords.of(page),
    )  # fmt: skip


def _groups(notice: NoticeOut, may: tuple[Event, ...], *, is_barred: bool, is_public: bool) -> dict[str, list[str]]:
    """What a reviewer can do: decide, enter what came by letter, move it on, and what is no event."""
    decide = [one.value for one in _DECIDE if one in may and not is_barred]
    came = [one.value for one in _CAME if one in may]
    on = [one.value for one in may if one not in DECISIONS and one not in _CAME]
    beside = (
        [_UPLOADER] if notice.release_id is None and notice.state in (State.DISABLED, State.UPLOADER_NOTIFIED) else []
    )
    beside += [_PUBLISH] if is_public and records.may_have_texts(notice.track) else []
    return {"decide": decide, "came": came, "on": on, "beside": beside}


def _preview(page: Page, actor: Actor, notice_id: str, form: Form) -> Preview:
    shown, refused = Preview(texts=[]), Form()
    with refused.heeding():
        body = publication_of(form)
        with page.service.database.reading() as session:
            notice = page.service.desk.visible(session, actor, notice_id)
            shown.texts = [
                _Text(name=name, text=text)
                for name, text in _texts(page, records.redacted(session, actor, notice, _publication(body)))
            ]
    shown.problem = next(iter(refused.errors.values()), None)
    return shown


def _publication(body: PublicationIn) -> Publication:
    return Publication(
        terms=tuple(body.terms),
        texts=body.publish_texts,
        material=body.publish_material,
        claimant=body.publish_claimant,
    )


def _texts(page: Page, redacted: dict[str, Any]) -> list[tuple[str, str]]:
    names = {
        "work_description": page.gettext("The work"), "explanation": page.gettext("Explanation"),
        "material": page.gettext("The material"), "claimant": page.gettext("Claimant"),
    }  # fmt: skip
    return [
        (names[name], "\n".join(said) if isinstance(said, list) else said)
        for name, said in redacted.items()
        if said
    ]  # fmt: skip


def _done(page: Page, notice: NoticeOut) -> Response:
    told = page.gettext("Done. Where it stands now: %(state)s", state=NoticeWords.of(page).state(notice.state))
    if notice.awaits_second_reviewer:
        told = page.gettext("Proposed. It is done once another reviewer wants the same.")
    return page.go(f"/review/notices/{notice.id}", told=told)


def _saved(said: Any, name: str) -> Response:
    return JSONResponse(said, headers={"Content-Disposition": f'attachment; filename="{name}"'})
