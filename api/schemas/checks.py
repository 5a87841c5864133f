"""Checks and their evidence."""

from datetime import datetime
from typing import Any, Literal

from pydantic import (
    BaseModel,
    Field,
)

from api.schemas.base import In, Long
from registry.checks import DecisionValue
from registry.domain.policy import Doubt, NoWeight, Policy


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
