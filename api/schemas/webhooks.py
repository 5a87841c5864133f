"""Webhooks: where, with what secret, and what became of each message."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from api.schemas.base import In, Link
from registry.models import MessageStatus, SetBy


class EndpointIn(In):
    url: Link


class EndpointOut(BaseModel):
    url: str
    set_by: SetBy
    status: Literal["active", "disabled"]
    problem: str | None = Field(description="Why it is disabled.")
    secret: str | None = Field(default=None, description="Shown when it is made, and never again.")
    previous_secret_until: datetime | None = Field(description="Until then the secret before signs as well.")
    created_at: datetime


class MessageOut(BaseModel):
    id: str
    type: str
    data: dict[str, Any]
    status: MessageStatus
    attempts: int
    last_error: str | None
    created_at: datetime
    delivered_at: datetime | None
