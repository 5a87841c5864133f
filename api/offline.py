"""Copies of the registry at the edge: the file, the service that it is made of, and questions put to either.

Whatever is asked, the answer says of which moment it is; a copy that is older than the asker allows answers nothing.
"""

import itertools
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from pydantic import ValidationError

from api.routes.preferences import asked_about, told
from api.schemas.preferences import PreferenceItem, PreferenceQuery
from api.service import alembic_config, upgrade_database
from api.wording import worded
from clearmark.client import Client, Problem, Unreachable
from registry import copies
from registry.copies import STATE, BadCopy, Synced
from registry.database import Database
from registry.domain.feed import SetBack
from registry.domain.identifiers import validate_identifiers
from registry.domain.tokens import UnknownKey
from registry.errors import Invalid
from registry.preferences import query

MAX_LINE_CHARS = 1 << 14
# A request of this many items is small enough for every service, and for a copy it costs nothing to ask more often.
_ITEMS_AT_ONCE = 2_000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# Together more than a minute, after which whoever counts requests counts anew.
_PAUSES_S = (1, 2, 4, 8, 16, 32)
_PASSING = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)


class StaleCopy(BadCopy):
    """The copy is older than the asker allows."""


# -- the file ----------------------------------------------------------------------------------


@contextmanager
def opened(path: Path, *, make: bool = False) -> Iterator[Database]:
    """The copy in a file, for as long as the block lasts.

    Args:
        make: make one where there is no file.
    Raises:
        BadCopy: there is none; or what is there is something else, which stays as it is; or it is broken.
    """
    is_there = path.exists()
    if not is_there and not make:
        raise BadCopy(problem=f"There is no copy at {path}. Make one: clearmark sync --copy {path}")
    if is_there and not _is_copy(path):
        raise BadCopy(problem=f"{path} is not a copy that clearmark sync has made. Name another file.")
    copy = Database(f"sqlite:///{path.absolute()}")
    try:
        if not is_there:
            copies.prepare(copy)
        if not _is_current(copy):
            upgrade_database(copy.url.render_as_string())
        yield copy
    except CommandError:
        raise BadCopy(problem=f"{path} was made by a newer clearmark. Use that one, or make a new copy.") from None
    except (sa.exc.DatabaseError, sqlite3.Error) as error:
        problem = f"{path} cannot be used: {error.args[0]}. Is another sync running? If not, make a new copy."
        raise BadCopy(problem=problem) from None
    finally:
        copy.dispose()


def _is_copy(path: Path) -> bool:
    """Looks without changing anything: opening it as ours would already make it a database of our kind."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            named = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (STATE.name,))
            return named.fetchone() is not None
    except sqlite3.Error:
        return False


def _is_current(copy: Database) -> bool:
    with copy.reading() as session:
        revision = MigrationContext.configure(session.connection()).get_current_revision()
    return revision == ScriptDirectory.from_config(alembic_config("")).get_current_head()


# -- the service -------------------------------------------------------------------------------


def sync(path: Path, client: Client, *, now: Callable[[], datetime], trust_new_keys: bool = False) -> Synced:
    """Bring the copy in a file to the head of the service's log; makes one where there is no file.

    Raises:
        BadCopy, BadToken, BadPage, Problem: it stays as it was, and why.
    """
    with opened(path, make=True) as copy:
        try:
            return copies.sync(copy, _Patient(client), now=now, trust_new_keys=trust_new_keys)
        except UnknownKey:
            problem = (
                "The feed is signed by a key that this copy does not know. Ask whoever runs the service whether it has"
                " a new one; if so, run this once with --trust-new-keys."
            )
            raise BadCopy(problem=problem) from None
        except SetBack as error:
            problem = f"{error.problem} It goes on from a backup, perhaps. Delete {path} and sync again."
            raise BadCopy(problem=problem) from None


class _Patient:
    """A service that is asked again when it fails after it had answered, so that a long sync survives a short break."""

    def __init__(self, client: Client, pause: Callable[[float], None] = time.sleep) -> None:
        self._client, self._pause = client, pause
        self._has_answered = False

    def signing_keys(self) -> Mapping[str, Any]:
        return self._client.signing_keys()

    def feed_page(self, since: int) -> str:
        for pause_s in _PAUSES_S if self._has_answered else ():
            try:
                return self._client.feed_page(since)
            except Unreachable:
                pass
            except Problem as problem:
                if problem.status not in _PASSING:
                    raise
            self._pause(pause_s)
        page = self._client.feed_page(since)
        self._has_answered = True
        return page


# -- questions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What holds for some items, by what was known at `as_of`, which is `age` ago."""

    items: Sequence[dict[str, Any]]
    answers: Sequence[dict[str, Any]]
    as_of: datetime
    age: timedelta


