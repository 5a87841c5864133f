"""The clock jumps: deadlines fire once, no lease hangs, nothing that was taken away comes back, ids stay apart."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from api.runner import Runner
from api.service import Service
from registry import access, jobs, ledger
from registry.consistency import Code
from registry.jobs import LEASE, JobKind
from registry.models import Asset, Job, JobState, Mail
from tests import factories
from tests.api.service import ok, problem
from tests.fakes import Clock
from tests.faults.conftest import Served
from tests.integration.test_takedown_service import Parties

A_WEEK = timedelta(days=7)
WORK = {"title": "The Film", "kind": "film"}


def hinted(service: Service) -> list[str]:
    """What the sweep tells of now."""
    with service.database.transaction() as session:
        return [job_id for job_id, _ in jobs.to_hint(session, at=service.now())]


def enqueued(service: Service, *, run_in: timedelta | None = None) -> str:
    with service.database.transaction() as session:
        run_at = None if run_in is None else service.now() + run_in
        return jobs.enqueue(session, JobKind.STAMP, "1", at=service.now(), run_at=run_at).id


def claimed(service: Service, job_id: str) -> jobs.Lease | None:
    with service.database.transaction() as session:
        return jobs.claim(session, job_id, owner="runner", at=service.now())


def test_a_lease_does_not_hang_when_the_clock_goes_back(service: Service, clock: Clock) -> None:
    """Its process died while the clock was a week ahead: nobody waits for that week to pass again."""
    job_id = enqueued(service)
    clock.pass_by(A_WEEK)
    assert claimed(service, job_id) is not None
    clock.pass_by(-A_WEEK)
    assert claimed(service, job_id) is not None, "it was given at a time that has not come"


def test_a_lease_of_a_machine_whose_clock_is_a_little_ahead_is_respected(service: Service, clock: Clock) -> None:
    job_id = enqueued(service)
    clock.pass_by(LEASE)
    assert claimed(service, job_id) is not None
    clock.pass_by(-LEASE)
    assert claimed(service, job_id) is None


def test_what_was_to_be_done_at_once_is_done_at_once_whatever_the_clock_says_now(
    service: Service, clock: Clock
) -> None:
    clock.pass_by(A_WEEK)
    job_id = enqueued(service)
    clock.pass_by(-A_WEEK)
    assert hinted(service) == [job_id]
    assert hinted(service) == [], "a message is on its way"
    assert claimed(service, job_id) is not None


def test_a_deadline_waits_for_its_time_also_after_the_clock_went_back(service: Service, clock: Clock) -> None:
    job_id = enqueued(service, run_in=timedelta(days=1))
    clock.pass_by(-A_WEEK)
    assert hinted(service) == []
    assert claimed(service, job_id) is None
    clock.pass_by(A_WEEK + timedelta(days=2))
    assert hinted(service) == [job_id]


def test_a_jump_ahead_gives_a_job_to_another_and_one_result_is_stored(service: Service, clock: Clock) -> None:
    job_id = enqueued(service)
    first = claimed(service, job_id)
    clock.pass_by(A_WEEK)
    second = claimed(service, job_id)
    assert first is not None
    assert second is not None
    with service.database.transaction() as session:
        jobs.finish(session, second, at=service.now())
    with service.database.transaction() as session, pytest.raises(jobs.LeaseLost):
        jobs.finish(session, first, at=service.now())


def test_a_deadline_of_a_notice_fires_once_however_the_clock_jumps(
    served: Served, clock: Clock, leaves: set[Code]
) -> None:
    """Ahead past it, back before it, and ahead again: what was restored is not restored twice, nor written of."""
    leaves.add(Code.BLOB_MISSING)  # of a release that has no file from the beginning
    parties = Parties(served.service.database, served.service.index, served.service.desk)
    notice_id = parties.forwarded()
    told: list[tuple[int, int]] = []
    for jump in (timedelta(days=60), -timedelta(days=60), timedelta(days=61)):
        clock.pass_by(jump)
        served.run_jobs()
        with served.service.database.reading() as session:
            letters = session.scalar(sa.select(sa.func.count()).select_from(Mail))
        told.append((len(parties.history(notice_id)), int(letters or 0)))
    assert parties.state(notice_id) == "restored"
    assert told[0] == told[1] == told[2]
    assert parties.is_served()


def test_a_revoked_key_stays_revoked_when_the_clock_goes_back(served: Served, clock: Clock) -> None:
    service = served.service
    with service.database.transaction() as session:
        issued = factories.key(session, factories.holder(session))
    headers = {"Authorization": f"Bearer {issued.key}"}
    ok(served.client.get("/v1/works", headers=headers))
    with service.database.transaction() as session:
        access.revoke_key(session, issued.id, at=service.now())
    clock.pass_by(-A_WEEK)
    problem(served.client.get("/v1/works", headers=headers), 401, "unauthorized")


def test_ids_and_records_made_at_one_moment_twice_are_apart(served: Served, clock: Clock) -> None:
    """The same hour happens again and again: ids stay unique, the same key stays the same work, the log is whole."""
    service, made = served.service, []
    for _ in range(4):
        for number in range(5):
            clock.pass_by(timedelta(seconds=1))
            made.append(ok(served.client.post("/v1/works", json={**WORK, "title": f"{number}"}), 201)["id"])
        clock.pass_by(-timedelta(seconds=5))
    again = {"Idempotency-Key": "1"}
    first = ok(served.client.post("/v1/works", json=WORK, headers=again), 201)["id"]
    clock.pass_by(-A_WEEK)
    assert ok(served.client.post("/v1/works", json=WORK, headers=again), 201)["id"] == first
    assert len(set(made)) == len(made)
    with service.database.transaction() as session:
        ledger.checkpoint(session, service.ledger, at=service.now())
    with service.database.reading() as session:
        assert list(ledger.verify(session, verifier_key=service.ledger.verifier_key)) == []


def test_a_file_accepted_before_a_jump_is_indexed_after_it(served: Served, clock: Clock, clip: bytes) -> None:
    work = ok(served.client.post("/v1/works", json=WORK), 201)["id"]
    clock.pass_by(A_WEEK)
    asset = ok(served.client.post(f"/v1/works/{work}/assets", files={"file": clip}), 202)["id"]
    clock.pass_by(-A_WEEK)
    for job_id in hinted(served.service):
        Runner(served.service).run(job_id)
    with served.service.database.reading() as session:
        assert session.get_one(Asset, asset).status == "indexed"
        assert not list(session.scalars(sa.select(Job.id).where(Job.state == JobState.RUNNING)))
