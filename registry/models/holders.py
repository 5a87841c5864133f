"""Who there is: holders and their keys."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from registry.domain import names
from registry.domain.searching import folded
from registry.models.base import Base, foreign_id


class Holder(Base):
    """A person or organisation who registers works, asks for checks, or files notices.

    `assurance` is what `granted_assurance`, the operator's word, and what was shown since come to. `name_key` is the
    same for names that look the same, `search_text` is the name as it is looked for; both follow `name`.
    """

    __tablename__ = "holders"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    name_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(default="organisation", server_default="organisation")
    assurance: Mapped[str]
    granted_assurance: Mapped[str] = mapped_column(default="unverified", server_default="unverified")
    created_at: Mapped[datetime]
    review_matched_s: Mapped[float | None]
    block_matched_s: Mapped[float | None]
    search_text: Mapped[str] = mapped_column(default="", server_default=sa.text("''"))

    @validates("name")
    def _keep_key(self, _attribute: str, name: str) -> str:
        self.name_key, self.search_text = names.key_of(name), folded(name)
        return name


class AssuranceChange(Base):
    """A holder's assurance from `at` on, and why. Append-only."""

    __tablename__ = "assurance_changes"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    assurance: Mapped[str]
    granted_assurance: Mapped[str]
    cause: Mapped[str]
    note: Mapped[str | None]
    decided_by: Mapped[str | None]
    at: Mapped[datetime]


class ApiKey(Base):
    """A key is `prefix.secret`; the secret is shown once and stored hashed.

    `made_by` is the account or the key that made it; the operator's own have none.
    """

    __tablename__ = "api_keys"
    id: Mapped[str] = mapped_column(primary_key=True)
    holder_id: Mapped[str] = foreign_id("holders.id")
    name: Mapped[str | None]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    made_by: Mapped[str | None] = mapped_column(index=True)
    holder: Mapped[Holder] = relationship(lazy="joined")
