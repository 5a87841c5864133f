"""What goes in and out over HTTP. Names are those of the contract and are never renamed."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

from fingerprinting.document import MAX_DURATION_S
from fingerprinting.model import Modality
from registry.access import Scope
from registry.catalogue import CatalogueFormat
from registry.checks import DecisionValue
from registry.domain.policy import Assurance, Doubt, NoWeight, Policy, Thresholds
from registry.domain.preferences import WORLDWIDE, Answer, Use, Value
from registry.domain.preferences import Scope as Reach
from registry.exclusions import MOST_INTERVALS, ExclusionSource
from registry.imports import Outcome
from registry.models import ImportStatus
from registry.quarantine import QuarantineDecision
from registry.works import WorkKind

Short = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Long = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
Link = Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2000)]
Territory = Annotated[str, StringConstraints(min_length=2, max_length=9)]
Seconds = Annotated[float, Field(ge=0, le=MAX_DURATION_S, allow_inf_nan=False)]


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d.*")


def _written(value: object) -> object:
    """Pydantic alone would also take 0 for the first of January 1970."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("write a time as RFC 3339 does, for example 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


Time = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


class In(BaseModel):
    """A request body: unknown members are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, value: object) -> object:
        """PostgreSQL cannot store U+0000, and no text needs it."""
        if _holds_nul(value):
            raise ValueError("holds the character U+0000, which no text needs")
        return value


_KIND_NAMES = {"video": "clip", "movie": "film", "audio": "sound_recording", "music": "sound_recording"}


def _kind(value: object) -> object:
    """The names that people use for a kind besides its own."""
    if not isinstance(value, str):
        return value
    name = value.strip().lower().replace(" ", "_").replace("-", "_")
    return _KIND_NAMES.get(name, name)


Kind = Annotated[WorkKind, BeforeValidator(_kind)]


class ReservationIn(In):
    scope: Literal[Reach.WORK, Reach.ASSET] = Reach.WORK
    asset_id: str | None = Field(default=None, description="For the scope `asset`: which file of the work.")
    use: Use
    value: Value
    territory: Territory = WORLDWIDE
    terms_url: Link | None = Field(default=None, description="Terms or a licence; `constrained` needs it.")
    contact: Short | None = Field(default=None, description="Whom to ask: an address, a link.")
    valid_from: Time | None = None
    valid_until: Time | None = None


class ScopedReservationIn(ReservationIn):
    scope: Literal[Reach.CATALOGUE, Reach.LOCATION]  # type: ignore[assignment]
    asset_id: None = None
    location: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None


class ReservationOut(BaseModel):
    id: str
    scope: Reach
    work_id: str | None
    asset_id: str | None
    location: str | None
    use: Use
    value: Value
    territory: str
    terms_url: str | None
    contact: str | None
    declared_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    withdrawn_at: datetime | None
    superseded_at: datetime | None


class ThresholdsIn(In):
    """Matched seconds from which a match counts, and from which it may block."""

    review_matched_s: Seconds
    block_matched_s: Seconds

    def said(self) -> Thresholds:
        return Thresholds(review_matched_s=self.review_matched_s, block_matched_s=self.block_matched_s)


class ThresholdsOut(BaseModel):
    review_matched_s: float
    block_matched_s: float


class HolderOut(BaseModel):
    id: str
    name: str
    assurance: Assurance
    thresholds: ThresholdsOut = Field(description="The floor for all works of the holder.")
    created_at: datetime


class WorkIn(In):
    title: Short
    kind: Kind
    identifiers: dict[str, str] = Field(default_factory=dict, max_length=20)
    creators: list[Short] = Field(default_factory=list, max_length=100)
    year: StrictInt | None = None
    policy: Policy = Policy.REVIEW
    thresholds: ThresholdsIn | None = None
    shows_frames: StrictBool = Field(
        default=False, description="Whether askers may see frames of the work beside their own."
    )
    reservations: list[ReservationIn] = Field(default_factory=list, max_length=50)


class WorkChanges(In):
    title: Short | None = None
    kind: Kind | None = None
    identifiers: dict[str, str] | None = Field(default=None, max_length=20)
    creators: list[Short] | None = Field(default=None, max_length=100)
    year: StrictInt | None = None
    policy: Policy | None = None
    thresholds: ThresholdsIn | None = None
    shows_frames: StrictBool | None = None


class WorkOut(BaseModel):
    id: str
    title: str
    kind: WorkKind
    identifiers: dict[str, str]
    creators: list[str]
    year: int | None
    policy: Policy
    thresholds: ThresholdsOut | None = Field(description="What its owner asked for.")
    thresholds_in_force: ThresholdsOut
    shows_frames: bool
    created_at: datetime
    updated_at: datetime
    reservations: list[ReservationOut]
    assets: list[str]


class ImportOut(BaseModel):
    """How far a catalogue file is on record; in a dry run, how far it would be."""

    id: str
    format: CatalogueFormat
    dry_run: bool
    status: ImportStatus
    problem: str | None = Field(description="Why the file could not be read to its end.")
    rows_done: int
    registered: int
    known: int = Field(description="Rows whose reference the holder already has a work for; they change nothing.")
    refused: int
    created_at: datetime
    finished_at: datetime | None


class ImportRowOut(BaseModel):
    """What became of a row, numbered as a spreadsheet numbers it."""

    number: int
    outcome: Outcome
    title: str
    reference: str | None
    work_id: str | None
    field: str | None
    problem: str | None


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


class MatchOut(BaseModel):
    work_id: str
    asset_id: str
    title: str
    modality: str
    algorithm: str
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score: float
    policy: Policy
    own: bool
    confirmed: bool = Field(description="False: alike, but perhaps another take of the same scene.")
    doubts: list[Doubt] = Field(description="Why it may lead to a review and not to a block.")
    no_weight: NoWeight | None = Field(description="Why it does not count at all.")


class ReasonOut(BaseModel):
    code: str
    message: str
    work_id: str | None


class IndexOut(BaseModel):
    sequence: int | None
    engine: dict[str, Any]


class DecisionOut(BaseModel):
    decision: DecisionValue
    reason: str
    decided_by: str
    decided_at: datetime


class CheckOut(BaseModel):
    id: str
    status: Literal["queued", "processing", "done"]
    progress: float
    verdict: Literal["clear", "review", "block", "unknown"] | None
    reasons: list[ReasonOut]
    matches: list[MatchOut]
    index: IndexOut
    timings_ms: dict[str, float]
    sha256: str | None
    duration_s: float | None
    context: dict[str, Any]
    decision: DecisionOut | None
    explanation: Literal["waiting", "ready", "failed", "forgotten"] | None
    created_at: datetime
    expires_at: datetime


class DecisionIn(In):
    decision: DecisionValue
    reason: Long


class TrainingMiningRule(In):
    use: Literal["allowed", "notAllowed", "constrained"]
    constraint_info: Long | None = None


class Generator(In):
    name: Short
    version: Short | None = None


class ReleaseIn(In):
    check_id: str
    title: Short | None = None
    generator: Generator | None = None
    ai_generated: StrictBool = True
    training_mining: dict[
        Literal["cawg.data_mining", "cawg.ai_inference", "cawg.ai_training", "cawg.ai_generative_training"],
        TrainingMiningRule,
    ] = Field(default_factory=dict)


class ReleaseOut(BaseModel):
    id: str
    check_id: str
    state: Literal["signed", "disabled"]
    title: str
    media_type: str
    sha256: str
    source_sha256: str
    size_bytes: int
    manifest_id: str
    manifest: dict[str, Any]
    created_at: datetime


class VerificationOut(BaseModel):
    """Separate facts; there is no overall score."""

    model_config = ConfigDict(extra="allow")
    id: str
    sha256: str
    integrity: dict[str, Any]
    signer: dict[str, Any]
    timestamp: datetime | None
    actions: list[dict[str, Any]]
    ai_generated: bool | None
    training_mining: dict[str, Any]
    ingredients: list[dict[str, Any]]
    recovered: list[dict[str, Any]]
    registry_matches: list[dict[str, Any]]
    fingerprint_problem: str | None
    raw: dict[str, Any] | None


class PreferenceItem(In):
    """Exactly one of these."""

    work_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    asset_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    iscc: Annotated[str, StringConstraints(max_length=200)] | None = None
    url: Link | None = None


class PreferenceQuestion(PreferenceItem):
    """One item, as of a time and for a territory."""

    at: Time | None = Field(default=None, description="As of then; now, when it is left out.")
    territory: Territory | None = Field(default=None, description="`EU` or a country; everywhere, when left out.")


class PreferenceQuery(In):
    items: list[PreferenceItem] = Field(min_length=1, max_length=10_000)
    uses: list[Use] = Field(default_factory=lambda: list(Use), max_length=len(Use))
    at: Time | None = Field(default=None, description="As of then; now, when it is left out.")
    territory: Territory | None = Field(default=None, description="`EU` or a country; everywhere, when left out.")
    details: StrictBool = Field(default=False, description="Show the declarations themselves as well.")


class PreferenceOut(BaseModel):
    answer: Answer
    declarations: list[str]


class PreferenceAnswer(BaseModel):
    work_ids: list[str]
    preferences: dict[Use, PreferenceOut]


class PreferenceAnswers(BaseModel):
    at: datetime
    items: list[PreferenceAnswer]
    declarations: dict[str, ReservationOut] | None = Field(default=None, description="By id, where `details` asks.")


class NoticeIn(In):
    """A DMCA notice; what is missing is told, element by element, in the answer."""

    release_id: str | None = None
    signature: Short | None = None
    work_description: Long | None = None
    work_ids: list[Short] = Field(default_factory=list, max_length=100)
    material: list[Long] = Field(default_factory=list, max_length=100)
    contact_name: Short | None = None
    contact_address: Short | None = None
    contact_telephone: Short | None = None
    contact_email: Short | None = None
    good_faith: StrictBool = False
    accuracy_under_penalty_of_perjury: StrictBool = False
    authority: StrictBool = False


class CounterNoticeIn(In):
    signature: Short | None = None
    material: list[Long] = Field(default_factory=list, max_length=100)
    former_locations: list[Long] = Field(default_factory=list, max_length=100)
    mistake_under_penalty_of_perjury: StrictBool = False
    name: Short | None = None
    address: Short | None = None
    telephone: Short | None = None
    consent_to_jurisdiction: StrictBool = False
    accept_service: StrictBool = False


class NoticeTransition(In):
    event: str
    reason: Long | None = None
    supplied: NoticeIn | None = Field(default=None, description="With event `cure`: what was missing.")


class MissingOut(BaseModel):
    element: str
    reference: str
    what_to_supply: str


class DeadlineOut(BaseModel):
    name: str
    at: datetime
    basis: str
    statutory: bool


class NoticeEventOut(BaseModel):
    event: str
    state: str
    actor: str
    reason: str | None
    at: datetime


class NoticeOut(BaseModel):
    id: str
    track: str
    state: str
    release_id: str | None
    missing: list[MissingOut]
    deadlines: list[DeadlineOut]
    possible_events: list[str]
    history: list[NoticeEventOut]
    created_at: datetime


class LedgerEntryOut(BaseModel):
    number: int
    data: str
    leaf_hash: str


class ProofOut(BaseModel):
    number: int
    data: str
    checkpoint: str
    hashes: list[str]


class KeyOut(BaseModel):
    id: str
    key: str
    scopes: list[Scope]


class Page[T](BaseModel):
    """One page of a list; `next` is the cursor of the page after it."""

    items: list[T]
    next: str | None
