"""Forms: what was typed, read as the body that the API takes, and what was wrong with it beside each field.

A field has the name that its place in the body has: `title`, `reservations.0.use`; one that ends in `[]` is a list.
A form knows only texts: where the body wants a number or a truth, its text is read as one. What is blank was
not said.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from api.problems import Problem, problem_of
from api.wording import worded
from fingerprinting.errors import FingerprintingError
from provenance.errors import ProvenanceError
from registry.errors import Forbidden, NotFound, RegistryError
from registry.index import IndexBehind
from takedown.errors import TakedownError

TOKEN: Final = "token"  # noqa: S105 - the name of a field
_LIST: Final = "[]"
# Fields whose text is to be read as JSON: pydantic says so where it is strict.
_READ: Final = ("int_type", "float_type", "bool_type")
_REFUSALS: Final = (
    Problem, ValidationError, RegistryError, TakedownError, FingerprintingError, ProvenanceError, IndexBehind,
    TimeoutError,
)  # fmt: skip
# Of the number of a row.
_ROW_DIGITS: Final = 3
_DEEPEST: Final = 10


class Form:
    """What a form sent.

    Attributes:
        errors: what is wrong, by the name of the field; under "" what is wrong with all of it.
        status: of an answer that shows the form again.
    """

    def __init__(self, said: Iterable[tuple[str, str]] = (), translate: Callable[[str], str] = str) -> None:
        self._translate = translate
        self.errors: dict[str, str] = {}
        self.status = HTTPStatus.OK
        self._values: dict[str, list[str]] = {}
        for name, value in said:
            if name != TOKEN:
                self._values.setdefault(name, []).append(value)

    @classmethod
    def filled(cls, body: Mapping[str, Any]) -> "Form":
        """A form that shows what is on record."""
        return cls(_flat(body))

    def get(self, name: str, default: str = "") -> str:
        """The last value of a field, as it was typed."""
        found = self._values.get(name)
        return found[-1] if found else default

    def all(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def rows(self, name: str, *, least: int = 0) -> list[str]:
        """The names of a group's rows, `name.0` and on, at least so many, for templates to draw."""
        numbers = {int(part) for key in self._values if (part := _row_of(key, name)) is not None}
        return [f"{name}.{number}" for number in range(max(least, max(numbers, default=-1) + 1))]

    def put(self, name: str, *values: str) -> None:
        """Say something in place of what was typed."""
        self._values[name] = list(values)

    def drop(self, *names: str) -> None:
        """Leave fields out of the body that are the page's own."""
        for name in names:
            self._values.pop(name, None)

    def lines(self, name: str) -> list[str]:
        """What stands on the lines of a field."""
        return [line.strip() for line in self.get(name).splitlines() if line.strip()]

    def error(self, name: str) -> str | None:
        """What is wrong with a field or something in it."""
        plain = name.removesuffix(_LIST)
        return next((text for key, text in self.errors.items() if key == plain or key.startswith(f"{plain}.")), None)

    def is_sure(self, problem: str) -> bool:
        """Whether the box was ticked that asks so, before what cannot be undone; else the form says that it must be."""
        if self.get("sure") == "true":
            return True
        self.errors["sure"], self.status = problem, HTTPStatus.UNPROCESSABLE_ENTITY
        return False

    def tree(self) -> dict[str, Any]:
        """The fields as the body they spell; of rows those that say nothing are left out."""
        body: dict[str, Any] = {}
        for name, values in self._values.items():
            said = [value.strip() for value in values if value.strip()]
            if said and name.count(".") < _DEEPEST:
                _put(body, name.removesuffix(_LIST).split("."), said if name.endswith(_LIST) else said[-1])
        return {name: _tidied(value) for name, value in body.items()}

    def parse[Body: BaseModel](self, model: type[Body], **said: Any) -> Body:
        """The body that was typed, with what the page itself says. Raises: ValidationError."""
        tree = self.tree() | said
        try:
            return model.model_validate(tree)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                if one["type"] in _READ and isinstance(one["input"], str):
                    _read(tree, one["loc"])
        return model.model_validate(tree)

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """A block that does what the form asks; what it refuses is shown in the form, which keeps what was typed.

        What is not there, and what is not for this visitor, is no fault of the form's, and goes on.
        """
        try:
            yield
        except (NotFound, Forbidden):
            raise
        except _REFUSALS as error:
            self.refuse(error)

    def refuse(self, error: Exception) -> None:
        """Note what was wrong."""
        self.status = HTTPStatus.UNPROCESSABLE_ENTITY
        if isinstance(error, ValidationError):
            for one in error.errors(include_url=False):
                self.errors.setdefault(".".join(map(str, one["loc"])), worded(one, self._translate))
            return
        problem = error if isinstance(error, Problem) else problem_of(error)
        self.status = problem.status
        self.errors.setdefault(str(problem.members.get("field") or ""), self._translate(problem.detail))


def _row_of(key: str, name: str) -> str | None:
    if not key.startswith(f"{name}."):
        return None
    number = key.removeprefix(f"{name}.").partition(".")[0]
    return number if _is_row(number) else None


def _is_row(name: str) -> bool:
    return name.isdecimal() and len(name) <= _ROW_DIGITS


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The fields that would say this."""
    match value:
        case None:
            return
        case dict():
            for key, each in value.items():
                yield from _flat(each, f"{name}.{key}" if name else str(key))
        case list() if all(isinstance(one, str) for one in value):
            yield from ((f"{name}{_LIST}", one) for one in value)
        case list():
            for number, each in enumerate(value):
                yield from _flat(each, f"{name}.{number}")
        case bool():
            yield name, "true" if value else "false"
        case _:
            yield name, str(value)


def _put(body: dict[str, Any], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = body.setdefault(part, {})
        if not isinstance(inner, dict):  # two fields, one of which says to be all of the other
            return
        body = inner
    body[path[-1]] = value


def _tidied(value: Any) -> Any:
    """Rows by number become a list."""
    if not isinstance(value, dict):
        return value
    if value and all(map(_is_row, value)):
        return [_tidied(value[key]) for key in sorted(value, key=int)]
    return {key: _tidied(each) for key, each in value.items()}


def _read(tree: Any, place: tuple[int | str, ...]) -> None:
    """Read the text at a place as the number or truth that it spells, if it does."""
    for part in place[:-1]:
        tree = tree[part]
    try:
        found = json.loads(tree[place[-1]])
    except (ValueError, RecursionError):
        return
    if isinstance(found, bool | int) or (isinstance(found, float) and math.isfinite(found)):
        tree[place[-1]] = found
