"""Takedown claims and their history."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base, JsonObject, foreign_id


class Notice(Base):
    """A takedown claim; `state` follows `takedown.domain.states` and `events` is its history."""

    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    track: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    release_id: Mapped[str | None] = mapped_column(sa.ForeignKey("releases.id"), index=True)
    content: Mapped[JsonObject]
    counter: Mapped[JsonObject | None]
    created_at: Mapped[datetime]
    events: Mapped[list["NoticeEvent"]] = relationship(cascade="all, delete-orphan", order_by="NoticeEvent.position")


class NoticeEvent(Base):
    """One step of a notice. Append-only."""

    __tablename__ = "notice_events"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime]
