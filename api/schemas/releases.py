"""Releases and verifications."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from api.schemas.base import In, Long, Short
from provenance.source_types import SourceType
from registry.models import Revocation


class TrainingMiningRule(In):
    use: Literal["allowed", "notAllowed", "constrained"]
    constraint_info: Long | None = None


class Generator(In):
    name: Short
    version: Short | None = None


class UsedFileIn(In):
    """A file that went into the output, by the check or the release that it is known by; name one of them."""

    relationship: Literal["inputTo", "componentOf"] = Field(
        description="`inputTo`: it was given to the generator; `componentOf`: it is a part of the output."
    )
    check_id: str | None = None
    release_id: str | None = None
    title: Short | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.check_id is None) == (self.release_id is None):
            raise ValueError("give a check_id or a release_id, and not both")
        return self


class ReleaseIn(In):
    check_id: str
    title: Short | None = None
    generator: Generator | None = None
    ai_generated: StrictBool = Field(
        default=True,
        description="True says `trainedAlgorithmicMedia` unless `digital_source_type` says something else.",
    )
    digital_source_type: SourceType | None = Field(
        default=None, description="How the file was made, the last part of the IPTC address."
    )
    ingredients: list[UsedFileIn] = Field(
        default_factory=list, max_length=16, description="Files that went into it; their own credentials are kept."
    )
    training_mining: dict[
        Literal["cawg.data_mining", "cawg.ai_inference", "cawg.ai_training", "cawg.ai_generative_training"],
        TrainingMiningRule,
    ] = Field(default_factory=dict)


class RevocationIn(In):
    revocation: Revocation = Field(description="`takedown` is for reviewers.")
    reason: Long = Field(description="For whoever verifies the release.")


class ReleaseOut(BaseModel):
    id: str
    check_id: str
    state: Literal["signed", "disabled", "revoked"]
    title: str
    media_type: str
    sha256: str
    source_sha256: str
    size_bytes: int
    manifest_id: str
    manifest: dict[str, Any]
    is_sidecar: bool = Field(description="The credentials lie beside the file: `GET …/manifest`.")
    source_type: str | None
    source_type_in_file: bool = Field(description="Whether the file's XMP says the source type as well.")
    iscc: str | None
    created_at: datetime
    disabled_at: datetime | None
    revoked_at: datetime | None
    revocation: str | None
    revocation_reason: str | None


class VerificationOut(BaseModel):
    """Separate facts; there is no overall score."""

    model_config = ConfigDict(extra="allow")
    id: str
    sha256: str
    verified_at: datetime
    integrity: dict[str, Any]
    signer: dict[str, Any]
    timestamp: datetime | None = Field(description="Of an authority whom we know; `time_stamp` says more.")
    time_stamp: dict[str, Any] = Field(default_factory=dict)
    manifest_source: Literal["embedded", "sent", "kept"] | None = Field(
        default=None,
        description="Where the credentials lie: in the file, beside it as they were sent, or beside it as this"
        " service keeps them for a release. Null: there are none.",
    )
    duration_s: float | None = Field(
        default=None, description="Of the file; 0 of a still. Null: what it shows or plays was not looked at."
    )
    remote_url: str | None = Field(
        default=None, description="Where credentials that are kept elsewhere are said to lie; nobody looked there."
    )
    identities: list[dict[str, Any]] = Field(default_factory=list)
    redactions: list[dict[str, Any]] = Field(default_factory=list)
    release: dict[str, Any] | None = Field(
        default=None, description="The release of this service whose very credentials were read, as it stands now."
    )
    has_crjson: bool = Field(default=False, description="`GET /v1/verifications/{id}/crjson` has it.")
    has_manifest: bool = Field(default=False, description="`GET /v1/verifications/{id}/manifest` has it.")
    manifest_label: str | None = None
    claim_generator: str | None = None
    title: str | None = None
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
