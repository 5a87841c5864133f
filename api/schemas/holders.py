"""Holders and keys."""

from datetime import datetime

from pydantic import (
    BaseModel,
    Field,
)

from api.schemas.base import In, Seconds
from registry.access import Scope
from registry.domain.policy import Assurance, Thresholds


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


class KeyOut(BaseModel):
    id: str
    key: str
    scopes: list[Scope]
    expires_at: datetime | None
