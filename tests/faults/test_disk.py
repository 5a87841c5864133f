"""The disk is full, or takes no changes: what is there is read, what is new is refused whole, until there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from api import resumable
from api.blobs import FolderBlobs
from api.service import Service
from registry.models import Asset, Job
from tests.api.service import ok, problem
from tests.faults.conftest import Served, mounted, serving

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])
WORK = {"title": "The Film", "kind": "film"}
_MEGABYTES = 8


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", _MEGABYTES) as folder:
        yield folder


@pytest.fixture
def served(service_alone: Service, disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A service whose media lies on the small disk."""
    monkeypatch.setattr(resumable, "_SPARE_DISK_BYTES", 0)  # who looks first sees room: the disk fills meanwhile
    with serving(replace(service_alone, blobs=FolderBlobs(disk / "blobs"))) as started:
        yield started


def fill(disk: Path) -> Path:
    """Leave no room."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))
    assert shutil.disk_usage(disk).free == 0
    return ballast


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_disk_that_fills_refuses_a_file_whole_and_takes_it_when_there_is_room(
    served: Served, disk: Path, clip: bytes
) -> None:
    client, service = served.client, served.service
    work = ok(client.post("/v1/works", json=WORK), 201)["id"]
    path, key = f"/v1/works/{work}/assets", {"Idempotency-Key": "1"}
    first = ok(client.post(path, files={"file": clip}), 202)["id"]
    served.run_jobs()
    kept = files_in(disk / "blobs")
    ballast = fill(disk)
    for url in (path, "/v1/checks", "/v1/verifications"):
        answer = client.post(url, files={"file": clip + os.urandom(1 << 20)}, headers=key)
        problem(answer, 507, "no-space")
    assert files_in(disk / "blobs") == kept, "nothing half is left"
    assert ok(client.get(f"/v1/assets/{first}"))["status"] == "indexed", "what is there is read"
    with service.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Asset)) == 1
    ballast.unlink()
    another = clip + b"\0\0\0\x18free" + bytes(16)  # bytes after the last box: another file of the same picture
    again = ok(client.post(path, files={"file": another}, headers=key), 202)["id"]
    served.run_jobs()
    assert ok(client.get(f"/v1/assets/{again}"))["status"] == "indexed"
    with service.database.reading() as session:
        assert not list(session.scalars(sa.select(Job.kind).where(Job.state == "failed")))


def test_a_job_that_finds_no_room_is_done_when_there_is_some(
    served: Served, disk: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that explain a match are written by a job; it is put back, and nothing of it is left meanwhile."""
    client = served.client
    work = ok(client.post("/v1/works", json={**WORK, "policy": "block"}), 201)["id"]
    ok(client.post(f"/v1/works/{work}/assets", files={"file": clip}), 202)
    served.run_jobs()
    check = ok(client.post("/v1/checks", files={"file": clip}))["id"]
    kept = files_in(disk / "blobs")
    ballast = fill(disk)
    served.run_jobs()
    assert files_in(disk / "blobs") == kept
    ballast.unlink()
    monkeypatch.setattr("registry.jobs._due", lambda _at: sa.true())  # as if it were later
    served.run_jobs()
    assert ok(client.get(f"/v1/checks/{check}"))["explanation"] == "ready"


def test_a_disk_that_takes_no_changes_is_read_and_says_what_to_do(served: Served, disk: Path, clip: bytes) -> None:
    client = served.client
    work = ok(client.post("/v1/works", json=WORK), 201)["id"]
    check = ok(client.post("/v1/checks", files={"file": clip}))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        for url in (f"/v1/works/{work}/assets", "/v1/checks", "/v1/verifications"):
            refused = problem(client.post(url, files={"file": clip}), 503, "read-only")
            assert "operator" in refused["detail"]
        assert ok(client.get(f"/v1/checks/{check['id']}"))["verdict"] == check["verdict"]
        worse = client.get("/readyz").json()["degraded"]
        assert [one["state"] for one in worse if one["part"] == "disk" and one["state"] != "nearly-full"] == [
            "read-only"
        ]
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    ok(client.post("/v1/checks", files={"file": clip}))
