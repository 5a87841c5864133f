"""Signing in at the operator's OpenID provider, where there is one."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Response
from fastapi.responses import RedirectResponse

from api.access import TheService
from api.oidc import COOKIE, LASTS, OpenIdProvider
from api.problems import Problem
from api.routes.accounts import signed_in
from api.schemas.accounts import SignInOut
from api.service import Service
from registry import accounts

router = APIRouter(prefix="/v1/oidc", tags=["accounts"])
_Text = Annotated[str, Query(min_length=1, max_length=4096)]


@router.get("/login", status_code=303, response_class=RedirectResponse)
def begin(service: TheService) -> RedirectResponse:
    """Go to the identity provider; it sends you back here."""
    departure = _provider(service).depart(at=service.now())
    answer = RedirectResponse(departure.url, status_code=303)
    answer.set_cookie(
        COOKIE, departure.cookie, max_age=int(LASTS.total_seconds()), path="/v1/oidc", httponly=True,
        secure=service.settings.url.startswith("https://"), samesite="lax",
    )  # fmt: skip
    return answer


@router.get("/callback")
def arrive(
    service: TheService,
    response: Response,
    code: _Text,
    state: _Text,
    cookie: Annotated[str, Cookie(alias=COOKIE, max_length=4096)] = "",
) -> SignInOut:
    """Back from the identity provider: you are signed in. Who is new gets an account and a holder."""
    at = service.now()
    claimed = _provider(service).arrive(code=code, state=state, cookie=cookie, at=at)
    response.delete_cookie(COOKIE, path="/v1/oidc")
    with service.database.transaction() as session:
        account = accounts.known_as(session, claimed, at=at)
    return signed_in(service, account)


def _provider(service: Service) -> OpenIdProvider:
    if service.oidc is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", "There is no identity provider here; use POST /v1/sessions.")
    return service.oidc
