"""The backlog: beyond so much that waits nothing more is accepted, and who stops gives back what they had."""

from datetime import timedelta

import pytest

from api.backlog import require_room
from api.problems import Problem
from api.service import Service
from registry import jobs
from registry.database import Database
from registry.jobs import MAX_ATTEMPTS, JobKind
from registry.models import Job, JobState
from tests.factories import AT


def _accept(database: Database, kind: JobKind = JobKind.CHECK, *, after: timedelta = timedelta()) -> str:
    with database.transaction() as session:
        return jobs.enqueue(session, kind, "chk_1", at=AT, run_at=AT + after).id


@pytest.fixture
def small(service: Service) -> Service:
    service.settings = service.settings.model_copy(update={"max_backlog": 2})
    service.now = lambda: AT + timedelta(seconds=90)
    return service


def test_who_brings_more_than_may_wait_is_told_when_to_come_again(small: Service) -> None:
    _accept(small.database)
    require_room(small, JobKind.CHECK)
    _accept(small.database)
    with pytest.raises(Problem) as refused:
        require_room(small, JobKind.CHECK)
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "90"})


def test_only_what_is_due_and_of_that_kind_is_counted(small: Service) -> None:
    for _ in range(3):
        _accept(small.database, JobKind.FINGERPRINT)
        _accept(small.database, after=timedelta(days=1))
    require_room(small, JobKind.CHECK)


def test_who_stops_gives_back_what_they_had_and_it_was_no_attempt(database: Database) -> None:
    mine, others = _accept(database), _accept(database)
    with database.transaction() as session:
        for _ in range(MAX_ATTEMPTS + 2):  # however often the service is started anew
            assert jobs.claim(session, mine, owner="7-abcd-01", at=AT) is not None
            assert jobs.give_back(session, "7-abcd", at=AT) == 1
        lease = jobs.claim(session, others, owner="8-abcd-01", at=AT)
        assert jobs.give_back(session, "7-abcd", at=AT) == 0
    assert lease is not None
    with database.transaction() as session:
        taken = jobs.claim(session, mine, owner="8-abcd-02", at=AT)
        assert taken is not None
        assert taken.attempts == 1
        assert session.get_one(Job, others).state == JobState.RUNNING
        assert jobs.to_hint(session, at=AT + timedelta(days=1))
