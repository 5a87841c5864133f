"""Large files go in pieces, come through what breaks, and where that cannot be go whole."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from clearmark.client import BadAnswer, Problem, Unreachable, pieces
from tests.unit.clearmark.conftest import Scripted, done, problem

CONTENT = bytes(range(100))
PLACE = "/v1/uploads/upl_1"
BROKEN = httpx.WriteError("broken")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGE_BYTES", 50)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 40)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clip ü.mp4"
    path.write_bytes(CONTENT)
    return path


class Store:
    """What takes pieces as the service does; `fails` says what becomes of the requests, by their number."""

    def __init__(self, service: Scripted, **fails: Any) -> None:
        self.content = bytearray()
        self._fails: dict[str, list[Any]] = {name: list(said) for name, said in fails.items()}
        self.forms: list[dict[str, list[str]]] = []
        service.says(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        failing = self._fails.get(request.method.lower() + ("" if PLACE.startswith(request.url.path) else "_form"), [])
        fault = failing.pop(0) if failing else None
        if isinstance(fault, Exception):
            raise fault
        if callable(fault):
            fault(self, request)
        elif isinstance(fault, httpx.Response):
            return fault
        if request.url.path == "/v1/uploads":
            assert request.headers["Upload-Length"] == str(len(CONTENT))
            assert base64.b64decode(request.headers["Upload-Metadata"].split()[1]).decode() == "clip ü.mp4"
            return httpx.Response(201, headers={"Location": PLACE})
        if request.url.path == PLACE:
            assert request.headers["Tus-Resumable"] == "1.0.0"
            if request.method == "PATCH":
                assert request.headers["Content-Type"] == "application/offset+octet-stream"
                assert int(request.headers["Upload-Offset"]) == len(self.content)
                self.content += request.content
            return httpx.Response(200, headers={"Upload-Offset": str(len(self.content))})
        self.forms.append(parse_qs(request.content.decode(errors="replace")))
        return httpx.Response(200, json=done())


def _half(store: Store, request: httpx.Request) -> None:
    """Some of it comes, and then the connection breaks."""
    store.content += request.content[:7]
    raise BROKEN


def test_a_large_file_goes_in_pieces_and_is_named(service: Scripted, file: Path) -> None:
    store = Store(service)
    service.ask("check", file, context={"a": 1})
    assert store.content == CONTENT
    assert store.forms == [{"upload": ["upl_1"], "context": ['{"a": 1}']}]
    assert service.sent[:4] == ["POST /v1/uploads", *[f"PATCH {PLACE}"] * 3]
    assert service.keys[4]


def test_a_small_one_goes_with_its_request(service: Scripted, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.write_bytes(CONTENT[:50])
    service.says(httpx.Response(200, json=done()))
    service.ask("check", small)
    assert CONTENT[:50] in service.requests[0].content


def test_it_goes_on_where_the_connection_broke(service: Scripted, file: Path) -> None:
    store = Store(
        service, patch=[_half, BROKEN, None, problem(503), problem(423, "locked"), problem(409, "wrong-offset")]
    )
    service.ask("check", file)
    assert store.content == CONTENT
    assert service.sent.count(f"HEAD {PLACE}") == 5
    assert service.waits == [1, 1, 1, 2, 4]  # each time it came further, they begin anew


def test_what_stays_broken_is_said(service: Scripted, file: Path) -> None:
    Store(service, patch=[BROKEN] * 100)
    with pytest.raises(Unreachable):
        service.ask("check", file)
    assert service.sent.count(f"PATCH {PLACE}") == 5


@pytest.mark.parametrize("status", [401, 403, 404, 405, 507])
def test_where_no_pieces_are_taken_it_goes_whole(service: Scripted, file: Path, status: int) -> None:
    service.says(problem(status), httpx.Response(200, json=done()))
    service.ask("check", file)
    assert CONTENT in service.requests[1].content


@pytest.mark.parametrize("fails", ["post", "patch"])
def test_one_that_is_too_large_is_not_sent_again(service: Scripted, file: Path, fails: str) -> None:
    Store(service, **{fails: [problem(413, "too-large")]})
    with pytest.raises(Problem) as refused:
        service.ask("check", file)
    assert refused.value.status == 413
    assert len(service.sent) == (1 if fails == "post" else 2)


def test_one_that_was_swept_meanwhile_goes_whole(service: Scripted, file: Path) -> None:
    Store(service, patch=[None, problem(404)])
    service.ask("check", file)
    assert CONTENT in service.requests[-1].content


def test_one_that_was_used_up_by_an_answer_that_got_lost_goes_whole(service: Scripted, file: Path) -> None:
    gone = problem(404, "not-found", detail="There is no upload upl_1.")
    Store(service, post_form=[httpx.ReadTimeout("lost"), gone])
    service.ask("check", file)
    assert service.sent[-3:] == ["POST /v1/checks?wait=20.0"] * 3
    assert CONTENT in service.requests[-1].content
    assert len(set(service.keys[-3:])) == 1


def test_what_the_request_is_refused_for_is_said(service: Scripted, file: Path) -> None:
    Store(service, post_form=[problem(404, "not-found", detail="There is no work wrk_1.")])
    with pytest.raises(Problem, match="no work"):
        service.ask("add_asset", "wrk_1", file)
    assert len(service.sent) == 5


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(201),
        lambda _: httpx.Response(201, headers={"Location": "https://elsewhere.example/v1/uploads/upl_1"}),
        lambda _: httpx.Response(201, headers={"Location": "//elsewhere.example/v1/uploads/upl_1"}),
        lambda _: httpx.Response(201, headers={"Location": PLACE, "Upload-Offset": "0"}),
        lambda _: httpx.Response(201, headers={"Location": PLACE, "Upload-Offset": "-7"}),
        lambda _: httpx.Response(201, headers={"Location": PLACE, "Upload-Offset": "three"}),
    ],
)
def test_answers_that_no_service_gives_are_told(
    service: Scripted, file: Path, answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    service.says(answer)
    with pytest.raises(BadAnswer):
        service.ask("check", file)
    assert {request.url.host for request in service.requests} == {"clearmark.example"}
