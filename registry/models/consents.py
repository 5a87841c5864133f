"""What persons allow of themselves, and where they were named."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base, foreign_id
from registry.models.works import Work


class Consent(Base):
    """A person lets a pipeline use their likeness or voice. What was granted is never rewritten, only revoked."""

    __tablename__ = "consents"
    id: Mapped[str] = mapped_column(primary_key=True)
    work_id: Mapped[str] = foreign_id("works.id")
    granted_by: Mapped[str] = foreign_id("holders.id")
    grantee_id: Mapped[str] = foreign_id("holders.id")
    uses: Mapped[str]
    scope: Mapped[str]
    clip_sha256: Mapped[str | None]
    project: Mapped[str | None]
    conditions: Mapped[str | None]
    not_before: Mapped[datetime]
    expires: Mapped[datetime | None]
    granted_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    token: Mapped[str]
    work: Mapped[Work] = relationship(lazy="joined")


class Draft(Base):
    """A check that names a person: a clip made with them, and what it uses of them."""

    __tablename__ = "drafts"
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), primary_key=True)
    work_id: Mapped[str] = mapped_column(sa.ForeignKey("works.id"), primary_key=True)
    position: Mapped[int]
    uses: Mapped[str]
    work: Mapped[Work] = relationship(lazy="joined")
    __table_args__ = (sa.Index("ix_drafts_work_id_check_id", "work_id", "check_id"),)


class PresentedConsent(Base):
    """A token that came with a check: the consent that it is of, or the gap that says why it is of none.

    `counts`: the verdict rests on it.
    """

    __tablename__ = "presented_consents"
    check_id: Mapped[str] = mapped_column(sa.ForeignKey("checks.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    consent_id: Mapped[str | None] = mapped_column(sa.ForeignKey("consents.id"), index=True)
    gap: Mapped[str | None]
    counts: Mapped[bool] = mapped_column(default=False)
    consent: Mapped[Consent | None] = relationship(lazy="joined")
