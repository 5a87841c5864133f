"""One request until it is answered: what is sent, what is tried again, how an answer is read. No I/O.

A call is a generator, a `Flow`: it yields what is to be done, is told what came of it, and returns its result.
`Client` and `AsyncClient` only do what is yielded, each in its own way, so every rule is written once.

A request is repeated only when doing it twice does no more than doing it once: it reads, sets or removes; it carries
an `Idempotency-Key`, the same one each time; or it is a question. It is repeated when no answer came, and when the
service or what stands before it says to come back (429, 502, 503, 504).
"""

import email.utils
import itertools
import json
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from clearmark.client.errors import BadAnswer, Problem, Unreachable

QUICK_S, LONG_S = 60.0, 900.0
_REPEATABLE = {"GET", "HEAD", "PUT", "DELETE"}
_COME_BACK = {
    HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT,
}  # fmt: skip
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)  # the next attempt would end alike
_CONFLICT = "urn:clearmark:problem:conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A request.

    Attributes:
        body: sent as JSON; None sends none.
        headers: further ones.
        file: sent as the part `file` of a form, read anew at each attempt, with `fields` beside it.
        piece: where the piece of `file` begins that is the body, and its most bytes; None: all of it, in a form.
        manifest: a file of credentials, sent as the part `manifest` of the same form.
        target: where the body of the answer goes, all of it or nothing.
        wait_s: how long the service may say nothing.
        key: the Idempotency-Key.
        is_question: a POST that changes nothing.
    """

    method: str
    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    file: Path | None = None
    piece: tuple[int, int] | None = None
    manifest: Path | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    target: Path | None = None
    wait_s: float = QUICK_S
    key: str | None = None
    is_question: bool = False

    @property
    def is_repeatable(self) -> bool:
        return self.method in _REPEATABLE or self.key is not None or self.is_question


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Compute:
    """Work for the processor, away from an event loop."""

    work: Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `content` is empty when it went to a file."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Computed:
    result: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """What was to be done raised."""

    error: Exception


type Step = Send | Wait | Compute
type Outcome = Answer | Computed | Failed | None
type Flow[T] = Generator[Step, Outcome, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and when a request is tried again.

    Attributes:
        attempts: in all; 1 tries nothing again.
        first_s: the longest first wait; each later one is twice as long.
        longest_s: no wait is longer: a service that asks for more is not waited for.
        random_0_1: spreads the waits, so that clients who failed together do not come back together.
    """

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    random_0_1: Callable[[], float] = random.random

    def wait_s(self, attempt: int, asked_s: float | None) -> float | None:
        """Seconds to wait after an attempt, counted from 1; None when nothing more is to be tried."""
        if attempt >= self.attempts or (asked_s or 0.0) > self.longest_s:
            return None
        backoff_s = min(self.first_s * 2.0 ** (attempt - 1), self.longest_s) * (0.5 + 0.5 * self.random_0_1())
        return backoff_s if asked_s is None else asked_s + self.first_s * self.random_0_1()


def exchange(send: Send, retries: Retries) -> Flow[Answer]:
    """Send a request until it is answered well.

    Raises:
        Problem: it was answered otherwise.
        Unreachable: it was not answered.
    """
    for attempt in itertools.count(1):
        outcome = yield send
        if isinstance(outcome, Failed):
            if not isinstance(outcome.error, httpx.RequestError):
                raise outcome.error
            said = f"{type(outcome.error).__name__}: {outcome.error}"
            failure: Problem | Unreachable = Unreachable(f"the service cannot be reached ({said})")
            failure.__cause__ = outcome.error
            again, asked_s = not isinstance(outcome.error, _HOPELESS), None
        else:
            assert isinstance(outcome, Answer)
            if httpx.codes.is_success(outcome.status):
                return outcome
            failure = problem_of(outcome)
            if send.method == "DELETE" and attempt > 1 and failure.status == HTTPStatus.NOT_FOUND:
                return outcome  # the attempt before did it, and its answer was lost
            again, asked_s = failure.status in _COME_BACK or _is_under_way(failure, send), failure.retry_after_s
        wait_s = retries.wait_s(attempt, asked_s) if again and send.is_repeatable else None
        if wait_s is None:
            raise failure
        yield Wait(wait_s)
    raise AssertionError("it is tried until it is answered or given up")


def compute[T](work: Callable[[], T]) -> Flow[T]:
    """Work for the processor. Raises what `work` raises."""
    outcome = yield Compute(work)
    if isinstance(outcome, Failed):
        raise outcome.error
    assert isinstance(outcome, Computed)
    result: T = outcome.result
    return result


def read(answer: Answer) -> Any:
    """The JSON of an answer. Raises: BadAnswer."""
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        raise BadAnswer(f"The answer is not JSON but: {_beginning(answer)}") from None


def read_text(answer: Answer) -> str:
    """The text of an answer. Raises: BadAnswer."""
    try:
        return answer.content.decode()
    except UnicodeDecodeError:
        raise BadAnswer(f"The answer is not text but: {_beginning(answer)}") from None


def read_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. Raises: BadAnswer."""
    said = read(answer)
    if not isinstance(said, dict):
        raise BadAnswer(f"The answer is not a JSON object but: {_beginning(answer)}")
    return said


def member(said: Mapping[str, Any], name: str) -> str:
    """A text that every answer of that kind has. Raises: BadAnswer."""
    value = said.get(name)
    if not isinstance(value, str):
        raise BadAnswer(f"The answer has no {name!r}: is this a Clearmark service?")
    return value


def problem_of(answer: Answer) -> Problem:
    """An answer that is not what was asked for, as an error; also when it is no problem document."""
    try:
        document = read_object(answer)
    except BadAnswer:
        document = {"detail": f"HTTP {answer.status}: {_beginning(answer)}"}
    return Problem(status=answer.status, document=document, retry_after_s=_retry_after_s(answer.headers))


def _is_under_way(problem: Problem, send: Send) -> bool:
    """An earlier attempt, whose answer was lost, is still being carried out."""
    return send.key is not None and problem.type == _CONFLICT and problem.document.get("id") == send.key


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, in seconds or as a date; that is compared with the service's own clock, not with ours."""
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
        return max(0.0, (until - email.utils.parsedate_to_datetime(headers["date"])).total_seconds())
    except (ValueError, OverflowError, TypeError, KeyError):  # TypeError: one of them has no zone
        return None


def _beginning(answer: Answer) -> str:
    return answer.content[:200].decode(errors="replace")
