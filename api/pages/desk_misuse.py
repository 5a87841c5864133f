"""Misuse on both sides, and trusted flaggers, as reviewers see them."""

from fastapi import APIRouter
from starlette.responses import Response

from api.pages.days import day_of, end_of
from api.pages.forms import Form
from api.pages.notice_words import NoticeWords
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.routes import takedown_desk
from api.schemas.notices import FlaggerEndIn, FlaggerIn, MisuseIn
from registry.access import Actor, Scope
from registry.errors import Invalid, NotFound
from registry.models import Holder
from takedown import misuse

router = APIRouter(prefix="/misuse")


@router.get("")
def show(page: ThePage, actor: PageActor) -> Response:
    """Who has strikes that count, or is suspended; and whose notices come first."""
    return _shown(page, actor, Form(), "")


@router.get("/{holder_id}")
def show_holder(holder_id: str, page: ThePage, actor: PageActor) -> Response:
    return _holder(page, actor, holder_id, Form())


@router.post("/trust")
def trust(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Make a holder a trusted flagger."""
    holder_id = form.get("holder_id").strip()
    with form.heeding():
        form.drop("holder_id")
        body = form.parse(FlaggerIn)
        try:
            takedown_desk.trust(holder_id, body, actor, page.service)
        except NotFound:
            raise Invalid(field="holder_id", problem="There is no such holder.") from None
        return page.go("/review/misuse#flaggers", told=page.gettext("Their notices come first from now on."))
    form.put("holder_id", holder_id)
    return _shown(page, actor, form, "")


@router.post("/{holder_id}/distrust")
def distrust(holder_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        takedown_desk.distrust(holder_id, form.parse(FlaggerEndIn), actor, page.service)
        return page.go("/review/misuse#flaggers", told=page.gettext("They are a trusted flagger no more."))
    return _shown(page, actor, form, holder_id)


@router.post("/{holder_id}")
def decide(holder_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """Warn somebody, suspend them, or lift that."""
    with form.heeding():
        day = day_of(form.get("until"), field="until")
        body = form.parse(MisuseIn, until=end_of(day).isoformat() if day else None)
        takedown_desk.decide_misuse(holder_id, body, actor, page.service)
        return page.go(f"/review/misuse/{holder_id}", told=page.gettext("It is noted, and they are written to."))
    return _holder(page, actor, holder_id, form)


def _shown(page: Page, actor: Actor, form: Form, ending: str) -> Response:
    actor.require(Scope.REVIEW)
    with page.service.database.reading() as session:
        ids = misuse.of_concern(session, at=page.at)
        names = {one: session.get_one(Holder, one).name for one in ids}
        flaggers = misuse.flaggers(session)
    shown = [(names[one], takedown_desk.get_misuse(one, actor, page.service)) for one in ids]
    return page.show(
        "desk/misuse.html.j2", status=form.status, form=form, holders=shown, flaggers=flaggers, ending=ending,
        policy=page.service.desk.policy, say=NoticeWords.of(page),
    )  # fmt: skip


def _holder(page: Page, actor: Actor, holder_id: str, form: Form) -> Response:
    actor.require(Scope.REVIEW)
    found = takedown_desk.get_misuse(holder_id, actor, page.service)
    with page.service.database.reading() as session:
        holder = session.get_one(Holder, holder_id)
    return page.show(
        "desk/holder.html.j2", status=form.status, form=form, holder=holder, misuse=found,
        say=NoticeWords.of(page),
    )  # fmt: skip