def ask_copy(
    copy: Database, bodies: Iterable[PreferenceQuery], *, at: datetime, max_age: timedelta | None
) -> Iterator[Answers]:
    """Answers of a copy.

    Raises:
        StaleCopy: it is older than `max_age`; or of a time to come, which is as doubtful.
    """
    with copy.reading() as session:
        as_of = copies.place_of(session).as_of
        assert as_of is not None, "a place that was reached has its time"
        age = at - as_of
        if max_age is not None and abs(age) > max_age:
            raise StaleCopy(problem=f"The copy is of {as_of:{_TIME}}, and it is {at:{_TIME}} here. Run: clearmark sync")
        for body in bodies:
            asked = [asked_about(item) for item in body.items]
            found = query(session, asked, body.uses, at=body.at or at, territory=body.territory)
            yield Answers(items=_items(body), answers=list(told(found)), as_of=as_of, age=age)


def ask_service(client: Client, bodies: Iterable[PreferenceQuery]) -> Iterator[Answers]:
    """Answers of a service, which are of now."""
    for body in bodies:
        found = client.post("/v1/preferences/query", body.model_dump(mode="json", exclude_none=True))
        answers = [{name: one[name] for name in ("work_ids", "preferences")} for one in found["items"]]
        as_of = datetime.fromisoformat(found["at"])
        yield Answers(items=_items(body), answers=answers, as_of=as_of, age=timedelta())


def _items(body: PreferenceQuery) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_none=True) for item in body.items]


def age_in_words(age: timedelta) -> str:
    minutes = round(abs(age.total_seconds()) / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} days"


def questions(lines: Iterable[str], said: Mapping[str, Any]) -> Iterator[PreferenceQuery]:
    """Questions about what lines name, some thousand at a time: an id, a SHA-256, an ISCC, a URL, or a JSON object.

    Args:
        said: `uses`, `at` and `territory`, as a query over HTTP has them.
    Raises:
        Invalid: a line, named by its number, is none of these; or what is said with them cannot be.
    """
    numbered = ((number, line.strip()) for number, line in enumerate(lines, start=1))
    items = (_item(number, line) for number, line in numbered if line)
    for some in itertools.batched(items, _ITEMS_AT_ONCE):
        try:
            yield PreferenceQuery.model_validate({**said, "items": some})
        except ValidationError as error:
            [first, *_] = error.errors()
            raise Invalid(field=".".join(map(str, first["loc"])), problem=worded(first)) from None


def _item(number: int, line: str) -> PreferenceItem:
    try:
        [item] = PreferenceQuery.model_validate({"items": [_named(line)]}).items
        asked = asked_about(item)
        if asked.iscc is not None:
            validate_identifiers({"iscc": asked.iscc})
    except ValidationError as error:
        [first, *_] = error.errors()
        problem = ": ".join([*map(str, first["loc"][2:]), worded(first)])
    except Invalid as invalid:
        problem = invalid.problem
    except (ValueError, RecursionError) as error:
        problem = f"It is not JSON: {error}."
    else:
        return item
    raise Invalid(field=f"line {number}", problem=problem)


def _named(line: str) -> object:
    """What a line names, as the API takes it."""
    if len(line) > MAX_LINE_CHARS:
        raise Invalid(field="line", problem=f"It has more than {MAX_LINE_CHARS} characters.")
    if line.startswith("{"):
        return json.loads(line)
    for name, begins in _NAMED_BY.items():
        if line.startswith(begins):
            return {name: line}
    if _SHA256.fullmatch(line):
        return {"sha256": line.lower()}
    raise Invalid(field="line", problem="Give an id (wrk_…, ast_…), a SHA-256, an ISCC: code, a URL, or JSON.")


_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_NAMED_BY = {"work_id": ("wrk_",), "asset_id": ("ast_",), "iscc": ("ISCC:",), "url": ("http://", "https://")}
