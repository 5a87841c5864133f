"""A running service is watched: requests have ids and lines, and hostile ones leave no line of their own making."""

import json
import re

import httpx
import pytest

from tests.api.conftest import Clips, Registered
from tests.api.service import RunningService, ok, problem, send, until

# A line of the text format, or a line of a traceback, which is set in.
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warning|error|critical) [\w.]+: .*|  \| .*")
HOSTILE = [
    "a\tb",
    "x" * 65,
    "a b",
    "a,b",
    "é".encode(),
    b"\x1b[31m",
    b"\xe2\x80\xae",
    "a\\n2026",
    "${jndi:ldap://x}",
    "",
]


def lines_of(service: RunningService, request_id: str, *, of: int = 1) -> list[str]:
    """The lines of requests with that id; each is written once its answer is sent."""

    def written() -> list[str]:
        return [line for line in service.log.read_text().splitlines() if f"request_id={request_id} " in line]

    until(lambda: sum("clearmark.access" in line for line in written()) >= of)
    return written()


def test_the_callers_id_of_a_request_is_kept(service: RunningService, anyone: httpx.Client) -> None:
    answer = anyone.get("/v1/works/wrk_0?who=ada", headers={"X-Request-ID": "from.a-proxy_1"})
    assert answer.headers["X-Request-ID"] == "from.a-proxy_1"
    assert problem(answer, 401, "unauthorized")["request_id"] == "from.a-proxy_1"
    [line] = lines_of(service, "from.a-proxy_1")
    assert "clearmark.access: request" in line
    for said in ("route=/v1/works/{work_id}", "work_id=wrk_0", "method=GET", "status=401", " ms=", " bytes="):
        assert said in line
    assert "ada" not in line


@pytest.mark.parametrize("said", HOSTILE)
def test_what_is_no_plain_word_is_no_id(anyone: httpx.Client, said: str | bytes) -> None:
    given = anyone.get("/v1/assurance", headers=[(b"X-Request-ID", said.encode() if isinstance(said, str) else said)])
    assert re.fullmatch(r"[0-9a-f]{32}", given.headers["X-Request-ID"])


def test_hostile_names_and_paths_begin_no_line(
    service: RunningService, pipeline: httpx.Client, anyone: httpx.Client
) -> None:
    name = "x\n2026-11-26T00:00:00.000Z info forged: all is well\x1b[2J\u202e.mp4"
    pipeline.post("/v1/checks", files={"file": (name, b"no media")}, headers={"X-Request-ID": "hostile-1"})
    for path in (
        "/%0a2026-11-26T00:00:00.000Z%20info%20forged:%20x",
        "/v1/works/%1b%5b2J%e2%80%ae",
        "/static/%0aforged",
    ):
        anyone.get(path, headers={"User-Agent": "forged: x", "X-Request-ID": "hostile-2", "Referer": "forged"})
    assert len(lines_of(service, "hostile-2", of=2)) == 2, "and none of what is static"
    written = service.log.read_text()
    assert "forged" not in written
    for line in written.splitlines():
        assert LINE.fullmatch(line), line
        assert line.isprintable()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_probes_ask_leaves_no_line(service: RunningService, anyone: httpx.Client, path: str) -> None:
    anyone.get(path, headers={"X-Request-ID": "health-1"})
    ok(anyone.get("/v1/assurance", headers={"X-Request-ID": "after-1"}))
    lines_of(service, "after-1")
    assert "health-1" not in service.log.read_text()


def test_a_check_is_followed_from_its_request_to_its_job(
    service: RunningService, pipeline: httpx.Client, clips: Clips
) -> None:
    asked = send(pipeline, "/v1/checks", clips.unrelated, headers={"X-Request-ID": "check-1"})
    [access] = [line for line in lines_of(service, "check-1") if "clearmark.access" in line]
    assert f"check_id={ok(asked)['id']}" in access


def test_readiness_is_told_part_by_part(anyone: httpx.Client) -> None:
    told = ok(anyone.get("/readyz"))
    assert {"status", "degraded", "index", "algorithms", "jobs", "webhooks", "signer"} <= set(told)
    for part in told["degraded"]:
        assert {"part", "state", "meaning"} <= set(part)
    assert ("signer", "development") in {(part["part"], part["state"]) for part in told["degraded"]}


def test_what_was_done_is_counted_and_nobodys_title_is_told(
    anyone: httpx.Client, pipeline: httpx.Client, clips: Clips, film: Registered
) -> None:
    def counted(series: str) -> float:
        found = re.search(rf"^{re.escape(series)} ([\d.e+]+)$", anyone.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    blocked, slow = 'clearmark_checks_total{verdict="block"}', 'clearmark_check_stage_seconds_count{stage="total"}'
    route = 'clearmark_request_seconds_count{method="POST",route="/v1/checks",status="2xx"}'
    before = [counted(series) for series in (blocked, slow, route)]
    for _ in range(2):  # the second is answered from what is on record
        ok(send(pipeline, "/v1/checks", clips.cut, headers={"Idempotency-Key": "counted-once"}))
    assert [counted(series) for series in (blocked, slow, route)] == [before[0] + 1, before[1] + 1, before[2] + 2]
    told = set(re.findall(r'clearmark_check_stage_seconds_count\{stage="(\w+)"\}', anyone.get("/metrics").text))
    assert {"receive", "decode", "search", "lookup", "align", "confirm", "policy", "total"} <= told
    corrupt = 'clearmark_request_seconds_count{method="POST",route="/v1/checks",status="4xx"}'
    refused = counted(corrupt)
    pipeline.post("/v1/checks", files={"file": ("x.mp4", b"no media")})
    assert counted(corrupt) == refused + 1
    scraped = anyone.get("/metrics").text
    assert "The Film" not in scraped
    assert film.work_id not in scraped
    assert json.dumps(clips.cut.name) not in scraped
