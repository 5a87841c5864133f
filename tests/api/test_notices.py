"""A takedown over HTTP, from the notice to the counter-notice, as all three parties see it."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests import media
from tests.api.service import RunningService, ok, problem, send, until

NOTICE = {
    "signature": "Ada Example", "work_description": "The Film", "contact_name": "Ada Example",
    "contact_email": "ada@example.org", "good_faith": True, "accuracy_under_penalty_of_perjury": True,
    "authority": True,
}  # fmt: skip
COUNTER = {
    "signature": "Bo Example", "name": "Bo Example", "address": "1 Example Street", "telephone": "555 0100",
    "mistake_under_penalty_of_perjury": True, "consent_to_jurisdiction": True, "accept_service": True,
}  # fmt: skip


@pytest.fixture
def release(pipeline: httpx.Client, tmp_path: Path) -> str:
    """A release of the pipeline's."""
    seed = uuid.uuid4().int % 2**31  # a clip that no test registered or released
    path = media.moving_clip(tmp_path / "made.mp4", seconds=3, seed=seed)
    check = ok(send(pipeline, "/v1/checks", path))
    assert check["verdict"] == "clear"
    made: str = ok(pipeline.post("/v1/releases", json={"check_id": check["id"]}), 201)["id"]
    return made


def _file(holder: httpx.Client, release: str, **changes: Any) -> dict[str, Any]:
    body = {**NOTICE, "release_id": release, "material": [release], **changes}
    return ok(holder.post("/v1/notices", json=body), 201)


def _act(client: httpx.Client, notice: str, event: str) -> dict[str, Any]:
    return ok(client.post(f"/v1/notices/{notice}/transitions", json={"event": event, "reason": "by the book"}))


def _deadlines(notice: dict[str, Any]) -> dict[str, datetime]:
    return {each["name"]: datetime.fromisoformat(each["at"]) for each in notice["deadlines"]}


def test_a_takedown_goes_its_whole_way(
    studio: httpx.Client, pipeline: httpx.Client, reviewer: httpx.Client, release: str
) -> None:
    filed = _file(studio, release)
    assert (filed["state"], filed["missing"]) == ("valid", [])
    assert _deadlines(filed)
    assert pipeline.get(f"/v1/releases/{release}/file").status_code == 200, "a claim alone takes nothing down"
    problem(studio.post(f"/v1/notices/{filed['id']}/transitions", json={"event": "disable"}), 403, "forbidden")

    assert _act(reviewer, filed["id"], "disable")["state"] == "disabled"
    problem(pipeline.get(f"/v1/releases/{release}/file"), 451, "disabled")
    assert ok(pipeline.get(f"/v1/releases/{release}"))["state"] == "disabled"
    assert _act(reviewer, filed["id"], "notify_uploader")["state"] == "uploader_notified"

    counter = f"/v1/notices/{filed['id']}/counter-notice"
    body = {**COUNTER, "material": [release], "former_locations": [f"/v1/releases/{release}/file"]}
    problem(studio.post(counter, json=body), 403, "forbidden")
    partly = ok(pipeline.post(counter, json={**body, "signature": None}))
    assert partly["state"] == "counter_received"
    assert [missing["element"] for missing in partly["missing"]] == ["signature"]
    forwarded = ok(pipeline.post(counter, json=body))
    assert forwarded["state"] == "forwarded"
    window = _deadlines(forwarded)
    received = next(
        datetime.fromisoformat(e["at"]) for e in reversed(forwarded["history"]) if e["event"] == "receive_counter"
    )
    assert window["restore_not_before"] - received > timedelta(days=13), "ten business days are two weeks and more"
    assert window["restore_not_before"] < window["restore_not_after"]
    early = {"event": "restore", "reason": "too early"}
    problem(reviewer.post(f"/v1/notices/{filed['id']}/transitions", json=early), 409, "conflict")
    problem(pipeline.get(f"/v1/releases/{release}/file"), 451, "disabled")

    assert _act(studio, filed["id"], "retract")["state"] == "retracted"
    assert pipeline.get(f"/v1/releases/{release}/file").status_code == 200
    steps = [event["event"] for event in ok(studio.get(f"/v1/notices/{filed['id']}"))["history"]]
    assert steps == [
        "submit", "confirm_email", "begin_triage", "find_valid", "disable", "notify_uploader",
        "receive_counter", "receive_counter", "forward_counter", "retract",
    ]  # fmt: skip


