"""Who is behind a request: the key or sign-in in its `Authorization` header, and the holder it acts for."""

import logging
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import DBAPIError

from api.problems import Problem
from api.service import Service
from registry import access
from registry.access import Actor
from registry.database import InDoubt, fault_of
from registry.errors import Forbidden
from registry.models import Account

_log = logging.getLogger(__name__)
_bearer = HTTPBearer(auto_error=False, description="An API key, or the token of `POST /v1/sessions`.")
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
_AsHolder = Annotated[
    str | None,
    Header(
        alias="Clearmark-Holder",
        max_length=64,
        description="The holder that the request acts for, where that is not plain: as their agent, or of several.",
    ),
]


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def base_url(request: Request) -> str:
    """Where this service is for others: as the operator says, else as whoever asks has reached it."""
    return service_of(request).settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")


BaseUrl = Annotated[str, Depends(base_url)]
TheService = Annotated[Service, Depends(service_of)]


def actor_of(service: TheService, credentials: _Credentials, as_holder: _AsHolder = None) -> Actor:
    """Who asks, by a key or a sign-in."""
    actor = party_of(service, credentials, as_holder)
    if actor.ticket_sha256 is not None:
        raise Forbidden(action="a ticket opens its notice and nothing else")
    return actor


def party_of(service: TheService, credentials: _Credentials, as_holder: _AsHolder = None) -> Actor:
    """Who asks about a notice: also whoever shows its ticket."""
    if credentials is not None:
        at = service.now()
        with service.database.reading() as session:
            actor = access.authenticate(session, credentials.credentials, at=at, as_holder=as_holder)
            note = actor is not None and access.unnoted_use(session, actor, at=at)
        if actor is not None:
            if note:
                _note_use(service, actor)
            return actor
    raise _unauthorized("Send a valid key: Authorization: Bearer cm_…")


def _note_use(service: Service, actor: Actor) -> None:
    """Note when a key was used; a database that takes no changes now does not keep anybody from reading."""
    try:
        with service.database.transaction() as session:
            access.note_use(session, actor, at=service.now())
    except (DBAPIError, InDoubt, TimeoutError) as error:
        if fault_of(error) is None and not isinstance(error, TimeoutError):
            raise
        _log.warning("that a key was used could not be noted: %s", str(error).partition("\n")[0])


def actor_or_nobody(service: TheService, credentials: _Credentials, as_holder: _AsHolder = None) -> Actor | None:
    """Who asks where a key is not needed; one that is presented must still be valid."""
    return None if credentials is None else actor_of(service, credentials, as_holder)


def account_of(service: TheService, credentials: _Credentials) -> Account:
    if credentials is not None:
        with service.database.reading() as session:
            account = access.account_of(session, credentials.credentials, at=service.now())
        if account is not None:
            return account
    raise _unauthorized("Sign in first, POST /v1/sessions, and send its token: Authorization: Bearer cs_…")


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


TheActor = Annotated[Actor, Depends(actor_of)]
TheParty = Annotated[Actor, Depends(party_of)]
TheActorOrNobody = Annotated[Actor | None, Depends(actor_or_nobody)]
TheAccount = Annotated[Account, Depends(account_of)]
IdempotencyHeader = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)]
