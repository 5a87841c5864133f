"""Accounts: people who sign up, show that an address is theirs, sign in, and belong to holders.

Nobody learns here who has an account: signing up and asking for a new password answer the same for an address that
is known and one that is not, and the rest is in a letter to it. A code of a letter is for one purpose, once.
Passwords are kept as argon2id (RFC 9106) makes of them; that takes its time by design, so it is done outside of
transactions (`hash_password`, `account_with`). Who may do what at a holder is a role, see `registry.access`.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from registry import access, assurance
from registry.access import Actor, HolderKind, Role, Scope
from registry.assurance import Cause
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.mail import post
from registry.models import Account, ApiKey, Holder, Identity, Letter, Mail, Membership, SignIn, Work

SIGN_IN_LASTS = timedelta(days=14)
_CODE_LASTS = timedelta(hours=24)
_INVITATION_LASTS = timedelta(days=14)
_SHORTEST_PASSWORD, _LONGEST_PASSWORD = 10, 256
# One @, no blanks, a dot in the domain: whether somebody reads it is found out by writing to it.
_ADDRESS = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,180}\.[^@\s.\x00-\x1f]{2,63}")


class Purpose(StrEnum):
    """What the code of a letter opens."""

    CONFIRM = "confirm"
    PASSWORD = "password"  # noqa: S105 - a purpose
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """Who signs up, and for which holder; without a name of its own the holder is the person."""

    email: str
    password_hash: str
    name: str
    holder: str | None = None
    kind: HolderKind = HolderKind.PERSON


class WrongCredentials(Forbidden):
    """No such account, another password, or an account that was disabled: which, is not said."""

    def __init__(self) -> None:
        super().__init__(action="the address or the password is wrong")


# -- signing up and in ---------------------------------------------------------------------------


def sign_up(session: Session, said: NewAccount, *, at: datetime) -> None:
    """Make an account and its holder, and write to the address; one that is known gets another letter instead.

    Raises:
        Invalid: what was said cannot be taken.
        Conflict: the holder's name is taken.
    """
    email = _address(said.email)
    if not said.name.strip() or len(said.name) > 200:
        raise Invalid(field="name", problem="Give your name, at most 200 characters.")
    name = access.free_name(session, said.holder or said.name)  # first: it is told to everybody alike
    if _by_email(session, email) is not None:
        post(session, email, "You have an account already", _LETTER_KNOWN.format(email=email), at=at)
        return
    account = _add_account(session, email, said.name, said.password_hash, at=at)
    holder = access.add_holder(session, name=name, kind=said.kind, assurance=Assurance.UNVERIFIED, at=at)
    session.add(Membership(holder_id=holder.id, account_id=account.id, role=Role.OWNER.value, added_at=at))
    ask_to_confirm(session, account, at=at)


def ask_to_confirm(session: Session, account: Account, *, at: datetime) -> None:
    """Write to an account's address to see whether they read it."""
    code = _letter(session, Purpose.CONFIRM, account.email, at=at, account=account)
    post(session, account.email, "Confirm your address", _LETTER_CONFIRM.format(name=account.name, code=code), at=at)


def confirm(session: Session, code: str, *, at: datetime) -> Account:
    """The address of an account is its person's: who has the code can read it."""
    account = session.get_one(Account, _open(session, code, Purpose.CONFIRM, at=at).account_id)
    account.email_confirmed_at = account.email_confirmed_at or at
    for holder in _holders_of(session, account):
        assurance.settle(session, holder, Cause.EMAIL_CONFIRMED, at=at)
    return account


