"""People: signing up and in, passwords, and the holders they belong to."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from api import limits
from api.access import TheAccount, TheActor, TheService
from api.problems import Problem
from api.schemas.accounts import (
    AccountIn,
    AccountOut,
    CodeIn,
    ConfirmationIn,
    EmailIn,
    InvitationIn,
    InvitationOut,
    MemberOut,
    MembershipOut,
    NewPasswordIn,
    PasswordChangeIn,
    RoleIn,
    SignInIn,
    SignInOut,
)
from api.service import Service
from api.settings import SignUp
from registry import access, accounts
from registry.access import Role
from registry.accounts import SIGN_IN_LASTS, NewAccount
from registry.domain.policy import Assurance
from registry.models import Account, Membership

router = APIRouter(prefix="/v1", tags=["accounts"])
_Token = Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer(auto_error=False))]


@router.post("/accounts", status_code=202)
def sign_up(body: AccountIn, service: TheService) -> Response:
    """Have a letter with a code sent, by which you get an account and the holder for whom works are registered."""
    _require_open(service)
    limits.guard(service.limiter, limits.Kind.SIGN_IN, f"to {body.email.strip().lower()}")
    with service.database.transaction() as session:
        accounts.sign_up(session, NewAccount(**body.model_dump()), at=service.now())
    return Response(status_code=202)


@router.post("/accounts/confirm")
def confirm_address(body: ConfirmationIn, service: TheService) -> AccountOut:
    """Show that you read the address: send the code of the letter, or of an invitation, and choose a password."""
    _require_open(service)
    password_hash = accounts.hash_password(body.password)
    with service.database.transaction() as session:
        account = accounts.confirm(session, body.code, password_hash, name=body.name, at=service.now())
        return account_out(session, account)


@router.post("/accounts/password-reset", status_code=202)
def ask_for_new_password(body: EmailIn, service: TheService) -> Response:
    """Have a code for a new password sent, if the address has an account; which, is not said."""
    limits.guard(service.limiter, limits.Kind.SIGN_IN, f"to {body.email.strip().lower()}")
    with service.database.transaction() as session:
        accounts.ask_for_new_password(session, body.email, at=service.now())
    return Response(status_code=202)


@router.post("/accounts/password")
def set_password(body: NewPasswordIn, service: TheService) -> AccountOut:
    """Choose a new password by the code of the letter; everybody who was signed in no longer is."""
    password_hash = accounts.hash_password(body.password)
    with service.database.transaction() as session:
        return account_out(session, accounts.set_password(session, body.code, password_hash, at=service.now()))


@router.post("/accounts/{account_id}/disable", status_code=204)
def disable_account(account_id: str, actor: TheActor, service: TheService) -> Response:
    """Shut an account out, as the operator."""
    with service.database.transaction() as session:
        accounts.disable(session, actor, account_id, at=service.now())
    return Response(status_code=204)


@router.post("/sessions", status_code=201)
def sign_in(body: SignInIn, request: Request, service: TheService) -> SignInOut:
    """Sign in with address and password."""
    limits.guard_password(service.limiter, request.scope, body.email.strip().lower())
    try:
        with service.database.reading() as session:
            account = accounts.account_with(session, body.email, body.password)
    except accounts.WrongCredentials:
        raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "The address or the password is wrong.") from None
    return signed_in(service, account)


@router.delete("/sessions/current", status_code=204)
def sign_out(account: TheAccount, credentials: _Token, service: TheService) -> Response:
    with service.database.transaction() as session:
        access.sign_out(session, account.id, token=credentials.credentials, at=service.now())
    return Response(status_code=204)


@router.get("/account")
def get_account(account: TheAccount, service: TheService) -> AccountOut:
    """Who you are, and the holders that you belong to."""
    with service.database.reading() as session:
        return account_out(session, account)


@router.delete("/account", status_code=204)
def forget_account(account: TheAccount, service: TheService) -> Response:
    """Have yourself forgotten. What your holders registered stays theirs; one with works needs another owner."""
    with service.database.transaction() as session:
        letters = accounts.forget(session, session.get_one(Account, account.id), at=service.now())
    service.post.forget(letters)
    return Response(status_code=204)


@router.post("/account/password", status_code=204)
def change_password(body: PasswordChangeIn, request: Request, account: TheAccount, service: TheService) -> Response:
    """Choose a new password; you, too, have to sign in again."""
    limits.guard_password(service.limiter, request.scope, account.email)
    with service.database.reading() as session:
        accounts.account_with(session, account.email, body.old)
    password_hash = accounts.hash_password(body.new)
    with service.database.transaction() as session:
        accounts.change_password(session, session.get_one(Account, account.id), password_hash, at=service.now())
    return Response(status_code=204)


@router.post("/memberships", status_code=201)
def join(body: CodeIn, account: TheAccount, service: TheService) -> MembershipOut:
    """Join the holder that invited you, by the code of the letter."""
    with service.database.transaction() as session:
        mine = session.get_one(Account, account.id)
        return _membership(accounts.join(session, mine, body.code, at=service.now()))


@router.get("/members")
def list_members(actor: TheActor, service: TheService) -> list[MemberOut]:
    with service.database.reading() as session:
        return [_member(member) for member in accounts.members(session, actor)]


@router.post("/invitations", status_code=202)
def invite(body: InvitationIn, actor: TheActor, service: TheService) -> Response:
    """Write to somebody that they may join your holder; an earlier invitation of theirs no longer holds."""
    limits.guard(service.limiter, limits.Kind.SIGN_IN, f"to {body.email.strip().lower()}")
    with service.database.transaction() as session:
        accounts.invite(session, actor, body.email, body.role, at=service.now())
    return Response(status_code=202)


@router.get("/invitations")
def list_invitations(actor: TheActor, service: TheService) -> list[InvitationOut]:
    """Those that may still be taken up."""
    with service.database.reading() as session:
        found = accounts.invitations(session, actor, at=service.now())
        return [InvitationOut.model_validate(one, from_attributes=True) for one in found]


@router.delete("/invitations/{invitation_id}", status_code=204)
def withdraw_invitation(invitation_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        accounts.withdraw_invitation(session, actor, invitation_id, at=service.now())
    return Response(status_code=204)


@router.put("/members/{account_id}", status_code=204)
def give_role(account_id: str, body: RoleIn, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        accounts.give_role(session, actor, account_id, body.role, at=service.now())
    return Response(status_code=204)


@router.delete("/members/{account_id}", status_code=204)
def let_go(account_id: str, actor: TheActor, service: TheService) -> Response:
    with service.database.transaction() as session:
        accounts.give_role(session, actor, account_id, None, at=service.now())
    return Response(status_code=204)


def signed_in(service: Service, account: Account) -> SignInOut:
    """Sign a person in who has shown who they are."""
    at = service.now()
    with service.database.transaction() as session:
        token = access.sign_in(session, account, lasts=SIGN_IN_LASTS, at=at)
        return SignInOut(token=token, expires_at=at + SIGN_IN_LASTS, account=account_out(session, account))


def account_out(session: Session, account: Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        email=account.email,
        name=account.name,
        email_confirmed_at=account.email_confirmed_at,
        created_at=account.created_at,
        holders=[_membership(member) for member in accounts.memberships(session, account)],
    )


def _require_open(service: Service) -> None:
    if service.settings.sign_up is SignUp.CLOSED:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "Accounts are made by the operator of this service.")


def _membership(member: Membership) -> MembershipOut:
    holder = member.holder
    return MembershipOut(
        holder_id=holder.id, holder=holder.name, role=Role(member.role), assurance=Assurance(holder.assurance)
    )


def _member(member: Membership) -> MemberOut:
    account = member.account
    return MemberOut(
        account_id=account.id,
        name=account.name,
        email=account.email,
        role=Role(member.role),
        added_at=member.added_at,
    )
