"""Days that somebody chose in a form."""

from datetime import UTC, date, datetime, time

from pydantic import TypeAdapter, ValidationError

from api.schemas.base import Day
from registry.errors import Invalid

_DAY: TypeAdapter[date] = TypeAdapter(Day)


def day_of(said: str, *, field: str) -> date | None:
    """The day in a field; None where it is left empty. Raises: Invalid."""
    try:
        return _DAY.validate_python(said) if said else None
    except ValidationError:
        raise Invalid(field=field, problem="Give a day, such as 2026-01-31.") from None


def end_of(day: date) -> datetime:
    """The last moment of a day, in UTC."""
    return datetime.combine(day, time.max, UTC)
