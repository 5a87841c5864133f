"""Signing up, in and out; and for which holder somebody acts who belongs to several, or is an agent."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import limits, noticeboard, oidc
from api.pages.page import Page, PostedForm, ThePage, onward
from api.pages.visit import SignedIn
from api.problems import Problem
from api.routes import accounts
from api.routes import oidc as oidc_routes
from api.schemas.accounts import AccountIn, ConfirmationIn, EmailIn, NewPasswordIn, SignInIn, SignInOut
from registry import access, agencies
from registry.access import TICKET
from registry.agencies import ActsFor

router = APIRouter()
Next = Annotated[str, Query(max_length=2000)]
_FromProvider = Annotated[str, Query(max_length=4096)]


@router.get("/sign-in")
def show_sign_in(page: ThePage, next: Next = "") -> Response:
    return page.show("sign_in/sign_in.html.j2", form=page.form(), next=onward(next, otherwise=""))


@router.post("/sign-in")
def sign_in(page: ThePage, form: PostedForm) -> Response:
    """With address and password, or with a key, or with the ticket of a notice."""
    onwards = onward(form.get("next"), otherwise="")
    form.drop("next")
    with form.heeding():
        if form.get("key"):
            return _with_key(page, form.get("key").strip(), onwards)
        known = accounts.sign_in(form.parse(SignInIn), page.request, page.service)
        return _signed_in(page, known, onwards)
    return page.show("sign_in/sign_in.html.j2", status=form.status, form=form, next=onwards)


@router.get("/sign-in/oidc")
def depart(page: ThePage, next: Next = "") -> Response:
    """Go to the identity provider; it sends the browser back."""
    departure = oidc_routes.provider_of(page.service).depart(at=page.at)
    answer = page.go(departure.url)
    carried = {"departure": departure.cookie, "next": onward(next, otherwise="")}
    answer.set_cookie(
        oidc_routes.PAGES, page.service.seals.seal(carried, at=page.at), max_age=int(oidc.LASTS.total_seconds()),
        path="/", httponly=True, secure=page.cookies.secure, samesite="lax",
    )  # fmt: skip
    return answer


@router.get(oidc_routes.PAGES_GO_ON)
def arrive(page: ThePage, code: _FromProvider = "", state: _FromProvider = "") -> Response:
    """Back from the identity provider, which may have said no."""
    form = page.form()
    sealed = page.request.cookies.get(oidc_routes.PAGES, "")
    carried = page.service.seals.open(sealed, lasts=oidc.LASTS, at=page.at) or {"departure": "", "next": ""}
    with form.heeding():
        if not code:
            raise oidc.OidcError(
                problem=page.gettext("Your organisation did not sign you in. Try again, or ask there.")
            )
        known = oidc_routes.arrive(page.service, Response(), code, state, carried["departure"])
        answer = _signed_in(page, known, carried["next"])
        answer.delete_cookie(oidc_routes.PAGES)
        return answer
    answer = page.show("sign_in/sign_in.html.j2", status=form.status, form=form, next=carried["next"])
    answer.delete_cookie(oidc_routes.PAGES)
    return answer


@router.post("/sign-out")
def sign_out(page: ThePage, _form: PostedForm) -> Response:
    signed_in = page.visit.signed_in
    if signed_in is not None:
        with page.service.database.transaction() as session:
            account = access.account_of(session, signed_in.credential, at=page.at)
            if account is not None:
                access.sign_out(session, account.id, token=signed_in.credential, at=page.at)
    answer = page.go("/", told=page.gettext("You are signed out."))
    page.cookies.sign_out(answer)
    return answer


@router.get("/sign-in/holder")
def show_holders(page: ThePage, next: Next = "") -> Response:
    """For whom somebody acts who belongs to several holders, or is an agent."""
    onwards = onward(next, otherwise="")
    return page.show("sign_in/holder.html.j2", form=page.form(), choices=acts_for(page), next=onwards)


@router.post("/sign-in/holder")
def choose_holder(page: ThePage, form: PostedForm) -> Response:
    signed_in = page.visit.signed_in
    if signed_in is None or form.get("holder") not in {one.holder.id for one in acts_for(page)}:
        return page.go("/sign-in")
    answer = page.go(onward(form.get("next"), otherwise="/dashboard"))
    chosen = replace(signed_in, as_holder=form.get("holder"))
    page.cookies.sign_in(answer, chosen, at=page.at)
    return answer


@router.get("/sign-up")
def show_sign_up(page: ThePage) -> Response:
    return page.show("sign_in/sign_up.html.j2", form=page.form())


@router.post("/sign-up")
def sign_up(page: ThePage, form: PostedForm) -> Response:
    with form.heeding():
        accounts.sign_up(form.parse(AccountIn), page.service)
        return page.show("sign_in/confirm.html.j2", form=page.form(), email=form.get("email"))
    return page.show("sign_in/sign_up.html.j2", status=form.status, form=form)


@router.get("/sign-up/confirm")
def show_confirmation(page: ThePage) -> Response:
    return page.show("sign_in/confirm.html.j2", form=page.form(), email=None)


@router.post("/sign-up/confirm")
def confirm(page: ThePage, form: PostedForm) -> Response:
    with form.heeding():
        account = accounts.confirm_address(form.parse(ConfirmationIn), page.service)
        said = SignInIn(email=account.email, password=form.get("password"))
        known = accounts.sign_in(said, page.request, page.service)
        return _signed_in(page, known, "")
    shown = "sign_in/join.html.j2" if "name" in form.tree() or "name" in form.errors else "sign_in/confirm.html.j2"
    return page.show(shown, status=form.status, form=form, email=None)


@router.get("/join")
def show_invitation(page: ThePage) -> Response:
    """For who was invited and has no account; who has one enters the code in it."""
    if page.account is not None or page.choose_holder:
        return page.go("/account/join")
    return page.show("sign_in/join.html.j2", form=page.form())


@router.get("/password")
def show_password(page: ThePage) -> Response:
    return page.show("sign_in/password.html.j2", form=page.form())


@router.post("/password")
def ask_for_password(page: ThePage, form: PostedForm) -> Response:
    with form.heeding():
        accounts.ask_for_new_password(form.parse(EmailIn), page.service)
        return page.show("sign_in/new_password.html.j2", form=page.form(), email=form.get("email"))
    return page.show("sign_in/password.html.j2", status=form.status, form=form)


@router.get("/password/new")
def show_new_password(page: ThePage) -> Response:
    return page.show("sign_in/new_password.html.j2", form=page.form(), email=None)


@router.post("/password/new")
def set_password(page: ThePage, form: PostedForm) -> Response:
    with form.heeding():
        accounts.set_password(form.parse(NewPasswordIn), page.service)
        return page.go("/sign-in", told=page.gettext("Your password is changed. Sign in with it."))
    return page.show("sign_in/new_password.html.j2", status=form.status, form=form, email=None)


def _with_key(page: Page, key: str, onwards: str) -> Response:
    """Raises: Problem: nobody has it."""
    if key.startswith(TICKET):
        return _with_ticket(page, key)
    with page.service.database.reading() as session:
        known = access.bearer_of(session, key, at=page.at) if key.startswith("cm_") else None
    if known is None:
        raise _unknown(page)
    answer = page.go(onwards or "/dashboard")
    page.cookies.sign_in(answer, SignedIn(credential=key), at=page.at)
    return answer


def _with_ticket(page: Page, ticket: str) -> Response:
    with page.service.database.reading() as session:
        actor = access.authenticate(session, ticket, at=page.at)
        notice_id = noticeboard.of_ticket(session, actor) if actor is not None else None
    if notice_id is None:
        raise _unknown(page)
    answer = page.go(f"/my-notices/{notice_id}")
    page.cookies.sign_in(answer, SignedIn(credential=ticket), at=page.at)
    return answer


def _unknown(page: Page) -> Problem:
    limits.guard_address(page.service.limiter, limits.Kind.SIGN_IN, page.request.scope)
    detail = page.gettext("Nobody has this key, or it has ended.")
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, field="key")


def _signed_in(page: Page, known: SignInOut, onwards: str) -> Response:
    holders = [one.holder_id for one in known.account.holders]
    chosen = holders[0] if len(holders) == 1 else None
    answer = page.go((onwards or "/dashboard") if chosen else f"/sign-in/holder?next={quote(onwards, safe='/')}")
    page.cookies.sign_in(answer, SignedIn(credential=known.token, as_holder=chosen), at=page.at)
    return answer


def acts_for(page: Page) -> list[ActsFor]:
    """For whom the visitor may act."""
    signed_in = page.visit.signed_in
    if signed_in is None:
        return []
    with page.service.database.reading() as session:
        return agencies.acts_for(session, signed_in.credential, at=page.at)
