"""Webhooks: a holder's endpoint, its secrets, and what became of each message."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response

from api.access import TheActor, TheService
from api.outbound import Refused
from api.paging import Cursor, Limit, page
from api.schemas.base import Page
from api.schemas.webhooks import EndpointIn, EndpointOut, MessageOut
from api.settings import Environment
from registry import endpoints, outbox
from registry.access import Scope
from registry.errors import Invalid
from registry.models import MessageStatus, OutboxMessage, SetBy, WebhookEndpoint

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


@router.put("/endpoint")
def put_endpoint(body: EndpointIn, actor: TheActor, service: TheService) -> EndpointOut:
    """Be told at a URL from now on. The first time, the answer holds the secret that messages are signed with."""
    try:
        service.outbound.check(body.url, https_only=service.settings.env is Environment.PRODUCTION)
    except Refused as refused:
        raise Invalid(field="url", problem=refused.problem) from refused
    with service.database.transaction() as session:
        endpoint, secret = endpoints.put(session, actor, body.url, at=service.now())
        return _endpoint(endpoint, secret)


@router.get("/endpoint")
def get_endpoint(actor: TheActor, service: TheService) -> EndpointOut:
    with service.database.reading() as session:
        return _endpoint(endpoints.own(session, actor))


@router.delete("/endpoint", status_code=204)
def remove_endpoint(actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        endpoints.remove(session, actor)
    return Response(status_code=204)


@router.post("/endpoint/rotate")
def rotate_secret(actor: TheActor, service: TheService) -> EndpointOut:
    """A new secret. For a day messages are signed with the one before as well."""
    with service.database.transaction() as session:
        endpoint = endpoints.rotate(session, actor, at=service.now())
        return _endpoint(endpoint, endpoint.secret)


@router.post("/endpoint/test", status_code=202)
def send_test(actor: TheActor, service: TheService) -> MessageOut:
    """Have a `webhook.test` sent; `GET` the message for what became of it."""
    with service.database.transaction() as session:
        return _message(outbox.send_test(session, actor, at=service.now()))


@router.get("/messages")
def list_messages(
    actor: TheActor,
    service: TheService,
    status: Annotated[MessageStatus | None, Query(description="Only these; `failed` are the dead letters.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[MessageOut]:
    actor.require(Scope.WEBHOOKS_WRITE)
    own = sa.select(OutboxMessage).where(OutboxMessage.holder_id == actor.holder_id)
    if status is not None:
        own = own.where(OutboxMessage.status == status)
    with service.database.reading() as session:
        return page(session, own, OutboxMessage.id, cursor, limit, _message)


@router.get("/messages/{message_id}")
def get_message(message_id: str, actor: TheActor, service: TheService) -> MessageOut:
    with service.database.reading() as session:
        return _message(outbox.own(session, actor, message_id))


@router.post("/messages/{message_id}/replay", status_code=202)
def replay_message(message_id: str, actor: TheActor, service: TheService) -> MessageOut:
    """Send a message now, with the id that it has: again, or before its next try is due."""
    with service.database.transaction() as session:
        message = outbox.own(session, actor, message_id)
        outbox.replay(session, message, at=service.now())
        return _message(message)


def _endpoint(endpoint: WebhookEndpoint, secret: str | None = None) -> EndpointOut:
    return EndpointOut(
        url=endpoint.url,
        set_by=SetBy(endpoint.set_by),
        status="active" if endpoint.disabled_at is None else "disabled",
        problem=endpoint.problem,
        secret=secret,
        previous_secret_until=endpoint.previous_secret_until,
        created_at=endpoint.created_at,
    )


def _message(message: OutboxMessage) -> MessageOut:
    return MessageOut(
        id=message.id,
        type=message.event,
        data=message.payload,
        status=MessageStatus(message.status),
        attempts=message.attempts,
        last_error=message.last_error,
        created_at=message.created_at,
        delivered_at=message.delivered_at,
    )
