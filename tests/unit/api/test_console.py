"""What commands print for people: whatever is there to be copied is on one line, whole."""

import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer
from rich.console import Console

from api import console

TOKEN = "eyJ" + "a1-_." * 120
ID = "wrk_0190f3c1a2b47c3d8e5f60718293a4b5"


@pytest.fixture(params=[20, 80, 118])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed on a terminal, or into a pipe, of some width."""
    file = io.StringIO()
    narrow = Console(file=file, width=request.param, highlight=False, markup=False, emoji=False)
    monkeypatch.setattr(console, "out", narrow)
    return file


def test_no_value_is_ever_cut_or_wrapped(printed: io.StringIO) -> None:
    console.say(console.fields("Granted", {"consent": ID, "token": TOKEN, "project": None}))
    lines = printed.getvalue().splitlines()
    assert lines == ["Granted", f"  consent  {ID}", f"  token    {TOKEN}", "  project  –"]


def test_no_word_of_a_table_is_ever_cut_or_wrapped(printed: io.StringIO) -> None:
    url = "https://studio.example/" + "a/" * 20
    said = "It was not taken: " + "the endpoint answered 503. " * 4
    console.say(console.columns(f"Of {ID}", ["message", "holder", "where", "error"], [[ID, ID[::-1], url, said]] * 2))
    text = printed.getvalue()
    for word in (ID, ID[::-1], url):
        assert sum(word in line for line in text.splitlines()) >= 2, text
    assert "…" not in text
    for word in said.split():
        assert text.count(word) >= 2


def test_a_table_that_fits_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=file, width=80, emoji=False, markup=False))
    console.say(console.columns("Works", ["work", "title"], [[ID, "a long title " * 8], [ID, ":smile: [b]"]]))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) == 80
    assert lines[1].startswith("┏")
    assert ":smile: [b]" in file.getvalue()


def test_a_list_of_nothing_is_a_table_of_nothing(printed: io.StringIO) -> None:
    console.say(console.columns("Works", ["work"], []))
    assert "work" in printed.getvalue()


def test_what_strangers_wrote_moves_no_cursor(printed: io.StringIO) -> None:
    console.say(console.fields("A\x1b[2J", {"title": "b\x1b]0;x\x07\u202e"}))
    console.say(console.columns("A\x1b[2J", ["title"], [["\x1b[1A"], ["c\r"]]))
    assert not set(printed.getvalue()) & set("\x1b\x07\r\u202e")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31T18:00:05Z", datetime(2026, 12, 31, 18, 0, 5, tzinfo=UTC)),
        ("2026-12-31T18:00:00+01:00", datetime(2026, 12, 31, 18, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_a_moment_is_a_day_or_a_time(typed: str, meant: datetime) -> None:
    assert console.moment(typed) == meant


@pytest.mark.parametrize("typed", ["", "soon", "2026-13-01", "2026-12-31T18:00:00", "2026-W53-4", "31.12.2026", "2026"])
def test_what_is_no_moment_is_wrong_use(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="2026-12-31"):
        console.moment(typed)
