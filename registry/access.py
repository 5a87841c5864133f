"""Who is asking, and what they may do: holders, API keys, scopes.

A key looks like `cm_<prefix>_<secret>`. The secret has 256 random bits, so a plain SHA-256 of it is
stored: a slow hash protects guessable passwords, and would cost every request a tenth of a second.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Forbidden, Invalid, NotFound
from registry.models import ApiKey, Holder


class Scope(StrEnum):
    WORKS_WRITE = "works:write"
    CHECKS_WRITE = "checks:write"
    RELEASES_WRITE = "releases:write"
    NOTICES_WRITE = "notices:write"
    REVIEW = "review"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The holder behind a request and what their key allows."""

    holder_id: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raises: Forbidden."""
        if not self.may(scope):
            raise Forbidden(action=f"This needs a key with the scope {scope.value}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key; `key` is shown this once and cannot be shown again."""

    id: str
    key: str
    scopes: tuple[Scope, ...]


def find_or_add_holder(session: Session, *, name: str, assurance: Assurance, at: datetime) -> Holder:
    """The holder of that name; a new one gets `assurance`."""
    if not name.strip() or len(name) > 200:
        raise Invalid(field="holder", problem="Give the holder's name, at most 200 characters.")
    holder = session.scalar(sa.select(Holder).where(Holder.name == name))
    if holder is None:
        holder = Holder(id=new_id(Prefix.HOLDER, at=at), name=name, assurance=assurance.value, created_at=at)
        session.add(holder)
        session.flush()
    return holder


def issue_key(
    session: Session,
    holder: Holder,
    scopes: Iterable[Scope],
    *,
    at: datetime,
    expires_at: datetime | None = None,
) -> IssuedKey:
    """Make a key for a holder."""
    granted = tuple(dict.fromkeys(scopes))
    if not granted:
        raise Invalid(field="scopes", problem=f"Name at least one of: {', '.join(Scope)}.")
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    row = ApiKey(
        id=new_id(Prefix.KEY, at=at),
        holder_id=holder.id,
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=[scope.value for scope in granted],
        created_at=at,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return IssuedKey(id=row.id, key=f"cm_{prefix}_{secret}", scopes=granted)


def revoke_key(session: Session, key_id: str, *, at: datetime) -> None:
    """End a key at once; ending it again changes nothing."""
    row = session.get(ApiKey, key_id)
    if row is None:
        raise NotFound(kind="key", id=key_id)
    row.revoked_at = row.revoked_at or at


def authenticate(session: Session, presented: str, *, at: datetime) -> Actor | None:
    """Who presents this key, or None when it is unknown, expired or revoked."""
    parts = presented.split("_", 2)
    if len(parts) != 3 or parts[0] != "cm":
        return None
    row = session.scalar(sa.select(ApiKey).where(ApiKey.prefix == parts[1]))
    if row is None or not hmac.compare_digest(row.secret_sha256, _digest(parts[2])):
        return None
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= at):
        return None
    return Actor(holder_id=row.holder_id, scopes=frozenset(Scope(scope) for scope in row.scopes))


def set_webhook(session: Session, *, holder: str, url: str) -> str:
    """Tell a holder at `url` from now on; returns the new signing secret (Standard Webhooks form).

    Only the operator sets it, so it may be any address, also an inner one.
    """
    if not url.startswith(("https://", "http://")):
        raise Invalid(field="target", problem="Give a URL that begins with https:// or http://.")
    row = session.scalar(sa.select(Holder).where(Holder.name == holder))
    if row is None:
        raise NotFound(kind="holder", id=holder)
    row.webhook_url = url
    row.webhook_secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return row.webhook_secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
