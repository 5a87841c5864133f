"""Who is asking, and what they may do: holders, API keys, people who are signed in, agents, scopes.

A key looks like `cm_<prefix>_<secret>`, a sign-in like `cs_<secret>`. Secrets have 256 random bits, so a plain
SHA-256 of them is stored: a slow hash protects guessable passwords, and would cost every request a tenth of a second.

A request acts for one holder: the key's own, or one whose agent the key's holder is; of a person who is signed in,
a holder they belong to, or one whose agent that is.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain import names
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.models import Account, Agency, ApiKey, Holder, Membership, NoticeTicket, SignIn


class Scope(StrEnum):
    WORKS_WRITE = "works:write"
    CHECKS_WRITE = "checks:write"
    RELEASES_WRITE = "releases:write"
    NOTICES_WRITE = "notices:write"
    HOLDER_WRITE = "holder:write"
    WEBHOOKS_WRITE = "webhooks:write"
    REVIEW = "review"
    ADMIN = "admin"


# What concerns works, clips and claims; an agent gets none but these.
USE_SCOPES: Final = (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.NOTICES_WRITE)
# What a holder may give to their own keys; the others are the operator's to give.
HOLDER_SCOPES: Final = (*USE_SCOPES, Scope.WEBHOOKS_WRITE, Scope.HOLDER_WRITE)


class HolderKind(StrEnum):
    PERSON = "person"
    ORGANISATION = "organisation"


class Basis(StrEnum):
    """On whose word an agency stands; stored, so never renamed."""

    PRINCIPAL = "principal"
    AGENT = "agent"


class Role(StrEnum):
    """What a person does at a holder."""

    OWNER = "owner"
    EDITOR = "editor"
    CATALOGUE = "catalogue"
    PIPELINE = "pipeline"
    LEGAL = "legal"


ROLE_SCOPES: Final = {
    Role.OWNER: frozenset(HOLDER_SCOPES),
    Role.EDITOR: frozenset({*USE_SCOPES, Scope.WEBHOOKS_WRITE}),
    Role.CATALOGUE: frozenset({Scope.WORKS_WRITE}),
    Role.PIPELINE: frozenset({Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.WEBHOOKS_WRITE}),
    Role.LEGAL: frozenset({Scope.NOTICES_WRITE}),
}
# What lets one read a record of one's holder's by its id, and the receipt for it: one scope of several. Letters about
# conflicts and findings go to `legal` too, so what it has opens them.
READS: Final[dict[Prefix, tuple[Scope, ...]]] = {
    Prefix.WORK: (Scope.WORKS_WRITE,),
    Prefix.ASSET: (Scope.WORKS_WRITE,),
    Prefix.IMPORT: (Scope.WORKS_WRITE,),
    Prefix.RESERVATION: (Scope.WORKS_WRITE,),
    Prefix.CONSENT: (Scope.WORKS_WRITE, Scope.CHECKS_WRITE),
    Prefix.CHECK: (Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.REVIEW),
    Prefix.RELEASE: (Scope.RELEASES_WRITE, Scope.REVIEW),
    Prefix.NOTICE: (Scope.NOTICES_WRITE, Scope.RELEASES_WRITE, Scope.REVIEW),
    Prefix.CONFLICT: (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.NOTICES_WRITE),
    Prefix.FINDING: (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.REVIEW, Scope.NOTICES_WRITE),
}
TICKET: Final = "nt_"
NOBODY: Final = ""  # the holder of who has no key: no row has it
# Keys of one holder that work at once.
_MOST_KEYS: Final = 100
# A key that is used all the time is noted as used this often; noting it is a write.
_USE_NOTED_EVERY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The holder behind a request and what they may do.

    Attributes:
        agent_id: the holder who acts for them; None when they act themselves.
        account_id: the person who is signed in; None when a key was presented.
        key_id: the key that was presented.
        made_by: the account or key that made that key, or who made that one, and so on to the first.
        ticket_sha256: of the ticket of one notice, which somebody without a key presented.
    """

    holder_id: str
    scopes: frozenset[Scope]
    agent_id: str | None = None
    account_id: str | None = None
    key_id: str | None = None
    made_by: str | None = None
    ticket_sha256: str | None = None

    @property
    def person(self) -> str:
        """Who it is that acts, as far as can be told: keys that somebody made for themselves are theirs."""
        return self.account_id or self.made_by or self.key_id or self.holder_id

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def may_read(self, kind: Prefix) -> bool:
        """Whether they may read records of their holder's of this kind; see `READS`."""
        return any(self.may(scope) for scope in READS[kind])

    def require(self, *scopes: Scope) -> None:
        """One of `scopes` is needed. Raises: Forbidden."""
        if not any(self.may(scope) for scope in scopes):
            raise Forbidden(action=self._lacks(scopes))

    def _lacks(self, scopes: Sequence[Scope]) -> str:
        """What they would need, in the words of how they came."""
        wanted = " or ".join(scope.value for scope in scopes)
        if self.agent_id is not None:
            return f"this needs the scope {wanted}, which you do not have as an agent"
        if self.account_id is None:
            return f"this needs a key with the scope {wanted}"
        roles = [role.value for role, held in ROLE_SCOPES.items() if not held.isdisjoint(scopes)]
        if not roles:
            return f"this is for the operator, who has a key with the scope {wanted}"
        return f"this needs the role {' or '.join(roles)} at the holder"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key; `key` is shown this once and cannot be shown again."""

    id: str
    key: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


def find_or_add_holder(session: Session, *, name: str, assurance: Assurance, at: datetime) -> Holder:
    """The holder of that name, for the operator; a new one gets `assurance`.

    Raises:
        Conflict: as `named` does, or another's name looks the same.
    """
    holder = named(session, name)
    if holder is not None:
        return holder
    try:
        return add_holder(session, name=name, kind=HolderKind.ORGANISATION, assurance=assurance, at=at)
    except Conflict as taken:
        alike = session.get_one(Holder, taken.id)
        problem = f"It looks like “{alike.name}”, {alike.id}. Give that name exactly, or another."
        raise Conflict(kind="holder", id=alike.id, problem=problem) from None


def named(session: Session, name: str) -> Holder | None:
    """The holder of that name, for the operator, who knows them by it.

    Raises:
        Conflict: nobody but who took the name says that the holder is of that name.
    """
    holder = session.scalar(sa.select(Holder).where(Holder.name == name))
    if holder is None or holder.granted_assurance != Assurance.UNVERIFIED:
        return holder
    people = session.scalar(sa.select(Membership.account_id).where(Membership.holder_id == holder.id).limit(1))
    # By word of the agent alone, and also once it has ended: what they declared for the holder is still on record.
    agents = sa.select(Agency.agent_id).where(Agency.principal_id == holder.id, Agency.basis == Basis.AGENT)
    agent = session.scalar(agents.limit(1))
    if people is not None or agent is not None:
        who = "Somebody signed up under this name." if people is not None else f"{agent} says to act for this holder."
        problem = f"{who} Vet them first, PUT /v1/holders/{holder.id}/assurance, or give the holder another name."
        raise Conflict(kind="holder", id=holder.id, problem=problem)
    return holder


def add_holder(session: Session, *, name: str, kind: HolderKind, assurance: Assurance, at: datetime) -> Holder:
    """A new holder. Raises: Conflict: the name is taken."""
    holder = Holder(
        id=new_id(Prefix.HOLDER, at=at),
        name=free_name(session, name),
        kind=kind.value,
        assurance=assurance.value,
        granted_assurance=assurance.value,
        created_at=at,
    )
    try:
        with session.begin_nested():
            session.add(holder)
    except sa.exc.IntegrityError:  # somebody else took it meanwhile
        free_name(session, name)
        raise
    return holder


def free_name(session: Session, name: str) -> str:
    """A name that no holder has, its blanks made plain. Raises: Invalid; Conflict: one has it, or looks the same."""
    name = names.checked(name, field="holder")
    known = session.scalar(sa.select(Holder.id).where(Holder.name_key == names.key_of(name)))
    if known is not None:
        problem = "This name is taken. Add what tells you apart; if it is you, ask the operator."
        raise Conflict(kind="holder", id=known, problem=problem)
    return name


def issue_key(
    session: Session,
    holder: Holder,
    scopes: Iterable[Scope],
    *,
    at: datetime,
    expires_at: datetime | None = None,
    name: str | None = None,
    made_by: str | None = None,
) -> IssuedKey:
    """Make a key for a holder."""
    granted = tuple(dict.fromkeys(scopes))
    if not granted:
        raise Invalid(field="scopes", problem=f"Name at least one of: {', '.join(Scope)}.")
    if expires_at is not None and expires_at <= at:
        raise Invalid(field="expires_at", problem="Give a time that is still to come.")
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = ApiKey(
        id=new_id(Prefix.KEY, at=at),
        holder_id=holder.id,
        name=name,
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=[scope.value for scope in granted],
        created_at=at,
        expires_at=expires_at,
        made_by=made_by,
    )
    session.add(row)
    session.flush()
    return IssuedKey(id=row.id, key=f"cm_{prefix}_{secret}", scopes=granted, expires_at=expires_at)


def revoke_key(session: Session, key_id: str, *, at: datetime) -> None:
    """End a key at once, and every key that was made with it; ending it again changes nothing."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound(kind="key", id=key_id)
    row.revoked_at = row.revoked_at or at
    for made in session.scalars(sa.select(ApiKey.id).where(ApiKey.made_by == key_id)).all():
        revoke_key(session, made, at=at)


