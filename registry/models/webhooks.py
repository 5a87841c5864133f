"""Who is told of what happens, where, and what became of each message."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base, JsonObject, foreign_id


class SetBy(StrEnum):
    """Who chose an address: the operator may name any, a holder only what is on the public network."""

    OPERATOR = "operator"
    HOLDER = "holder"


class WebhookEndpoint(Base):
    """Where a holder is told. Secrets sign, so they are stored as they are; for a time the one before signs as well."""

    __tablename__ = "webhook_endpoints"
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"), primary_key=True)
    url: Mapped[str]
    set_by: Mapped[str]
    secret: Mapped[str]
    previous_secret: Mapped[str | None]
    previous_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    problem: Mapped[str | None]


class MessageStatus(StrEnum):
    """What became of a message; `failed` is a dead letter, which may be replayed."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class OutboxMessage(Base):
    """What must be sent to somebody, written in the transaction that gave rise to it."""

    __tablename__ = "outbox"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    event: Mapped[str]
    payload: Mapped[JsonObject]
    status: Mapped[str] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
