"""The production mode: PostgreSQL, a broker, a worker of its own. Same code, other settings."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.database import Database
from registry.jobs import JobKind
from registry.models import Job, LedgerEntry
from tests import media
from tests.api.forked import REPOSITORY
from tests.api.service import RunningService, end, finished, ok, running_service, send, until
from tests.processes import children_of, command_of
from tests.servers.postgres import create_database
from tests.servers.valkey import valkey_server


@pytest.fixture(scope="module")
def production(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    database, folder = create_database(postgres_url, "production"), tmp_path_factory.mktemp("production")
    with (
        valkey_server() as broker,
        running_service(folder, database_url=database, broker_url=broker, sscd_model="none") as service,
    ):
        yield service


def start_worker(service: RunningService, *program: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, *(program or ("-m", "api.cli")), "worker", "--beat"]
    with service.log.open("ab") as log:
        return subprocess.Popen(command, cwd=REPOSITORY, env=service.environment, stdout=log, stderr=log)


def test_what_was_accepted_is_done_when_a_worker_comes(production: RunningService, tmp_path: Path) -> None:
    clip = media.clip_with_sound(tmp_path / "clip.mp4", seconds=8, seed=41)
    with production.client(production.key("Studio", "works:write", "checks:write")) as client:
        work = ok(client.post("/v1/works", json={"title": "A", "kind": "clip", "policy": "block"}), 201)
        asset = ok(send(client, f"/v1/works/{work['id']}/assets", clip), 202)
        assert ok(client.get(f"/v1/assets/{asset['id']}"))["status"] == "queued"
        worker = start_worker(production)
        try:
            done = finished(client, f"/v1/assets/{asset['id']}")
            other = media.moving_clip(tmp_path / "other.mp4", seconds=8, seed=42)
            killed = ok(send(client, f"/v1/works/{work['id']}/assets", other), 202)
            worker.kill()
            worker.wait()
            second = start_worker(production)
            try:
                after = finished(client, f"/v1/assets/{killed['id']}", timeout_s=100)
            finally:
                end(second)
        finally:
            end(worker)
        assert done["status"] == after["status"] == "indexed"
        found = ok(client.post("/v1/checks", files={"file": ("clip", clip.read_bytes())}))
        assert found["matches"][0]["asset_id"] == asset["id"]
    assert production.cli("ledger", "verify").returncode == 0


# What a worker is given to end what it has in hand: too little for what hangs, more than a busy machine needs else.
_DRAINING = "from api import cli, worker\nworker._DRAIN_S = {}\ncli.main()\n"


def test_a_worker_told_to_stop_leaves_what_hangs_to_others_and_ends_what_does_not(
    production: RunningService, tmp_path: Path
) -> None:
    """SIGTERM twice over one check, each time with its film half read."""
    film = media.filtered(tmp_path / "film.mp4", "testsrc2=s=640x360:r=25", seconds=30)
    database = Database(production.environment["CLEARMARK_DATABASE_URL"])
    with production.client(production.key("Pipeline", "checks:write")) as client:
        check = ok(send(client, "/v1/checks", film, params={"wait": 0}), 202)["id"]
        first = start_worker(production, "-c", _DRAINING.format(2.0))
        try:
            hanging = held_decoder(first)
            first.terminate()
            assert first.wait(timeout=30) == 0
        finally:
            end(first)
        until(lambda: command_of(hanging) == [""], timeout_s=10)
        left = job_of(database, check)
        assert (left.state, left.lease_owner, left.attempts) == ("queued", None, 0), "to be stopped is no attempt"
        second = start_worker(production, "-c", _DRAINING.format(90.0))
        try:
            held = held_decoder(second)
            second.terminate()
            time.sleep(0.5)  # it takes nothing more, and waits for this
            os.kill(held, signal.SIGCONT)
            assert second.wait(timeout=100) == 0
        finally:
            end(second)
        assert ok(client.get(f"/v1/checks/{check}"))["verdict"] == "clear"
    done = job_of(database, check)
    assert (done.state, done.attempts) == ("done", 1)
    with database.reading() as session:
        written = session.scalars(sa.select(LedgerEntry.data).where(LedgerEntry.subject_id == check)).all()
    assert [data.count("verdict.given") for data in written] == [1]
    database.dispose()


def held_decoder(worker: subprocess.Popen[bytes]) -> int:
    """Wait until a worker reads a file, and hold what reads it."""

    def hold() -> int | None:
        assert worker.poll() is None, "the worker ended"
        for child in children_of(worker.pid):
            program, *said = command_of(child)
            if "ffmpeg" in program and "-i" in said:
                os.kill(child, signal.SIGSTOP)
                return child
        return None

    held = until(hold, every_s=0.005)
    assert held is not None
    return held


def job_of(database: Database, check: str) -> Job:
    with database.reading() as session:
        return session.scalars(sa.select(Job).where(Job.subject_id == check, Job.kind == JobKind.CHECK)).one()
