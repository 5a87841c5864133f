"""Catalogue files."""

from datetime import datetime

from pydantic import (
    BaseModel,
    Field,
)

from api.schemas.exchange import RemarkOut
from registry.catalogue import CatalogueFormat
from registry.imports import Outcome
from registry.models import ImportStatus


class ImportOut(BaseModel):
    """How far a catalogue file is on record; in a dry run, how far it would be."""

    id: str
    format: CatalogueFormat
    dry_run: bool
    status: ImportStatus
    problem: str | None = Field(description="Why the file could not be read to its end.")
    rows_done: int
    registered: int
    known: int = Field(
        description="Rows of works that the holder already has, by id or reference; they change nothing."
    )
    refused: int
    skipped: int = Field(description="Resources of a DDEX message that are no recordings or videos, such as cover art.")
    created_at: datetime
    finished_at: datetime | None


class ImportRowOut(BaseModel):
    """What became of a row, numbered as a spreadsheet numbers it; a resource of a DDEX message by its order."""

    number: int
    outcome: Outcome
    title: str
    reference: str | None
    work_id: str | None
    field: str | None
    problem: str | None
    note: str | None = Field(description="What of it was not taken over, or why it was skipped.")


class CatalogueReportOut(BaseModel):
    """What a catalogue file does not say of the works in it."""

    media_type: str
    works: int
    left_out_count: int
    left_out: list[RemarkOut] = Field(description="Each with its work; of very many, the first.")
