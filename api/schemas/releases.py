"""Releases and verifications."""

from datetime import datetime
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
)

from api.schemas.base import In, Long, Short


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
    consents: list[dict[str, Any]] = Field(
        default_factory=list,
        description="Consents of persons that a release of ours carries, each with its `state` as of `state_at`: "
        "granted, expired, revoked, unknown or bad_signature.",
    )
    fingerprint_problem: str | None
    raw: dict[str, Any] | None
