"""Who is who, for the operator: holders and how well they are known, and the accounts of people."""

import shlex
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.paging import Cursor
from api.routes import accounts, holders
from api.schemas.accounts import AssuranceIn
from api.schemas.holders import ThresholdsIn
from registry import health, search, thresholds
from registry.access import Actor

router = APIRouter()
_AT_ONCE = 50
_Asked = Annotated[str, Query(max_length=200)]


@router.get("/holders")
def list_holders(page: ThePage, actor: PageActor, cursor: Cursor = None, q: _Asked = "") -> Response:
    with page.service.database.reading() as session:
        found = search.holders(session, actor, q, before=cursor, limit=_AT_ONCE + 1)
    more = found[_AT_ONCE - 1].id if len(found) > _AT_ONCE else None
    return page.show("operator/holders.html.j2", holders=found[:_AT_ONCE], more=more, q=q.strip())


@router.get("/holders/{holder_id}")
def show_holder(page: ThePage, actor: PageActor, holder_id: str) -> Response:
    return _shown(page, actor, holder_id, page.form())


@router.post("/holders/{holder_id}/assurance")
def set_assurance(page: ThePage, actor: PageActor, holder_id: str, form: PostedForm) -> Response:
    """Say how well a holder is known."""
    with form.heeding():
        found = holders.set_assurance(holder_id, form.parse(AssuranceIn), actor, page.service)
        told = page.gettext("It is on record how well %(name)s is known.", name=found.name)
        return page.go(f"/operator/holders/{holder_id}", told=told)
    return _shown(page, actor, holder_id, form)


@router.post("/holders/{holder_id}/thresholds")
def set_thresholds(page: ThePage, actor: PageActor, holder_id: str, form: PostedForm) -> Response:
    """From how many matched seconds on the works of a holder count."""
    with form.heeding():
        holders.set_thresholds(holder_id, form.parse(ThresholdsIn), actor, page.service)
        return page.go(f"/operator/holders/{holder_id}", told=page.gettext("The thresholds are set."))
    return _shown(page, actor, holder_id, form)


@router.post("/holders/{holder_id}/thresholds/reset")
def reset_thresholds(page: ThePage, actor: PageActor, holder_id: str, _form: PostedForm) -> Response:
    holders.reset_thresholds(holder_id, actor, page.service)
    return page.go(f"/operator/holders/{holder_id}", told=page.gettext("The service’s own thresholds hold again."))


@router.get("/accounts")
def list_accounts(page: ThePage, actor: PageActor, cursor: Cursor = None, q: _Asked = "") -> Response:
    with page.service.database.reading() as session:
        found = health.people(session, actor, q, before=cursor, limit=_AT_ONCE + 1)
    more = found[_AT_ONCE - 1][0].id if len(found) > _AT_ONCE else None
    return page.show("operator/accounts.html.j2", people=found[:_AT_ONCE], more=more, q=q.strip())


@router.post("/accounts/{account_id}/disable")
def disable(page: ThePage, actor: PageActor, account_id: str, _form: PostedForm) -> Response:
    accounts.disable_account(account_id, actor, page.service)
    return page.go("/operator/accounts", told=page.gettext("The account is shut out, and its keys are ended."))


def _shown(page: Page, actor: Actor, holder_id: str, form: Form) -> Response:
    with page.service.database.reading() as session:
        known = health.known(session, actor, holder_id)
        floor, own = thresholds.floor_of(known.holder), known.holder.review_matched_s is not None
    return page.show(
        "operator/holder.html.j2", status=form.status, form=form, known=known, floor=floor, has_own=own,
        levels=holders.list_levels(page.service), command=_command(known.holder.name),
    )  # fmt: skip


def _command(name: str) -> str:
    """What makes a key for a holder, to be pasted into a shell, whatever they are called."""
    return f"clearmark keys create --holder {shlex.quote(name)} --scopes works:write"
