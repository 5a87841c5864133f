"""Conflicts between holders, and findings of looking back."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.base import In, Link, Long
from registry.checks import FindingDecision
from registry.domain.conflicts import Event, Outcome, Position, State
from registry.domain.policy import Assurance


class StatementIn(In):
    """What you say as one side, and where your evidence is."""

    position: Position
    text: Long
    links: list[Link] = Field(default_factory=list, max_length=20)


class StatementOut(BaseModel):
    holder_id: str
    position: Position
    text: str
    links: list[str]
    at: datetime


class SideOut(BaseModel):
    """One side of a conflict."""

    holder_id: str
    holder: str
    assurance: Assurance
    work_id: str
    title: str
    asset_id: str
    registered_at: datetime
    position: Position | None


class AlikeOut(BaseModel):
    """A stretch that is alike, in the time of each asset, [start, end) in seconds."""

    modality: str
    earlier_s: tuple[float, float]
    later_s: tuple[float, float]


class ConflictDetailOut(BaseModel):
    id: str
    state: State
    appeal_of: str | None
    appealed_in: str | None = Field(description="The conflict in which its decision was appealed.")
    earlier: SideOut
    later: SideOut
    matched_s: float
    alike: list[AlikeOut]
    statements: list[StatementOut]
    opened_at: datetime
    evidence_until: datetime | None
    closed_at: datetime | None
    outcome: Outcome | None
    cause: Event | None
    reason: str | None
    appeal_until: datetime | None


class ConflictDecisionIn(In):
    """Whose it is: the earlier asset's, the later one's, both's or neither's."""

    outcome: Outcome
    reason: Long


class SegmentOut(BaseModel):
    modality: str
    algorithm: str
    query_start_s: float
    query_end_s: float
    reference_start_s: float
    reference_end_s: float
    score: float


class FindingOut(BaseModel):
    """An output of before that copies a work registered after it; who asked and reviewers see its check."""

    id: str
    work_id: str
    title: str
    asset_id: str
    check_id: str | None
    release_id: str | None
    verdict: Literal["review", "block"] = Field(description="What the check would be answered now.")
    reasons: list[str]
    segments: list[SegmentOut]
    found_at: datetime
    decision: FindingDecision | None
    decision_reason: str | None
    decided_at: datetime | None
    release_disabled: bool


class FindingDecisionIn(In):
    decision: FindingDecision
    reason: Long
    disable_release: bool = False
