"""Takedown claims: what was said, what became of it, what was written to whom, and who misuses claims."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base, JsonObject, foreign_id


class Notice(Base):
    """A takedown claim; `state` follows the table of its track and `events` is its history.

    Attributes:
        holder_id: whose claim it is; None where somebody without a key filed it, whom a ticket lets in.
        release_id: the release that it is about, or the first of several (`NoticeRelease` has all).
        uploader: whom the operator told us to write to about material that no holder here released.
        is_set_aside: it came while its claimant was suspended; nothing happens by itself, people can read it.
        digest: of what was claimed, by which filings in masses are seen.
        public_texts: what of it a reviewer found fit to be read by anybody; None until one has looked.
    """

    __tablename__ = "notices"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str | None] = mapped_column(sa.ForeignKey("holders.id"), index=True)
    track: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    release_id: Mapped[str | None] = mapped_column(sa.ForeignKey("releases.id"), index=True)
    check_id: Mapped[str | None] = mapped_column(sa.ForeignKey("checks.id"))
    language: Mapped[str] = mapped_column(default="en", server_default="en")
    tier: Mapped[str | None]
    content: Mapped[JsonObject]
    counter: Mapped[JsonObject | None]
    uploader: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    is_address_known: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    is_set_aside: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    duplicate_of: Mapped[str | None] = mapped_column(sa.ForeignKey("notices.id"), index=True)
    digest: Mapped[str | None] = mapped_column(index=True)
    signals: Mapped[list[JsonObject]] = mapped_column(default=list)
    public_texts: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    published_by: Mapped[str | None]
    published_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    events: Mapped[list["NoticeEvent"]] = relationship(cascade="all, delete-orphan", order_by="NoticeEvent.position")
    releases: Mapped[list["NoticeRelease"]] = relationship(
        cascade="all, delete-orphan", order_by="NoticeRelease.release_id"
    )
    tickets: Mapped[list["NoticeTicket"]] = relationship(cascade="all, delete-orphan")
    statements: Mapped[list["NoticeStatement"]] = relationship(
        cascade="all, delete-orphan", order_by="NoticeStatement.position"
    )


class NoticeEvent(Base):
    """One step of a notice. Append-only.

    Attributes:
        by: the person behind it, an account or a key.
        details: what belongs to a decision: fair use considered, gravity, who seconded it, conflicts of interest.
    """

    __tablename__ = "notice_events"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    reason_code: Mapped[str | None]
    by: Mapped[str | None]
    details: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    at: Mapped[datetime]


class NoticeRelease(Base):
    """A release that a notice is about: one that it names, or an identical copy of one. Down between the two times."""

    __tablename__ = "notice_releases"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    release_id: Mapped[str] = mapped_column(sa.ForeignKey("releases.id"), primary_key=True, index=True)
    is_named: Mapped[bool]
    disabled_at: Mapped[datetime | None]
    restored_at: Mapped[datetime | None]

    @property
    def is_down(self) -> bool:
        return self.disabled_at is not None and self.restored_at is None


class NoticeStatement(Base):
    """A statement that a party subscribed to: the words as they stood, when, and from which network address."""

    __tablename__ = "notice_statements"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    party: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]
    text: Mapped[str]
    address: Mapped[str | None]
    accepted_at: Mapped[datetime]


class NoticeTicket(Base):
    """What lets somebody without a key see one notice and answer it, in their part; all stay good."""

    __tablename__ = "notice_tickets"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    notice_id: Mapped[str] = foreign_id("notices.id")
    party: Mapped[str]
    made_at: Mapped[datetime]


class NoticeProposal(Base):
    """A decision of one reviewer that waits for a second one; it is void once anything else happened.

    Attributes:
        position: of the step that it would be.
    """

    __tablename__ = "notice_proposals"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    position: Mapped[int]
    event: Mapped[str]
    reason_code: Mapped[str | None]
    reason: Mapped[str | None]
    details: Mapped[JsonObject | None] = mapped_column(sa.JSON(none_as_null=True))
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]


class NoticeLetter(Base):
    """A letter as it was written; what became of it on its way is its mail's to say."""

    __tablename__ = "notice_letters"
    mail_id: Mapped[str] = mapped_column(sa.ForeignKey("mails.id"), primary_key=True)
    notice_id: Mapped[str] = foreign_id("notices.id")
    party: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]
    language: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    sha256: Mapped[str]
    written_at: Mapped[datetime]


class NoticeEscalation(Base):
    """That somebody was told of a deadline which is near, or has passed; once for each."""

    __tablename__ = "notice_escalations"
    notice_id: Mapped[str] = mapped_column(sa.ForeignKey("notices.id"), primary_key=True)
    deadline: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    has_passed: Mapped[bool] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Strike(Base):
    """What is held against a holder: as claimant a notice that was abuse, as uploader material that was taken down."""

    __tablename__ = "strikes"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    side: Mapped[str]
    notice_id: Mapped[str] = foreign_id("notices.id")
    gravity: Mapped[str]
    intent: Mapped[str | None]
    given_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]


class MisuseDecision(Base):
    """A reviewer warns a holder, suspends them, or lifts that. Append-only."""

    __tablename__ = "misuse_decisions"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    side: Mapped[str]
    decision: Mapped[str]
    until: Mapped[datetime | None]
    reason: Mapped[str]
    factors: Mapped[JsonObject]
    decided_by: Mapped[str]
    at: Mapped[datetime]


class TrustedFlagger(Base):
    """A holder whose notices come first (DSA art. 22), from one time until another."""

    __tablename__ = "trusted_flaggers"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    basis: Mapped[str]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_reason: Mapped[str | None]
