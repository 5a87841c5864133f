"""What commands share: their options, what they print for people and for programs, and the exit codes."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from api.settings import load_settings
from clearmark.client import Client, Retries

# What is slow to load is imported by the commands that need it: a check over HTTP needs none.
if TYPE_CHECKING:
    from api.service import Service

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Media = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A media file.")]
Url = Annotated[str, typer.Option("--url", envvar="CLEARMARK_URL", help="The service.")]
Key = Annotated[str, typer.Option("--key", envvar="CLEARMARK_KEY", help="An API key.")]
URL = "http://127.0.0.1:8000"

# In a pipe there is no width to fit: tables are as wide as a page of text.
out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 118)
err = Console(stderr=True, highlight=False, markup=False)


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


def show(value: Any, *, as_json: bool, table: Callable[[], object]) -> None:
    """Print a result: the value itself as JSON, or what `table` makes of it."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
    else:
        out.print(table())


def fields(title: str, rows: Mapping[str, object]) -> Table:
    """A two-column table."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, "–" if value in (None, "", []) else str(value))
    return table


def columns(title: str, names: list[str], rows: list[list[object]]) -> Table:
    table = Table(*names, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(value) for value in row))
    return table


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


def service_at(url: str, key: str | None = None) -> Client:
    """A service over HTTP; a person who waits is told soon that it is not there."""
    return Client(url, key, retries=Retries(attempts=3, first_s=0.5))


@contextmanager
def the_service() -> "Iterator[Service]":
    """The service of the data folder, for one command."""
    from api.service import build_service

    service = build_service(load_settings())
    try:
        yield service
    finally:
        service.close()
