"""Accounts: people who sign up, show that an address is theirs, sign in, and belong to holders.

There is no account before somebody has shown that they read its address: what they said who signed up waits with the
letter's code, and whoever has that code chooses the password. So nobody makes an account on another's address, and no
name is held by somebody who never came back. Nobody learns here who has an account: signing up and asking for a new
password answer the same for an address that is known and one that is not, and the rest is in a letter to it.
Passwords are kept as argon2id (RFC 9106) makes of them; that takes its time by design, so it is done outside of
transactions (`hash_password`, `account_with`). Who may do what at a holder is a role, see `registry.access`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from registry import access, agencies, assurance, codes, domains, mail
from registry.access import Actor, HolderKind, Role, Scope
from registry.admin_actions import Action, note
from registry.assurance import Cause
from registry.codes import Purpose
from registry.domain import names
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.mail import address, filled, post
from registry.models import Account, ApiKey, Holder, Identity, Letter, Membership, SignIn, WebhookEndpoint, Work

SIGN_IN_LASTS = timedelta(days=14)
_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 10, 256


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """Who signs up, and for which holder; without a name of its own the holder is the person."""

    email: str
    name: str
    holder: str | None = None
    kind: HolderKind = HolderKind.PERSON


class WrongCredentials(Forbidden):
    """No such account, another password, or an account that was disabled: which, is not said."""

    def __init__(self) -> None:
        super().__init__(action="the address or the password is wrong")


# -- signing up and in ---------------------------------------------------------------------------


def sign_up(session: Session, said: NewAccount, *, at: datetime) -> None:
    """Write to an address so that its reader may have an account and a holder; one that is known is told so instead.

    Raises:
        Invalid: what was said cannot be taken.
        Conflict: the holder's name is taken.
    """
    email, name = address(said.email), names.checked(said.name, field="name")
    holder = access.free_name(session, said.holder or name)  # first: it is told to everybody alike
    if _by_email(session, email) is not None:
        text = filled(_LETTER_KNOWN, email=email)
        post(session, email, "You have an account already", text, at=at)
        return
    wanted = {"name": name, "holder": holder, "kind": said.kind.value}
    code = codes.issue(session, Purpose.CONFIRM, email, at=at, said=wanted)
    post(session, email, "Confirm your address", filled(_LETTER_CONFIRM, **wanted, code=code), at=at)


def confirm(session: Session, code: str, password_hash: str, *, at: datetime, name: str | None = None) -> Account:
    """Make the account of who has the code of a letter: they read that address, and the password is theirs.

    With the code of an invitation they join the holder that invited them, and have none of their own.

    Args:
        name: the person's, who did not say it before: who was invited.
    Raises:
        Invalid: the code opens nothing, or somebody who was invited did not say their name.
        Conflict: the address has an account, or the holder's name was taken meanwhile.
    """
    letter = codes.redeem(session, code, Purpose.CONFIRM, Purpose.INVITATION, at=at)
    known = _by_email(session, letter.email)
    if known is not None:
        problem = "Your address has an account. Sign in; then take up the invitation there, on the page /join."
        raise Conflict(kind="account", id=known.id, problem=problem)
    if letter.said is None:
        account = _add_account(session, letter.email, names.checked(name or "", field="name"), password_hash, at=at)
        _admit(session, account, letter, at=at)
        return account
    account = _add_account(session, letter.email, letter.said["name"], password_hash, at=at)
    _add_holder(session, account, letter.said["holder"], HolderKind(letter.said["kind"]), at=at)
    return account


def account_with(session: Session, email: str, password: str) -> Account:
    """The account of an address and its password; takes as long where there is none. Raises: WrongCredentials."""
    account = _by_email(session, email.strip().lower())
    stored = account.password_hash if account is not None and account.password_hash else _nobodys_hash()
    if not _matches(stored, password) or account is None or not account.is_open or account.password_hash is None:
        raise WrongCredentials
    return account


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What an OpenID provider that the operator trusts says of somebody."""

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str


def known_as(session: Session, claimed: Claimed, *, at: datetime) -> Account:
    """The account of whom the operator's identity provider signed in; a new person gets one, and a holder.

    Raises:
        Invalid: the provider does not vouch for the address.
        WrongCredentials: the account was disabled.
    """
    known = session.get(Identity, (claimed.issuer, claimed.subject)) or _join(session, claimed, at=at)
    account = session.get_one(Account, known.account_id)
    if account.disabled_at is not None:
        raise WrongCredentials
    return account