def account_with(session: Session, email: str, password: str) -> Account:
    """The account of an address and its password; takes as long where there is none. Raises: WrongCredentials."""
    account = _by_email(session, email.strip().lower())
    stored = account.password_hash if account is not None and account.password_hash else _nobodys_hash()
    if not _matches(stored, password) or account is None or account.disabled_at or account.password_hash is None:
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
        Conflict: the address has an account that nobody ever confirmed.
        WrongCredentials: the account was disabled.
    """
    known = session.get(Identity, (claimed.issuer, claimed.subject)) or _join(session, claimed, at=at)
    account = session.get_one(Account, known.account_id)
    if account.disabled_at is not None:
        raise WrongCredentials
    return account


def ask_for_new_password(session: Session, email: str, *, at: datetime) -> None:
    """Write a code for a new password to an address that has an account; nothing else happens, and nothing is said."""
    account = _by_email(session, _address(email))
    if account is not None and account.disabled_at is None:
        code = _letter(session, Purpose.PASSWORD, account.email, at=at, account=account)
        post(session, account.email, "A new password", _LETTER_FORGOTTEN.format(name=account.name, code=code), at=at)


def set_password(session: Session, code: str, password_hash: str, *, at: datetime) -> Account:
    """A new password by the code of a letter, which also shows the address; every sign-in ends."""
    account = session.get_one(Account, _open(session, code, Purpose.PASSWORD, at=at).account_id)
    account.email_confirmed_at = account.email_confirmed_at or at
    change_password(session, account, password_hash, at=at)
    for holder in _holders_of(session, account):
        assurance.settle(session, holder, Cause.EMAIL_CONFIRMED, at=at)
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
    account.disabled_at = account.disabled_at or at
    access.sign_out(session, account.id, at=at)
    for holder in _holders_of(session, account):
        assurance.settle(session, holder, Cause.MEMBERS_CHANGED, at=at)


def forget(session: Session, account: Account, *, at: datetime) -> None:
    """Forget a person: nothing here names them any more. What their holders registered stays the holders'.

    Raises:
        Conflict: they alone look after a holder that has works or asks for checks.
    """
    for member in memberships(session, account):
        owners = session.scalars(_members_of(member.holder_id).where(Membership.role == Role.OWNER)).all()
        if owners == [member]:
            if _is_in_use(session, member.holder_id):
                problem = (
                    f"You alone own {member.holder.name}. Make another owner, or withdraw its works and keys first."
                )
                raise Conflict(kind="holder", id=member.holder_id, problem=problem)
            member.holder.name = f"forgotten {member.holder_id}"
        session.delete(member)
        assurance.settle(session, member.holder, Cause.MEMBERS_CHANGED, at=at)
    email, account.email, account.name = account.email, f"forgotten {account.id}", "Forgotten"
    account.password_hash, account.disabled_at = None, at
    for model, column in ((Identity, Identity.account_id), (SignIn, SignIn.account_id)):
        session.execute(sa.delete(model).where(column == account.id))
    session.execute(sa.delete(Letter).where(sa.or_(Letter.account_id == account.id, Letter.email == email)))
    session.execute(sa.update(Mail).where(Mail.recipient == email).values(recipient="forgotten", text=None))


def _is_in_use(session: Session, holder_id: str) -> bool:
    works = sa.select(Work.id).where(Work.holder_id == holder_id, Work.withdrawn_at.is_(None))
    keys = sa.select(ApiKey.id).where(ApiKey.holder_id == holder_id, ApiKey.revoked_at.is_(None))
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
    """Write to somebody that they may join the actor's holder; joining needs an account with that address."""
    actor.require(Scope.HOLDER_WRITE)
    email, holder = _address(email), session.get_one(Holder, actor.holder_id)
    code = _letter(session, Purpose.INVITATION, email, at=at, holder=holder, role=role)
    post(session, email, f"Join {holder.name}", _LETTER_INVITED.format(holder=holder.name, role=role, code=code), at=at)


def join(session: Session, account: Account, code: str, *, at: datetime) -> Membership:
    """Join the holder that invited the account's address."""
    letter = _open(session, code, Purpose.INVITATION, at=at)
    if letter.email != account.email:
        raise Forbidden(action=f"the invitation is for {letter.email}")
    member = session.get(Membership, (letter.holder_id, account.id))
    if member is None:
        member = Membership(holder_id=letter.holder_id, account_id=account.id, role=str(letter.role), added_at=at)
        session.add(member)
    elif member.role != Role.OWNER:
        member.role = str(letter.role)
    account.email_confirmed_at = account.email_confirmed_at or at  # they read what was written to it
    session.flush()
    for holder in _holders_of(session, account):
        assurance.settle(session, holder, Cause.MEMBERS_CHANGED, at=at)
    return member