def test_what_a_notice_lacks_is_named_and_can_be_supplied(studio: httpx.Client, release: str) -> None:
    filed = _file(studio, release, signature=None, good_faith=False)
    assert filed["state"] == "cure_requested"
    assert {missing["element"] for missing in filed["missing"]} == {"signature", "good_faith"}
    assert all("512(c)(3)(A)" in missing["reference"] for missing in filed["missing"])
    supplied = {"signature": "Ada Example", "good_faith": True}
    path = f"/v1/notices/{filed['id']}/transitions"
    cured = ok(studio.post(path, json={"event": "cure", "supplied": supplied}))
    assert (cured["state"], cured["missing"]) == ("valid", [])
    refused = problem(studio.post(path, json={"event": "cure", "supplied": supplied}), 409, "illegal-transition")
    assert "retract" in refused["allowed"]


def test_a_notice_that_names_no_material_is_defective(studio: httpx.Client) -> None:
    body = {**NOTICE, "material": []}
    filed = ok(studio.post("/v1/notices", json=body), 201)
    assert filed["state"] == "defective"
    assert "material" in {missing["element"] for missing in filed["missing"]}


def test_a_notice_sent_twice_is_filed_once(studio: httpx.Client, release: str) -> None:
    body = {**NOTICE, "release_id": release, "material": [release]}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = ok(studio.post("/v1/notices", json=body, headers=key), 201)
    assert ok(studio.post("/v1/notices", json=body, headers=key), 201)["id"] == first["id"]
    problem(studio.post("/v1/notices", json={**body, "authority": False}, headers=key), 409, "conflict")
    listed = [notice["id"] for notice in ok(studio.get("/v1/notices", params={"limit": 200}))["items"]]
    assert listed.count(first["id"]) == 1


def test_another_notice_keeps_a_release_down(
    studio: httpx.Client, stranger: httpx.Client, pipeline: httpx.Client, reviewer: httpx.Client, release: str
) -> None:
    notices = [(holder, _file(holder, release)["id"]) for holder in (studio, stranger)]
    for _, notice in notices:
        _act(reviewer, notice, "disable")
    statuses = []
    for holder, notice in notices:
        _act(holder, notice, "retract")
        statuses.append(pipeline.get(f"/v1/releases/{release}/file").status_code)
    assert statuses == [451, 200]


@dataclass(slots=True)
class Inbox:
    """What a receiver of webhooks got; the first few deliveries it refuses."""

    refusals: int
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        if self.refusals:
            self.refusals -= 1
            return False
        self.received.append((headers, body))
        return True


@contextmanager
def _listening(inbox: Inbox) -> Iterator[str]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if inbox.take(headers, body) else 503)
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            """Tests read what was received, not a log."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook"
        finally:
            server.shutdown()
            thread.join()


def test_a_holder_is_told_with_a_signature_they_can_check(service: RunningService, tmp_path: Path) -> None:
    key = service.key("Listener", "checks:write")
    inbox = Inbox(refusals=1)
    with _listening(inbox) as url, service.client(key) as listener:
        ran = service.cli("webhooks", "set", "--holder", "Listener", "--target", url, "--json")
        secret = json.loads(ran.stdout)["secret"]
        check = ok(send(listener, "/v1/checks", media.moving_clip(tmp_path / "a.mp4", seconds=3, seed=21)))
        headers, body = until(lambda: inbox.received, timeout_s=30)[0]
    told = Webhook(secret).verify(body, headers)
    assert told["type"] == "check.done"
    assert told["data"] == {"id": check["id"], "verdict": "clear"}
    assert len(inbox.received) == 1
