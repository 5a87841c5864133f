"""The Python client and its worked examples against a real service, each as a user runs it."""

import hashlib
import http.client
import json
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest
from standardwebhooks import Webhook

from clearmark.client import AsyncClient, Client, Decision, Gate, Problem, Resolver, local
from clearmark.client.resolver import ISCC
from registry.domain.merkle import leaf_hash, verify_inclusion
from registry.domain.receipt import prove
from tests import media
from tests.api.conftest import HOLDER_SCOPES, Clips, Registered
from tests.api.forked import REPOSITORY
from tests.api.service import RunningService, until

EXAMPLES = REPOSITORY / "docs" / "examples"


@pytest.fixture(scope="module")
def author(service: RunningService) -> Iterator[Client]:
    with Client(service.url, service.key("Author", *HOLDER_SCOPES)) as client:
        yield client


@pytest.fixture(scope="module")
def maker(service: RunningService) -> Iterator[Client]:
    with Client(service.url, service.key("Maker", *HOLDER_SCOPES)) as client:
        yield client


# -- each user's way -------------------------------------------------------------------------------


def test_a_holder_registers_reserves_and_is_heard(author: Client, maker: Client, tmp_path: Path) -> None:
    path = media.clip_with_sound(tmp_path / "own.mp4", seconds=6, seed=301)
    work = author.register_work(title="Own", policy="block", creators=["Ada"])
    asset = author.add_asset(work["id"], path, local=True)
    assert (asset["status"], asset["sha256"]) == ("indexed", None), "the file never left"
    said = author.reserve("train", "reserved", work_id=work["id"])
    whole = author.reserve("search", "allowed", scope="catalogue")
    [answer] = maker.preferences([{"work_id": work["id"]}], uses=["train", "search", "input"])["items"]
    assert {use: held["answer"] for use, held in answer["preferences"].items()} == {
        "train": "reserved", "search": "allowed", "input": "unset",
    }  # fmt: skip
    assert {row["id"] for row in author.reservations()} >= {said["id"], whole["id"]}
    author.withdraw_reservation(whole["id"])
    assert author.change_work(work["id"], title="My own")["title"] == "My own"
    assert [found["title"] for found in author.works()] == ["My own"]
    proved = prove(author.receipt(work["id"]))
    proof = author.proof(proved.receipt.number)
    hashes = [bytes.fromhex(value) for value in proof["hashes"]]
    assert verify_inclusion(
        leaf_hash(proof["data"].encode()), proof["number"], proved.head.size, hashes, proved.head.root
    )
    gate = maker.gate(path)
    assert gate.decision is Decision.REFUSE
    author.withdraw_work(work["id"])
    with pytest.raises(Problem) as raised:
        author.get_work(work["id"])
    assert (raised.value.status, raised.value.type) == (404, "urn:clearmark:problem:not-found")


def test_a_pipeline_releases_what_is_clear_and_answers_a_notice(
    maker: Client, author: Client, service: RunningService, tmp_path: Path
) -> None:
    path = media.clip_with_sound(tmp_path / "made.mp4", seconds=5, seed=302)
    check = maker.check(path, context={"model": "m-1"}, wait=60)
    assert (check["verdict"], check["context"]) == ("clear", {"model": "m-1"})
    release = maker.release(check["id"], title="A street")
    signed = tmp_path / "signed.mp4"
    maker.download(release["id"], signed)
    assert hashlib.sha256(signed.read_bytes()).hexdigest() == release["sha256"]
    with Client(service.url) as anyone:
        found = anyone.verify(signed)
        assert (found["integrity"]["state"], anyone.get_verification(found["id"])) == ("intact", found)
        entries = list(anyone.ledger_entries())
        assert [entry["number"] for entry in entries] == list(range(len(entries)))
    assert [row["id"] for row in maker.releases()] == [release["id"]]
    notice = author.file_notice(release_id=release["id"], signature="Ada")
    assert notice["missing"]
    assert author.get_notice(notice["id"])["state"] == notice["state"]
    assert [row["id"] for row in author.notices()] == [notice["id"]]


