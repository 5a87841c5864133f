"""Lines of the log: what they hold, what they never hold, and that nobody from outside can write one."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from api import logs

BEGINS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error|critical) [\w.]+: ")
HOSTILE = [
    "a\n2026-11-26T00:00:00.000Z info api: forged",
    "a\r\nb", "\x1b[2J\x1b[31mred", "\x9b31m", "photo\u202egpj.exe", "\u2066x\u2069", "a\u2028b\u2029c\x85d", "\u200bx",
    "\x00", "\udc80", "\U000e0041",
]  # fmt: skip


def line(as_json: bool, text: str = "event", *args: object, error: BaseException | None = None, **extra: Any) -> str:
    record = logging.LogRecord("api.x", logging.WARNING, "x.py", 1, text, args, None)
    record.exc_info = (type(error), error, error.__traceback__) if error else None
    record.__dict__.update(extra)
    return logs.formatter(as_json=as_json).format(record)


@pytest.fixture(autouse=True)
def about() -> Iterator[None]:
    with logs.about(request_id="req-1"):
        yield


def test_a_line_says_when_what_who_and_about_what() -> None:
    logs.note("chk_0123abc", "wrk_9")
    said = json.loads(line(True, "it took %d ms", 5, ms=5.25))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", said.pop("time"))
    assert said == {
        "level": "warning", "logger": "api.x", "event": "it took 5 ms", "ms": 5.25,
        "request_id": "req-1", "check_id": "chk_0123abc", "work_id": "wrk_9",
    }  # fmt: skip
    assert BEGINS.match(line(False, "it took %d ms", 5))
    assert line(False).endswith("event request_id=req-1 check_id=chk_0123abc work_id=wrk_9")


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_outside_begins_a_line_or_changes_how_one_is_shown(as_json: bool, text: str) -> None:
    error = ValueError(text)
    extra: dict[str, Any] = {text: "x"}
    for written in (line(as_json, "named %s", text), line(as_json, said=text), line(as_json, **extra)):
        assert written.isprintable(), written
    with logs.about(request_id=text):
        assert line(as_json).isprintable()
    for one in line(as_json, error=error).split("\n")[1:]:
        assert one.startswith("  | ")
        assert one.isprintable()


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "secret",
    ["ada@studio.example", "cm_0123456789ab_c2VjcmV0c2VjcmV0", "cs_c2VjcmV0c2VjcmV0", "nt_c2VjcmV0c2VjcmV0",
     "whsec_c2VjcmV0c2Vj/cmV0=", "hunter2", "who+asks", "tok3n.abc"],
)  # fmt: skip
def test_no_address_no_key_and_no_password_is_written(as_json: bool, secret: str) -> None:
    said = {
        "hunter2": "postgresql://clearmark:hunter2@db/clearmark password='hunter2', secret: hunter2",
        "who+asks": "GET https://clearmark.example/registry?q=who+asks failed",
        "tok3n.abc": "Authorization: Bearer tok3n.abc",
    }.get(secret, f"({secret})")
    with logs.about(kind=said):
        written = line(as_json, "it failed: %s", said, error=OSError(said), detail=said)
    assert secret not in written
    assert "it failed" in written


def test_a_traceback_is_one_field() -> None:
    try:
        int("x\ny")
    except ValueError as error:
        written = line(True, "it failed", error=error)
    assert "\n" not in written
    assert json.loads(written)["traceback"].startswith("Traceback (most recent call last):\n")


def test_long_texts_are_cut() -> None:
    assert len(line(True, "x" * 1_000_000, error=ValueError("y" * 1_000_000))) < 25_000


def test_what_is_no_id_of_ours_is_no_id_in_a_line() -> None:
    logs.note("chk_" + "a" * 41, "chk_A", "xyz_1", "chk_1\n", "", None, "../chk_1")
    assert "check_id" not in line(False)


def test_what_is_handed_to_another_thread_stays_about_the_same() -> None:
    with logs.CarryingExecutor(1) as executor:
        with logs.about("chk_1", request_id="req-2"):
            carried = executor.submit(line, False)
        assert executor.submit(line, False).result().endswith("request_id=req-1")
    assert carried.result().endswith("request_id=req-2 check_id=chk_1")
    assert line(False).endswith("request_id=req-1")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process writes that logs as JSON; afterwards this one logs as before."""
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    level, hook = root.level, threading.excepthook
    talkative = {name: logging.getLogger(name).level for name in logs._TALKATIVE}
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure(as_json=True, level="info")
    yield out
    logging.captureWarnings(False)
    threading.excepthook, root.handlers[:] = hook, kept
    root.setLevel(level)
    for name, before in talkative.items():
        logging.getLogger(name).setLevel(before)


def test_others_log_the_same_way(written: io.StringIO) -> None:
    for name in ("uvicorn.error", "celery.worker", "alembic.runtime.migration", "sqlalchemy.engine", "api.runner"):
        logging.getLogger(name).warning("of %s", name)
        logging.getLogger(name).debug("not this")
    logging.getLogger("httpx").info("nor this: it tells of each request")
    thread = threading.Thread(target=lambda: 1 / 0, name="t")
    thread.start()
    thread.join()
    said = [json.loads(one) for one in written.getvalue().splitlines()]
    assert [one["logger"] for one in said] == [
        "uvicorn.error", "celery.worker", "alembic.runtime.migration", "sqlalchemy.engine", "api.runner", "api.logs",
    ]  # fmt: skip
    assert "ZeroDivisionError" in said[-1]["traceback"]
