"""Commands for pipelines that keep a copy: `clearmark sync`, and `clearmark preferences query` beside it or without.

`sync` speaks to a service over HTTP; `query` needs no network when it is given a copy.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.console import URL, AsJson, Exit, Holder, Key, Url, columns, complain, fields, progress, say, service_at, show

if TYPE_CHECKING:
    from api.offline import Answers

preferences = typer.Typer(help="What holders said of works, files and web locations.", no_args_is_help=True)
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def sync(
    key: Key,
    copy: Annotated[Path, typer.Option(dir_okay=False, help="The copy; made when there is none.")] = Path(
        "clearmark-copy.db"
    ),
    trust_new_keys: Annotated[
        bool, typer.Option("--trust-new-keys", help="Believe the keys that the service shows now.")
    ] = False,
    holder: Holder = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Bring a local copy of all reservations up to date, for `clearmark preferences query --copy`."""
    from api import offline

    with service_at(url, key, holder) as client, progress("Copying", quiet=as_json):
        done = offline.sync(copy, client, now=_now, trust_new_keys=trust_new_keys)
    told = {
        "copy": str(copy), "service": done.place.issuer, "items": done.items, "sequence": done.place.sequence,
        "as_of": done.place.as_of.isoformat() if done.place.as_of else None,
    }  # fmt: skip
    show(told, as_json=as_json, table=lambda: fields("The copy is up to date", told))


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise typer.BadParameter("Write a number and s, m, h or d, such as 24h.")
    return timedelta(seconds=int(found[1]) * _UNITS_S[found[2]])


@preferences.command("query")
def query_preferences(
    file: Annotated[Path, typer.Argument(help="A line for each item; - reads standard input.")],
    copy: Annotated[Path | None, typer.Option(help="Ask this copy, without a service.")] = None,
    max_age: Annotated[
        timedelta | None,
        typer.Option(parser=_age, metavar="AGE", help="Refuse a copy that is older, such as 24h or 30m."),
    ] = None,
    use: Annotated[list[str] | None, typer.Option(help="train, search, …; may be repeated. Without: all.")] = None,
    territory: Annotated[str | None, typer.Option(help="EU or a country; without: everywhere.")] = None,
    at: Annotated[str | None, typer.Option(help="As of then, such as 2026-01-31T00:00:00Z; without: now.")] = None,
    key: Annotated[str | None, typer.Option("--key", envvar="CLEARMARK_KEY", help="An API key, for a service.")] = None,
    holder: Holder = None,
    url: Url = URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each item.")] = False,
) -> None:
    """Say what holds for each item of a file: an id, a SHA-256, an ISCC, a URL, or JSON as the API takes it.

    A copy says of which moment it is. One that is older than --max-age answers nothing: exit code 12.
    """
    from api import offline

    said: dict[str, Any] = {"territory": territory, "at": at, **({"uses": use} if use else {})}
    with ExitStack() as stack:
        bodies = offline.questions(_lines(file), said)
        if copy is None:
            answers = offline.ask_service(stack.enter_context(service_at(url, key, holder)), bodies)
        else:
            opened = stack.enter_context(offline.opened(copy))
            answers = offline.ask_copy(opened, bodies, at=_now(), max_age=max_age)
        try:
            for some in answers:
                _tell(some, as_json=as_json)
        except offline.StaleCopy as stale:
            complain(str(stale))
            raise typer.Exit(Exit.UNKNOWN) from None


def _lines(file: Path) -> Iterator[str]:
    from api.offline import MAX_LINE_CHARS

    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8-sig") as opened:
            while line := opened.readline(MAX_LINE_CHARS + 1):  # one more shows that there is too much
                yield line
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.", param_hint="FILE") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not text in UTF-8.", param_hint="FILE") from None


def _tell(some: "Answers", *, as_json: bool) -> None:
    from api.offline import age_in_words

    as_of, age_s = some.as_of.isoformat(), round(some.age.total_seconds())
    if as_json:
        for item, answer in zip(some.items, some.answers, strict=True):
            line = {"item": item, **answer, "as_of": as_of, "age_s": age_s}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        return
    uses = list(some.answers[0]["preferences"])
    rows: list[list[object]] = [
        [next(iter(item.values())), *(answer["preferences"][use]["answer"] for use in uses)]
        for item, answer in zip(some.items, some.answers, strict=True)
    ]
    say(columns(f"As of {as_of}, {age_in_words(some.age)} ago", ["item", *uses], rows))


def _now() -> datetime:
    return datetime.now(UTC)
