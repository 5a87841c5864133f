"""Delivers one webhook by the Standard Webhooks convention: signed, tried again for a day, ended by 410 Gone.

A receiver that fails is nobody's error here: what it answered is kept with the message. An address that a holder
chose is asked by the rules of `api.outbound`; one that the operator chose may lie in the operator's own network.
"""

import json
import logging
from dataclasses import replace
from http import HTTPStatus

from standardwebhooks import Webhook

from api.outbound import OutboundError
from api.service import Service
from api.settings import Environment
from registry import endpoints, jobs, outbox
from registry.jobs import Lease
from registry.models import MessageStatus, OutboxMessage, SetBy, WebhookEndpoint

_log = logging.getLogger(__name__)
_NO_ENDPOINT = "There is no endpoint any more that wants to be told. Set one, and replay the message."
_GONE = "The endpoint answered 410 Gone and is told nothing more. Set it again, and replay the message."


def deliver(service: Service, lease: Lease) -> None:
    """One attempt to deliver the message of a job; what came of it, and when the next one is, is stored."""
    with service.database.reading() as session:
        message = session.get_one(OutboxMessage, lease.subject_id)
        endpoint = endpoints.active(session, message.holder_id)
    if message.status != MessageStatus.PENDING:  # another attempt delivered it, and died before it could say so
        with service.database.transaction() as session:
            jobs.finish(session, lease, at=service.now())
        return
    problem, is_gone = (_NO_ENDPOINT, False) if endpoint is None else _send(service, message, endpoint)
    is_hopeless = endpoint is None or is_gone
    if problem is not None:
        _log.info("webhook %s, attempt %d: %s", message.id, lease.attempts, problem)
    with service.database.transaction() as session:
        at = service.now()
        if problem is None or is_hopeless:
            jobs.finish(session, lease, at=at)
        else:
            jobs.retry(session, lease, error=problem, at=at)
        is_over = is_hopeless or lease.is_last_attempt
        outbox.settle(session, message.id, problem=problem, is_over=is_over, at=at)
        if endpoint is not None and is_gone:
            endpoints.disable(session, endpoint.holder_id, endpoint.url, problem=_GONE, at=at)


def _send(service: Service, message: OutboxMessage, endpoint: WebhookEndpoint) -> tuple[str | None, bool]:
    """What is wrong, None when it was taken; and whether the receiver wants to hear no more."""
    is_strangers = endpoint.set_by == SetBy.HOLDER
    way = service.outbound if is_strangers else replace(service.outbound, permits=lambda _: True)
    https_only = is_strangers and service.settings.env is Environment.PRODUCTION
    body = json.dumps(
        {"type": message.event, "timestamp": message.created_at.isoformat(), "data": message.payload}
    )  # fmt: skip
    at = service.now()
    signed = [Webhook(secret).sign(message.id, at, body) for secret in endpoints.signing_secrets(endpoint, at=at)]
    headers = {
        "content-type": "application/json",
        "user-agent": "Clearmark",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }
    try:
        answer = way.fetch(
            endpoint.url, method="POST", headers=headers, content=body.encode(), max_bytes=None, https_only=https_only
        )
    except OutboundError as error:
        return error.problem, False
    if answer.status == HTTPStatus.GONE:
        return _GONE, True
    is_taken = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    return None if is_taken else f"The endpoint answered {answer.status}.", False
