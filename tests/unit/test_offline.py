"""What is asked of a copy or a service: lines that name things, and a service that fails now and then."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.offline import MAX_LINE_CHARS, _Patient, age_in_words, questions
from clearmark.client import BadAnswer, Client, Problem, Retries, Unreachable
from registry.errors import Invalid

_SHA256 = "ab" * 32
_ISCC = "ISCC:KACT4EBWK27737D2"


def _items(*lines: str) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_none=True) for body in questions(lines, {}) for item in body.items]


def test_a_line_says_what_it_names_by_how_it_begins() -> None:
    lines = [
        "wrk_1\n",
        " ast_1 ",
        "",
        _SHA256.upper(),
        _ISCC,
        "https://a.example/x?y",
        '{"url": "http://b"}',
    ]
    assert _items(*lines) == [
        {"work_id": "wrk_1"}, {"asset_id": "ast_1"}, {"sha256": _SHA256}, {"iscc": _ISCC},
        {"url": "https://a.example/x?y"}, {"url": "http://b"},
    ]  # fmt: skip


def test_thousands_of_lines_are_asked_about_some_at_a_time() -> None:
    bodies = list(questions([f"wrk_{number}" for number in range(4500)], {"uses": ["train"], "territory": "EU"}))
    assert [len(body.items) for body in bodies] == [2000, 2000, 500]
    assert {(body.uses[0].value, body.territory) for body in bodies} == {("train", "EU")}


@pytest.mark.parametrize(
    "line",
    [
        "film.mp4", "ab" * 31, "{", "{}x", "[" * 5000, "{" * 5000, '{"a":' * 3000, "{}" * 9000, '{"work_id": 1}',
        '{"title": "Night Train"}', '{"sha256": "AB"}', "x" * (MAX_LINE_CHARS + 1), "wrk_\x00", "wrk_\udc80",
        "https://a.example/" + "x" * 2000, f'{{"sha256": {"9" * 5000}}}',
        "{}", f'{{"work_id": "wrk_1", "sha256": "{_SHA256}"}}', "ISCC:1", '{"work_id": "wrk_\\u0000"}',
    ],
    ids=lambda line: repr(line)[:40],
)  # fmt: skip
def test_a_line_that_names_nothing_is_told_with_its_number(line: str) -> None:
    with pytest.raises(Invalid) as caught:
        _items("wrk_1", "", "wrk_2", line)
    assert caught.value.field == "line 4"
    assert caught.value.problem


@pytest.mark.parametrize("said", [{"uses": ["breathe"]}, {"territory": "x" * 99}, {"at": "now"}], ids=str)
def test_a_question_that_makes_no_sense_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        list(questions(["wrk_1"], said))
    assert caught.value.field.partition(".")[0] == next(iter(said))


def test_an_age_is_told_as_people_do() -> None:
    ages = [timedelta(seconds=20), timedelta(minutes=59), timedelta(hours=47, minutes=3), timedelta(days=400)]
    assert [age_in_words(age) for age in ages] == ["0 min", "59 min", "47 h 3 min", "400 days"]


# -- a service that fails now and then -----------------------------------------------------------


def _client(answers: list[int | Exception]) -> Client:
    """A client of a service that answers so, one after the other."""

    def answer(request: httpx.Request) -> httpx.Response:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        return httpx.Response(now, text=f"page {request.url.params['since']}" if now == 200 else json.dumps({}))

    once = Retries(attempts=1)
    return Client("http://service.example", retries=once, transport=httpx.MockTransport(answer))


def _waits_for_nothing(_seconds: float) -> None:
    pytest.fail("it waits")


def test_a_sync_survives_a_short_break() -> None:
    pauses: list[float] = []
    client = _client([200, httpx.ConnectError("gone"), 503, 429, 200])
    patient = _Patient(client, pauses.append)
    assert [patient.feed_page(since) for since in (0, 5)] == ["page 0", "page 5"]
    assert pauses == [1, 2, 4]


def test_a_service_that_was_never_there_is_not_waited_for() -> None:
    with pytest.raises(Unreachable):
        _Patient(_client([httpx.ConnectError("gone")]), _waits_for_nothing).feed_page(0)


def test_a_break_that_lasts_ends_the_sync() -> None:
    pauses: list[float] = []
    patient = _Patient(_client([200, *[503] * 7]), pauses.append)
    patient.feed_page(0)
    with pytest.raises(Problem):
        patient.feed_page(1)
    assert sum(pauses) > 60


def test_a_refusal_is_not_asked_again() -> None:
    patient = _Patient(_client([200, 401]), _waits_for_nothing)
    patient.feed_page(0)
    with pytest.raises(Problem):
        patient.feed_page(1)


def test_an_answer_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearmark.client.http.MAX_ANSWER_BYTES", 1000)
    endless = httpx.MockTransport(lambda _request: httpx.Response(200, content=iter(lambda: b"x" * 100, b"")))
    with pytest.raises(BadAnswer, match="more than"):
        Client("http://service.example", transport=endless).feed_page(0)