def test_what_a_release_says_is_had_apart_and_found_again(
    maker: Client, service: RunningService, tmp_path: Path
) -> None:
    path = media.clip_with_sound(tmp_path / "found.mp4", seconds=5, seed=305)
    how = "compositeWithTrainedAlgorithmicMedia"
    release = maker.release(maker.check(path, wait=60)["id"], title="Found", digital_source_type=how)
    assert (release["source_type"], release["is_sidecar"]) == (how, False)
    assert maker.release_snippet(release["id"])["@context"]
    store = tmp_path / "found.c2pa"
    maker.release_manifest(release["id"], store)
    stripped = media.copied(path, tmp_path / "stripped.mp4", options=["-crf", "30"])
    with Client(service.url) as anyone, Resolver(f"{service.url}/sbr") as resolver:
        found = resolver.recover(stripped)
        assert [(one.manifest_id, one.store) for one in found] == [(release["manifest_id"], store.read_bytes())]
        matches = resolver.by_binding(ISCC, local.iscc(path))
        assert [match.manifest_id for match in matches] == [release["manifest_id"]]
        assert ISCC in resolver.algorithms()
        beside = anyone.verify(stripped, store)
        assert (beside["manifest_source"], beside["integrity"]["state"]) == ("sent", "invalid")
        read = anyone.verification_crjson(beside["id"])
        assert release["manifest_id"] in json.dumps(read)
        anyone.verification_manifest(beside["id"], tmp_path / "read.c2pa")
        assert (tmp_path / "read.c2pa").read_bytes() == store.read_bytes()
        revoked = maker.revoke_release(release["id"], "mistake", "It is the wrong clip.")
        assert (revoked["state"], revoked["revocation"]) == ("revoked", "mistake")
        again = anyone.verify(stripped, store)["release"]
        assert again is not None
        assert again["state"] == "revoked"


def test_the_same_key_of_ones_own_is_one_check(maker: Client, clips: Clips) -> None:
    key = str(uuid.uuid4())
    first, second = (maker.check(clips.unrelated, idempotency_key=key) for _ in range(2))
    assert first == second


@pytest.mark.usefixtures("film")
def test_a_long_clip_is_waited_for_or_not(maker: Client, tmp_path: Path) -> None:
    path = media.filtered(tmp_path / "long.mp4", "testsrc2=s=64x48:r=10", seconds=64)
    told: list[float] = []
    assert maker.check(path, wait=0)["verdict"] is None
    assert maker.check(path, progress=told.append)["verdict"] == "clear"
    assert told[-1] == 1


def test_without_an_event_loop_in_the_way(service: RunningService, clips: Clips, film: Registered) -> None:
    gates: dict[Path, Gate] = {}

    async def ask(clearmark: AsyncClient, path: Path) -> None:
        gates[path] = await clearmark.gate(path)

    async def story(key: str) -> None:
        async with AsyncClient(service.url, key) as clearmark, anyio.create_task_group() as tasks:
            tasks.start_soon(ask, clearmark, clips.unrelated)
            tasks.start_soon(ask, clearmark, clips.cut)

    anyio.run(story, service.key("Pipeline", *HOLDER_SCOPES))
    assert (gates[clips.unrelated].decision, gates[clips.cut].decision) == (Decision.RELEASE, Decision.REFUSE)
    copied = gates[clips.cut].check
    assert copied is not None
    assert {match["work_id"] for match in copied["matches"]} == {film.work_id}


def test_a_broken_file_is_held(maker: Client, tmp_path: Path) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"\x00\x00\x00\x20ftypisom" + bytes(1000))
    gate = maker.gate(path)
    assert gate.decision is Decision.HOLD
    assert isinstance(gate.error, Problem)


# -- the examples ------------------------------------------------------------------------------------


