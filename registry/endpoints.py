"""Where holders are told of what happens: one address for each, chosen by the operator or by the holder.

Decides who may set it, with which secrets its messages are signed, and when it is disabled. Whether an address may be
asked at all is decided when it is asked (`api.outbound`): a name may lead elsewhere by then.
"""

import base64
import secrets
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from registry import access
from registry.access import Actor, Scope
from registry.errors import Invalid, NotFound
from registry.models import SetBy, WebhookEndpoint

# How long the secret before signs too, so that a receiver can change over without losing a message.
OVERLAP = timedelta(hours=24)


def own(session: Session, actor: Actor) -> WebhookEndpoint:
    """The actor's endpoint. Raises: NotFound."""
    actor.require(Scope.WEBHOOKS_WRITE)
    endpoint = session.get(WebhookEndpoint, actor.holder_id)
    if endpoint is None:
        raise NotFound(kind="webhook endpoint of", id=actor.holder_id)
    return endpoint


def active(session: Session, holder_id: str) -> WebhookEndpoint | None:
    """Where a holder is to be told; None when they gave no address, or it wants to hear no more."""
    endpoint = session.get(WebhookEndpoint, holder_id)
    return endpoint if endpoint is not None and endpoint.disabled_at is None else None


def put(session: Session, actor: Actor, url: str, *, at: datetime) -> tuple[WebhookEndpoint, str | None]:
    """Tell the actor at `url` from now on; a disabled endpoint is enabled. Returns the secret when it is a new one."""
    actor.require(Scope.WEBHOOKS_WRITE)
    endpoint = session.get(WebhookEndpoint, actor.holder_id)
    is_new = endpoint is None
    endpoint = _set(session, actor.holder_id, url, SetBy.HOLDER, at=at)
    return endpoint, endpoint.secret if is_new else None


def rotate(session: Session, actor: Actor, *, at: datetime) -> WebhookEndpoint:
    """Sign with a new secret; the one before signs too for a day. Twice at once, and a secret that leaked is gone."""
    endpoint = own(session, actor)
    _renew(endpoint, at=at)
    return endpoint


def remove(session: Session, actor: Actor) -> None:
    """Tell the actor nothing more."""
    session.delete(own(session, actor))


def set_by_operator(session: Session, *, holder: str, url: str, at: datetime) -> str:
    """Tell a holder at `url` from now on; it may be any address, also an inner one. Returns a new secret.

    Raises:
        NotFound, Conflict: nobody has that name, or it is not known to be theirs.
    """
    if not url.startswith(("https://", "http://")):
        raise Invalid(field="target", problem="Give a URL that begins with https:// or http://.")
    row = access.named(session, holder)
    if row is None:
        raise NotFound(kind="holder", id=holder)
    was_there = session.get(WebhookEndpoint, row.id) is not None
    endpoint = _set(session, row.id, url, SetBy.OPERATOR, at=at)
    if was_there:
        _renew(endpoint, at=at)
    return endpoint.secret


def disable(session: Session, holder_id: str, url: str, *, problem: str, at: datetime) -> None:
    """Tell nothing more to an endpoint that asked for that, unless it was given another address meanwhile."""
    endpoint = active(session, holder_id)
    if endpoint is not None and endpoint.url == url:
        endpoint.disabled_at, endpoint.problem = at, problem


def signing_secrets(endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    """Those that sign now, the newest first."""
    until = endpoint.previous_secret_until
    before = endpoint.previous_secret if until is not None and at < until else None
    return [endpoint.secret] + ([before] if before else [])


def _set(session: Session, holder_id: str, url: str, by: SetBy, *, at: datetime) -> WebhookEndpoint:
    endpoint = session.get(WebhookEndpoint, holder_id)
    if endpoint is None:
        endpoint = WebhookEndpoint(holder_id=holder_id, secret=_new_secret(), created_at=at)
        session.add(endpoint)
    endpoint.url, endpoint.set_by = url, by.value
    endpoint.disabled_at = endpoint.problem = None
    session.flush()
    return endpoint


def _renew(endpoint: WebhookEndpoint, *, at: datetime) -> None:
    endpoint.previous_secret, endpoint.previous_secret_until = endpoint.secret, at + OVERLAP
    endpoint.secret = _new_secret()


def _new_secret() -> str:
    """A secret as the Standard Webhooks convention writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
