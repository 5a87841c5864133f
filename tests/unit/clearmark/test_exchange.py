"""What is sent again and what is not, and how answers that no service gives are told."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from clearmark.client import AsyncClient, BadAnswer, Client, Misconfigured, NotReady, Problem, Retries, Unreachable
from tests.unit.clearmark.conftest import Scripted, problem

REFUSED = httpx.ConnectError("refused")
WORK = {"id": "wrk_1", "title": "A film", "born_of_a_newer_service": 1}


# -- again ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_who_is_told_to_come_back_comes_back_later_each_time(service: Scripted, status: int) -> None:
    service.says(*[httpx.Response(status)] * 3, httpx.Response(200, json=WORK))
    assert service.ask("get_work", "wrk_1") == WORK
    assert service.waits == [1, 2, 4]


@pytest.mark.parametrize("error", [REFUSED, httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut")], ids=repr)
def test_who_gets_no_answer_asks_again(service: Scripted, error: Exception) -> None:
    service.says(error, httpx.Response(200, json=WORK))
    assert service.ask("get_work", "wrk_1") == WORK


def test_who_never_gets_an_answer_says_so(service: Scripted) -> None:
    service.says(REFUSED)
    with pytest.raises(Unreachable, match="refused") as raised:
        service.ask("get_work", "wrk_1")
    assert raised.value.__cause__ is REFUSED
    assert len(service.requests) == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 451, 500, 507])
def test_what_is_refused_is_not_asked_again(service: Scripted, status: int) -> None:
    service.says(problem(status))
    with pytest.raises(Problem) as raised:
        service.ask("get_work", "wrk_1")
    assert raised.value.status == status
    assert len(service.requests) == 1


def test_a_request_that_cannot_travel_is_not_tried_again(service: Scripted) -> None:
    service.says(httpx.LocalProtocolError("no such header"))
    with pytest.raises(Unreachable):
        service.ask("get_work", "wrk_1")
    assert len(service.requests) == 1


def test_the_waits_are_spread() -> None:
    waits = [Retries(random_0_1=lambda drawn=drawn: drawn).wait_s(2, None) for drawn in (0.0, 0.5, 1.0)]  # type: ignore[misc]
    assert waits == [1.0, 1.5, 2.0]
    assert Retries(random_0_1=lambda: 1.0, attempts=100).wait_s(60, None) == 60


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7 + 1),
        ({"Retry-After": "0"}, 0 + 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30 + 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0 + 1),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, 1),
        ({"Retry-After": "Wed, 21 Oct 99999999999 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 1),
        ({"Retry-After": "soon"}, 1),
        ({"Retry-After": "-5"}, 1),
        ({"Retry-After": "٣"}, 1),
    ],
)
def test_the_time_that_the_service_asks_for_is_kept(service: Scripted, headers: dict[str, str], wait: float) -> None:
    service.says(
        httpx.Response(503, headers={name.encode(): value.encode() for name, value in headers.items()}),
        httpx.Response(200, json=WORK),
    )
    service.ask("get_work", "wrk_1")
    assert service.waits == [wait]


@pytest.mark.parametrize("asked", ["3600", "9" * 400])
def test_a_service_that_wants_an_hour_is_not_waited_for(service: Scripted, asked: str) -> None:
    service.says(problem(429, headers={"Retry-After": asked}))
    with pytest.raises(Problem) as raised:
        service.ask("get_work", "wrk_1")
    assert raised.value.retry_after_s == float(asked)
    assert service.waits == []


# -- what may be sent twice ------------------------------------------------------------------------


def test_one_call_has_one_idempotency_key_over_all_attempts(service: Scripted, tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"media")
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "register_work": ((), {"title": "A"}),
        "add_asset": (("wrk_1", media), {"wait": 0}),
        "check": ((media,), {"wait": 0}),
        "release": (("chk_1",), {}),
        "import_catalogue": ((media,), {}),
        "file_notice": ((), {"signature": "Ada"}),
        "add_negative": (("Leader", media), {}),
    }  # fmt: skip
    for name, (arguments, more) in calls.items():
        service.requests.clear()
        service.says(REFUSED, httpx.Response(504), httpx.Response(202, json={"id": "x_1", "status": "done"}))
        service.ask(name, *arguments, **more)
        service.ask(name, *arguments, **more)
        first, *again, other = service.keys
        assert first, name
        assert again == [first, first], name
        assert other not in (first, None), name


def test_a_key_of_the_callers_own_is_used(service: Scripted) -> None:
    service.says(httpx.Response(201, json=WORK))
    service.ask("register_work", title="A", idempotency_key="job-7")
    assert service.keys == ["job-7"]


@pytest.mark.parametrize(
    ("name", "arguments", "more"),
    [
        ("reserve", ("train", "reserved"), {"work_id": "wrk_1"}),
        ("change_work", ("wrk_1",), {"title": "B"}),
        ("decide", ("chk_1", "approve", "It is ours."), {}),
        ("revoke_release", ("rel_1", "mistake", "It is the wrong clip."), {}),
        ("act_on_notice", ("ntc_1", "disable"), {}),
        ("counter_notice", ("ntc_1",), {"signature": "Bo"}),
        ("post", ("/v1/new", {}), {}),
    ],
)
@pytest.mark.parametrize("answer", [REFUSED, httpx.ReadTimeout("slow"), httpx.Response(503)], ids=repr)
def test_what_could_take_effect_twice_is_sent_once(
    service: Scripted, name: str, arguments: tuple[str, ...], more: dict[str, str], answer: Exception | httpx.Response
) -> None:
    service.says(answer)
    with pytest.raises((Unreachable, Problem)):
        service.ask(name, *arguments, **more)
    assert (len(service.requests), service.keys) == (1, [None])


def test_a_question_may_be_asked_twice(service: Scripted, tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"media")
    for name, asked in (("verify", media), ("preferences", [{"work_id": "wrk_1"}])):
        service.says(REFUSED, httpx.Response(200, json={"id": "vrf_1", "at": "now", "items": [{}]}))
        service.ask(name, asked)


def test_an_upload_begins_anew_at_each_attempt(service: Scripted, tmp_path: Path) -> None:
    media = tmp_path / "a.mp4"
    media.write_bytes(b"frames" * 50_000)
    service.says(httpx.Response(503), httpx.ReadError("cut"), httpx.Response(200, json={"id": "vrf_1"}))
    service.ask("verify", media)
    assert [media.read_bytes() in request.content for request in service.requests] == [True] * 3


def test_what_the_lost_attempt_removed_is_removed(service: Scripted) -> None:
    service.says(httpx.ReadError("cut"), problem(404, "not-found"))
    service.ask("withdraw_work", "wrk_1")
    service.says(problem(404, "not-found"))
    with pytest.raises(Problem):
        service.ask("withdraw_work", "wrk_1")


def test_while_the_lost_attempt_is_under_way_it_is_waited_for(service: Scripted) -> None:
    def under_way(request: httpx.Request) -> httpx.Response:
        return problem(409, "conflict", id=request.headers["idempotency-key"])

    service.says(httpx.ReadTimeout("slow"), under_way, httpx.Response(201, json={"id": "rel_1"}))
    assert service.ask("release", "chk_1") == {"id": "rel_1"}
    service.requests.clear()
    service.says(problem(409, "conflict", id="chk_1"))
    with pytest.raises(Problem):
        service.ask("release", "chk_1")
    assert len(service.requests) == 1


# -- what comes back -------------------------------------------------------------------------------


def test_a_problem_tells_what_the_service_said(service: Scripted) -> None:
    service.says(problem(422, "invalid", detail="title: too long", field="title", check_id="chk_1"))
    with pytest.raises(Problem, match="title: too long") as raised:
        service.ask("register_work", title="A" * 501)
    error = raised.value
    assert (error.status, error.type, error.field) == (422, "urn:clearmark:problem:invalid", "title")
    assert (error.detail, error.document["check_id"]) == ("title: too long", "chk_1")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500, text="<html>Bad gateway"),
        httpx.Response(307, headers={"Location": "http://elsewhere.example/"}),
        httpx.Response(500, json=["no", "document"]),
        httpx.Response(400, content=b"\xff\xfe"),
    ],
)
def test_an_error_page_of_something_else_is_a_problem_too(service: Scripted, answer: httpx.Response) -> None:
    service.says(answer)
    with pytest.raises(Problem) as raised:
        service.ask("get_work", "wrk_1")
    assert (raised.value.status, raised.value.type) == (answer.status_code, "about:blank")
    assert len(service.requests) == 1, "a redirection is not followed"


@pytest.mark.parametrize("content", [b"", b"<html>", b"[1]", b"null", b'"clear"', b"[" * 100_000, b"\xff"])
def test_an_answer_of_something_else_is_no_answer(service: Scripted, content: bytes) -> None:
    service.says(httpx.Response(200, content=content))
    for name, arguments in (("get_work", ["wrk_1"]), ("check", [{}]), ("works", []), ("consistency", [1, 2])):
        if (name, content) != ("consistency", b"[1]"):
            with pytest.raises(BadAnswer):
                service.ask(name, *arguments)
    with pytest.raises(BadAnswer):
        service.ask("preferences", [{"work_id": "wrk_1"}])


def test_what_a_newer_service_adds_is_kept(service: Scripted) -> None:
    service.says(httpx.Response(200, json=WORK))
    assert service.ask("get_work", "wrk_1")["born_of_a_newer_service"] == 1


def test_an_id_stays_one_part_of_its_path(service: Scripted) -> None:
    service.says(httpx.Response(200, json=WORK))
    service.ask("get_work", "../keys?all=1#é")
    assert service.sent == ["GET /v1/works/..%2Fkeys%3Fall%3D1%23%C3%A9"]


def test_the_key_is_sent_and_never_told(service: Scripted) -> None:
    service.says(problem(401, "unauthorized"))
    with pytest.raises(Problem) as raised:
        service.ask("get_work", "wrk_1")
    assert service.requests[0].headers["authorization"] == "Bearer cm_key"
    assert "cm_key" not in f"{raised.value!r} {raised.value.document}"


@pytest.mark.parametrize(
    "url",
    ["", "clearmark.example", "ftp://clearmark.example", "http://", "http://a\nb", "/v1", "http://a:99999", "http://a:0",
     "http://a..b", "http://\ud800.example"],
)  # fmt: skip
def test_an_address_that_is_none_is_told_at_once(url: str) -> None:
    with pytest.raises(Misconfigured):
        Client(url)


@pytest.mark.parametrize("key", ["cm_ü", "cm_1\r\nX: 1", "cm_\x00"])
def test_a_key_that_is_none_is_told_at_once(key: str) -> None:
    with pytest.raises(Misconfigured):
        Client("http://clearmark.example", key)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_for_whom_is_said_with_every_request(client: type[Client] | type[AsyncClient]) -> None:
    said = client("http://clearmark.example", "cm_1", holder="hld_1")._http.headers
    assert (said["Authorization"], said["Clearmark-Holder"]) == ("Bearer cm_1", "hld_1")
    assert "Clearmark-Holder" not in client("http://clearmark.example", "cm_1")._http.headers
    with pytest.raises(Misconfigured, match="holder"):
        client("http://clearmark.example", "cm_1", holder="hld_1\r\nX: 1")


def test_a_service_that_starts_is_waited_for(service: Scripted) -> None:
    service.says(REFUSED, httpx.Response(503, json={"status": "index loading"}), httpx.Response(200, json={}))
    service.ask("wait_until_ready")
    service.says(httpx.Response(503, json={"status": "index loading"}))
    with pytest.raises(NotReady):
        service.ask("wait_until_ready", timeout_s=3)
    assert service.now_s < 5
