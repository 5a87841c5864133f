"""Jobs: what was accepted is done, by one runner at a time, and is never lost."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from registry import jobs
from registry.database import Database
from registry.jobs import LEASE, MAX_ATTEMPTS, JobKind, Lease, LeaseLost
from registry.models import Job
from tests.factories import AT
from tests.integration.at_once import at_once

pytestmark = pytest.mark.both_databases

MOMENT = timedelta(microseconds=1)


def accepted(database: Database, *, after: timedelta = timedelta(), subject_id: str = "ast_1") -> str:
    with database.transaction() as session:
        return jobs.enqueue(session, JobKind.FINGERPRINT, subject_id, at=AT, run_at=AT + after).id


def claimed(database: Database, job_id: str, *, owner: str = "one", after: timedelta = timedelta()) -> Lease | None:
    with database.transaction() as session:
        return jobs.claim(session, job_id, owner=owner, at=AT + after)


def taken(database: Database, job_id: str, *, owner: str = "one", after: timedelta = timedelta()) -> Lease:
    lease = claimed(database, job_id, owner=owner, after=after)
    assert lease is not None
    return lease


def stored(database: Database, job_id: str) -> Job:
    with database.reading() as session:
        return session.get_one(Job, job_id)


def told_of(database: Database, *, after: timedelta) -> list[str]:
    with database.transaction() as session:
        return [job_id for job_id, _ in jobs.to_hint(session, at=AT + after)]


def test_a_job_is_claimed_with_all_that_a_runner_needs(database: Database) -> None:
    job_id = accepted(database)
    assert claimed(database, job_id) == Lease(
        job_id=job_id, kind=JobKind.FINGERPRINT, subject_id="ast_1", owner="one", attempts=1
    )
    job = stored(database, job_id)
    assert (job.state, job.attempts, job.lease_until, job.lease_owner) == ("running", 1, AT + LEASE, "one")


def test_of_many_runners_one_gets_the_job(database: Database) -> None:
    job_ids = [accepted(database) for _ in range(5)]
    got: list[Lease] = []

    def run(owner: str) -> None:
        got.extend(lease for job_id in job_ids if (lease := claimed(database, job_id, owner=owner)))

    assert at_once(*[lambda owner=owner: run(owner) for owner in ("one", "two", "three", "four")]) == [None] * 4
    assert sorted(lease.job_id for lease in got) == sorted(job_ids)


def test_a_job_is_not_claimed_before_its_time(database: Database) -> None:
    job_id = accepted(database, after=timedelta(days=10))
    assert claimed(database, job_id, after=timedelta(days=10) - MOMENT) is None
    assert claimed(database, job_id, after=timedelta(days=10)) is not None


def test_a_job_that_never_was_is_not_claimed(database: Database) -> None:
    assert claimed(database, "job_0") is None


def test_a_done_job_is_done_for_good(database: Database) -> None:
    job_id = accepted(database)
    lease = taken(database, job_id)
    with database.transaction() as session:
        jobs.finish(session, lease, at=AT)
    job = stored(database, job_id)
    assert (job.state, job.finished_at, job.lease_owner, job.lease_until) == ("done", AT, None, None)
    assert claimed(database, job_id, after=timedelta(days=1)) is None
    assert told_of(database, after=timedelta(days=1)) == []


def test_a_lease_that_ran_out_goes_to_another(database: Database) -> None:
    job_id = accepted(database)
    taken(database, job_id)
    assert claimed(database, job_id, owner="two", after=LEASE) is None
    second = taken(database, job_id, owner="two", after=LEASE + MOMENT)
    assert (second.owner, second.attempts) == ("two", 2)


@pytest.mark.parametrize("is_the_only_process", [False, True])
def test_a_job_over_which_runners_die_rests_longer_each_time(database: Database, *, is_the_only_process: bool) -> None:
    job_id, now = accepted(database), timedelta()
    for attempt, rest_s in enumerate((0, 5, 20, 80, 320, 1280, 5120), start=1):
        assert taken(database, job_id, after=now).attempts == attempt
        died = now + LEASE
        if is_the_only_process:  # what starts after it ends its lease
            died = now
            with database.transaction() as session:
                jobs.release_leases(session, at=AT + died + timedelta(seconds=1))
        over = died + timedelta(seconds=rest_s)
        assert claimed(database, job_id, after=over - MOMENT) is None
        now = over + MOMENT
    assert taken(database, job_id, after=now).is_last_attempt
    # What is given up rests no more: whoever waits for it is told by the next runner that looks.
    assert taken(database, job_id, after=now + LEASE + MOMENT).attempts == MAX_ATTEMPTS + 1


def test_who_lost_the_lease_stores_nothing(database: Database) -> None:
    job_id = accepted(database)
    first = taken(database, job_id)
    taken(database, job_id, owner="two", after=2 * LEASE)
    at = AT + 2 * LEASE
    with database.transaction() as session:
        with pytest.raises(LeaseLost):
            jobs.finish(session, first, at=at)
        with pytest.raises(LeaseLost):
            jobs.renew(session, first, at=at)
        with pytest.raises(LeaseLost):
            jobs.retry(session, first, error="late", at=at)
    job = stored(database, job_id)
    assert (job.state, job.lease_owner, job.error) == ("running", "two", None)


def test_an_earlier_lease_of_the_same_runner_is_lost_too(database: Database) -> None:
    job_id = accepted(database)
    first = taken(database, job_id)
    taken(database, job_id, after=2 * LEASE)
    with database.transaction() as session, pytest.raises(LeaseLost):
        jobs.finish(session, first, at=AT + 2 * LEASE)


def test_a_renewed_lease_is_kept(database: Database) -> None:
    job_id = accepted(database)
    lease = taken(database, job_id)
    with database.transaction() as session:
        jobs.renew(session, lease, at=AT + LEASE / 2)
    assert claimed(database, job_id, owner="two", after=LEASE * 1.25) is None
    with database.transaction() as session:
        jobs.finish(session, lease, at=AT + LEASE)


def test_a_failed_job_waits_longer_each_time_and_ends_as_failed(database: Database) -> None:
    job_id = accepted(database)
    now, waits = timedelta(), []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        lease = taken(database, job_id, after=now)
        assert (lease.attempts, lease.is_last_attempt) == (attempt, attempt == MAX_ATTEMPTS)
        with database.transaction() as session:
            jobs.retry(session, lease, error=f"failure {attempt}", at=AT + now)
        job = stored(database, job_id)
        assert job.error == f"failure {attempt}"
        if attempt < MAX_ATTEMPTS:
            assert (job.state, job.lease_owner) == ("queued", None)
            waits.append(job.run_at - (AT + now))
            assert claimed(database, job_id, after=now + waits[-1] - MOMENT) is None
            now += waits[-1]
    assert waits[0] == timedelta(seconds=5)
    assert waits == sorted(waits)
    assert max(waits) <= timedelta(hours=4)
    assert (job.state, job.finished_at) == ("failed", AT + now)
    assert claimed(database, job_id, after=timedelta(days=365)) is None


def test_a_job_that_no_message_told_of_is_found(database: Database) -> None:
    waiting, running, later = accepted(database), accepted(database), accepted(database, after=timedelta(days=1))
    taken(database, running)
    assert told_of(database, after=LEASE) == [waiting]
    with database.transaction() as session:
        session.execute(sa.delete(Job).where(Job.id == waiting))
    assert told_of(database, after=LEASE + MOMENT) == [running]  # its runner has died
    assert told_of(database, after=timedelta(days=1) - MOMENT) == [running]
    assert sorted(told_of(database, after=timedelta(days=1, minutes=1))) == sorted([running, later])


def test_a_backlog_breeds_no_messages(database: Database) -> None:
    job_id = accepted(database)
    assert told_of(database, after=timedelta(minutes=1)) == [job_id]
    assert told_of(database, after=timedelta(minutes=1, seconds=10)) == []
    assert told_of(database, after=timedelta(minutes=2)) == [job_id]


def test_the_jobs_of_a_dead_process_are_taken_up_at_once(database: Database) -> None:
    running, waiting, later = accepted(database), accepted(database), accepted(database, after=timedelta(days=1))
    done = accepted(database)
    taken(database, running)
    finished = taken(database, done)
    with database.transaction() as session:
        jobs.finish(session, finished, at=AT)
        jobs.release_leases(session, at=AT)
    assert sorted(told_of(database, after=timedelta())) == sorted([running, waiting])
    assert taken(database, running, owner="two").attempts == 2
    assert claimed(database, later) is None
    with database.reading() as session:
        assert session.scalar(sa.select(Job.state).where(Job.id == done)) == "done"
