"""Works, their assets, and what of them does not count."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
)

from api.schemas.base import In, Long, Seconds, Short, Territory
from api.schemas.holders import ThresholdsIn, ThresholdsOut
from api.schemas.preferences import ReservationIn, ReservationOut
from fingerprinting.model import Modality
from registry.domain.credits import MOST
from registry.domain.policy import Policy
from registry.domain.preferences import WORLDWIDE, Use
from registry.exclusions import MOST_INTERVALS, ExclusionSource
from registry.quarantine import QuarantineDecision
from registry.works import WorkKind

_KIND_NAMES = {"video": "clip", "movie": "film", "audio": "sound_recording", "music": "sound_recording"}


def _kind(value: object) -> object:
    """The names that people use for a kind besides its own."""
    if not isinstance(value, str):
        return value
    name = value.strip().lower().replace(" ", "_").replace("-", "_")
    return _KIND_NAMES.get(name, name)


Kind = Annotated[WorkKind, BeforeValidator(_kind)]


class ContributorIO(In):
    name: Short
    role: Short = Field(description="What they did, such as director, composer, performer.")
    isni: Short | None = None


def _written_out(value: object) -> object:
    """A JSON number, as it was written: of few decimals, the shortest text of the float is the literal."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{Decimal(repr(value)):f}" if is_number else value


_PERCENT = r"^[0-9]{1,3}(\.[0-9]{1,3})?$"
Percent = Annotated[
    str,
    BeforeValidator(_written_out),
    StringConstraints(pattern=_PERCENT),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _PERCENT}, {"type": "number"}]}, mode="validation"),
]


class ShareIO(In):
    holder: Short
    percent: Percent = Field(description="To three decimals, such as 33.333; shown as a text.")
    uses: list[Use] = Field(default_factory=list, max_length=len(Use), description="All uses, when none is named.")
    territory: Territory = WORLDWIDE
    isni: Short | None = None


class AlternativeTitleIO(In):
    title: Short
    language: Short | None = Field(default=None, description="BCP 47, such as pt-BR.")


class WorkIn(In):
    title: Short
    kind: Kind
    reference: Short | None = Field(
        default=None, description="Your own number for it, one of its identifiers: by it a row of a catalogue is known."
    )
    identifiers: dict[str, str] = Field(default_factory=dict, max_length=20)
    creators: list[Short] = Field(default_factory=list, max_length=100)
    contributors: list[ContributorIO] = Field(default_factory=list, max_length=MOST)
    shares: list[ShareIO] = Field(default_factory=list, max_length=MOST)
    alternative_titles: list[AlternativeTitleIO] = Field(default_factory=list, max_length=MOST)
    year: StrictInt | None = None
    policy: Policy = Policy.REVIEW
    thresholds: ThresholdsIn | None = None
    shows_frames: StrictBool = Field(
        default=False, description="Whether askers may see frames of the work beside their own."
    )
    confidential: StrictBool = Field(
        default=False,
        description="Whether its title is withheld: it is in no public list, and whoever has a copy of it checked or"
        " verified learns that it is registered, and not what it is.",
    )
    reservations: list[ReservationIn] = Field(default_factory=list, max_length=50)


class WorkChanges(In):
    title: Short | None = None
    kind: Kind | None = None
    identifiers: dict[str, str] | None = Field(default=None, max_length=20)
    creators: list[Short] | None = Field(default=None, max_length=100)
    contributors: list[ContributorIO] | None = Field(default=None, max_length=MOST)
    shares: list[ShareIO] | None = Field(default=None, max_length=MOST)
    alternative_titles: list[AlternativeTitleIO] | None = Field(default=None, max_length=MOST)
    year: StrictInt | None = None
    policy: Policy | None = None
    thresholds: ThresholdsIn | None = None
    shows_frames: StrictBool | None = None
    confidential: StrictBool | None = None


class WorkOut(BaseModel):
    id: str
    title: str
    kind: WorkKind
    identifiers: dict[str, str]
    creators: list[str]
    contributors: list[ContributorIO]
    shares: list[ShareIO]
    alternative_titles: list[AlternativeTitleIO]
    year: int | None
    policy: Policy
    thresholds: ThresholdsOut | None = Field(description="What its owner asked for.")
    thresholds_in_force: ThresholdsOut
    shows_frames: bool
    confidential: bool
    created_at: datetime
    updated_at: datetime
    found_by: str = Field(description="What a check of a clip can find of it.")
    reservations: list[ReservationOut]
    assets: list[str]


class ConflictOut(BaseModel):
    id: str
    rival_asset_id: str
    matched_s: float
    opened_at: datetime


class IntervalIn(In):
    """A stretch of an asset that does not count."""

    start_s: Seconds
    end_s: Seconds
    reason: Short


class ExclusionsIn(In):
    intervals: list[IntervalIn] = Field(max_length=MOST_INTERVALS)


class ExclusionOut(BaseModel):
    id: str
    source: ExclusionSource
    modality: Modality | None
    start_s: float
    end_s: float
    reason: str
    negative_id: str | None
    declared_at: datetime


class QuarantineIn(In):
    decision: QuarantineDecision
    reason: Long


class QuarantineOut(BaseModel):
    id: str
    matched_checks: int
    askers: int
    opened_at: datetime
    decision: QuarantineDecision | None
    decision_reason: str | None
    decided_at: datetime | None


class AssetOut(BaseModel):
    id: str
    work_id: str
    label: str | None
    language: str | None
    status: Literal["queued", "processing", "indexed", "rejected", "withdrawn"]
    progress: float
    reason: str | None
    problem: str | None
    sha256: str | None
    duration_s: float | None
    fingerprints: list[str]
    warnings: list[str]
    conflicts: list[ConflictOut]
    exclusions: list[ExclusionOut]
    quarantine: QuarantineOut | None
    created_at: datetime


class NegativeOut(BaseModel):
    id: str
    title: str
    status: Literal["queued", "processing", "indexed", "rejected", "withdrawn"]
    reason: str | None
    problem: str | None
    sha256: str | None
    duration_s: float | None
    created_at: datetime
    indexed_at: datetime | None
