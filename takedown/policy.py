"""How one operator handles notices: what the law leaves to them."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class FourEyes(StrEnum):
    """Which decisions need a second reviewer."""

    NONE = "none"
    TAKEDOWNS = "takedowns"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator settled for their desk.

    Attributes:
        operator, url: who writes the letters, and where parties find their notices.
        email: where the operator wants to be told of deadlines; None: in the queue alone.
        platform_holder: the holder whose webhook is told which addresses (URLs) to disable and to restore.
        notices_per_day, notices_per_day_trusted: what one holder may file in 24 hours.
        notices_per_day_anonymous: letters with a code that one address is sent in 24 hours; a notice of who is unknown
            needs one.
        strikes_to_suspend: from how many strikes on reviewers are asked to think of a suspension; nothing follows from
            a number alone.
        strike_lasts: how long a strike counts.
        retention: how long a notice is kept as it was written, after it is over.
    """

    operator: str = "Clearmark"
    url: str = "http://127.0.0.1:8000"
    email: str | None = None
    platform_holder: str | None = None
    four_eyes: FourEyes = FourEyes.NONE
    notices_per_day: int = 200
    notices_per_day_trusted: int = 2000
    notices_per_day_anonymous: int = 5
    strikes_to_suspend: int = 3
    strike_lasts: timedelta = timedelta(days=365)
    retention: timedelta = timedelta(days=3 * 365)
