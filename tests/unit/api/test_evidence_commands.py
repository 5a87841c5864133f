"""`clearmark evidence`: anybody verifies a bundle far from the service, and is told what holds or what does not."""

import io
import json
import socket
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import httpx
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import evidence_commands
from api.console import Exit
from clearmark.client import Client
from registry.domain.checkpoint import Checkpoint, encode_verifier_key, generate_key, sign_checkpoint, sign_note
from registry.domain.handover import hand_over
from registry.domain.merkle import leaf_hash
from registry.domain.receipt import Receipt, commitment
from registry.domain.receipt import write as write_receipt
from registry.domain.witness import encode_witness_key
from takedown.bundle import Part, write
from tests.api.service import run_cli_here

NAME, KEY, NEXT_KEY, OTHER_KEY = "ledger.example", generate_key(), generate_key(), generate_key()
AT = datetime(2026, 3, 2, 17, 0, 1, tzinfo=UTC)
NOTICE = "ntc_01kj0000000000000000000000"
SALT, FACTS = bytes(16), {"state": "disabled"}


def verifier_key(key: Ed25519PrivateKey = KEY) -> str:
    return encode_verifier_key(signer_name=NAME, key=key.public_key())


def receipt(kind: str = "notice.disable") -> bytes:
    said: dict[str, Any] = {"v": 1, "number": 0, "at": AT.isoformat(), "kind": kind, "subject": NOTICE}
    entry = rfc8785.dumps(said | {"commitment": commitment(SALT, FACTS)})
    head = Checkpoint(origin=NAME, size=1, root=leaf_hash(entry))
    made = Receipt(
        facts=FACTS, salt=SALT, number=0, entry=entry.decode(), hashes=(),
        checkpoint=sign_checkpoint(head, signer_name=NAME, key=KEY), verifier_key=verifier_key(),
    )  # fmt: skip
    return write_receipt(made)


RECEIPT = f"receipts/{NOTICE}.json"
HANDOVER = hand_over(origin=NAME, size=1, old=KEY, new=NEXT_KEY)
CONTENTS = {
    "notice.json": rfc8785.dumps({"facts": FACTS}),
    "notice.pdf": b"%PDF-1.7 ...",
    "keys.json": rfc8785.dumps([{"handover": HANDOVER.note}]),
    RECEIPT: receipt(),
}


def bundle(**changed: bytes) -> bytes:
    target, contents = io.BytesIO(), CONTENTS | changed
    write(
        [Part(path=path, content=said, media_type="a/b", what="What it is.") for path, said in contents.items()],
        notice_id=NOTICE, made_at=AT, verifier_key=verifier_key(),
        sign=lambda text: sign_note(text.decode(), signer_name=NAME, key=KEY), target=target,
    )  # fmt: skip
    return target.getvalue()


