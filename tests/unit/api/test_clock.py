"""The clock that tests may set: what it understands, what it refuses, and that nobody sets it where it counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from api.clock import BadClock, make_clock, utc_now
from api.settings import Environment, Settings
from tests.fakes import Clock

REAL = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
CHRISTMAS = datetime(2026, 12, 24, 10, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NONSENSE = [
    "tomorrow", "+", "-d", "14 d", "+14y", "--1d", "1.5d", "+1h30m", "2026-13-01", "2026-02-30", "2026-12-24T25:00:00Z",
    "+1234567890", "file", "FILE:/etc/hostname", " ",
]  # fmt: skip


@pytest.fixture
def machine() -> Clock:
    """The machine's clock, which stands until a test moves it."""
    return Clock(REAL)


# -- one text ----------------------------------------------------------------------------------


def test_said_nothing_it_is_the_machines_clock(machine: Clock) -> None:
    clock = make_clock("", real=machine)
    assert clock() == REAL
    machine.pass_by(HOUR)
    assert clock() == REAL + HOUR
    assert make_clock("") is utc_now


@pytest.mark.parametrize(
    "text", ["2026-12-24T10:00:00Z", "2026-12-24T10:00:00+00:00", "2026-12-24T17:00:00+07:00", " 2026-12-24T10:00Z\n"]
)
def test_a_time_is_where_it_begins_and_from_there_it_runs(machine: Clock, text: str) -> None:
    clock = make_clock(text, real=machine)
    assert clock() == CHRISTMAS
    machine.pass_by(HOUR)
    assert clock() == CHRISTMAS + HOUR


def test_a_time_in_the_past_is_one_to_begin_at_too(machine: Clock) -> None:
    assert make_clock("1998-10-28T00:00:00Z", real=machine)() == datetime(1998, 10, 28, tzinfo=UTC)


def test_a_day_begins_at_midnight_in_utc(machine: Clock) -> None:
    assert make_clock("2026-12-24", real=machine)() == datetime(2026, 12, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-12-24T10:00:00", "2026-12-24 10:00", "2026-12-24T10"])
def test_a_time_without_a_zone_is_refused(machine: Clock, text: str) -> None:
    with pytest.raises(BadClock):
        make_clock(text, real=machine)


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("+14d", 14 * DAY),
        ("14d", 14 * DAY),
        ("-2h", -2 * HOUR),
        ("+90m", 1.5 * HOUR),
        ("+30s", timedelta(seconds=30)),
        ("-30", timedelta(seconds=-30)),
        ("86400", DAY),
        ("+2w", 14 * DAY),
        ("+0", timedelta()),
        ("  +1d ", DAY),
    ],
)
def test_a_shift_is_seconds_unless_it_names_its_unit(machine: Clock, text: str, shift: timedelta) -> None:
    clock = make_clock(text, real=machine)
    machine.pass_by(HOUR)
    assert clock() == REAL + HOUR + shift


@pytest.mark.parametrize("text", NONSENSE)
def test_what_says_no_time_is_refused_with_how_one_is_written(machine: Clock, text: str) -> None:
    with pytest.raises(BadClock, match=r"is no clock.*2026-12-24T10:00:00Z.*\+14d.*file:PATH"):
        make_clock(text, real=machine)


@pytest.mark.parametrize("text", ["+999999999w", "+999999999d", "-999999d"])
def test_a_shift_out_of_all_time_is_refused(machine: Clock, text: str) -> None:
    with pytest.raises(BadClock):
        make_clock(text, real=machine)()


@pytest.mark.parametrize("text", ["+14d", "2026-12-24T17:00:00+07:00", "2026-12-24"])
def test_every_time_that_it_shows_is_utc(machine: Clock, text: str) -> None:
    assert make_clock(text, real=machine)().tzinfo is UTC


# -- a file ------------------------------------------------------------------------------------


