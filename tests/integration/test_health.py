"""What the operator is told of jobs, letters and people; and that nobody else is."""

from datetime import timedelta

import pytest

from registry import access, health, jobs, mail
from registry.access import Actor, Scope
from registry.database import Database
from registry.errors import Conflict, Forbidden, NotFound
from registry.jobs import JobKind
from registry.models import Job, JobState, MessageStatus
from tests import factories, people
from tests.factories import AT

HOUR = timedelta(hours=1)


def _failed(database: Database, kind: JobKind) -> str:
    """A job that was tried as often as may be."""
    with database.transaction() as session:
        job_id = jobs.enqueue(session, kind, "subject", at=AT).id
    for hours in range(jobs.MAX_ATTEMPTS):
        at = AT + hours * 5 * HOUR
        with database.transaction() as session:
            lease = jobs.claim(session, job_id, owner="me", at=at)
            assert lease is not None
            jobs.retry(session, lease, error="TimeoutError: nobody answered", at=at)
    return job_id


def test_queues_are_counted_by_kind(database: Database) -> None:
    _failed(database, JobKind.STAMP)
    with database.transaction() as session:
        operator = factories.operator(session)
        for at in (AT, AT + HOUR, AT + 9 * HOUR):
            jobs.enqueue(session, JobKind.MAIL, "mal_1", at=at, run_at=at)
        by_kind = {queue.kind: queue for queue in health.queues(session, operator, at=AT + 2 * HOUR)}
        assert set(by_kind) == {JobKind.STAMP, JobKind.MAIL}
        assert (by_kind[JobKind.MAIL].waiting, by_kind[JobKind.MAIL].due_since) == (3, AT)
        assert (by_kind[JobKind.STAMP].failed, by_kind[JobKind.STAMP].due_since) == (1, None)
        [trouble] = health.troubles(session, operator, [JobKind.STAMP, JobKind.COSIGN])
        assert trouble.error == "TimeoutError: nobody answered"


def test_a_job_that_failed_is_tried_again_as_often_as_a_new_one(database: Database) -> None:
    job_id, at = _failed(database, JobKind.NOTICE_DEADLINE), AT + 99 * HOUR
    with database.transaction() as session:
        operator = factories.operator(session)
        health.do_again(session, operator, job_id, at=at)
        lease = jobs.claim(session, job_id, owner="me", at=at)
        assert lease is not None
        assert lease.attempts == 1
        with pytest.raises(Conflict):
            health.do_again(session, operator, job_id, at=at)


def test_what_was_told_to_its_sender_is_set_aside_and_not_tried_again(database: Database) -> None:
    job_id = _failed(database, JobKind.CHECK)
    with database.transaction() as session:
        operator = factories.operator(session)
        with pytest.raises(Conflict):
            health.do_again(session, operator, job_id, at=AT)
        health.set_aside(session, operator, job_id, at=AT)
        job = session.get_one(Job, job_id)
        assert (job.state, job.error) == (JobState.DONE, "TimeoutError: nobody answered")
        assert health.jobs_in(session, operator, [JobState.FAILED], limit=9) == []
        with pytest.raises(Conflict):
            health.set_aside(session, operator, job_id, at=AT)
        with pytest.raises(NotFound):
            health.set_aside(session, operator, "job_unknown", at=AT)


def test_a_service_has_an_operator_once_somebody_has_a_key_for_it(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session)
        factories.key(session, holder, Scope.REVIEW)
        assert not health.has_operator(session, at=AT)
        key = factories.key(session, holder, Scope.ADMIN)
        assert health.has_operator(session, at=AT)
        access.revoke_key(session, key.id, at=AT)
        assert not health.has_operator(session, at=AT)


def test_a_holder_is_shown_with_all_that_says_who_they_are(database: Database) -> None:
    with database.transaction() as session:
        operator = factories.operator(session)
        account = people.sign_up(session, holder="Studio")
        holder = people.holder_of(session, account)
        factories.key(session, holder)
        factories.work(session, factories.actor_of(holder))
        known = health.known(session, operator, holder.id)
        assert [one.account.email for one in known.members] == [people.ADA]
        assert [change.cause for change in known.history] == ["email_confirmed"]
        assert (len(known.keys), known.works, known.domains) == (1, 1, [])
        [(found, [member])] = health.people(session, operator, "ada", limit=9)
        assert (found.id, member.holder_id) == (account.id, holder.id)
        [letter] = health.letters(session, operator, limit=9)
        assert health.letter(session, operator, letter.id).subject == "Confirm your address"


def test_what_is_the_operators_is_nobody_elses(database: Database) -> None:
    job_id = _failed(database, JobKind.STAMP)
    with database.transaction() as session:
        holder = factories.holder(session)
        letter = mail.post(session, "ada@studio.example", "Hello", "Hello", at=AT)
        actor = factories.actor(session, *(scope for scope in Scope if scope is not Scope.ADMIN))
        for looks in (
            lambda: health.queues(session, actor, at=AT),
            lambda: health.jobs_in(session, actor, [JobState.FAILED], limit=9),
            lambda: health.do_again(session, actor, job_id, at=AT),
            lambda: health.set_aside(session, actor, job_id, at=AT),
            lambda: health.troubles(session, actor, [JobKind.STAMP]),
            lambda: health.letters(session, actor, limit=9),
            lambda: health.letter(session, actor, letter.id),
            lambda: health.messages(session, actor),
            lambda: health.known(session, actor, holder.id),
            lambda: health.people(session, actor, "", limit=9),
        ):
            with pytest.raises(Forbidden):
                looks()


def test_the_database_says_how_large_it_is(database: Database) -> None:
    with database.reading() as session:
        assert health.database_bytes(session) > 100_000
        operator = Actor(holder_id="hld_1", scopes=frozenset({Scope.ADMIN}))
        assert health.messages(session, operator) == dict.fromkeys(MessageStatus, 0)
        assert health.last_signed(session) is None
