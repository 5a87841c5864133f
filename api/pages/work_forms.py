"""The forms of works and of what is said of them: what they ask for, and the bodies of the API that it comes to.

People choose a kind of number and type it, write names in lines, and take one of four common reservations; the API has
an object, a list, and a declaration for each use.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from api.pages.forms import Form
from api.problems import Problem
from api.schemas.base import Day, In, Link, Seconds, Short, Territory
from api.schemas.preferences import ReservationIn
from api.schemas.works import WorkChanges, WorkIn
from registry.domain.preferences import WORLDWIDE, Use, Value
from registry.sheets import Word

# The rows of a form that may be made more, each with its fields.
ROWS: Final[Mapping[str, Sequence[str]]] = {
    "ids": ("scheme", "value"),
    "contributors": ("name", "role", "isni"),
    "shares": ("holder", "percent", "territory", "isni", "uses[]"),
    "alternative_titles": ("title", "language"),
}
_MOST_ROWS: Final = 200


def _lines(value: object) -> object:
    return [line.strip() for line in value.splitlines() if line.strip()] if isinstance(value, str) else value


Lines = Annotated[list[Short], BeforeValidator(_lines), Field(default_factory=list, max_length=100)]


def _linked(value: object) -> object:
    if isinstance(value, str) and not value.startswith(("https://", "http://")):
        raise ValueError("give a link that begins with https://")
    return value


Terms = Annotated[Link, BeforeValidator(_linked)]


class IdentifierIn(In):
    scheme: Annotated[str, Field(max_length=32)]
    value: Short


class Preset(StrEnum):
    """What most people reserve from the start."""

    LATER = "later"
    NOBODY = "nobody"
    ASK = "ask"
    OUTPUTS = "outputs"


# Search engines lead people to a work: of them, nothing is said.
_BUT_SEARCH: Final = tuple(use for use in Use if use is not Use.SEARCH)
_PRESETS: Final[Mapping[Preset, tuple[Value, Sequence[Use]]]] = {
    Preset.LATER: (Value.RESERVED, ()),
    Preset.NOBODY: (Value.RESERVED, _BUT_SEARCH),
    Preset.ASK: (Value.CONSTRAINED, _BUT_SEARCH),
    Preset.OUTPUTS: (Value.RESERVED, (Use.DEPICT_IN_OUTPUT,)),
}


class ReserveIn(In):
    """A common choice; terms and contact belong to `ask`."""

    preset: Preset = Preset.LATER
    terms_url: Terms | None = None
    contact: Short | None = None

    def reservations(self) -> list[ReservationIn]:
        value, uses = _PRESETS[self.preset]
        asks = self.preset is Preset.ASK
        said = {"terms_url": self.terms_url, "contact": self.contact} if asks else {}
        return [ReservationIn(use=use, value=value, **said) for use in uses]


class RegistrationIn(WorkIn):
    """A new work, as its form says it."""

    ids: list[IdentifierIn] = Field(default_factory=list, max_length=20)
    creators: Lines
    reserve: ReserveIn = ReserveIn()
    once: Short | None = None

    def work(self) -> WorkIn:
        said = self.model_dump(exclude={"ids", "reserve", "once"}, exclude_unset=True)
        return WorkIn.model_validate(
            {**said, "identifiers": identifiers(self.ids), "reservations": self.reserve.reservations()}
        )


class EditIn(WorkChanges):
    """A work anew, as its form says it: what is blank on it is taken back."""

    title: Short
    ids: list[IdentifierIn] = Field(default_factory=list, max_length=20)
    creators: Lines

    def changes(self) -> WorkChanges:
        said = self.model_dump(exclude={"ids"}, exclude_unset=True)
        blank: dict[str, Any] = {
            "year": None, "thresholds": None, "contributors": [], "shares": [], "alternative_titles": [],
            "creators": [], "shows_frames": False, "confidential": False,
        }  # fmt: skip
        return WorkChanges.model_validate({**blank, **said, "identifiers": identifiers(self.ids)})


_CLOCK: Final = re.compile(r"(\d{1,6}:){0,2}\d{1,6}([.,]\d{1,3})?")


def _seconds(value: object) -> object:
    """As a player shows them: 1:02:03.5 or 62.5"""
    if not isinstance(value, str):
        return value
    if not _CLOCK.fullmatch(value.strip()):
        raise ValueError("write it as a player shows it, such as 1:02.5")
    parts = value.strip().replace(",", ".").split(":")
    return sum(float(part) * 60**place for place, part in enumerate(reversed(parts)))


Moment = Annotated[Seconds, BeforeValidator(_seconds)]


class StretchIn(In):
    """A stretch of a file that does not count, as it is typed."""

    start_s: Moment
    end_s: Moment
    reason: Short


def identifiers(rows: Sequence[IdentifierIn]) -> dict[str, str]:
    """Raises: Problem: one kind of number comes twice."""
    found: dict[str, str] = {}
    for place, row in enumerate(rows):
        if row.scheme in found:
            detail = "A work has one number of a kind. Leave one of them out."
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, field=f"ids.{place}.value")
        found[row.scheme] = row.value
    return found


@contextmanager
def heeding(form: Form) -> Iterator[None]:
    """As `Form.heeding`, and what is refused of a number or a credit stands where it was typed."""
    close_up(form)
    with form.heeding():
        yield
    for name in list(form.errors):
        group, _, rest = name.partition(".")
        if group == "identifiers":
            place = next((row for row in form.rows("ids") if form.get(f"{row}.scheme") == rest), "ids.0")
            form.errors[f"{place}.value"] = form.errors.pop(name)
        elif group in ROWS and rest and not rest[0].isdecimal():  # it is not said of which
            form.errors[group] = form.errors.pop(name)


def close_up(form: Form) -> None:
    """Let rows that say nothing go, so that those left are numbered as the body numbers them."""
    for group, fields in ROWS.items():
        said = [{field: form.all(f"{row}.{field}") for field in fields} for row in form.rows(group)]
        kept = [row for row in said if _says_something(row)]
        for number in range(len(said)):
            for field in fields:
                form.drop(f"{group}.{number}.{field}")
                if number < len(kept):
                    form.put(f"{group}.{number}.{field}", *kept[number][field])


def _says_something(row: Mapping[str, Sequence[str]]) -> bool:
    """What is chosen from a list always is."""
    return any(text.strip() for name, texts in row.items() if name not in ("scheme", "territory") for text in texts)


def more_of(form: Form) -> dict[str, int]:
    """How many rows of each group to draw: one more of the group whose button was pressed."""
    asked = form.get("add")
    form.drop("add")
    return {group: min(_MOST_ROWS, len(form.rows(group)) + (group == asked)) for group in ROWS}


# -- what is said of uses ------------------------------------------------------------------------


class UseIn(In):
    value: Value | None = None
    terms_url: Terms | None = None
    contact: Short | None = None


class SheetIn(In):
    """What is said of the uses of a thing, as its form says it; of one without a value nothing is said."""

    uses: dict[Use, UseIn] = Field(default_factory=dict)
    location: Annotated[str, Field(max_length=2000)] | None = None
    territory: Territory = WORLDWIDE
    valid_from: Day | None = None
    valid_until: Day | None = None

    def wanted(self) -> dict[Use, Word | None]:
        return {use: _word(self.uses.get(use)) for use in Use}

    def times(self) -> dict[str, datetime | None]:
        """Days begin as UTC has them."""
        return {"valid_from": _begin(self.valid_from), "valid_until": _begin(self.valid_until)}


def _word(said: UseIn | None) -> Word | None:
    if said is None or said.value is None:
        return None
    return Word(value=said.value, terms_url=said.terms_url, contact=said.contact)


def _begin(day: date | None) -> datetime | None:
    return datetime.combine(day, time(0), UTC) if day else None


def sheet_form(words: Mapping[Use, Word], *, location: str | None, territory: str) -> Form:
    """A form that shows what stands."""
    uses = {
        use.value: {"value": word.value.value, "terms_url": word.terms_url, "contact": word.contact}
        for use, word in words.items()
    }
    return Form.filled({"uses": uses, "location": location, "territory": territory})
