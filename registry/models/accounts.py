"""People: their accounts, what holders they belong to, who acts for whom, and by which domains a holder is known."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base, JsonObject, foreign_id
from registry.models.holders import Holder


class Account(Base):
    """A person who signs in. Without `password_hash` they do so at the operator's identity provider alone."""

    __tablename__ = "accounts"
    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    created_at: Mapped[datetime]
    email_confirmed_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]

    @property
    def is_open(self) -> bool:
        """Whether its person showed that the address is theirs, and nobody shut them out."""
        return self.email_confirmed_at is not None and self.disabled_at is None


class Identity(Base):
    """Who an account is at an OpenID provider: subjects are unique there, e-mail addresses are not."""

    __tablename__ = "identities"
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = foreign_id("accounts.id")
    added_at: Mapped[datetime]


class Membership(Base):
    """An account belongs to a holder, in a role."""

    __tablename__ = "memberships"
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"), primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("accounts.id"), primary_key=True, index=True)
    role: Mapped[str]
    added_at: Mapped[datetime]
    account: Mapped[Account] = relationship(lazy="joined")
    holder: Mapped[Holder] = relationship(lazy="joined")


class SignIn(Base):
    """An account is signed in until `expires_at`; the token is shown once and stored hashed."""

    __tablename__ = "sign_ins"
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = foreign_id("accounts.id")
    secret_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Letter(Base):
    """A code that was mailed to somebody: who has it can read that address. It opens one thing, once.

    `said` is what somebody said who signs up; there is no account before they have shown their address.
    """

    __tablename__ = "letters"
    id: Mapped[str] = mapped_column(unique=True)
    code_sha256: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    email: Mapped[str]
    account_id: Mapped[str | None] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    holder_id: Mapped[str | None] = mapped_column(sa.ForeignKey("holders.id"), index=True)
    role: Mapped[str | None]
    said: Mapped[JsonObject | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Agency(Base):
    """One holder acts for another, as far as `scopes` go. `basis` says on whose word."""

    __tablename__ = "agencies"
    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = foreign_id("holders.id")
    principal_id: Mapped[str] = foreign_id("holders.id")
    scopes: Mapped[list[str]]
    basis: Mapped[str]
    granted_at: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Domain(Base):
    """A domain that a holder says is theirs; it answers for them from `verified_at` until `lapsed_at`."""

    __tablename__ = "domains"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    name: Mapped[str] = mapped_column(index=True)
    proof: Mapped[str]
    method: Mapped[str | None]
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    silences: Mapped[int] = mapped_column(default=0, server_default="0")
    problem: Mapped[str | None]
    lapsed_at: Mapped[datetime | None]
    let_go_at: Mapped[datetime | None]
    __table_args__ = (sa.UniqueConstraint("holder_id", "name"),)


class Mail(Base):
    """A message to somebody, written with the change that gave rise to it; a job sends it.

    The text is forgotten once it is sent: it may hold a code.

    Attributes:
        handed_over_at: when it began to be handed to a mail server that cannot be asked afterwards what it took.
        problem: why it did not arrive, as far as is known: the server refused it, or it came back.
    """

    __tablename__ = "mails"
    id: Mapped[str] = mapped_column(primary_key=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str | None]
    html: Mapped[str | None]
    created_at: Mapped[datetime]
    handed_over_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    bounced_at: Mapped[datetime | None]
    problem: Mapped[str | None]
