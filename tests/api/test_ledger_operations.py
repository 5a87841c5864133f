"""What an operator does to the log, on a service of its own: a new key, and forgetting, while others follow."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.console import Exit
from registry.domain.handover import read_handovers
from registry.domain.receipt import commitment
from tests.api.conftest import HOLDER_SCOPES
from tests.api.service import RunningService, end, errors_of, ok, problem, run_cli_forked, run_cli_here, start_service


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[RunningService]]:
    """The service; the last of the list is the one that runs."""
    services = [start_service(tmp_path / "var", tmp_path / "stderr", sscd_model="none")]
    yield services
    for service in services:
        end(service.process)
    assert errors_of(services[-1]) == []


def run(service: RunningService, *arguments: object, code: Exit = Exit.OK) -> Any:
    environment = {**service.environment, "CLEARMARK_URL": service.url}
    ran = run_cli_here("ledger", *arguments, "--json", environment=environment)
    assert ran.returncode == code, ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.timeout(300)
def test_a_key_is_rotated_while_others_follow_and_old_receipts_prove(
    started: list[RunningService], tmp_path: Path
) -> None:
    [service] = started
    kept, receipt, keys = tmp_path / "log.json", tmp_path / "work.json", tmp_path / "keys.json"
    api_key = service.key("Studio", *HOLDER_SCOPES)
    with service.client(api_key) as studio:
        work = ok(studio.post("/v1/works", json={"title": "Before", "kind": "clip"}), 201)["id"]
        receipt.write_bytes(studio.get(f"/v1/ledger/receipts/{work}").content)
    first = run(service, "follow", kept)["key"]
    made = run(service, "rotate-key")
    assert (made["before"], made["number"], made["takes_effect"]) == (first, 2, "at the next start")
    assert Path(made["file"]).name == "0002.pem"
    assert run(service, "follow", kept)["key"] == first, "the one that runs has read its keys before"

    service.stop()
    started.append(start_service(service.data_dir, service.log, sscd_model="none"))
    service = started[-1]
    followed = run(service, "follow", kept)
    assert (followed["key"], followed["size"]) == (made["key"], followed["before"])
    assert run(service, "verify")["valid"]
    with service.client() as anyone:
        document = anyone.get("/v1/ledger/keys").content
        _, new = json.loads(document)
        entries = ok(anyone.get("/v1/ledger/entries", params={"start": new["entry"], "limit": 1}))["items"]
    keys.write_bytes(document)
    [handover] = read_handovers(document)
    assert (handover.old, handover.new, handover.size + 1) == (first, made["key"], new["first_size"])
    facts = {"number": 2, "key": new["key"], "handover": new["handover"]}
    assert json.loads(entries[0]["data"])["commitment"] == commitment(bytes.fromhex(new["salt"]), facts)

    assert run(service, "prove", receipt, "--key", first)["key_checked"]
    assert not run(service, "prove", receipt, "--key", made["key"], code=Exit.ERROR)["valid"]
    assert run(service, "prove", receipt, "--key", made["key"], "--keys", keys)["key_checked"]


@pytest.mark.timeout(300)
def test_a_work_is_forgotten_for_good_while_the_log_still_proves(started: list[RunningService]) -> None:
    [service] = started
    with service.client(service.key("Studio", *HOLDER_SCOPES)) as studio:
        work = ok(studio.post("/v1/works", json={"title": "Ada's Diary", "kind": "clip"}), 201)["id"]
        word = {"use": "train", "value": "reserved", "contact": "mailto:ada@example.org"}
        said = ok(studio.post(f"/v1/works/{work}/reservations", json=word), 201)["id"]
        refused = run_cli_here("ledger", "forget", work, "--yes", environment=service.environment)
        assert refused.returncode == Exit.ERROR
        assert "Withdraw it first" in refused.stderr
        assert studio.delete(f"/v1/works/{work}").status_code == 204
        unasked = run_cli_forked("ledger", "forget", work, environment=service.environment)
        assert unasked.returncode != Exit.OK, "it asks first, and nobody answered"
        assert ok(studio.get(f"/v1/ledger/receipts/{said}"))["facts"]["contact"] == "mailto:ada@example.org"
        assert run(service, "forget", work, "--yes") == {"record": work, "entries": 4}
        problem(studio.get(f"/v1/ledger/receipts/{said}"), 409, "conflict")
        assert "ada@" not in studio.get("/v1/reservations").text
    verified = run(service, "verify")
    assert (verified["valid"], verified["forgotten"]) == (True, 2)
