"""Signing in at the operator's OpenID provider, where there is one.

The provider knows one address to come back to. Who set out here gets the answer of the API; a browser that set out from
the pages (`api.pages.sign_in`) has a cookie that says so, and goes on there.
"""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Cookie, Depends, HTTPException, Query, Request, Response
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
PAGES: Final = "clearmark_oidc"
PAGES_GO_ON: Final = "/sign-in/oidc/back"


def send_pages_on(request: Request) -> None:
    """A browser that set out from the pages goes on there, whatever it comes back with."""
    if PAGES in request.cookies:
        where = f"{PAGES_GO_ON}?{request.url.query}"
        raise HTTPException(HTTPStatus.SEE_OTHER, headers={"Location": where, "Cache-Control": "no-store"})


@router.get("/login", status_code=303, response_class=RedirectResponse)
def begin(service: TheService) -> RedirectResponse:
    """Go to the identity provider; it sends you back here."""
    departure = provider_of(service).depart(at=service.now())
    answer = RedirectResponse(departure.url, status_code=303)
    answer.set_cookie(
        COOKIE, departure.cookie, max_age=int(LASTS.total_seconds()), path="/v1/oidc", httponly=True,
        secure=service.settings.url.startswith("https://"), samesite="lax",
    )  # fmt: skip
    answer.delete_cookie(PAGES)
    return answer


@router.get("/callback", dependencies=[Depends(send_pages_on)])
def arrive(
    service: TheService,
    response: Response,
    code: _Text,
    state: _Text,
    cookie: Annotated[str, Cookie(alias=COOKIE, max_length=4096)] = "",
) -> SignInOut:
    """Back from the identity provider: you are signed in. Who is new gets an account and a holder."""
    at = service.now()
    claimed = provider_of(service).arrive(code=code, state=state, cookie=cookie, at=at)
    response.delete_cookie(COOKIE, path="/v1/oidc")
    with service.database.transaction() as session:
        account = accounts.known_as(session, claimed, at=at)
    return signed_in(service, account)


def provider_of(service: Service) -> OpenIdProvider:
    """Raises: Problem: there is none."""
    if service.oidc is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", "There is no identity provider here; use POST /v1/sessions.")
    return service.oidc
