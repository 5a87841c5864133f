"""What commands share: their options, what they print for people and for programs, and the exit codes."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from api.settings import Settings, load_settings
from clearmark.client import Client, Retries

# What is slow to load is imported by the commands that need it: a check over HTTP needs none.
if TYPE_CHECKING:
    from api.service import Service
    from registry.admin_actions import Action


def moment(text: str) -> datetime:
    """A time that somebody typed: RFC 3339, or a day, to its end in UTC."""
    try:
        if len(text) == len("2026-12-31") and text[4] == text[7] == "-":
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise typer.BadParameter("Write a day as 2026-12-31, or a time as 2026-12-31T18:00:00Z.")
    return found


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Media = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A media file.")]
Url = Annotated[str, typer.Option("--url", envvar="CLEARMARK_URL", help="The service.")]
Key = Annotated[str, typer.Option("--key", envvar="CLEARMARK_KEY", help="An API key.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence: those concerned read it.")]
Over = Annotated[bool, typer.Option("--all", help="Also those that are over.")]
Holder = Annotated[
    str | None,
    typer.Option("--holder", envvar="CLEARMARK_HOLDER", help="For whom you act: as their agent, or of several, hld_…"),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=moment, metavar="TIME", help="Until the end of this day (UTC), or this time."),
]
URL = "http://127.0.0.1:8000"

# In a pipe there is no width to fit: tables are as wide as a page of text.
out = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 118)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


class Exit(IntEnum):
    """What a command's exit code says. A `block` is an answer, not a crash."""

    OK = 0
    ERROR = 1
    USAGE = 2
    BLOCK = 10
    REVIEW = 11
    UNKNOWN = 12
    REJECTED = 13
    NOT_VERIFIED = 14
    INCOMPLETE = 15


VERDICT_EXITS = {"clear": Exit.OK, "block": Exit.BLOCK, "review": Exit.REVIEW, "unknown": Exit.UNKNOWN}


def complain(text: str) -> None:
    """One line on standard error, however long: a log keeps it whole."""
    err.print(f"clearmark: {text}", soft_wrap=True)


def said_of_database(error: Exception) -> str | None:
    """What a command says of its database when that stands in its way; None for any other error."""
    from registry.database import DatabaseFault, fault_of  # takes a while to import, and most commands need none

    if (fault := fault_of(error)) is None:
        return None
    words = {
        DatabaseFault.AWAY: "the database cannot be reached; start it, or correct the URL",
        DatabaseFault.BUSY: "others hold the database; try again",
        DatabaseFault.FULL: "the disk of the database is full; make room",
        DatabaseFault.READ_ONLY: "the database takes no changes; make it writable",
        DatabaseFault.DAMAGED: "this is no database, or a damaged one; put a backup back: clearmark restore",
    }[fault]
    reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
    return f"CLEARMARK_DATABASE_URL: {words} ({reason})"


def show(value: Any, *, as_json: bool, table: Callable[[], RenderableType]) -> None:
    """Print a result: the value itself as JSON, or what `table` makes of it."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
    else:
        say(table())


def say(what: RenderableType) -> None:
    """Print for people; a line that is longer than the terminal is wide stays one line, to be copied whole."""
    out.print(what, soft_wrap=True)


def fields(title: str, rows: Mapping[str, object]) -> str:
    """A line for each value, whole however long: a token is there to be copied."""
    return "\n".join([_printable(title), *_lines(rows)])


def columns(title: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> RenderableType:
    """A table, in which no word is ever cut; where it is too narrow for that, a block of lines for each row."""
    cells = [[_printable(value) for value in row] for row in rows]
    widths = _widths([names, *cells], room=out.width - 3 * len(names) - 1)  # what is left between the lines drawn
    if widths is None:
        blocks = ["\n".join(_lines(dict(zip(names, row, strict=True)))) for row in cells]
        return "\n\n".join([_printable(title), *blocks])
    table = Table()
    for name, width in zip(names, widths, strict=True):
        table.add_column(name, width=width, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    return Group(Text(_printable(title)), table)


def _lines(rows: Mapping[str, object]) -> list[str]:
    wide = max(map(cell_len, rows), default=0)
    values = [(name, "–" if value in (None, "", []) else _printable(value)) for name, value in rows.items()]
    return [
        f"  {name:<{wide}}  {value.replace('\n', '\n' + ' ' * (wide + 4))}" for name, value in values
    ]  # fmt: skip


def _widths(cells: Sequence[Sequence[str]], *, room: int) -> list[int] | None:
    """How wide each column is: no narrower than its longest word; None when they do not fit side by side."""
    least = [max(map(cell_len, [*" ".join(column).split(), ""])) for column in zip(*cells, strict=True)]
    wanted = [
        max(cell_len(line) for cell in column for line in [*cell.splitlines(), ""])
        for column in zip(*cells, strict=True)
    ]
    if sum(least) > room:
        return None
    widths = list(least)
    while room > sum(widths) and (narrow := [i for i, width in enumerate(widths) if width < wanted[i]]):
        widths[min(narrow, key=widths.__getitem__)] += 1
    return widths


def _printable(value: object) -> str:
    """Text of others as a terminal may be given it: nothing in it moves the cursor or hides."""
    return "".join(
        char if char.isprintable() or char == "\n" else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in str(value)
    )


def span(found: Mapping[str, Any], side: str) -> str:
    """An interval in seconds: `side` is query or reference."""
    return f"{found[f'{side}_start_s']:.1f}–{found[f'{side}_end_s']:.1f} s"


def day(at: datetime | str | None) -> str:
    """The day of a time that the database or the API told; nothing where there is none."""
    return str(at)[: len("2026-12-31")] if at is not None else ""


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar on the terminal; silent for programs and in pipes."""
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=err, transient=True, disable=quiet or not err.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(label, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def service_at(url: str, key: str | None = None, holder: str | None = None) -> Client:
    """A service over HTTP; a person who waits is told soon that it is not there."""
    return Client(url, key, holder=holder, retries=Retries(attempts=3, first_s=0.5))


def noted(action: "Action", subject: str, *, settings: Settings | None = None, **said: Any) -> None:
    """Put on record what was done on this machine to files alone: keys and trust lists.

    Args:
        said: as `registry.admin_actions.note` has it.
    """
    from api.clock import make_clock
    from api.service import upgrade_database
    from registry.admin_actions import console, note
    from registry.database import Database

    settings = settings or load_settings()
    upgrade_database(settings.database)
    database = Database(settings.database)
    try:
        with database.transaction() as session:
            note(session, action, subject, by=console(), at=make_clock(settings.clock)(), **said)
    finally:
        database.dispose()


@contextmanager
def the_service(*, asks_store: bool = False) -> "Iterator[Service]":
    """The service of the data folder, for one command; none of them compares pictures itself.

    Args:
        asks_store: whether the command needs the files: then it says at once that their store is away. Others, such as
            one that makes a key, are not held up by that.
    """
    from api.service import build_service

    service = build_service(load_settings(), compares_pictures=False, asks_store=asks_store)
    try:
        yield service
    finally:
        service.close()
