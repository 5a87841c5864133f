"""`fsck`, `backup`, `people` and `audit` beside a running service: what they print, and how they end."""

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import httpx

from tests.api.service import RunningService


def told(service: RunningService, *arguments: object, code: int = 0) -> Any:
    ran = service.cli(*arguments, "--json")
    assert ran.returncode == code, ran.stderr
    return json.loads(ran.stdout)


def test_the_whole_registry_is_held_against_itself_while_it_runs(service: RunningService) -> None:
    found = told(service, "fsck", "--quick")
    assert (found["clean"], found["quick"], found["repaired"]) == (True, True, [])
    assert service.cli("fsck", "--nonsense").returncode == 2


def test_a_backup_warns_of_the_keys_in_it_and_is_on_the_audit(service: RunningService, tmp_path: Path) -> None:
    ran = service.cli("backup", tmp_path / "backup", "--json")
    assert ran.returncode == 0, ran.stderr
    assert "holds the keys" in ran.stderr
    made = json.loads(ran.stdout)
    [newest] = told(service, "audit", "list", "--kind", "operator", "--limit", "1")
    assert (newest["decision"], newest["about"]) == ("backup_made", made["made_at"])
    assert newest["by"].startswith("console:")
    assert newest["entry"] is not None
    refused = service.cli("restore", tmp_path / "backup", "--force")
    assert refused.returncode == 1
    assert "is running" in refused.stderr
    assert service.cli("restore", tmp_path / "backup", "--into", tmp_path / "backup").returncode == 1


def test_what_operators_do_over_http_and_at_the_machine_is_on_the_audit(
    service: RunningService, operator: httpx.Client, stranger: httpx.Client
) -> None:
    key = told(service, "keys", "create", "--holder", "Stranger", "--scopes", "checks:write")
    told(service, "keys", "revoke", key["id"])
    holder = operator.get("/v1/holders").json()["items"][0]["id"]
    path = f"/v1/holders/{holder}/thresholds"
    assert stranger.put(path, json={"review_matched_s": 9, "block_matched_s": 9}).status_code == 403
    assert operator.put(path, json={"review_matched_s": 9, "block_matched_s": 9}).status_code == 200
    assert operator.delete(path).status_code == 200
    acts = told(service, "audit", "list", "--limit", "4")
    assert [act["decision"] for act in acts] == ["thresholds_set", "thresholds_set", "key_revoked", "key_made"]
    assert acts[0]["who"].startswith("Operator")
    assert key["key"].split("_", 2)[2] not in json.dumps(acts)
    assert service.cli("audit", "list", "--kind", "weather").returncode == 2


def test_a_person_is_exported_and_erased_and_what_was_done_is_noted_without_their_address(
    service: RunningService, tmp_path: Path
) -> None:
    address, file = "nobody@example.org", tmp_path / "person.zip"
    file.write_bytes(b"what was there, and could be read by all" * 99)
    file.chmod(0o644)
    nowhere = service.cli("people", "export", address, "--output", tmp_path / "none" / "person.zip")
    assert (nowhere.returncode, "Traceback" in nowhere.stderr) == (2, False)
    exports = [act for act in told(service, "audit", "list") if act["decision"] == "person_exported"]
    assert exports == [], "what was not given is not on the audit"
    assert told(service, "people", "export", address, "--output", file)["records"] == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with zipfile.ZipFile(file) as opened:
        assert json.loads(opened.read("person.json"))["records"] == {}
    assert service.cli("people", "export", address, "--output", tmp_path / "person.txt").returncode == 2
    assert service.cli("people", "export", "no address", "--output", file).returncode == 1
    assert told(service, "people", "erase", address, "--reason", "They asked.", "--yes")["records"] == {}
    assert address not in json.dumps(told(service, "audit", "list"))
