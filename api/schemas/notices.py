"""Takedown notices."""

from datetime import datetime

from pydantic import (
    BaseModel,
    Field,
    StrictBool,
)

from api.schemas.base import In, Long, Short


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
