"""Who there is: holders and their keys."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column, relationship

from registry.models.base import Base, foreign_id


class Holder(Base):
    """A person or organisation who registers works, asks for checks, or files notices."""

    __tablename__ = "holders"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    assurance: Mapped[str]
    created_at: Mapped[datetime]
    webhook_url: Mapped[str | None]
    webhook_secret: Mapped[str | None]
    review_matched_s: Mapped[float | None]
    block_matched_s: Mapped[float | None]


class ApiKey(Base):
    """A key is `prefix.secret`; the secret is shown once and stored hashed."""

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    holder: Mapped[Holder] = relationship(lazy="joined")