def ask_for_new_password(session: Session, email: str, *, at: datetime) -> None:
    """Write a code for a new password to an address that has an account; nothing else happens, and nothing is said."""
    account = _by_email(session, address(email))
    if account is not None and account.disabled_at is None:
        code = codes.issue(session, Purpose.PASSWORD, account.email, at=at, account=account)
        text = filled(_LETTER_FORGOTTEN, name=account.name, code=code)
        post(session, account.email, "A new password", text, at=at)


def set_password(session: Session, code: str, password_hash: str, *, at: datetime) -> Account:
    """A new password by the code of a letter, which also shows the address; every sign-in ends."""
    account = session.get_one(Account, codes.redeem(session, code, Purpose.PASSWORD, at=at).account_id)
    _take_over(session, account, at=at)
    change_password(session, account, password_hash, at=at)
    return account


def change_password(session: Session, account: Account, password_hash: str, *, at: datetime) -> None:
    """A new password for who has shown that they know the old one; every sign-in ends."""
    account.password_hash = password_hash
    access.sign_out(session, account.id, at=at)


def disable(session: Session, actor: Actor, account_id: str, *, at: datetime) -> None:
    """Shut an account out, as the operator; what it did stays, and what it showed no longer counts."""
    actor.require(Scope.ADMIN)
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound(kind="account", id=account_id)
    note(session, Action.ACCOUNT_DISABLED, account_id, by=actor, at=at)
    account.disabled_at = account.disabled_at or at
    access.sign_out(session, account.id, at=at)
    access.revoke_keys_of(session, account.id, at=at)
    for member in memberships(session, account):
        assurance.settle(session, member.holder, Cause.MEMBERS_CHANGED, at=at)


def forget(session: Session, account: Account, *, at: datetime) -> list[str]:
    """Forget a person: nothing here names them any more. What their holders registered stays the holders'.

    Returns:
        The ids of all letters that were written to them: copies of them are to be deleted.

    Raises:
        Conflict: they alone look after a holder that has works or asks for checks.
    """
    for member in memberships(session, account):
        owners = session.scalars(_members_of(member.holder_id).where(Membership.role == Role.OWNER)).all()
        if owners == [member]:
            if _is_in_use(session, member.holder_id, at=at):
                problem = (
                    f"You alone own {member.holder.name}. Make another owner, or withdraw its works and keys first."
                )
                raise Conflict(kind="holder", id=member.holder_id, problem=problem)
            _forget_holder(session, member.holder, at=at)
        session.delete(member)
        assurance.settle(session, member.holder, Cause.MEMBERS_CHANGED, at=at)
    email, account.email, account.name = account.email, f"forgotten {account.id}", "Forgotten"
    account.password_hash, account.disabled_at = None, at
    access.revoke_keys_of(session, account.id, at=at)
    for model, column in ((Identity, Identity.account_id), (SignIn, SignIn.account_id)):
        session.execute(sa.delete(model).where(column == account.id))
    session.execute(sa.delete(Letter).where(sa.or_(Letter.account_id == account.id, Letter.email == email)))
    return mail.forget(session, email, at=at)


def _forget_holder(session: Session, holder: Holder, *, at: datetime) -> None:
    """Nobody is behind a holder any more: it speaks for no site, and nobody acts for it."""
    holder.name = f"forgotten {holder.id}"
    domains.let_all_go(session, holder.id, at=at)
    agencies.end_all(session, holder.id, at=at)
    session.execute(sa.delete(Letter).where(Letter.holder_id == holder.id))
    session.execute(sa.delete(WebhookEndpoint).where(WebhookEndpoint.holder_id == holder.id))


def _is_in_use(session: Session, holder_id: str, *, at: datetime) -> bool:
    works = sa.select(Work.id).where(Work.holder_id == holder_id, Work.withdrawn_at.is_(None))
    keys = sa.select(ApiKey.id).where(ApiKey.holder_id == holder_id, access.live(at))
    return any(session.scalar(query.limit(1)) is not None for query in (works, keys))


# -- who belongs to a holder ---------------------------------------------------------------------


def members(session: Session, actor: Actor) -> list[Membership]:
    """The people of the actor's holder, longest there first."""
    actor.require(Scope.HOLDER_WRITE)
    return list(session.scalars(_members_of(actor.holder_id)))


def memberships(session: Session, account: Account) -> list[Membership]:
    """The holders that a person belongs to."""
    query = sa.select(Membership).where(Membership.account_id == account.id)
    return list(session.scalars(query.order_by(Membership.added_at, Membership.holder_id)))


