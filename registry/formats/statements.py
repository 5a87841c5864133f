"""What every format comes to: statements about uses, and remarks about what could not be taken over.

Each format's module has `read…` functions that return a `Reading` and `write…` functions that return a `Written`.
What a format cannot say, or what a file says that we have no word for, becomes a `Remark`: nothing is dropped in
silence.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final

from registry.domain.preferences import WORLDWIDE, Use, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One word on one use.

    Attributes:
        location: the path or URL that it is about, as `registry.locations` reads them; None: of all that was read,
            the file itself or the whole site.
        order: where several statements cover one URL and the format's first match wins, the lowest speaks.
    """

    use: Use
    value: Value
    location: str | None = None
    territory: str = WORLDWIDE
    terms_url: str | None = None
    contact: str | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that was not taken over: `where` in the source or which statement, and why."""

    where: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file or header says."""

    statements: tuple[Statement, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Statements in a format; reading `text` again gives all of them but those that `left_out` names."""

    text: str
    media_type: str
    left_out: tuple[Remark, ...] = ()


def unsaid(first: Iterable[Remark], *others: Iterable[Remark]) -> tuple[Remark, ...]:
    """What is left out by all of several that are read together: remarks of the first on what each other has one on."""
    theirs = [{remark.where for remark in other} for other in others]
    return tuple(remark for remark in first if all(remark.where in each for each in theirs))


MAX_REMARKS: Final = 100


def few(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """The remarks without repetitions; of very many the first, and how many more there are."""
    all_of_them = tuple(dict.fromkeys(remarks))
    if len(all_of_them) <= MAX_REMARKS:
        return all_of_them
    more = len(all_of_them) - MAX_REMARKS
    return (*all_of_them[:MAX_REMARKS], Remark(where="the rest", problem=f"There are {more} more remarks."))


class FormatError(ValueError):
    """The source cannot be read as this format at all; `problem` says why and what to do."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def named(statement: Statement) -> str:
    """How a remark speaks of a statement."""
    about = f" for {statement.location}" if statement.location else ""
    where = f" in {statement.territory}" if statement.territory != WORLDWIDE else ""
    begins = f" from {_day(statement.valid_from)}" if statement.valid_from else ""
    ends = f" until {_day(statement.valid_until)}" if statement.valid_until else ""
    return f"{statement.use.value}: {statement.value.value}{about}{where}{begins}{ends}"


def _day(at: datetime) -> str:
    """A time, as short as it can be written: most begin with a day."""
    return f"{at:%Y-%m-%d}" if at.time() == time(0) else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def distinct(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The same statements without repetitions, in their order."""
    return tuple(dict.fromkeys(statements))
