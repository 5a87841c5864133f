"""The broker is away: nobody who asks waits for it, and what was accepted is done all the same."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from celery import Celery

from api.lookout import Lookout
from api.service import Service
from api.settings import Settings
from api.worker import QUEUES, kinds_of, make_celery, register_tasks
from registry import jobs
from registry.jobs import JobKind
from registry.models import Asset
from tests.api.service import ok
from tests.fakes import Clock
from tests.faults.conftest import Served

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])
NOWHERE = "redis://127.0.0.1:1/0"  # nobody listens there


@pytest.fixture
def celery() -> Iterator[Celery]:
    made = make_celery(Settings(broker_url=NOWHERE, database_url="postgresql+psycopg://db/clearmark"))
    yield made
    made.close()


def accepted(served: Served, clip: bytes) -> str:
    work = ok(served.client.post("/v1/works", json={"title": "The Film", "kind": "film"}), 201)["id"]
    return str(ok(served.client.post(f"/v1/works/{work}/assets", files={"file": clip}), 202)["id"])


def status(served: Served, asset: str) -> str:
    with served.service.database.reading() as session:
        return session.get_one(Asset, asset).status


def test_no_request_waits_for_a_broker_that_is_away(served: Served, celery: Celery, clip: bytes) -> None:
    """That it is away takes seconds to see; those are not the caller's."""
    register_tasks(celery, served.service)
    began_s = time.monotonic()
    for _ in range(30):
        served.service.hint("job_1", JobKind.FINGERPRINT)
    assert time.monotonic() - began_s < 1
    assert status(served, accepted(served, clip)) == "queued"


def test_what_nobody_took_is_done_without_a_broker(served: Served, clock: Clock, clip: bytes) -> None:
    lookout = Lookout(service=served.service, kinds=kinds_of(QUEUES))
    asset = accepted(served, clip)
    assert lookout.look() == 0, "a message may still come"
    clock.pass_by(timedelta(seconds=30))
    assert lookout.look() == 1
    assert status(served, asset) == "indexed"


def test_a_worker_leaves_to_others_what_is_not_its_queues(served: Served, clock: Clock, clip: bytes) -> None:
    asset = accepted(served, clip)
    clock.pass_by(timedelta(seconds=30))
    assert Lookout(service=served.service, kinds=kinds_of(["deliver", "deadlines"])).look() == 0
    assert status(served, asset) == "queued"
    assert set(kinds_of(QUEUES)) == set(JobKind)


def test_what_another_has_in_hand_is_left_to_it(served: Served, clock: Clock, clip: bytes, service: Service) -> None:
    accepted(served, clip)
    clock.pass_by(timedelta(seconds=30))
    with service.database.transaction() as session:
        [job_id] = jobs.left_lying(session, [JobKind.FINGERPRINT], since=clock())
        assert jobs.claim(session, job_id, owner="another", at=clock()) is not None
    assert Lookout(service=replace(service), kinds=kinds_of(QUEUES)).look() == 0