def zipped_anew(change: Callable[[bytes], bytes] = bytes) -> bytes:
    """The bundle in an archive that somebody else made, with every file changed like that but the manifest's."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle())) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            info.date_time = (2026, 1, 1, 0, 0, 0)
            new.writestr(info, content if info.filename.startswith("manifest.") else change(content))
    return made.getvalue()


type Verify = Callable[..., CompletedProcess[str]]


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    def run(file: bytes, *options: object) -> CompletedProcess[str]:
        (tmp_path / "notice.zip").write_bytes(file)
        return run_cli_here("evidence", "verify", tmp_path / "notice.zip", *options, environment={})

    return run


# -- verify ------------------------------------------------------------------------------------


def test_of_a_bundle_that_holds_is_told_what_was_verified(verify: Verify) -> None:
    ran = verify(bundle())
    assert ran.returncode == Exit.OK
    assert ran.stdout.splitlines() == [
        "The bundle holds",
        f"  notice     {NOTICE}",
        "  files      6",
        "  made at    2026-03-02T17:00:01+00:00  (as who signed it says)",
        f"  signed by  {verifier_key()}  (the bundle’s own: compare it, or give --key)",
        f"  receipts   entry 0 of 1: {NOTICE} notice.disable 2026-03-02T17:00:01+00:00",
    ]


def test_programs_are_told_the_same(verify: Verify) -> None:
    ran = verify(bundle(), "--json")
    assert ran.returncode == Exit.OK
    assert json.loads(ran.stdout) == {
        "valid": True, "notice": NOTICE, "files": 6, "made_at": AT.isoformat(), "signed_by": verifier_key(),
        "key_checked": False, "findings": [],
        "receipts": [
            {
                "file": RECEIPT, "record": NOTICE, "step": "notice.disable", "at": AT.isoformat(), "entry": 0,
                "log_size": 1,
            }
        ],
    }  # fmt: skip


@pytest.mark.parametrize("key", [KEY, NEXT_KEY], ids=["its own", "the one it led to"])
def test_a_key_that_is_known_from_elsewhere_is_held_against_it(verify: Verify, key: Ed25519PrivateKey) -> None:
    ran = verify(bundle(), "--key", f" {verifier_key(key)}\n")
    assert ran.returncode == Exit.OK
    assert f"signed by  {verifier_key()}\n" in ran.stdout


def test_a_bundle_of_another_key_does_not_hold(verify: Verify) -> None:
    ran = verify(bundle(), "--key", verifier_key(OTHER_KEY), "--json")
    assert ran.returncode == Exit.NOT_VERIFIED
    told = json.loads(ran.stdout)
    assert (told["valid"], told["key_checked"]) == (False, True)
    assert [finding["file"] for finding in told["findings"]] == ["manifest.sig"]


def test_each_finding_names_its_file(verify: Verify) -> None:
    file = zipped_anew(lambda content: content + b" ")
    ran = verify(file)
    assert ran.returncode == Exit.NOT_VERIFIED
    assert ran.stdout.startswith("The bundle does not hold\n")
    told = json.loads(verify(file, "--json").stdout)
    assert {finding["file"] for finding in told["findings"]} == {*CONTENTS, "receipts/"}
    for path in CONTENTS:
        assert path in ran.stdout


def test_a_finding_about_no_file_is_about_the_archive(verify: Verify) -> None:
    ran = verify(zipped_anew())
    assert ran.returncode == Exit.NOT_VERIFIED
    assert "the archive" in ran.stdout
    [finding] = json.loads(verify(zipped_anew(), "--json").stdout)["findings"]
    assert finding["file"] is None


@pytest.mark.parametrize("file", [b"", b"a letter", bundle()[:-1]], ids=["nothing", "no zip", "cut off"])
def test_what_is_no_bundle_proves_nothing(verify: Verify, file: bytes) -> None:
    ran = verify(file)
    assert ran.returncode == Exit.NOT_VERIFIED
    assert ran.stdout == "It proves nothing. It is no zip file, or its end is missing.\n"
    told = verify(file, "--json")
    assert told.returncode == Exit.NOT_VERIFIED
    assert json.loads(told.stdout) == {
        "valid": False,
        "findings": [{"file": None, "problem": "It is no zip file, or its end is missing."}],
    }


@pytest.mark.parametrize(
    "key",
    ["", "cm_key", verifier_key()[:-4], encode_witness_key(name="witness.example", key=KEY.public_key())],
    ids=["nothing", "an API key", "cut off", "a witness's"],
)
def test_a_mistyped_key_is_wrong_use_and_says_nothing_of_the_bundle(verify: Verify, key: str) -> None:
    ran = verify(bundle(), "--key", key)
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "no verifier key" in ran.stderr


@pytest.mark.parametrize("name", ["", "gone.zip"], ids=["a folder", "no file"])
def test_a_file_that_cannot_be_read_is_wrong_use(tmp_path: Path, name: str) -> None:
    ran = run_cli_here("evidence", "verify", tmp_path / name, environment={})
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "cannot be read" in ran.stderr


def test_neither_a_service_nor_settings_nor_a_data_folder_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_arguments: object, **_more: object) -> None:
        pytest.fail("it opens a socket")

    monkeypatch.setattr(socket, "socket", no_network)
    (tmp_path / "notice.zip").write_bytes(bundle())
    environment = {"CLEARMARK_DATA_DIR": str(tmp_path / "data"), "CLEARMARK_PORT": "many"}
    assert run_cli_here("settings", "--json", environment=environment).returncode == Exit.ERROR
    assert run_cli_here("evidence", "verify", tmp_path / "notice.zip", environment=environment).returncode == Exit.OK
    assert [path.name for path in tmp_path.iterdir()] == ["notice.zip"]


def test_what_strangers_wrote_moves_no_cursor(verify: Verify) -> None:
    ran = verify(bundle(**{RECEIPT: receipt(kind="a\x1b[2Jb")}))
    assert ran.returncode == Exit.OK
    assert "\x1b" not in ran.stdout


# -- fetch -------------------------------------------------------------------------------------


def fetched(target: Path, answer: httpx.Response, monkeypatch: pytest.MonkeyPatch, *options: str) -> Any:
    """The command's end, and what it asked of a service that answers so."""
    asked: list[httpx.Request] = []

    def answers(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    def service_at(url: str, key: str | None = None, holder: str | None = None) -> Client:
        return Client(url, key, holder=holder, transport=httpx.MockTransport(answers))

    monkeypatch.setattr(evidence_commands, "service_at", service_at)
    command = ["evidence", "fetch", NOTICE, "--key", "cm_key", "-o", str(target), *options]
    return run_cli_here(*command, environment={}), asked


def test_a_bundle_is_fetched_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "notice.zip"
    answer = httpx.Response(200, content=bundle())
    ran, [asked] = fetched(target, answer, monkeypatch, "--holder", "hld_1", "--url", "http://a.example", "--json")
    assert (ran.returncode, json.loads(ran.stdout)) == (Exit.OK, {"notice": NOTICE, "file": str(target)})
    assert (asked.method, str(asked.url)) == ("GET", f"http://a.example/v1/notices/{NOTICE}/evidence")
    assert (asked.headers["authorization"], asked.headers["clearmark-holder"]) == ("Bearer cm_key", "hld_1")
    assert target.read_bytes() == bundle()


def test_what_is_refused_is_told_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = httpx.Response(403, json={"title": "Not allowed", "detail": "It is another's notice.", "status": 403})
    ran, _ = fetched(tmp_path / "notice.zip", refused, monkeypatch)
    assert ran.returncode == Exit.ERROR
    assert "another's notice" in ran.stderr
    assert [*tmp_path.iterdir()] == []
