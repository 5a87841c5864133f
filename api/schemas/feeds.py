"""Where a page of a feed begins, and how long it is."""

from pydantic import Field

from api.schemas.base import In
from registry.domain.feed import MAX_ITEMS


class FeedPlace(In):
    since: int = Field(default=0, ge=0, le=2**31 - 1, description="`next` of the page before; 0 begins.")
    limit: int = Field(default=1000, ge=1, le=MAX_ITEMS)
