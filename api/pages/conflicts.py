"""Conflicts as one of the two sides: what is alike, what each says, and what was decided."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages import playback
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.routes import conflicts
from api.schemas.conflicts import ConflictDetailOut, StatementIn
from registry import matches
from registry.access import Actor
from registry.domain.conflicts import IS_OPEN, State, may_appeal
from registry.models import Conflict

router = APIRouter(prefix="/conflicts")
_LISTED: Final = 20


@router.get("")
def list_conflicts(
    page: ThePage,
    actor: PageActor,
    all: bool = False,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    found = conflicts.list_conflicts(actor, page.service, is_open=not all, cursor=cursor, limit=_LISTED)
    return page.show("conflicts/conflicts.html.j2", found=found, all=all, is_first=cursor is None)


@router.get("/{conflict_id}")
def show_conflict(
    conflict_id: str, page: ThePage, actor: PageActor, stretch: Annotated[int, Query(ge=0)] = 0
) -> Response:
    return _conflict(page, actor, conflict_id, page.form(), stretch)


@router.post("/{conflict_id}/statements")
def state_a_position(conflict_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        said = form.parse(StatementIn, links=form.lines("links"))
        conflict = conflicts.state_a_position(conflict_id, said, actor, page.service)
        told = page.gettext("Your statement is on record, and the other side is told.")
        if conflict.outcome is not None:
            told = page.gettext("You agree, and the conflict is over.")
        return page.go(f"/conflicts/{conflict_id}", told=told)
    return _conflict(page, actor, conflict_id, form)


@router.post("/{conflict_id}/appeal")
def appeal(conflict_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        said = form.parse(StatementIn, links=form.lines("links"))
        again = conflicts.appeal_conflict(conflict_id, said, actor, page.service)
        told = page.gettext("You appealed. Somebody else looks at it, in a conflict of its own.")
        return page.go(f"/conflicts/{again.id}", told=told)
    return _conflict(page, actor, conflict_id, form)


def _conflict(page: Page, actor: Actor, conflict_id: str, form: Form, stretch: int = 0) -> Response:
    told = conflicts.get_conflict(conflict_id, actor, page.service)
    is_earlier = actor.holder_id == told.earlier.holder_id
    with page.service.database.reading() as session:
        conflict = session.get_one(Conflict, conflict_id)
        mine, theirs = (conflict.rival, conflict.asset) if is_earlier else (conflict.asset, conflict.rival)
        media = [playback.of_asset(page.service, actor, one) for one in (mine, theirs)]
    return page.show(
        "conflicts/conflict.html.j2", status=form.status, form=form, conflict=told, media=media,
        line=matches.alike(conflict, mine), is_earlier=is_earlier, is_open=told.state in IS_OPEN,
        is_side=actor.holder_id in (told.earlier.holder_id, told.later.holder_id),
        may_appeal=_may_appeal(page, told, is_earlier=is_earlier), stretch=stretch if stretch < len(told.alike) else 0,
    )  # fmt: skip


def _may_appeal(page: Page, told: ConflictDetailOut, *, is_earlier: bool) -> bool:
    if told.state is not State.DECIDED or told.outcome is None or told.appeal_until is None:
        return False
    return may_appeal(told.outcome, is_earlier=is_earlier, at=page.at, until=told.appeal_until)