def invite(session: Session, actor: Actor, email: str, role: Role, *, at: datetime) -> None:
    """Write to somebody that they may join the actor's holder; an earlier invitation of theirs no longer holds."""
    actor.require(Scope.HOLDER_WRITE)
    email, holder = address(email), session.get_one(Holder, actor.holder_id)
    code = codes.issue(session, Purpose.INVITATION, email, at=at, holder=holder, role=role)
    text = filled(_LETTER_INVITED, holder=holder.name, role=role.value, code=code)
    post(session, email, f"Join {holder.name}", text, at=at)


def invitations(session: Session, actor: Actor, *, at: datetime) -> list[Letter]:
    """Those of the actor's holder that may still be taken up, oldest first."""
    actor.require(Scope.HOLDER_WRITE)
    theirs = Letter.purpose == Purpose.INVITATION, Letter.holder_id == actor.holder_id
    still = sa.select(Letter).where(*theirs, Letter.used_at.is_(None), Letter.expires_at > at)
    return list(session.scalars(still.order_by(Letter.id)))


def withdraw_invitation(session: Session, actor: Actor, invitation_id: str, *, at: datetime) -> None:
    """Take an invitation back. Raises: NotFound: there is none that may still be taken up."""
    for letter in invitations(session, actor, at=at):
        if letter.id == invitation_id:
            letter.used_at = at
            return
    raise NotFound(kind="invitation", id=invitation_id)


def join(session: Session, account: Account, code: str, *, at: datetime) -> Membership:
    """Join the holder that invited the account's address."""
    letter = codes.redeem(session, code, Purpose.INVITATION, at=at)
    if letter.email != account.email:
        raise Forbidden(action=f"the invitation is for {letter.email}")
    return _admit(session, account, letter, at=at)


def give_role(session: Session, actor: Actor, account_id: str, role: Role | None, *, at: datetime) -> None:
    """Change what a person does at the actor's holder, or with None let them go.

    What they could do before ends with it: the keys that they made and that do more, and invitations to them.

    Raises:
        Conflict: they are the only owner.
    """
    actor.require(Scope.HOLDER_WRITE)
    member = session.get(Membership, (actor.holder_id, account_id))
    if member is None:
        raise NotFound(kind="member", id=account_id)
    owners = [one for one in session.scalars(_members_of(actor.holder_id)) if one.role == Role.OWNER]
    if owners == [member] and role is not Role.OWNER:
        raise Conflict(kind="member", id=account_id, problem="Make somebody else an owner first.")
    allowed = access.ROLE_SCOPES[role] if role is not None else frozenset()
    access.revoke_keys_of(session, account_id, holder_id=actor.holder_id, but=allowed, at=at)
    codes.void(session, Purpose.INVITATION, member.account.email, holder_id=actor.holder_id, at=at)
    if role is None:
        session.delete(member)
        assurance.settle(session, session.get_one(Holder, actor.holder_id), Cause.MEMBERS_CHANGED, at=at)
    else:
        member.role = role.value


def write_to(session: Session, holder_id: str, subject: str, text: str, *, at: datetime) -> None:
    """Write to the readers of a holder."""
    for account in readers(session, holder_id):
        post(session, account.email, subject, text, at=at)


def reads_letters(session: Session, holder_id: str) -> bool:
    """Whether `write_to` has anybody to write to."""
    return any(readers(session, holder_id))


def readers(session: Session, holder_id: str) -> list[Account]:
    """The people of a holder who look after its claims and whose addresses are confirmed."""
    return [
        member.account
        for member in session.scalars(_members_of(holder_id))
        if member.role in (Role.OWNER, Role.LEGAL) and member.account.is_open
    ]


def _members_of(holder_id: str) -> sa.Select[Membership]:
    query = sa.select(Membership).where(Membership.holder_id == holder_id)
    return query.order_by(Membership.added_at, Membership.account_id)


# -- parts ---------------------------------------------------------------------------------------


def _join(session: Session, claimed: Claimed, *, at: datetime) -> Identity:
    email = address(claimed.email)
    if not claimed.email_verified:
        raise Invalid(field="email", problem="Your identity provider does not vouch for your address.")
    account = _by_email(session, email)
    if account is None:
        name = names.made_from(claimed.name) or "Somebody"
        account = _add_account(session, email, name, None, at=at)
        _add_holder(session, account, _free_name(session, name), HolderKind.PERSON, at=at)
    elif account.email_confirmed_at is None:
        account.password_hash = None  # whoever chose it did not show that the address is theirs
        _take_over(session, account, at=at)
    identity = Identity(issuer=claimed.issuer, subject=claimed.subject, account_id=account.id, added_at=at)
    session.add(identity)
    session.flush()
    return identity