def give_role(session: Session, actor: Actor, account_id: str, role: Role | None, *, at: datetime) -> None:
    """Change what a person does at the actor's holder, or with None let them go.

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
    if role is None:
        session.delete(member)
        assurance.settle(session, session.get_one(Holder, actor.holder_id), Cause.MEMBERS_CHANGED, at=at)
    else:
        member.role = role.value


def write_to(session: Session, holder_id: str, subject: str, text: str, *, at: datetime) -> None:
    """Write to the people of a holder who look after its claims and whose addresses are confirmed."""
    for account in _readers(session, holder_id):
        post(session, account.email, subject, text, at=at)


def reads_letters(session: Session, holder_id: str) -> bool:
    """Whether `write_to` has anybody to write to."""
    return any(_readers(session, holder_id))


def _readers(session: Session, holder_id: str) -> list[Account]:
    return [
        member.account
        for member in session.scalars(_members_of(holder_id))
        if member.role in (Role.OWNER, Role.LEGAL)
        and member.account.email_confirmed_at is not None
        and member.account.disabled_at is None
    ]


def _members_of(holder_id: str) -> sa.Select[Membership]:
    query = sa.select(Membership).where(Membership.holder_id == holder_id)
    return query.order_by(Membership.added_at, Membership.account_id)


# -- parts ---------------------------------------------------------------------------------------


def _join(session: Session, claimed: Claimed, *, at: datetime) -> Identity:
    email = _address(claimed.email)
    if not claimed.email_verified:
        raise Invalid(field="email", problem="Your identity provider does not vouch for your address.")
    account = _by_email(session, email)
    if account is not None and account.email_confirmed_at is None:
        problem = "There is an account with your address that was never confirmed. Confirm it first."
        raise Conflict(kind="account", id=account.id, problem=problem)
    if account is None:
        name = claimed.name.strip()[:200] or email
        account = _add_account(session, email, name, None, at=at)
        account.email_confirmed_at = at
        holder = access.add_holder(
            session,
            name=_free_name(session, name, email),
            kind=HolderKind.PERSON,
            assurance=Assurance.UNVERIFIED,
            at=at,
        )
        session.add(Membership(holder_id=holder.id, account_id=account.id, role=Role.OWNER.value, added_at=at))
        assurance.settle(session, holder, Cause.EMAIL_CONFIRMED, at=at)
    identity = Identity(issuer=claimed.issuer, subject=claimed.subject, account_id=account.id, added_at=at)
    session.add(identity)
    session.flush()
    return identity


def _free_name(session: Session, name: str, email: str) -> str:
    try:
        return access.free_name(session, name)
    except Conflict:
        return f"{name} ({email})"


def _add_account(session: Session, email: str, name: str, password_hash: str | None, *, at: datetime) -> Account:
    account = Account(
        id=new_id(Prefix.ACCOUNT, at=at), email=email, name=name.strip(), password_hash=password_hash, created_at=at
    )
    session.add(account)
    session.flush()
    return account


def _by_email(session: Session, email: str) -> Account | None:
    return session.scalar(sa.select(Account).where(Account.email == email))


def _holders_of(session: Session, account: Account) -> list[Holder]:
    return [member.holder for member in memberships(session, account)]


def _address(email: str) -> str:
    email = email.strip().lower()
    if not _ADDRESS.fullmatch(email):
        raise Invalid(field="email", problem="Give an e-mail address, such as ada@example.org.")
    return email


def _letter(
    session: Session, purpose: Purpose, email: str, *, at: datetime,
    account: Account | None = None, holder: Holder | None = None, role: Role | None = None,
) -> str:  # fmt: skip
    """A new code; those of earlier letters of the purpose to the same address no longer open anything."""
    same = Letter.purpose == purpose, Letter.email == email, Letter.used_at.is_(None)
    if holder is None:
        session.execute(sa.update(Letter).where(*same).values(used_at=at))
    code = secrets.token_urlsafe(24)
    letter = Letter(
        code_sha256=_digest(code),
        purpose=purpose.value,
        email=email,
        account_id=account.id if account else None,
        holder_id=holder.id if holder else None,
        role=role.value if role else None,
        created_at=at,
        expires_at=at + (_INVITATION_LASTS if purpose is Purpose.INVITATION else _CODE_LASTS),
    )
    session.add(letter)
    session.flush()
    return code


def _open(session: Session, code: str, purpose: Purpose, *, at: datetime) -> Letter:
    letter = session.get(Letter, _digest(code.strip()))
    if letter is None or letter.purpose != purpose or letter.used_at is not None or letter.expires_at <= at:
        raise Invalid(field="code", problem="This code is not one, was used, or has expired. Ask for a new one.")
    letter.used_at = at
    return letter


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


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

Enter it where you signed up, or send it to POST /v1/accounts/confirm. It is good for a day.
If you did not sign up, do nothing.
"""
_LETTER_KNOWN = """
Somebody, perhaps you, signed up with {email}, which has an account already.

If it was you, sign in as you always do, or ask for a new password. If not, do nothing.
"""
_LETTER_FORGOTTEN = """
Hello {name},

your code for a new password is

    {code}

Send it with the new password to POST /v1/accounts/password. It is good for a day.
If you did not ask for it, do nothing: your password stays as it is.
"""
_LETTER_INVITED = """
{holder} would like you to join them as {role}.

Sign in or sign up with this address, and send this code to POST /v1/memberships:

    {code}

It is good for two weeks. If you do not know them, do nothing.
"""