def revoke_keys_of(
    session: Session, account_id: str, *, at: datetime, holder_id: str | None = None,
    but: frozenset[Scope] = frozenset(),
) -> None:  # fmt: skip
    """End the keys that a person made, at one holder or at all, but for those that do no more than `but`."""
    made = sa.select(ApiKey).where(ApiKey.made_by == account_id)
    if holder_id is not None:
        made = made.where(ApiKey.holder_id == holder_id)
    for row in session.scalars(made).all():
        if not set(row.scopes) <= but:
            revoke_key(session, row.id, at=at)


def live(at: datetime) -> sa.ColumnElement[bool]:
    """What makes a key one that works: it was not revoked, and has not expired."""
    return sa.and_(ApiKey.revoked_at.is_(None), sa.or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > at))


def own_key(session: Session, actor: Actor, key_id: str) -> ApiKey:
    """A key of the actor's. Raises: NotFound."""
    actor.require(Scope.HOLDER_WRITE)
    row = session.get(ApiKey, key_id)
    if row is None or row.holder_id != actor.holder_id:
        raise NotFound(kind="key", id=key_id)
    return row


def issue_own_key(
    session: Session,
    actor: Actor,
    scopes: Iterable[Scope],
    *,
    name: str | None,
    at: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key for the actor's own holder, which may do no more than the actor, and for no longer than their key.

    Raises:
        Forbidden: it is to do more.
        Conflict: the holder has very many.
    """
    actor.require(Scope.HOLDER_WRITE)
    wanted = tuple(scopes)
    if beyond := [scope for scope in wanted if not actor.may(scope)]:
        raise Forbidden(action=f"you may not give {', '.join(beyond)}, which you do not have")
    holder = session.get_one(Holder, actor.holder_id)
    working = sa.select(sa.func.count()).where(ApiKey.holder_id == holder.id, live(at))
    if session.scalars(working).one() >= _MOST_KEYS:
        raise Conflict(kind="holder", id=holder.id, problem=f"It has {_MOST_KEYS} keys that work. Revoke one first.")
    made_with = session.get_one(ApiKey, actor.key_id) if actor.key_id else None
    if made_with is not None and made_with.expires_at is not None:
        expires_at = min(expires_at or made_with.expires_at, made_with.expires_at)
    made_by = actor.account_id or actor.key_id
    return issue_key(session, holder, wanted, at=at, expires_at=expires_at, name=name, made_by=made_by)


def rotate_key(session: Session, actor: Actor, key_id: str, *, overlap: timedelta, at: datetime) -> IssuedKey:
    """Make a key that replaces another; that one still works for `overlap`."""
    old = own_key(session, actor, key_id)
    if has_ended(old, at=at):
        raise Conflict(kind="key", id=key_id, problem="It has ended. Make a new one.")
    lasts = old.expires_at - old.created_at if old.expires_at else None
    new = issue_own_key(
        session, actor, [Scope(scope) for scope in old.scopes], name=old.name, at=at,
        expires_at=at + lasts if lasts else None,
    )  # fmt: skip
    ends = at + overlap
    old.expires_at = min(old.expires_at, ends) if old.expires_at else ends
    return new


def authenticate(session: Session, presented: str, *, at: datetime, as_holder: str | None = None) -> Actor | None:
    """Who presents this key or sign-in, or None when it is unknown, expired or revoked.

    Args:
        as_holder: the holder that the request acts for; None: the key's own, or the only one that a person belongs to.
    Raises:
        Forbidden: they do not act for that holder, or it is not said for which of several.
    """
    if presented.startswith("cs_"):
        return _signed_in(session, presented, at=at, as_holder=as_holder)
    if presented.startswith(TICKET):
        return _with_ticket(session, presented)
    row = _key(session, presented, at=at)
    if row is None:
        return None
    scopes = frozenset(Scope(scope) for scope in row.scopes)
    own = Actor(holder_id=row.holder_id, scopes=scopes, key_id=row.id, made_by=_first_maker(session, row))
    return own if as_holder in (None, row.holder_id) else _as_agent(session, own, str(as_holder), at=at)


def bearer_of(session: Session, presented: str, *, at: datetime) -> str | None:
    """The holder whose key this is, or the account whose sign-in; None when it is unknown, expired or revoked."""
    if presented.startswith("cs_"):
        account = account_of(session, presented, at=at)
        return account.id if account else None
    key = _key(session, presented, at=at)
    return key.holder_id if key else None


def sign_in(session: Session, account: Account, *, lasts: timedelta, at: datetime) -> str:
    """A token by which a person is known from now on; it is shown this once."""
    token = f"cs_{secrets.token_urlsafe(32)}"
    row = SignIn(
        id=new_id(Prefix.SIGN_IN, at=at),
        account_id=account.id,
        secret_sha256=_digest(token),
        created_at=at,
        expires_at=at + lasts,
    )
    session.add(row)
    session.flush()
    return token


def account_of(session: Session, token: str, *, at: datetime) -> Account | None:
    """Whose sign-in this is, or None when it is unknown or over."""
    row = session.scalar(sa.select(SignIn).where(SignIn.secret_sha256 == _digest(token)))
    if row is None or row.ended_at is not None or row.expires_at <= at:
        return None
    account = session.get_one(Account, row.account_id)
    return account if account.is_open else None


def sign_out(session: Session, account_id: str, *, at: datetime, token: str | None = None) -> None:
    """End one sign-in of a person, or all of them."""
    ended = sa.update(SignIn).where(SignIn.account_id == account_id, SignIn.ended_at.is_(None)).values(ended_at=at)
    session.execute(ended if token is None else ended.where(SignIn.secret_sha256 == _digest(token)))


def unnoted_use(session: Session, actor: Actor, *, at: datetime) -> bool:
    """Whether it is time to note that a key is in use."""
    if actor.key_id is None:
        return False
    used = session.scalar(sa.select(ApiKey.used_at).where(ApiKey.id == actor.key_id))
    return used is None or used < at - _USE_NOTED_EVERY


def note_use(session: Session, actor: Actor, *, at: datetime) -> None:
    """Note when a key was last used, to some minutes."""
    session.execute(sa.update(ApiKey).where(ApiKey.id == actor.key_id).values(used_at=at))


def _signed_in(session: Session, token: str, *, at: datetime, as_holder: str | None) -> Actor | None:
    account = account_of(session, token, at=at)
    if account is None:
        return None
    members = session.scalars(sa.select(Membership).where(Membership.account_id == account.id))
    roles = {member.holder_id: Role(member.role) for member in members}
    if as_holder is None:
        if len(roles) != 1:
            problem = "say for which holder: Clearmark-Holder: hld_…" if roles else "you belong to no holder"
            raise Forbidden(action=problem)
        as_holder = next(iter(roles))
    if as_holder in roles:
        return Actor(holder_id=as_holder, scopes=ROLE_SCOPES[roles[as_holder]], account_id=account.id)
    for holder_id, role in roles.items():
        own = Actor(holder_id=holder_id, scopes=ROLE_SCOPES[role], account_id=account.id)
        if _agency(session, holder_id, as_holder, at=at) is not None:
            return _as_agent(session, own, as_holder, at=at)
    raise _no_agent(as_holder)


def _first_maker(session: Session, row: ApiKey) -> str | None:
    """Who made a key, or the key that made it, and so on; the operator's own keys nobody made."""
    made_by = row.made_by
    while made_by is not None and (maker := session.get(ApiKey, made_by)) is not None and maker.made_by is not None:
        made_by = maker.made_by
    return made_by


def new_ticket() -> tuple[str, str]:
    """What lets somebody without a key look at one notice and answer it, shown once, and what is stored of it."""
    ticket = f"{TICKET}{secrets.token_urlsafe(32)}"
    return ticket, _digest(ticket)


def _with_ticket(session: Session, ticket: str) -> Actor | None:
    digest = _digest(ticket)
    if session.get(NoticeTicket, digest) is None:
        return None
    return Actor(holder_id=NOBODY, scopes=frozenset(), ticket_sha256=digest)


def _as_agent(session: Session, own: Actor, principal_id: str, *, at: datetime) -> Actor:
    agency = _agency(session, own.holder_id, principal_id, at=at)
    if agency is None:
        raise _no_agent(principal_id)
    lent = own.scopes & frozenset(Scope(scope) for scope in agency.scopes) & frozenset(USE_SCOPES)
    return replace(own, holder_id=principal_id, scopes=lent, agent_id=own.holder_id)


def _agency(session: Session, agent_id: str, principal_id: str, *, at: datetime) -> Agency | None:
    return session.scalar(
        sa.select(Agency).where(
            Agency.agent_id == agent_id,
            Agency.principal_id == principal_id,
            Agency.revoked_at.is_(None),
            sa.or_(Agency.valid_until.is_(None), Agency.valid_until > at),
        )
    )


def _no_agent(holder_id: str) -> Forbidden:
    return Forbidden(action=f"you do not act for the holder {holder_id}")


def _key(session: Session, presented: str, *, at: datetime) -> ApiKey | None:
    parts = presented.split("_", 2)
    if len(parts) != 3 or parts[0] != "cm":
        return None
    row = session.scalar(sa.select(ApiKey).where(ApiKey.prefix == parts[1]))
    if row is None or not hmac.compare_digest(row.secret_sha256, _digest(parts[2])) or has_ended(row, at=at):
        return None
    return row


def has_ended(row: ApiKey, *, at: datetime) -> bool:
    """Whether a key works no more: what `live` asks of many."""
    return row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= at)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
