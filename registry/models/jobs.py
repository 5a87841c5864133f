"""What must still be done, or answered again."""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Job(Base):
    """Work accepted but not done. The row is the truth; a broker's message is only a hint to look at it."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject_id: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    run_at: Mapped[datetime]
    hint_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (sa.Index("ix_jobs_due", "state", "hint_at"),)


class IdempotencyKey(Base):
    """A request that was carried out once and is answered again instead of being carried out again."""

    __tablename__ = "idempotency_keys"
    holder_id: Mapped[str] = mapped_column(sa.ForeignKey("holders.id"), primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    resource_id: Mapped[str]
    created_at: Mapped[datetime]
