"""One service on several machines: PostgreSQL, a broker, an object store, and workers that take some queues each.

Each process has a data folder of its own, as if it were alone on its machine; what they have in common is what the
settings name. What one was told, the others know.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import housekeeping, snapshots
from api.service import build_service
from api.settings import Settings
from tests import media
from tests.api.forked import Command
from tests.api.service import (
    RunningService,
    end,
    environment_of,
    finished,
    ok,
    running_service,
    send,
    until,
)
from tests.api.test_events import signed_in, told
from tests.servers.postgres import create_database
from tests.servers.s3 import BUCKET, CREDENTIALS, S3Server, s3_server
from tests.servers.valkey import valkey_server

QUEUES = ("fingerprint", "sign,deliver,deadlines")
ALLOWED = 8
pytestmark = pytest.mark.timeout(300)  # the first test waits for four processes to start


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    folder: Path
    settings: dict[str, Any]
    one: RunningService
    other: RunningService
    store: S3Server


@pytest.fixture(scope="module")
def machines(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("machines")
    with pytest.MonkeyPatch.context() as patch, valkey_server() as broker, s3_server() as store, ExitStack() as running:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        settings: dict[str, Any] = {
            "database_url": create_database(postgres_url, "machines"), "broker_url": broker,
            "blob_url": store.blob_url("clearmark"), "shared_dir": str(folder / "shared"), "sscd_model": "none",
            "limit_verifications": f"{ALLOWED}/hour",
        }  # fmt: skip
        folders = [folder / "one", folder / "other"]
        for each in folders:
            each.mkdir()
        one, other = [running.enter_context(running_service(each, **settings)) for each in folders]
        for number, queues in enumerate(QUEUES):
            running.callback(end, start_worker(folder / f"worker-{number}", queues, settings, beat=number == 1))
        yield Machines(folder=folder, settings=settings, one=one, other=other, store=store)


def start_worker(folder: Path, queues: str, settings: dict[str, Any], *, beat: bool) -> Command:
    folder.mkdir()
    arguments = ["worker", "--queues", queues, *["--beat"] * beat]
    return Command(arguments, environment_of(folder / "var", settings), folder / "stderr")


def test_what_one_machine_was_told_the_others_know(machines: Machines, tmp_path: Path) -> None:
    one, other = machines.one, machines.other
    key = one.key("Studio", "works:write", "checks:write", "releases:write")
    film = media.clip_with_sound(tmp_path / "film.mp4", seconds=5, seed=61)
    clip = media.clip_with_sound(tmp_path / "clip.mp4", seconds=5, seed=62)
    with one.client(key) as here, other.client(key) as there, signed_in(one, key) as page:
        work = ok(here.post("/v1/works", json={"title": "Film", "kind": "film", "policy": "block"}), 201)["id"]
        asset = ok(send(here, f"/v1/works/{work}/assets", film), 202)["id"]

        # A browser that signed in at one machine is followed by the other, and told of what a third one does.
        with httpx.Client(base_url=other.url, cookies=dict(page.cookies), timeout=60) as elsewhere:
            assert elsewhere.get("/dashboard").status_code == HTTPStatus.OK
            with elsewhere.stream("GET", "/events", params={"of": [asset]}) as stream:
                assert [change["done"] for change in told(stream)][-1]
        assert finished(there, f"/v1/assets/{asset}")["status"] == "indexed"

        stranger = other.key("Pipeline", "checks:write", "releases:write")
        with one.client(stranger) as asking_here, other.client(stranger) as asking_there:
            found = ok(send(asking_there, "/v1/checks", film))
            assert (found["verdict"], found["matches"][0]["asset_id"]) == ("block", asset)
            check = ok(send(asking_there, "/v1/checks", clip))
            release = ok(asking_here.post("/v1/releases", json={"check_id": check["id"]}), 201)
            part = asking_there.get(f"/v1/releases/{release['id']}/file", headers={"Range": "bytes=0-99"})
            whole = asking_there.get(f"/v1/releases/{release['id']}/file")
        assert (part.status_code, part.content) == (HTTPStatus.PARTIAL_CONTENT, whole.content[:100])
        signed = tmp_path / "signed.mp4"
        signed.write_bytes(whole.content)
        seen = ok(send(there, "/v1/verifications", signed))
        assert (seen["integrity"]["state"], seen["signer"]["state"]) == ("intact", "trusted")
        assert seen["release"]["release_id"] == release["id"]
    stored = machines.store.client().list_objects_v2(Bucket=BUCKET, Prefix="clearmark/")["Contents"]
    kinds = {one["Key"].removeprefix("clearmark/").partition("_")[0] for one in stored}
    assert {"asset", "check", "release"} <= kinds
    # What lies in the store lies on no machine, but while a worker there still looks at what matched.
    until(lambda: not list(machines.folder.glob("*/var/staging/*")))


def test_requests_are_counted_together(machines: Machines, tmp_path: Path) -> None:
    picture = media.moving_clip(tmp_path / "any.mp4", seconds=1, seed=63)
    answered = []
    with machines.one.client() as here, machines.other.client() as there:
        for client in (here, there) * ALLOWED:
            answered.append(send(client, "/v1/verifications", picture).status_code)
            if answered[-1] == HTTPStatus.TOO_MANY_REQUESTS:
                break
    assert len(answered) <= ALLOWED + 1, "each counted for itself"
    assert answered[-1] == HTTPStatus.TOO_MANY_REQUESTS


def test_a_worker_that_holds_no_index_does_what_it_took(machines: Machines) -> None:
    """The letter is written by the worker that takes `deliver`, into its own folder."""
    with machines.one.client() as anyone:
        assert anyone.post("/v1/accounts", json={"email": "ada@example.org", "name": "Ada"}).status_code == 202
    until(lambda: list(machines.folder.glob("worker-1/var/mail/*.eml")))
    assert not list(machines.folder.glob("worker-0/var/mail/*.eml"))


def test_a_new_machine_starts_from_the_store(machines: Machines) -> None:
    first, later = (
        build_service(Settings(data_dir=machines.folder / name, **machines.settings), compares_pictures=False)
        for name in ("first", "later")
    )
    try:
        first.load_index()
        housekeeping.keep_index(first)
        assert snapshots.restore(later) is None
        assert later.index.sequence == first.index.sequence > 0
        assert later.index.sizes == first.index.sizes
    finally:
        first.close()
        later.close()


def test_a_queue_that_is_not_there_is_refused(machines: Machines) -> None:
    ran = machines.one.cli("worker", "--queues", "fingerprint,films")
    assert ran.returncode == 2
    assert "films" in ran.stderr
    assert "the queues are" in ran.stderr
