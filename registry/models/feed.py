"""The log of changes that copies of the registry follow."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base


class FeedRow(Base):
    """Append-only: what changed, in the order of commits and without gaps.

    `mark` is drawn at random. A service that was set back writes other rows under numbers that were read before;
    their marks give it away.
    """

    __tablename__ = "feed_log"
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    subject_id: Mapped[str]
    mark: Mapped[str]
    __table_args__ = (sa.Index("ix_feed_log_subject_id_sequence", "subject_id", "sequence"),)
