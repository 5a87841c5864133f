"""The whole service in this process, behind a real web server: what goes wrong beneath it is the test's to arrange.

Whatever that was, afterwards the service holds together (`tests.faults.afterwards`).
"""

import os
import subprocess
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import uvicorn

from api.app import create_app
from api.runner import Runner
from api.service import Service
from registry.access import Scope
from registry.consistency import Code
from registry.database import Database
from registry.models import Job
from tests import factories, media
from tests.api.service import until
from tests.faults.afterwards import broken
from tests.integration.conftest import (  # noqa: F401 - fixtures
    _migrated,
    backend,
    clock,
    database,
    desk,
    identity,
    index,
    probe,
    provenance,
    sqlite_database,
)
from tests.integration.conftest import service as service_alone  # noqa: F401 - a fixture
from tests.servers.lacking import not_tested
from tests.servers.postgres import create_database

_SCOPES = (Scope.WORKS_WRITE, Scope.CHECKS_WRITE, Scope.RELEASES_WRITE, Scope.NOTICES_WRITE, Scope.WEBHOOKS_WRITE)


@pytest.fixture(scope="session")
def postgresql_database(postgres_url: str) -> Iterator[Database]:
    yield from _migrated(create_database(postgres_url, "faults"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service and a holder who asks it."""

    service: Service
    client: httpx.Client

    def run_jobs(self) -> None:
        """Look at every job once."""
        with self.service.database.reading() as session:
            ids = list(session.scalars(sa.select(Job.id).order_by(Job.id)))
        for job_id in ids:
            Runner(self.service).run(job_id)


@pytest.fixture
def leaves() -> set[Code]:
    """What is found to be damaged at the end, and nothing else: a test puts in here what it damages on purpose."""
    return set()


@pytest.fixture
def service(service_alone: Service, leaves: set[Code]) -> Iterator[Service]:  # noqa: F811 - a fixture
    """The whole service with nothing running."""
    yield service_alone
    assert broken(service_alone, leaves=leaves) == []


@contextmanager
def serving(made: Service, *, leaves: Collection[Code] = ()) -> Iterator[Served]:
    """A holder's client of a service, on loopback, for as long as the block lasts; what it was told holds at its end.

    Args:
        leaves: what is damaged by then.
    """
    acknowledged: set[str] = set()

    def note(answer: httpx.Response) -> None:
        if answer.request.method == "POST" and answer.is_success:
            answer.read()
            acknowledged.add(answer.json()["id"])

    made.index_ready.set()
    with made.database.transaction() as session:
        key = factories.key(session, factories.holder(session), *_SCOPES).key
    server = uvicorn.Server(uvicorn.Config(create_app(made), port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        headers = {"Authorization": f"Bearer {key}"}
        hooks = {"response": [note]}
        with httpx.Client(base_url=f"http://{host}:{port}", headers=headers, timeout=60, event_hooks=hooks) as client:
            yield Served(service=made, client=client)
    finally:
        server.should_exit = True
        thread.join()
    assert broken(made, acknowledged=acknowledged, leaves=leaves) == []


@pytest.fixture
def served(service_alone: Service, leaves: set[Code]) -> Iterator[Served]:  # noqa: F811 - a fixture
    with serving(service_alone, leaves=leaves) as started:
        yield started


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A short film that passes the quality gate."""
    return media.moving_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=3, seed=4).read_bytes()


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory, or a skip where this user may make none."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        not_tested("full disks", ran.stderr.strip() or "no mount", excused=os.geteuid() != 0)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
