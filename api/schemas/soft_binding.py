"""Soft Binding Resolution, in the field names of its specification."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Out(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class DiscoveryOut(_Out):
    api_endpoint: str
    c2pa_specification_version: str = Field(alias="c2paSpecificationVersion")
    capabilities_endpoint: str
    status_endpoint: str


class CapabilitiesOut(_Out):
    c2pa_specification_version: str = Field(alias="c2paSpecificationVersion")
    supported_capabilities: list[str]


class StatusOut(_Out):
    status: Literal["ok", "degraded", "down"]
    timestamp: datetime


class NamedAlgorithm(_Out):
    alg: str


class AlgorithmsOut(_Out):
    watermarks: list[NamedAlgorithm]
    fingerprints: list[NamedAlgorithm]


class BindingOut(_Out):
    manifest_id: str
    similarity_score: int = Field(ge=0, le=100)


class MatchesOut(_Out):
    matches: list[BindingOut]


class BindingIn(BaseModel):
    """A soft binding; unknown fields of later versions are passed over."""

    alg: str = Field(max_length=200)
    value: str = Field(max_length=65_536, description="Base64, with padding.")
