"""The gate opens for a clip that is clear or was approved, and for nothing else, whatever goes wrong."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from clearmark.client import BadAnswer, ClearmarkError, Decision, Problem, Retries, Unknown, Unreachable, judge
from tests.unit.clearmark.conftest import QUEUED, Said, Scripted, done, problem


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"clip")
    return path


APPROVED, REJECTED = {"decision": {"decision": "approve"}}, {"decision": {"decision": "reject"}}


@pytest.mark.parametrize(
    ("check", "decision"),
    [
        (done("clear"), "release"),
        (done("block"), "refuse"),
        (done("review"), "hold"),
        (done("review", **APPROVED), "release"),
        (done("review", **REJECTED), "refuse"),
        (done("review", decision="approve"), "release"),
    ],
)
def test_a_verdict_decides(service: Scripted, clip: Path, check: dict[str, Any], decision: str) -> None:
    service.says(httpx.Response(200, json=check))
    for on_unknown in ("hold", "raise"):
        gate = service.ask("gate", clip, on_unknown=on_unknown)
        assert (gate.decision, gate.is_known, gate.check) == (decision, True, check)
        assert bool(gate) == (decision == "release")
        assert gate.why


# What no service of ours says, or not as an answer. None of it opens the gate.
@pytest.mark.parametrize(
    "check",
    [
        done("unknown"),
        done(None),
        done("CLEAR"),
        done(["clear"]),
        done({"verdict": "clear"}),
        done(True),
        done("probably clear"),
        done("clear", status="queued"),
        done("clear", status=None),
        done("clear", **REJECTED),
        done("clear", decision="reject"),
        done("clear", decision=["approve"]),
        done("unknown", **APPROVED),
        {"id": "chk_1", "status": "done"},
        {"status": "done"},
        {},
        done("unknown", reasons="none"),
        done("unknown", reasons=[{}]),
        done("unknown", reasons=None),
    ],
)
def test_what_is_not_known_is_held(check: dict[str, Any]) -> None:
    gate = judge(check)  # type: ignore[arg-type]
    assert gate.decision is Decision.HOLD
    assert not gate
    assert not gate.is_known


REFUSED = httpx.ConnectError("refused")
FAILURES: dict[str, tuple[Said, type[Exception]]] = {
    "the service is down": (REFUSED, Unreachable),
    "it does not answer": (httpx.ReadTimeout("slow"), Unreachable),
    "the name is unknown": (httpx.ConnectError("Name or service not known"), Unreachable),
    "the connection breaks": (httpx.RemoteProtocolError("cut"), Unreachable),
    "the certificate is bad": (httpx.ConnectError("certificate verify failed"), Unreachable),
    "a proxy fails": (httpx.ProxyError("no"), Unreachable),
    "the answer cannot be decoded": (httpx.DecodingError("no gzip"), Unreachable),
    "the service is overloaded": (httpx.Response(503), Problem),
    "too many ask": (problem(429, headers={"Retry-After": "3600"}), Problem),
    "it has a bug": (problem(500, "internal-error"), Problem),
    "the key is wrong": (problem(401, "unauthorized"), Problem),
    "the key may not ask": (problem(403, "forbidden"), Problem),
    "the file is broken": (problem(422, "media-corrupt", verdict="unknown", check_id="chk_1"), Problem),
    "the file is too large": (problem(413, "too-large"), Problem),
    "the index is behind": (problem(503, "index-behind"), Problem),
    "a redirection": (httpx.Response(302, headers={"Location": "/clear"}), Problem),
    "a page of something else": (httpx.Response(200, text="<html>clear"), BadAnswer),
    "nothing": (httpx.Response(204), BadAnswer),
    "a list": (httpx.Response(200, json=[done()]), BadAnswer),
    "no id": (httpx.Response(200, json={"status": "done", "verdict": "clear"}), BadAnswer),
    "no status": (httpx.Response(200, json={"id": "chk_1", "verdict": "clear"}), BadAnswer),
    "a verdict of unknown": (httpx.Response(200, json=done("unknown")), Unknown),
    "no verdict in time": (httpx.Response(202, json=QUEUED), Unknown),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_opens_the_gate(service: Scripted, clip: Path, failure: str) -> None:
    answer, raised = FAILURES[failure]
    service.says(answer)
    gate = service.ask("gate", clip)
    assert (gate.decision, gate.is_known, bool(gate)) == (Decision.HOLD, False, False)
    assert gate.why
    assert isinstance(gate.error, raised) or (gate.error is None and raised is Unknown)
    with pytest.raises(raised) as told:
        service.ask("gate", clip, on_unknown="raise")
    assert isinstance(told.value, ClearmarkError)


def test_a_failure_while_waiting_does_not_open_the_gate(service: Scripted, clip: Path) -> None:
    service.says(httpx.Response(202, json=QUEUED), REFUSED)
    assert service.ask("gate", clip).decision is Decision.HOLD


def test_a_file_that_cannot_be_read_is_held(service: Scripted, tmp_path: Path) -> None:
    for path in (tmp_path / "gone.mp4", tmp_path):
        gate = service.ask("gate", path)
        assert (gate.decision, gate.is_known) == (Decision.HOLD, False)
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            service.ask("gate", path, on_unknown="raise")
    assert service.requests == []


def test_a_service_that_recovers_opens_the_gate_after_all(service: Scripted, clip: Path) -> None:
    service.says(REFUSED, httpx.Response(503), httpx.Response(200, json=done("clear")))
    assert service.ask("gate", clip).decision is Decision.RELEASE
    assert len(set(service.keys)) == 1


@pytest.mark.parametrize("option", ["pass", "release", "allow", "", None, True])
def test_there_is_no_way_to_let_what_is_unknown_pass(service: Scripted, clip: Path, option: Any) -> None:
    with pytest.raises(ValueError, match="cannot pass"):
        service.ask("gate", clip, on_unknown=option)
    assert service.requests == []


def test_the_gate_does_not_wait_for_ever(service: Scripted, clip: Path) -> None:
    service.retries = Retries(random_0_1=lambda: 1.0, attempts=2)
    service.says(httpx.Response(202, json=QUEUED))
    assert service.ask("gate", clip).why == "There is no verdict yet."
    assert service.now_s == pytest.approx(300)
