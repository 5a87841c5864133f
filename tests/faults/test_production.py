"""The production mode: PostgreSQL, a broker, a worker of its own. Same code, other settings."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import media
from tests.api.service import REPOSITORY, RunningService, end, finished, ok, running_service, send
from tests.servers.postgres import create_database
from tests.servers.valkey import valkey_server


@pytest.fixture(scope="module")
def production(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    database = create_database(postgres_url, "production")
    with (
        valkey_server() as broker,
        running_service(tmp_path_factory.mktemp("production"), database_url=database, broker_url=broker) as service,
    ):
        yield service


def start_worker(service: RunningService) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "api.cli", "worker", "--beat"]
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


def test_a_worker_ends_on_sigterm(production: RunningService) -> None:
    worker = start_worker(production)
    try:
        worker.terminate()
        assert worker.wait(timeout=30) in (0, -15)  # -15: it came before Celery listened
    finally:
        end(worker)
