"""The command line beside a running service: what each command prints for programs, and its exit code."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main
from typer.testing import CliRunner

from api.app import specification
from api.cli import app
from api.console import Exit
from clearmark.client import Client
from fingerprinting.document import from_document
from registry.domain.checkpoint import Checkpoint, encode_verifier_key, generate_key, open_checkpoint, sign_checkpoint
from tests import media
from tests.api.conftest import HOLDER_SCOPES, Clips, Registered
from tests.api.service import RunningService, environment_of, ok, problem, run_cli, run_cli_here

type Run = Callable[..., subprocess.CompletedProcess[str]]


def _commands(group: Any, *before: str) -> Iterator[tuple[str, ...]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, *before, name)
        else:
            yield (*before, name)


COMMANDS = list(_commands(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def clearmark(service: RunningService) -> Run:
    """Run a command as the pipeline, against the running service: in this process, as its own would run it."""
    key = service.key("Pipeline", *HOLDER_SCOPES)
    environment = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": key}

    def run(*arguments: object, **changes: str) -> subprocess.CompletedProcess[str]:
        return run_cli_here(*arguments, environment={**environment, **changes})

    return run


def _json(ran: subprocess.CompletedProcess[str], code: Exit = Exit.OK) -> Any:
    assert ran.returncode == code, ran.stderr
    assert ran.stderr == "", "a program that reads JSON is told nothing beside it"
    return json.loads(ran.stdout)


def _one_line(ran: subprocess.CompletedProcess[str], code: Exit = Exit.ERROR) -> str:
    assert ran.returncode == code, ran.stderr
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert ran.stderr.startswith("clearmark: ")
    return ran.stderr


# -- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    said = [line.strip() for line in shown.stdout.splitlines() if line.strip()]
    assert said[0].startswith("Usage:")
    assert len(said[1].split()) >= 3, "one sentence says what it is for"
    options = [line for line in said if line.startswith("--") and not line.startswith("--help")]
    assert all(len(line.split()) >= 2 for line in options), options


def test_the_version_is_that_of_the_package() -> None:
    said = CliRunner().invoke(app, ["--version"])
    assert (said.exit_code, said.output) == (0, f"clearmark {metadata.version('clearmark')}\n")


def test_every_command_that_has_an_answer_has_it_for_programs_too() -> None:
    without = {("serve",), ("worker",), ("openapi",)}
    for command in COMMANDS:
        assert ("--json" in CliRunner().invoke(app, [*command, "--help"]).stdout) == (command not in without), command


@pytest.mark.parametrize("arguments", [[], ["keys"], ["index"], ["ledger"], ["webhooks"], ["negatives"]], ids=" ".join)
def test_without_a_command_the_commands_are_listed(arguments: list[str]) -> None:
    shown = CliRunner().invoke(app, arguments)
    assert "Commands:" in shown.output


@pytest.mark.parametrize(
    "line",
    [
        "chekc",
        "check",
        "check /nowhere.mp4 --key k",
        "check / --key k",
        "ledger prove -1",
        "serve --port many",
        "keys create --holder A --scopes fly",
        "keys create --holder A --scopes review,",
        "keys create --holder A --scopes review --assurance sure",
        "keys create --holder A --scopes review --days 0",
    ],
)
def test_wrong_use_is_exit_code_2(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARMARK_DATA_DIR", str(tmp_path))
    assert CliRunner().invoke(app, line.split()).exit_code == Exit.USAGE


def test_the_exit_codes_in_the_help_are_those_used() -> None:
    said = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    assert "0 fine; 1 error; 2 wrong use; 10 block; 11 review; 12 unknown, also of" in said
    assert [code.value for code in Exit] == [0, 1, 2, 10, 11, 12, 13, 14, 15]


# -- over HTTP -----------------------------------------------------------------------------------


def test_a_verdict_is_an_exit_code(
    clearmark: Run, film: Registered, trailer: Registered, clips: Clips, tmp_path: Path
) -> None:
    blocked = _json(clearmark("check", clips.cut, "--json"), Exit.BLOCK)
    assert {match["work_id"] for match in blocked["matches"]} == {film.work_id}
    asked = _json(clearmark("check", clips.trailer, "--json"), Exit.REVIEW)
    assert {match["work_id"] for match in asked["matches"]} == {trailer.work_id}
    for_people = clearmark("check", clips.cut)
    assert for_people.returncode == Exit.BLOCK
    assert "BLOCK" in for_people.stdout
    assert "The Film" in for_people.stdout
    black = media.filtered(tmp_path / "black.mp4", "color=black:s=64x48:r=2", seconds=62)
    assert _json(clearmark("check", black, "--json"), Exit.UNKNOWN)["verdict"] == "unknown"
    nothing = tmp_path / "nothing.mp4"
    nothing.write_text("no film")
    _one_line(clearmark("check", nothing, "--json"), Exit.UNKNOWN)
    _one_line(clearmark("register", nothing, "--title", "Nothing", "--json"), Exit.REJECTED)


def test_a_match_is_explained_on_one_page(clearmark: Run, clips: Clips, film: Registered, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    found = _json(clearmark("check", clips.cut, "--explain", page, "--json"), Exit.BLOCK)
    assert found["id"] in page.read_text()
    assert film.work_id in page.read_text()
    page.unlink()
    again = _json(clearmark("explain", found["id"], "--output", page, "--json"))
    assert again == {"check": found["id"], "file": str(page)}
    assert "<svg" in page.read_text()
    page.unlink()
    nothing = media.track(tmp_path / "nothing.ogg", seconds=8, seed=78)
    _json(clearmark("check", nothing, "--explain", page, "--json"))
    assert not page.exists(), "there is nothing to explain"
    _one_line(clearmark("explain", "chk_0", "--output", page))


def test_the_negative_bank_is_kept_on_the_command_line(clearmark: Run, service: RunningService, tmp_path: Path) -> None:
    key = service.key("Operator", "admin")
    stock = media.track(tmp_path / "stock.ogg", seconds=8, seed=81)
    local = media.track(tmp_path / "local.ogg", seconds=8, seed=82)
    added = _json(clearmark("negatives", "add", stock, "--title", "Stock", "--json", CLEARMARK_KEY=key))
    assert added["status"] == "indexed"
    here = ("--fingerprint-only", "--json")
    other = _json(clearmark("negatives", "add", local, "--title", "Local", *here, CLEARMARK_KEY=key))
    assert (other["status"], other["sha256"]) == ("indexed", None)
    listed = _json(clearmark("negatives", "list", "--json", CLEARMARK_KEY=key))
    assert {added["id"], other["id"]} <= {entry["id"] for entry in listed}
    assert "Stock" in clearmark("negatives", "list", CLEARMARK_KEY=key).stdout
    for entry in (added, other):
        gone = _json(clearmark("negatives", "remove", entry["id"], "--json", CLEARMARK_KEY=key))
        assert gone == {"id": entry["id"], "removed": True}
    _one_line(clearmark("negatives", "remove", added["id"], CLEARMARK_KEY=key))
    _one_line(clearmark("negatives", "list"))
    silent = media.filtered(tmp_path / "silent.wav", "anullsrc", seconds=6, video=False)
    refused = _json(
        clearmark("negatives", "add", silent, "--title", "Silence", "--json", CLEARMARK_KEY=key), Exit.REJECTED
    )
    assert refused["reason"] == "silent"


def test_a_release_is_written_and_verified(clearmark: Run, clips: Clips, tmp_path: Path) -> None:
    check = _json(clearmark("check", clips.unrelated, "--json"))
    signed = tmp_path / "signed.mp4"
    said = ("--title", "A street", "--generator", "model")
    release = _json(clearmark("release", check["id"], "-o", signed, *said, "--json"))
    assert release["title"] == "A street"
    found = _json(clearmark("verify", signed, "--json"))
    assert found["sha256"] == release["sha256"]
    assert (found["integrity"]["state"], found["signer"]["state"]) == ("intact", "trusted")
    assert _json(clearmark("verify", clips.unrelated, "--json"), Exit.NOT_VERIFIED)["integrity"]["state"] == "absent"
    assert "trusted" in clearmark("verify", signed).stdout
    assert "Not asked for" in clearmark("verify", signed, "--no-recognise").stdout
    again = tmp_path / "again.mp4"
    assert release["id"] in _one_line(clearmark("release", check["id"], "-o", again, "--json"))
    assert not again.exists()


def test_registering_says_whether_it_can_be_found(clearmark: Run, tmp_path: Path) -> None:
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=3, seed=61)
    reserve = ("--reserve", "train", "--reserve", "depict_in_output", "--policy", "block")
    made = _json(clearmark("register", clip, "--title", "Mine", "--fingerprint-only", *reserve, "--json"))
    assert made["asset"]["status"] == "indexed"
    assert made["asset"]["sha256"] is None
    assert {said["use"] for said in made["work"]["reservations"]} == {"train", "depict_in_output"}
    assert not made["work"]["confidential"]
    black = media.filtered(tmp_path / "black.mp4", "color=black:s=64x48", seconds=3)
    refused = _json(clearmark("register", black, "--title", "Dark", "--confidential", "--json"), Exit.REJECTED)
    assert refused["asset"]["reason"] == "black"
    assert refused["work"]["confidential"]
    _one_line(clearmark("register", clip, "--title", "Mine", "--kind", "opera", "--json"))


def test_what_cannot_be_reached_or_known_is_one_line(clearmark: Run, clips: Clips) -> None:
    away = _one_line(clearmark("check", clips.cut, CLEARMARK_URL="http://127.0.0.1:9"))
    assert "clearmark serve" in away
    assert "key" in _one_line(clearmark("check", clips.cut, CLEARMARK_KEY="cm_0_0"))
    assert "chk_0" in _one_line(clearmark("release", "chk_0", "-o", os.devnull))


# -- on the machine of the service -----------------------------------------------------------------


def test_a_fingerprint_is_a_document(clearmark: Run, clips: Clips, tmp_path: Path) -> None:
    fingerprint = from_document(_json(clearmark("fingerprint", clips.film)))
    assert {d.algorithm.value for d in fingerprint.descriptors} >= {"audio-chromaprint-v1", "video-phash-v1"}
    assert fingerprint.duration_s == pytest.approx(12, abs=0.2)
    nothing = tmp_path / "nothing.mp4"
    nothing.write_text("no film")
    _one_line(clearmark("fingerprint", nothing))


def test_a_key_is_shown_once_and_kept_by_its_hash_alone(clearmark: Run, service: RunningService) -> None:
    made = _json(clearmark("keys", "create", "--holder", "Keys", "--scopes", "review,works:write", "--json"))
    assert set(made) == {"id", "key", "scopes", "holder_id"}
    assert made["scopes"] == ["review", "works:write"]
    stored = b"".join(path.read_bytes() for path in service.data_dir.glob("clearmark.db*"))
    assert made["key"].encode() not in stored
    assert made["key"].split("_", 2)[2].encode() not in stored
    assert made["key"] not in service.log.read_text()
    with service.client(made["key"]) as client:
        assert client.get("/v1/works").status_code == 200
        assert _json(clearmark("keys", "revoke", made["id"], "--json")) == {"id": made["id"], "revoked": True}
        problem(client.get("/v1/works"), 401, "unauthorized")
    _one_line(clearmark("keys", "revoke", "key_0"))
    _one_line(clearmark("webhooks", "set", "--holder", "Unheard of", "--target", "https://example.org/", "--json"))
    _one_line(clearmark("webhooks", "set", "--holder", "Keys", "--target", "ftp://example.org/", "--json"))


@pytest.mark.usefixtures("film")
def test_the_index_is_told_and_rebuilt_beside_the_service(clearmark: Run, anyone: httpx.Client) -> None:
    status = _json(clearmark("index", "status", "--json"))
    assert status["head"] > 0
    assert status["rows"]["works/video-phash-v1"] > 0
    rebuilt = _json(clearmark("index", "rebuild", "--json"))
    assert rebuilt == {"sequence": status["head"], "rows": status["rows"]}
    assert _json(clearmark("index", "snapshot", "--json")) == rebuilt
    assert _json(clearmark("index", "status", "--json"))["snapshot"] == status["head"]
    assert ok(anyone.get("/readyz"))["index"]["rows"] == status["rows"], "the running one was not disturbed"


@pytest.mark.usefixtures("film")
def test_the_ledger_is_proved_on_the_command_line(clearmark: Run) -> None:
    found = _json(clearmark("ledger", "checkpoint", "--json"))
    head = open_checkpoint(found["checkpoint"], verifier_key=found["key"])
    assert _json(clearmark("ledger", "prove", head.size - 1, "--json"))["valid"]
    proved = _json(clearmark("ledger", "verify", "--json"))
    assert (proved["valid"], proved["problems"], proved["entries"] >= head.size) == (True, [], True)
    _one_line(clearmark("ledger", "prove", 10**9))


def test_a_receipt_is_fetched_and_proved_with_the_service_off(
    clearmark: Run, service: RunningService, film: Registered, tmp_path: Path
) -> None:
    file, key = tmp_path / "film.receipt.json", service.key("Studio", *HOLDER_SCOPES)
    fetched = clearmark("ledger", "receipt", film.work_id, "-o", file, "--json", CLEARMARK_KEY=key)
    assert _json(fetched)["record"] == film.work_id
    nowhere = {"CLEARMARK_URL": "http://127.0.0.1:9", "CLEARMARK_DATA_DIR": str(tmp_path / "none"), "CLEARMARK_KEY": ""}
    proved = _json(clearmark("ledger", "prove", file, "--json", **nowhere))
    assert (proved["valid"], proved["record"], proved["key_checked"]) == (True, film.work_id, False)
    assert not (tmp_path / "none").exists()
    assert "film" in clearmark("ledger", "prove", file, **nowhere).stdout
    known = clearmark("ledger", "prove", file, "--key", proved["key"], "--json", **nowhere)
    assert _json(known)["key_checked"]
    known_elsewhere = encode_verifier_key(signer_name="other", key=generate_key().public_key())
    other = _json(clearmark("ledger", "prove", file, "--key", known_elsewhere, "--json", **nowhere), Exit.ERROR)
    assert "another key" in other["problem"]
    for option, typed in (("--key", "foo"), ("--key", "other+00000000+AA=="), ("--witness", proved["key"])):
        slip = clearmark("ledger", "prove", file, option, typed, "--json", **nowhere)
        assert (slip.returncode, slip.stdout) == (Exit.USAGE, ""), "a slip says nothing of the receipt"
        assert "no verifier key" in " ".join(slip.stderr.replace("│", " ").split())
    file.write_bytes(file.read_bytes().replace(b'"kind":"film"', b'"kind":"clip"'))
    assert not _json(clearmark("ledger", "prove", file, "--json", **nowhere), Exit.ERROR)["valid"]
    assert clearmark("ledger", "prove", tmp_path / "gone.json", **nowhere).returncode == Exit.USAGE


def test_who_follows_the_log_sees_that_it_only_grows(clearmark: Run, tmp_path: Path, film: Registered) -> None:
    assert film.work_id
    kept = tmp_path / "log.json"
    first = _json(clearmark("ledger", "follow", kept, "--json"))
    assert first["before"] == 0
    second = _json(clearmark("ledger", "follow", kept, "--json"))
    assert second["before"] == first["size"] <= second["size"]


@pytest.mark.parametrize("rewritten", ["other entries", "fewer entries", "another key"])
def test_who_follows_the_log_sees_when_it_was_rewritten(clearmark: Run, tmp_path: Path, rewritten: str) -> None:
    kept = tmp_path / "log.json"
    now = _json(clearmark("ledger", "checkpoint", "--json"))
    head, key = open_checkpoint(now["checkpoint"], verifier_key=now["key"]), generate_key()
    seen = encode_verifier_key(signer_name=head.origin, key=key.public_key())

    def was(size: int) -> str:
        other = Checkpoint(origin=head.origin, size=size, root=bytes(32))
        return sign_checkpoint(other, signer_name=head.origin, key=key)

    if rewritten == "another key":
        kept.write_text(json.dumps({"checkpoint": was(head.size), "key": seen}))
        assert "another key" in _one_line(clearmark("ledger", "follow", kept))
    else:
        size = head.size + 5 if rewritten == "fewer entries" else head.size - 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                Client, "checkpoint", lambda _: (sign_checkpoint(head, signer_name=head.origin, key=key), seen)
            )
            kept.write_text(json.dumps({"checkpoint": was(size), "key": seen}))
            said = _one_line(clearmark("ledger", "follow", kept))
        assert ("entries are gone" if rewritten == "fewer entries" else "was rewritten") in said
    assert json.loads(kept.read_text())["key"] == seen, "what was kept stays as evidence"


def test_a_changed_record_is_found_by_the_ledger(service: RunningService, film: Registered, tmp_path: Path) -> None:
    copy = tmp_path / "var"
    copy.mkdir()
    shutil.copytree(service.data_dir / "keys", copy / "keys")
    with (
        sqlite3.connect(service.data_dir / "clearmark.db") as source,
        sqlite3.connect(copy / "clearmark.db") as target,
    ):
        source.backup(target)
        target.execute("UPDATE works SET policy = 'notify' WHERE id = ?", [film.work_id])
    source.close()
    target.close()
    ran = run_cli("ledger", "verify", "--json", environment=environment_of(copy))
    assert ran.returncode == Exit.ERROR
    problems = json.loads(ran.stdout)["problems"]
    assert len(problems) == 1
    assert film.work_id in problems[0]


def test_the_command_runs_as_a_program_of_its_own(service: RunningService, clips: Clips) -> None:
    ran = run_cli("verify", clips.unrelated, "--url", service.url, "--json", environment=service.environment)
    assert _json(ran, Exit.NOT_VERIFIED)["integrity"]["state"] == "absent"
    assert run_cli("chekc", environment=service.environment).returncode == Exit.USAGE


def test_the_specification_printed_is_the_one_served(clearmark: Run, anyone: httpx.Client) -> None:
    printed = _json(clearmark("openapi"))
    assert printed == specification() == ok(anyone.get("/openapi.json"))


def test_the_settings_in_force_are_told_without_passwords(clearmark: Run) -> None:
    told = _json(clearmark("settings", "--json", CLEARMARK_BROKER_URL="redis://:hunter2@127.0.0.1:1/0"))
    assert told["broker_url"] == "redis://***@127.0.0.1:1/0"
    assert "hunter2" not in clearmark("settings").stdout


def test_a_worker_of_its_own_needs_a_broker(clearmark: Run) -> None:
    assert "CLEARMARK_BROKER_URL" in _one_line(clearmark("worker"))


@pytest.mark.timeout(300)
def test_the_demo_passes(tmp_path: Path) -> None:
    """The whole story on real clips; it starts a service of its own."""
    ran = run_cli("demo", "--json", environment=environment_of(tmp_path), timeout_s=280)
    assert ran.returncode == Exit.OK, ran.stderr
    told = json.loads(ran.stdout)
    assert told["passed"], [step for step in told["steps"] if step["expected"] != step["actual"]]
    assert len(told["steps"]) >= 10


def test_a_new_signing_key_waits_for_the_next_start(clearmark: Run, service: RunningService) -> None:
    before = sorted((service.data_dir / "keys" / "tokens").glob("*.pem"))
    made = json.loads(clearmark("keys", "rotate-signing", "--json").stdout)["file"]
    try:
        assert sorted((service.data_dir / "keys" / "tokens").glob("*.pem")) == [*before, Path(made)]
        with service.client() as anyone:
            assert len(ok(anyone.get("/.well-known/jwks.json"))["keys"]) == len(before)
    finally:
        Path(made).unlink()
