"""What holders say, and what it comes to."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
)

from api.schemas.base import In, Link, Short, Territory, Time
from registry.domain.preferences import WORLDWIDE, Answer, Use, Value
from registry.domain.preferences import Scope as Reach


class ReservationIn(In):
    scope: Literal[Reach.WORK, Reach.ASSET] = Reach.WORK
    asset_id: str | None = Field(default=None, description="For the scope `asset`: which file of the work.")
    use: Use
    value: Value
    territory: Territory = WORLDWIDE
    terms_url: Link | None = Field(
        default=None, description="Terms or a licence: `constrained` without it counts as `reserved`."
    )
    contact: Short | None = Field(default=None, description="Whom to ask: an address, a link.")
    valid_from: Time | None = None
    valid_until: Time | None = None


class ScopedReservationIn(ReservationIn):
    scope: Literal[Reach.CATALOGUE, Reach.LOCATION]  # type: ignore[assignment]
    asset_id: None = None
    location: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None


class ReservationOut(BaseModel):
    id: str
    agent_id: str | None = Field(description="The holder who said it for its owner, as their agent.")
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


class PreferenceItem(BaseModel):
    """Exactly one of these."""

    # Not `In`: the query that it stands in has looked for U+0000 in all of it.
    model_config = ConfigDict(extra="forbid")

    work_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    asset_id: Annotated[str, StringConstraints(max_length=100)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    iscc: Annotated[str, StringConstraints(max_length=200)] | None = None
    url: Link | None = None


class PreferenceQuestion(In, PreferenceItem):
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
