"""What anybody may know of works."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.schemas.preferences import PreferenceOut
from registry.domain.policy import Assurance
from registry.domain.preferences import Answer, Scope, Use, Value
from registry.works import WorkKind


class PublicHolderOut(BaseModel):
    id: str
    name: str
    assurance: Assurance = Field(description="How well they are known.")


class PublicWorkOut(BaseModel):
    id: str
    title: str
    kind: WorkKind
    year: int | None
    holder: PublicHolderOut
    answers: dict[Use, Answer] = Field(description="What holds for each use; `unset` is no permission.")
    is_disputed: bool = Field(description="Another holder claims the same footage or sound.")
    is_held: bool = Field(description="It matches suspiciously much, and the operator has yet to look.")
    registered_at: datetime


class PublicDeclarationOut(BaseModel):
    """A word in force."""

    id: str
    holder: PublicHolderOut
    agent: PublicHolderOut | None = Field(description="Who said it for the holder, as their agent.")
    scope: Scope
    use: Use
    value: Value
    territory: str
    terms_url: str | None
    contact: str | None = Field(description="Whom to ask.")
    declared_at: datetime
    valid_from: datetime
    valid_until: datetime | None
    entry: int | None = Field(description="The ledger's entry that put it on record.")


class DisputeOut(BaseModel):
    """Somebody else's claim to the same footage or sound."""

    work_id: str
    title: str
    holder: PublicHolderOut
    seconds: float
    since: datetime
    came_first: bool = Field(description="Theirs was registered before.")


class PublicWorkDetailOut(PublicWorkOut):
    at: datetime = Field(description="As of when this is.")
    alternative_titles: list[str]
    creators: list[str]
    identifiers: dict[str, str] = Field(description="Those of standards.")
    preferences: dict[Use, PreferenceOut]
    declarations: list[PublicDeclarationOut] = Field(
        description="Those that decided it, and those of the scope `asset`, on single files of the work alone."
    )
    disputes: list[DisputeOut]
    sites: list[str] = Field(description="Domains that answer for the holder: /v1/hosted/{site} has their files.")
    entry: int | None = Field(description="The ledger's entry about its registration.")