def run_example(
    service: RunningService, name: str, *arguments: object, key: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    settings = {**service.environment, "CLEARMARK_URL": service.url, "CLEARMARK_KEY": key, **environment}
    settings["PYTHONPATH"] = str(REPOSITORY)
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(
        command, env=settings, input=stdin, capture_output=True, text=True, check=False, timeout=100
    )  # fmt: skip


def test_the_gate_of_the_examples_lets_out_what_is_clear_and_nothing_else(
    service: RunningService, film: Registered, trailer: Registered, clips: Clips, tmp_path: Path
) -> None:
    key = service.key("Example pipeline", *HOLDER_SCOPES)
    assert film.work_id != trailer.work_id
    signed = tmp_path / "signed.mp4"
    for clip, code, word in ((clips.cut, 2, "refuse"), (clips.trailer, 1, "hold"), (tmp_path / "gone.mp4", 1, "hold")):
        ran = run_example(service, "gate.py", clip, signed, key=key)
        assert (ran.returncode, ran.stdout.split(":")[0], signed.exists()) == (code, word, False), ran.stderr
    away = run_example(service, "gate.py", clips.unrelated, signed, key="cm_0_0")
    assert (away.returncode, signed.exists()) == (1, False)
    made = media.clip_with_sound(tmp_path / "made.mp4", seconds=5, seed=303)
    ran = run_example(service, "gate.py", made, signed, "m-1", key=key)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with Client(service.url) as anyone:
        assert anyone.verify(signed)["integrity"]["state"] == "intact"


def test_the_filter_of_the_examples_keeps_what_is_allowed(
    service: RunningService, studio: httpx.Client, film: Registered, clips: Clips
) -> None:
    key = service.key("Example trainer", *HOLDER_SCOPES)
    assert film.work_id
    base = f"https://{uuid.uuid4()}.example"
    for path, said in (("free", "allowed"), ("mine", "reserved")):
        for use in ("train", "train_generative", "tdm"):
            body = {"scope": "location", "location": f"{base}/{path}/*", "use": use, "value": said}
            assert studio.post("/v1/reservations", json=body).status_code == 201
    free, mine, silent = f"{base}/free/1.mp4", f"{base}/mine/1.mp4", f"{base}/silent/1.mp4"
    items = "\n".join([free, mine, silent, str(clips.film), str(clips.unrelated)])
    ran = run_example(service, "dataset_filter.py", key=key, stdin=items)
    assert (ran.returncode, ran.stdout.split()) == (0, [free]), ran.stderr
    chosen = run_example(service, "dataset_filter.py", "--keep-unset", key=key, stdin=items)
    assert chosen.stdout.split() == [free, silent, str(clips.unrelated)]
    for broken, stdin in (("cm_0_0", items), (key, items + "\n/nowhere.mp4")):
        failed = run_example(service, "dataset_filter.py", "--keep-unset", key=broken, stdin=stdin)
        assert (failed.returncode, failed.stdout) == (1, "")


@contextmanager
def _receiving(folder: Path, secret: str, port: int = 0) -> Iterator[tuple[str, list[str]]]:
    """The example's receiver as a program of its own; its address, and in the end what it printed."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / "webhook_receiver.py"), str(port), str(folder / "done.db")]
    environment = {"CLEARMARK_WEBHOOK_SECRET": secret}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    printed: list[str] = []
    try:
        yield process.stdout.readline().split()[-1], printed
    finally:
        process.terminate()
        printed += process.communicate(timeout=30)[0].splitlines()


def _status_of_a_huge_body(url: str) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=30)
    connection.putrequest("POST", "/")
    connection.putheader("content-length", str(1 << 30))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_receiver_of_the_examples_believes_what_is_signed_and_acts_once(tmp_path: Path) -> None:
    secret, at = "whsec_" + "QUFB" * 8, datetime.now(UTC)
    body = json.dumps({"type": "check.done", "timestamp": at.isoformat(), "data": {"id": "chk_1"}})
    headers = {
        "webhook-id": "wbh_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("wbh_1", at, body),
    }
    for expected in (["check.done {'id': 'chk_1'}"], []):  # what was done is known after a restart too
        with _receiving(tmp_path, secret) as (url, printed):
            assert [httpx.post(url, content=body, headers=headers).status_code for _ in range(2)] == [204, 204]
            changed = body.replace("chk_1", "chk_2")
            assert httpx.post(url, content=changed, headers=headers).status_code == 400
            for signature in ("x", "v1,x", "v1," + "A" * 44):
                assert httpx.post(url, content=body, headers={**headers, "webhook-signature": signature}).is_error
            assert httpx.post(url, content=body).status_code == 400
            assert _status_of_a_huge_body(url) == 413
        assert printed == expected


def test_the_receiver_of_the_examples_hears_of_a_check(service: RunningService, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with Client(service.url, service.key("Hearer", "checks:write")) as hearer:
        target = f"http://127.0.0.1:{port}/"
        secret = json.loads(service.cli("webhooks", "set", "--holder", "Hearer", "--target", target, "--json").stdout)
        with _receiving(tmp_path, secret["secret"], port) as (_, printed):
            check = hearer.check(media.moving_clip(tmp_path / "a.mp4", seconds=3, seed=304))
            done = sqlite3.connect(tmp_path / "done.db")
            until(lambda: done.execute("SELECT count(*) FROM done").fetchone()[0], timeout_s=30)
            done.close()
    assert printed == [f"check.done {{'id': '{check['id']}', 'verdict': 'clear'}}"]
