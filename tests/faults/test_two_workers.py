"""Two processes have the same job in hand at once: there is one result."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.service import Service, ledger_identity
from api.settings import Settings
from registry.ledger import LedgerIdentity
from registry.models import Asset, IndexLogRow, Item, Job
from tests import media
from tests.api.forked import REPOSITORY
from tests.api.service import environment_of, ok
from tests.faults.conftest import Served

# Each says that it is ready and waits for the word; then both take the job, whoever else has it.
_WORKER = """
import sys
import sqlalchemy as sa
from api.runner import Runner
from api.service import build_service
from api.settings import load_settings
from registry import jobs

service = build_service(load_settings(), compares_pictures=False)
jobs._is_leased = lambda at: sa.false()  # as if every lease had just run out
print("ready", flush=True)
sys.stdin.readline()
Runner(service).run(sys.argv[1])
"""


@pytest.fixture
def identity(tmp_path: Path) -> LedgerIdentity:
    """Whom the processes beside us find in the same folder."""
    return ledger_identity(Settings(data_dir=tmp_path))


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_file_that_two_processes_have_in_hand_is_indexed_once(
    served: Served, service: Service, tmp_path: Path
) -> None:
    clip = media.moving_clip(tmp_path / "clip.mp4", seconds=4, seed=9)
    work = ok(served.client.post("/v1/works", json={"title": "The Film", "kind": "film"}), 201)["id"]
    path = f"/v1/works/{work}/assets"
    asset = ok(served.client.post(path, files={"file": clip.read_bytes()}), 202)["id"]
    with service.database.transaction() as session:
        [job_id] = session.scalars(sa.select(Job.id))
    url = service.database.url.render_as_string()
    environment = environment_of(service.settings.data_dir, {"database_url": url, "sscd_model": "none"})
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, job_id],
            cwd=REPOSITORY, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert [worker.wait(timeout=90) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    with service.database.reading() as session:
        job, kept = session.get_one(Job, job_id), session.get_one(Asset, asset)
        items = list(session.scalars(sa.select(Item.subject_id)))
        log = list(session.scalars(sa.select(IndexLogRow.operation)))
    assert (kept.status, job.state, job.attempts) == ("indexed", "done", 2), "both had it"
    assert (items, log) == ([asset], ["add"])
