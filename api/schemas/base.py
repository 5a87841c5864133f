"""What all bodies share: bounded texts, times, strictness, pages."""

import itertools
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from fingerprinting.document import MAX_DURATION_S

Short = Annotated[str, StringConstraints(min_length=1, max_length=500)]


Long = Annotated[str, StringConstraints(min_length=1, max_length=5000)]


Link = Annotated[str, StringConstraints(pattern=r"^https?://", max_length=2000)]


Territory = Annotated[str, StringConstraints(min_length=2, max_length=9)]


Seconds = Annotated[float, Field(ge=0, le=MAX_DURATION_S, allow_inf_nan=False)]


_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d.*")


def _written(value: object) -> object:
    """Pydantic alone would also take 0 for the first of January 1970."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("write a time as RFC 3339 does, for example 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


Time = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]


_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _written_day(value: object) -> object:
    """As of times: 0 is no day."""
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise ValueError("write a day as 2026-01-31")
    return value


# There is nothing of before, and a calendar has ends.
Day = Annotated[date, BeforeValidator(_written_day), Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1))]


# Nothing that is asked of us is a tenth as deep, and whatever follows a structure may run out of stack.
MAX_DEPTH = 50


def _holds_nul(value: object) -> bool:
    """Whether U+0000 is in any of the texts. Raises: ValueError: they are nested too deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(part, str) and "\x00" in part for part in level):
            return True
        parts = (_parts(part) for part in level if isinstance(part, dict | list))
        level = list(itertools.chain.from_iterable(parts))
        if not level:
            return False
    raise ValueError(f"is nested deeper than {MAX_DEPTH}")


def _parts(value: dict[object, object] | list[object]) -> Iterable[object]:
    return itertools.chain(value.keys(), value.values()) if isinstance(value, dict) else value


class In(BaseModel):
    """A request body: unknown members are refused, so that a typing error is not silently ignored."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, value: object) -> object:
        """PostgreSQL cannot store U+0000, and no text needs it; nor can what is bottomless be followed."""
        if _holds_nul(value):
            raise ValueError("holds the character U+0000, which no text needs")
        return value


class Page[T](BaseModel):
    """One page of a list; `next` is the cursor of the page after it."""

    items: list[T]
    next: str | None
