"""What operators did that leaves no decision on a record of its own."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from registry.models.base import Base, JsonObject


class AdminAction(Base):
    """One act of an operator. Append-only: the ledger holds each row to what it said.

    Attributes:
        subject: the id or name of what it was done to.
        by: the account, key or holder behind it, or `console:` and who was signed in on the machine.
    """

    __tablename__ = "admin_actions"
    id: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str | None]
    details: Mapped[JsonObject]
    by: Mapped[str]
    at: Mapped[datetime]
