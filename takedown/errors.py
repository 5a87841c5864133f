"""What can go wrong with a notice. Errors keep their fields and know no HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the domain raises these errors; at run time it imports this module, not the reverse
    from datetime import datetime

    from takedown.domain.states import Event, State


class TakedownError(Exception):
    """Root of this package's errors."""


class IllegalTransition(TakedownError):
    """The event cannot happen to a notice in this state."""

    def __init__(self, *, current: State, event: Event, allowed: tuple[Event, ...]) -> None:
        self.current = current
        self.event = event
        self.allowed = allowed
        super().__init__(
            f"{event} cannot happen to a notice that is {current}; "
            f"possible: {', '.join(allowed) or 'nothing, this state is final'}"
        )


class IncompleteHistory(TakedownError):
    """A notice's history does not say when it entered a state that it must have passed."""

    def __init__(self, *, missing: State) -> None:
        self.missing = missing
        super().__init__(f"the history does not say when the notice was {missing}")


class NaiveDatetime(TakedownError):
    """A time without a zone: which day it falls on cannot be said."""

    def __init__(self, *, at: datetime) -> None:
        self.at = at
        super().__init__(f"{at.isoformat()} names no time zone")


class UnknownCalendar(TakedownError):
    """No public holidays are known for the place, or no rules for the time zone."""

    def __init__(self, *, country: str, subdivision: str | None, time_zone: str) -> None:
        self.country = country
        self.subdivision = subdivision
        self.time_zone = time_zone
        place = country if subdivision is None else f"{country}-{subdivision}"
        super().__init__(f"no calendar for {place!r} in time zone {time_zone!r}")
