"""Logs: one line for each thing that happened, with the request and the ids that it belongs to.

Decides how every line looks, those of uvicorn, Celery, Alembic and SQLAlchemy included: JSON for machines, or a line
for people. Code logs with the standard library, and structlog arranges it. What a line may never hold is taken out
here, wherever it came from: addresses of people, keys, passwords and queries in URLs. Nothing that a stranger sends can
begin a line of its own or change how one is shown: control and direction characters are written as escapes.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from structlog.typing import EventDict

from registry.domain.identifiers import Prefix

# So much is kept of one value, and of one traceback: its end, where it says what happened.
_LONGEST, _LONGEST_TRACE = 4_000, 16_000
# They tell of each request or message of theirs; ours tell what matters of it.
_TALKATIVE: Final = ("httpx", "httpcore", "urllib3", "botocore", "boto3", "s3transfer", "kombu", "amqp", "celery",
                     "uvicorn", "alembic", "sqlalchemy", "pymilvus", "opentelemetry", "asyncio", "limits")  # fmt: skip
_FIRST: Final = ("time", "level", "logger", "event")

# The header by which a request's id goes in and out.
REQUEST_ID: Final = "X-Request-ID"

_in_hand: ContextVar[dict[str, str] | None] = ContextVar("in_hand", default=None)

# -- what a line is about ------------------------------------------------------------------------

_ID: Final = re.compile(rf"({'|'.join(Prefix)})_[0-9a-z]{{1,40}}")
_NAMES: Final = {prefix.value: f"{prefix.name.lower()}_id" for prefix in Prefix}


def begin(**said: str) -> None:
    """From here on, in this task or thread and whatever it starts, lines are about this and nothing else."""
    _in_hand.set(dict(said))


def note(*ids: str | None, **said: str) -> None:
    """Also about these: ids go by what they name, `chk_…` as `check_id`; what is no id of ours is left out."""
    about = _in_hand.get()
    if about is None:
        return
    about |= said
    for one in ids:
        if one is not None and (found := _ID.fullmatch(one)):
            about[_NAMES[found[1]]] = one


@contextmanager
def about(*ids: str, **said: str) -> Iterator[None]:
    """For as long as the block lasts, lines are about this too."""
    before = _in_hand.get()
    token = _in_hand.set({**(before or {}), **said})
    try:
        note(*ids)
        yield
    finally:
        _in_hand.reset(token)


def in_hand(name: str) -> str | None:
    """What lines are about now: the `request_id`, say."""
    return (_in_hand.get() or {}).get(name)


class CarryingExecutor(ThreadPoolExecutor):
    """Threads whose lines are about what whoever handed them the work was about."""

    def submit[**P, T](self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        context = copy_context()
        return super().submit(lambda: context.run(work, *args, **kwargs))


# -- how a line looks ----------------------------------------------------------------------------


def configure(*, as_json: bool, level: str) -> None:
    """Let everything in this process log so, to standard error.

    Args:
        level: a name of the standard library's: `debug`, `info`, `warning`, `error`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(as_json=as_json))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Never all that they say: some write whole requests, with their keys.
    theirs = logging.INFO if root.level <= logging.DEBUG else max(logging.WARNING, root.level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(theirs)
    logging.captureWarnings(True)
    threading.excepthook = _thread_ended


def formatter(*, as_json: bool) -> logging.Formatter:
    """What makes a line of a record."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), _arrange],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _write_json if as_json else _write_text,
        ],
    )


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    """Nobody waits for a thread: that one died is told."""
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = ended.thread.name if ended.thread else "?"
        logging.getLogger(__name__).error("the thread %s died", name, exc_info=ended.exc_value)


def _arrange(_logger: Any, _method: str, said: EventDict) -> EventDict:
    """Everything that a line says, in its order, as text that may be shown."""
    record: logging.LogRecord = said["_record"]
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "logger": record.name}
    line["event"] = shown(str(said.pop("event")))
    line |= {name: shown(value) for name, value in (_in_hand.get() or {}).items()}
    error = said.pop("exc_info", None)
    for name, value in said.items():
        if name not in ("_record", "_from_structlog", *_FIRST):
            line[shown(name)] = value if isinstance(value, int | float | None) else shown(str(value))
    if isinstance(error, tuple) and error[0] is not None:
        line["traceback"] = "\n".join(map(_plain, _trace(error).split("\n")))
    return line | {"_record": record, "_from_structlog": False}


def _trace(error: tuple[Any, ...]) -> str:
    text = "".join(traceback.format_exception(*error)).rstrip("\n")
    return text if len(text) <= _LONGEST_TRACE else f"[…]{text[-_LONGEST_TRACE:]}"


def _write_json(_logger: Any, _method: str, line: EventDict) -> str:
    return json.dumps(line, ensure_ascii=False, default=str)


def _write_text(_logger: Any, _method: str, line: EventDict) -> str:
    trace = line.pop("traceback", None)
    time, level, logger, event = (line.pop(name) for name in _FIRST)
    rest = "".join(f" {name}={_quoted(value)}" for name, value in line.items())
    text = f"{time} {level} {logger}: {event}{rest}"
    # Set in, so that no line of it can be taken for one that stands on its own.
    return text if trace is None else "\n  | ".join([text, *trace.split("\n")])


def _quoted(value: object) -> str:
    text = str(value)
    return text if _WORD.fullmatch(text) else json.dumps(text, ensure_ascii=False)


_WORD: Final = re.compile(r"[\w./:+{}-]+", re.ASCII)

# -- what a line may not hold --------------------------------------------------------------------

_SECRETS: Final = (
    (re.compile(r"(://)[^/\s@]*@"), r"\1***@"),  # a password in a URL
    (re.compile(r"(\w://[^\s?#'\"<>]*)\?[^\s'\"<>]*"), r"\1?***"),  # what a URL asks may be anything
    (re.compile(r"\b(cm|cs|nt|whsec)_[\w+/=-]{12,}"), r"\1_***"),  # keys, sign-ins, tickets, secrets of webhooks
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.+/=~-]+"), r"\1 ***"),
    (re.compile(r"(?i)\b(password|passwd|secret|token|authorization)(['\"]?\s*[=:]\s*)[^\s,;)}]+"), r"\1\2***"),
    (re.compile(r"[\w.!#$%&'*+/=^`{|}~-]+@[\w-]+(\.[\w-]+)+"), "[address]"),
)
# Control characters, those that turn the direction of writing, that show nothing or end a line, and half pairs.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def shown(text: str) -> str:
    """A text as a line may hold it: on one line, without secrets, not too long."""
    return _plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}[…]")


def _plain(text: str) -> str:
    text = _UNSAFE.sub(lambda found: json.dumps(found[0])[1:-1], text)
    for what, instead in _SECRETS:
        text = what.sub(instead, text)
    return text