def test_a_file_is_read_anew_each_time(machine: Clock, tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("+14d\n")
    clock = make_clock(f"file:{file}", real=machine)
    assert clock() == REAL + 14 * DAY
    file.write_text("-2h")
    assert clock() == REAL - 2 * HOUR
    file.write_text("2026-12-24T10:00:00Z")
    assert clock() == CHRISTMAS


def test_a_files_time_begins_when_its_text_changes_and_runs_on(machine: Clock, tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("2026-12-24T10:00:00Z")
    clock = make_clock(f"file:{file}", real=machine)
    machine.pass_by(HOUR)
    assert clock() == CHRISTMAS + HOUR
    file.write_text("2026-12-24T10:00:00Z")  # written again, and still the same
    assert clock() == CHRISTMAS + HOUR
    file.write_text("2026-12-25T10:00:00Z")
    assert clock() == CHRISTMAS + DAY
    machine.pass_by(HOUR)
    assert clock() == CHRISTMAS + DAY + HOUR


def test_a_files_time_runs_from_when_the_clock_was_made(machine: Clock, tmp_path: Path) -> None:
    """Else a service that is asked nothing for an hour would come an hour late."""
    file = tmp_path / "clock"
    file.write_text("2026-12-24T10:00:00Z")
    clock = make_clock(f"file:{file}", real=machine)
    machine.pass_by(HOUR)
    assert clock() == CHRISTMAS + HOUR


def test_a_file_that_is_not_there_is_refused_by_its_name(machine: Clock, tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(BadClock, match=f"file:{path}"):
            make_clock(f"file:{path}", real=machine)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-12-24T10:00:00"])
def test_a_file_that_says_no_time_is_refused_at_once(machine: Clock, tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text)
    with pytest.raises(BadClock, match=f"{text!r} is no clock"):
        make_clock(f"file:{tmp_path / 'clock'}", real=machine)


def test_a_file_that_is_no_text_is_refused(machine: Clock, tmp_path: Path) -> None:
    (tmp_path / "clock").write_bytes(b"\xff\xfe+14d")
    with pytest.raises(BadClock):
        make_clock(f"file:{tmp_path / 'clock'}", real=machine)


def test_a_file_that_goes_bad_says_no_time_and_the_last_one_runs_on(machine: Clock, tmp_path: Path) -> None:
    """It may be being written: nobody is told a wrong time, nor none."""
    file = tmp_path / "clock"
    file.write_text("2026-12-24T10:00:00Z")
    clock = make_clock(f"file:{file}", real=machine)
    for text in ("tomorrow", "", "2026-12-24T10:00:00"):
        file.write_text(text)
        assert clock() == CHRISTMAS
    file.unlink()
    machine.pass_by(HOUR)
    assert clock() == CHRISTMAS + HOUR
    file.write_text("2026-12-24T10:00:00Z")  # what it said before: it goes on as it would have
    assert clock() == CHRISTMAS + HOUR
    file.write_text("+14d")
    assert clock() == REAL + HOUR + 14 * DAY


# -- the setting -------------------------------------------------------------------------------


def refusal(**said: object) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings(**said)  # type: ignore[arg-type]
    return str(refused.value)


def test_a_production_service_is_refused_a_clock_of_its_own(tmp_path: Path) -> None:
    line = "CLEARMARK_CLOCK: leave it empty; deadlines are counted by the real time"
    assert line in refusal(env=Environment.PRODUCTION, data_dir=tmp_path, clock="+14d")
    assert line not in refusal(env=Environment.PRODUCTION, data_dir=tmp_path)


def test_the_setting_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEARMARK_CLOCK", "+14d")
    assert Settings(data_dir=tmp_path).clock == "+14d"


def test_a_setting_that_says_no_time_is_refused_as_the_service_starts(tmp_path: Path) -> None:
    assert "'tomorrow' is no clock" in refusal(data_dir=tmp_path, clock="tomorrow")
