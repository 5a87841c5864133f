"""Reservations in other formats."""

from pydantic import BaseModel, Field

from api.schemas.preferences import ReservationOut
from registry.domain.preferences import Scope, Use, Value


class RemarkOut(BaseModel):
    """What was not taken over or cannot be said: where, or which statement, and why."""

    where: str
    problem: str


class StatementOut(BaseModel):
    """One word that goes on record."""

    scope: Scope
    location: str | None
    use: Use
    value: Value
    territory: str
    terms_url: str | None
    contact: str | None


class SourceOut(BaseModel):
    """What a source said, as it went on record; in a dry run, as it would."""

    dry_run: bool
    statements: list[StatementOut]
    reservations: list[ReservationOut] = Field(description="Those that were declared; none in a dry run.")
    remarks: list[RemarkOut]


class ExportOut(BaseModel):
    """Reservations in a format, and what it cannot say of them."""

    media_type: str
    text: str
    left_out: list[RemarkOut]
