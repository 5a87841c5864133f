"""Asking about a domain: only an answer shows anything, and where nobody can be asked that is told apart from no."""

from collections.abc import Callable
from typing import Any

import dns.exception
import dns.resolver
import pytest

from api.outbound import Fetched, Outbound, Refused, Unanswered
from api.probes import InternetProbe
from registry.domains import Unreachable


class _Way(Outbound):
    """An `Outbound` that goes nowhere."""

    answer: Fetched | Exception
    asked: list[tuple[str, dict[str, Any]]]

    def __init__(self, answer: Fetched | Exception) -> None:
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "asked", [])

    def fetch(self, url: str, **how: Any) -> Fetched:
        self.asked.append((url, how))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def _answer(status: int, body: bytes) -> Fetched:
    return Fetched(status=status, headers={}, body=body)


def test_a_file_is_asked_for_by_https_at_its_place() -> None:
    way = _Way(_answer(200, b"clearmark-verification=x\n"))
    assert InternetProbe(way).file("studio.example") == "clearmark-verification=x\n"
    [(url, how)] = way.asked
    assert url == "https://studio.example/.well-known/clearmark.txt"
    assert how["https_only"]


@pytest.mark.parametrize(
    "answer", [_answer(404, b"x"), _answer(301, b"x"), _answer(500, b"x"), Refused("no"), Unanswered("late")]
)
def test_without_an_answer_there_is_no_file(answer: Fetched | Exception) -> None:
    assert InternetProbe(_Way(answer)).file("studio.example") is None


def test_of_a_file_the_beginning_is_read_whatever_it_holds() -> None:
    text = InternetProbe(_Way(_answer(200, b"\xff" * 100_000))).file("studio.example")
    assert text is not None
    assert len(text) <= 4096


def _resolving(monkeypatch: pytest.MonkeyPatch, how: Callable[[], Any]) -> InternetProbe:
    class Resolver:
        def resolve(self, *_: object, **__: object) -> Any:
            return how()

    monkeypatch.setattr(dns.resolver, "Resolver", Resolver)
    return InternetProbe(_Way(_answer(404, b"")))


def test_a_long_text_comes_in_pieces_and_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    class Record:
        strings = (b"clearmark-", b"verification=\xff")

    assert _resolving(monkeypatch, lambda: [Record()]).texts("x.example") == ["clearmark-verification=\ufffd"]


def test_no_record_is_an_answer_and_a_silent_server_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise dns.resolver.NXDOMAIN

    def silent() -> None:
        raise dns.exception.Timeout

    assert _resolving(monkeypatch, absent).texts("x.example") == []
    with pytest.raises(Unreachable):
        _resolving(monkeypatch, silent).texts("x.example")


def test_whom_the_operator_asks_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> None:
        raise dns.exception.DNSException("Server Do53:10.0.0.53@53 answered SERVFAIL")  # type: ignore[no-untyped-call]

    with pytest.raises(Unreachable) as silence:
        _resolving(monkeypatch, silent).texts("x.example")
    assert "10.0.0.53" in str(silence.value.__cause__)
    assert "10.0.0.53" not in str(silence.value)
    assert "x.example" in str(silence.value)
