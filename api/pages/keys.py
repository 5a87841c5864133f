"""Keys of a holder: made and shown once, replaced with an overlap, ended."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Response

from api.access import BaseUrl
from api.pages import snippets
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.paging import Cursor
from api.routes import own
from api.schemas.accounts import NewKeyIn, RotationIn
from api.schemas.holders import KeyOut
from registry import access, recent
from registry.access import Actor, Scope

router = APIRouter(prefix="/keys")
_DAYS: Final = 30, 90, 365


@router.get("")
def show_keys(page: ThePage, actor: PageActor, cursor: Cursor = None) -> Response:
    form = page.form()
    form.put("scopes[]", *(scope for scope in (Scope.CHECKS_WRITE, Scope.RELEASES_WRITE) if actor.may(scope)))
    form.put("lasts_days", "365")
    return _keys_page(page, actor, form, cursor)


@router.post("")
def make(page: ThePage, actor: PageActor, url: BaseUrl, form: PostedForm) -> Response:
    """The answer shows the key, this once: it is in no address and in no cookie."""
    lasts = form.get("lasts_days")
    form.drop("lasts_days")
    with form.heeding():
        until = (page.at + timedelta(days=int(lasts))).isoformat() if lasts in map(str, _DAYS) else None
        body = form.parse(NewKeyIn, expires_at=until)
        return _shown_once(page, own.make_key(body, actor, page.service), url)
    form.put("lasts_days", lasts)
    return _keys_page(page, actor, form)


@router.get("/{key_id}")
def show_key(key_id: str, page: ThePage, actor: PageActor) -> Response:
    return _key_page(page, actor, key_id, page.form())


@router.post("/{key_id}/rotation")
def rotate(key_id: str, page: ThePage, actor: PageActor, url: BaseUrl, form: PostedForm) -> Response:
    with form.heeding():
        made = own.rotate_key(key_id, actor, page.service, form.parse(RotationIn))
        return _shown_once(page, made, url, replaces=key_id)
    return _key_page(page, actor, key_id, form)


@router.post("/{key_id}/revocation")
def revoke(key_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    if not form.is_sure(page.gettext("Tick the box if you are sure.")):
        return _key_page(page, actor, key_id, form)
    own.revoke_key(key_id, actor, page.service)
    return page.go("/keys", told=page.gettext("The key is revoked. Whatever uses it is refused from now on."))


def _keys_page(page: Page, actor: Actor, form: Form, cursor: str | None = None) -> Response:
    with page.service.database.reading() as session:
        working = recent.keys(session, actor, ended=False, at=page.at)
        ended = recent.keys(session, actor, ended=True, at=page.at, before=cursor, limit=50)
    return page.show(
        "pipeline/keys.html.j2", status=form.status, form=form, keys=working.rows,
        ended=ended.rows, next=ended.next, opened=cursor is not None,
        scopes=[scope for scope in Scope if actor.may(scope)], days=_DAYS,
    )  # fmt: skip


def _key_page(page: Page, actor: Actor, key_id: str, form: Form) -> Response:
    with page.service.database.reading() as session:
        row = access.own_key(session, actor, key_id)
    has_ended = access.has_ended(row, at=page.at)
    return page.show("pipeline/key.html.j2", status=form.status, form=form, key=row, has_ended=has_ended)


def _shown_once(page: Page, made: KeyOut, url: str, *, replaces: str | None = None) -> Response:
    return page.show(
        "pipeline/key_made.html.j2", made=made, replaces=replaces, exports=snippets.exports(url, made.key)
    )  # fmt: skip
