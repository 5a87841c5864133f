"""Webhooks as a holder keeps them: where they go, the secret that signs them, what became of each; sending again."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.pages import snippets
from api.pages.checks_pages import written
from api.pages.forms import Form
from api.pages.page import Page, PageActor, PostedForm, ThePage
from api.paging import Cursor
from api.routes import webhooks
from api.schemas.webhooks import EndpointIn, EndpointOut
from registry import recent
from registry.access import Actor
from registry.errors import NotFound
from registry.models import MessageStatus, OutboxMessage

router = APIRouter(prefix="/webhooks")
Status = Annotated[str, Query(max_length=20)]


@router.get("")
def show_webhooks(page: ThePage, actor: PageActor, status: Status = "", cursor: Cursor = None) -> Response:
    return _page(page, actor, page.form(), status=status, cursor=cursor)


@router.post("")
def set_endpoint(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    """The first time, the answer shows the secret, this once."""
    with form.heeding():
        kept = webhooks.put_endpoint(form.parse(EndpointIn), actor, page.service)
        if kept.secret:
            return _page(page, actor, page.form(), secret=kept.secret)
        return page.go("/webhooks", told=page.gettext("Messages go to the new address from now on."))
    return _page(page, actor, form)


@router.post("/removal")
def remove_endpoint(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    if not form.is_sure(page.gettext("Tick the box if you are sure.")):
        return _page(page, actor, form)
    webhooks.remove_endpoint(actor, page.service)
    return page.go("/webhooks", told=page.gettext("Nothing is sent any more."))


@router.post("/rotation")
def rotate_secret(page: ThePage, actor: PageActor, _form: PostedForm) -> Response:
    return _page(page, actor, page.form(), secret=webhooks.rotate_secret(actor, page.service).secret)


@router.post("/test")
def send_test(page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        sent = webhooks.send_test(actor, page.service)
        return page.go(f"/webhooks/{sent.id}", told=page.gettext("A test is on its way. Here is what becomes of it."))
    return _page(page, actor, form)


@router.get("/{message_id}")
def show_message(message_id: str, page: ThePage, actor: PageActor) -> Response:
    return _message_page(page, actor, message_id, page.form())


@router.post("/{message_id}/replay")
def replay(message_id: str, page: ThePage, actor: PageActor, form: PostedForm) -> Response:
    with form.heeding():
        webhooks.replay_message(message_id, actor, page.service)
        return page.go(f"/webhooks/{message_id}", told=page.gettext("It is being sent again."))
    return _message_page(page, actor, message_id, form)


def _page(
    page: Page, actor: Actor, form: Form, *, status: str = "", cursor: str | None = None, secret: str | None = None
) -> Response:
    endpoint = _endpoint(page, actor)
    wanted = MessageStatus(status) if status in set(MessageStatus) else None
    with page.service.database.reading() as session:
        found = recent.messages(session, actor, status=wanted, before=cursor)
        next_tries = recent.next_tries(session, found.rows)
    return page.show(
        "pipeline/webhooks.html.j2", status=form.status, form=form, endpoint=endpoint, messages=found.rows,
        next=found.next, next_tries=next_tries, wanted=wanted or "", secret=secret, receivers=snippets.receivers(),
    )  # fmt: skip


def _message_page(page: Page, actor: Actor, message_id: str, form: Form) -> Response:
    message = webhooks.get_message(message_id, actor, page.service)
    with page.service.database.reading() as session:
        row = session.get_one(OutboxMessage, message_id)
        next_tries = recent.next_tries(session, [row])
    next_try = next_tries.get(message_id)
    is_going = message.status is MessageStatus.PENDING and (next_try is None or next_try <= page.at)
    body = {"type": message.type, "timestamp": message.created_at.isoformat(), "data": message.data}
    return page.show(
        "pipeline/message.html.j2", status=form.status, form=form, message=message, body=written(body),
        next_try=None if is_going else next_try, is_going=is_going,
    )  # fmt: skip


def _endpoint(page: Page, actor: Actor) -> EndpointOut | None:
    try:
        return webhooks.get_endpoint(actor, page.service)
    except NotFound:
        return None
