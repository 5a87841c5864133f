"""What time it is: the machine's, or for tests one that is shifted or was set.

Only the service's own sense of time is shifted: leases, deadlines, records. Certificates and time-stamps are judged by
the machine's clock, as others would judge them.
"""

import contextlib
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SHIFT: Final = re.compile(r"([+-]?)(\d+)([smhdw]?)")
_FILE: Final = "file:"
_ROOM: Final = timedelta(days=366 * 50)  # what dates are reckoned from it

type Clock = Callable[[], datetime]


class BadClock(ValueError):
    """It says no time; the message says how one is written."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text!r} is no clock. Write a time to begin at (2026-12-24T10:00:00Z, or a day), a shift (+14d, -2h,"
            " seconds without a unit), or file:PATH of a file that holds one of these and is read anew each time"
        )


def utc_now() -> datetime:
    return datetime.now(UTC)


def make_clock(text: str, *, real: Clock = utc_now) -> Clock:
    """A clock from what a setting says; empty is the machine's.

    Raises:
        BadClock: it says nothing of time.
    """
    if not text:
        return real
    if text.startswith(_FILE):
        return _FromFile(Path(text.removeprefix(_FILE)), real)
    shift = _shift(text.strip(), at=real())
    return lambda: real() + shift


class _FromFile:
    """A clock that somebody moves while the service runs: the file's time begins when its text changes."""

    def __init__(self, path: Path, real: Clock) -> None:
        self._path, self._real = path, real
        try:
            self._text = path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise BadClock(f"{_FILE}{path}") from None
        self._shift = _shift(self._text, at=real())

    def __call__(self) -> datetime:
        at = self._real()
        with contextlib.suppress(OSError, ValueError):  # it is being written at this moment: then it says so next time
            text = self._path.read_text().strip()
            if text != self._text:
                self._shift, self._text = _shift(text, at=at), text
        return at + self._shift


def _shift(text: str, *, at: datetime) -> timedelta:
    """How far a clock is from the machine's, which shows `at`."""
    try:
        if (said := _SHIFT.fullmatch(text)) is not None and len(said[2]) < 10:
            sign, count, unit = said.groups()
            shift = timedelta(seconds=int(f"{sign}{count}") * _UNITS[unit or "s"])
            _ = at + shift + _ROOM, at + shift - _ROOM
            return shift
        begins = datetime.fromisoformat(text)
        if len(text) <= len("2026-12-24"):
            begins = datetime.combine(date.fromisoformat(text), time(), UTC)
    except (ValueError, OverflowError):
        raise BadClock(text) from None
    if begins.tzinfo is None:
        raise BadClock(text)
    return begins.astimezone(UTC) - at