def _free_name(session: Session, name: str) -> str:
    """The name, or one like it where it is taken."""
    try:
        return access.free_name(session, name)
    except Conflict:
        return f"{names.one_line(name, max_chars=180)} {secrets.token_hex(4)}"


def _take_over(session: Session, account: Account, *, at: datetime) -> None:
    """The address of an account is shown to be its person's; if never before, whoever used it may be another."""
    # Unconfirmed are only accounts that were made when an address did not have to be shown first.
    if account.email_confirmed_at is None:
        account.email_confirmed_at = at
        access.sign_out(session, account.id, at=at)
        access.revoke_keys_of(session, account.id, at=at)
        for member in memberships(session, account):
            assurance.settle(session, member.holder, Cause.EMAIL_CONFIRMED, at=at)


def _admit(session: Session, account: Account, letter: Letter, *, at: datetime) -> Membership:
    """Let an account into the holder that invited it; an owner stays one."""
    member = session.get(Membership, (letter.holder_id, account.id))
    if member is None:
        member = Membership(holder_id=letter.holder_id, account_id=account.id, role=str(letter.role), added_at=at)
        session.add(member)
    elif member.role != Role.OWNER:
        member.role = str(letter.role)
    session.flush()
    assurance.settle(session, session.get_one(Holder, letter.holder_id), Cause.MEMBERS_CHANGED, at=at)
    return member


def _add_account(session: Session, email: str, name: str, password_hash: str | None, *, at: datetime) -> Account:
    """The account of somebody who showed that the address is theirs; no other sign-up with it is open any more."""
    codes.void(session, Purpose.CONFIRM, email, at=at)
    account = Account(
        id=new_id(Prefix.ACCOUNT, at=at),
        email=email,
        name=name,
        password_hash=password_hash,
        created_at=at,
        email_confirmed_at=at,
    )
    session.add(account)
    session.flush()
    return account


def _add_holder(session: Session, account: Account, name: str, kind: HolderKind, *, at: datetime) -> None:
    """The holder that an account alone owns."""
    holder = access.add_holder(session, name=name, kind=kind, assurance=Assurance.UNVERIFIED, at=at)
    session.add(Membership(holder_id=holder.id, account_id=account.id, role=Role.OWNER.value, added_at=at))
    assurance.settle(session, holder, Cause.EMAIL_CONFIRMED, at=at)


def _by_email(session: Session, email: str) -> Account | None:
    return session.scalar(sa.select(Account).where(Account.email == email))


_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """What is kept of a password. Raises: Invalid: it is too short, too long, or too plain."""
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        problem = f"Use {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters; a few words are fine."
        raise Invalid(field="password", problem=problem)
    if len(set(password)) < 5:
        raise Invalid(field="password", problem="It repeats itself. Use a few words.")
    return _hasher.hash(password)


def _matches(stored: str, password: str) -> bool:
    try:
        return len(password) <= _LONGEST_PASSWORD and _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    """What a password is compared with where there is no account, so that it takes as long."""
    return _hasher.hash(secrets.token_urlsafe(32))


_LETTER_CONFIRM = """
Hello {name},

your code is

    {code}

Enter it where you signed up, on the page /sign-up/confirm, and choose a password: you then have an account, and works
are registered for “{holder}”. It is good for a day. If you did not sign up, do nothing.

By program: POST /v1/accounts/confirm.
"""
_LETTER_KNOWN = """
Somebody, perhaps you, signed up with {email}, which has an account already.

If it was you, sign in as you always do, or ask for a new password. If not, do nothing.
"""
_LETTER_FORGOTTEN = """
Hello {name},

your code for a new password is

    {code}

Enter it with the new password on the page /password/new. It is good for a day.
If you did not ask for it, do nothing: your password stays as it is.

By program: POST /v1/accounts/password.
"""
_LETTER_INVITED = """
{holder} would like you to join them as {role}.

Your code is

    {code}

Enter it on the page /join: there you also make an account, if you have none. It is good for two weeks. If you do not
know them, do nothing.

By program: POST /v1/accounts/confirm without an account, POST /v1/memberships with one.
"""
