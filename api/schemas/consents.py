"""Consents of persons, and the clips made with them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from api.schemas.base import In, Long, Short, Time
from registry.domain.consent import MAX_PROJECT_CHARS, Scope, State, Uses

_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Project = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROJECT_CHARS)]


class ConsentIn(In):
    grantee_id: Short = Field(description="The holder who may use it: the pipeline that asks the checks.")
    uses: Uses
    scope: Scope = Field(description="For one clip, for one project, or for everything until a date.")
    clip_sha256: _Sha256 | None = Field(default=None, description="With the scope `clip`: of the file that is checked.")
    project: _Project | None = Field(default=None, description="With the scope `project`: as the check's context says.")
    conditions: Long | None = Field(
        default=None, description="In words; the service cannot tell whether they are kept."
    )
    not_before: Time | None = None
    expires: Time | None = Field(default=None, description="Needed with the scope `until`; to the second.")


class ConsentOut(BaseModel):
    id: str
    work_id: str
    title: str = Field(description="The person, as the work is titled.")
    granted_by: str
    grantee_id: str
    uses: Uses
    scope: Scope
    clip_sha256: str | None
    project: str | None
    conditions: str | None
    not_before: datetime
    expires: datetime | None
    granted_at: datetime
    revoked_at: datetime | None
    state: State
    token: str = Field(description="What the pipeline presents with a check: a JWS, ids and dates, no names.")


class DraftOut(BaseModel):
    """A clip that was made with a person, as its maker says."""

    check_id: str
    holder_id: str
    holder: str
    uses: Uses
    sha256: str | None
    project: str | None
    verdict: str | None
    decision: str | None
    consents: list[str] = Field(description="Of this person; those that the verdict rests on.")
    release_id: str | None
    release_state: str | None
    created_at: datetime
