"""Who is behind a request: the key in its `Authorization` header."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems import Problem
from api.service import Service
from registry.access import Actor, authenticate

_bearer = HTTPBearer(auto_error=False, description="An API key: `clearmark keys create`.")


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(service_of)]


def actor_of(
    service: TheService, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Actor:
    if credentials is not None:
        with service.database.reading() as session:
            actor = authenticate(session, credentials.credentials, at=service.now())
        if actor is not None:
            return actor
    detail = "Send a valid key: Authorization: Bearer cm_…"
    raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


TheActor = Annotated[Actor, Depends(actor_of)]
IdempotencyHeader = Annotated[str | None, Header(alias="Idempotency-Key", max_length=255)]
