"""Usage and what is newest: counted and listed for one holder alone, the same on both databases."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from fingerprinting.index.embedded import embedded_index
from registry import access, checks, endpoints, outbox, recent, releases, usage
from registry.access import Actor, Scope
from registry.checks import Evidence, Rules, Unanswerable
from registry.database import Database
from registry.errors import Forbidden
from registry.index import IndexEngine
from registry.models import Check, MessageStatus
from registry.releases import NewRelease
from registry.usage import Latency
from tests import factories
from tests.factories import AT

FAULT = Unanswerable(code="corrupt", message="The file is damaged.")
DAY = timedelta(days=1)


def asked(session: Session, asker: Actor, *, at: datetime, took_ms: float | None = 100.0) -> Check:
    """A check that was answered `unknown` after so long; without a time, one that was not answered."""
    check = checks.ask(session, asker, context={}, at=at, blob_key="check_1", sha256="ab" * 32)
    if took_ms is not None:
        evidence = Evidence(engine={}, timings_ms={"total": took_ms})
        checks.answer(session, check, FAULT, evidence, fingerprint=None, at=at, rules=Rules())
    return check


def test_checks_are_counted_by_day_and_verdict_and_nobody_elses(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        pipeline, other = factories.actor(session), factories.actor(session)
        asked(session, pipeline, at=AT - DAY)
        asked(session, pipeline, at=AT, took_ms=None)
        factories.check(session, pipeline, index, factories.fingerprint(1, seconds=12.0))
        asked(session, pipeline, at=AT - 3 * DAY)  # before the days that are shown
        asked(session, other, at=AT)
        found = usage.usage_of(session, pipeline, days=3, at=AT)
    assert [day.isoformat() for day in found.days] == ["2026-02-28", "2026-03-01", "2026-03-02"]
    assert found.checks == {
        "clear": [0, 0, 1], "review": [0, 0, 0], "block": [0, 0, 0], "unknown": [0, 1, 0], "pending": [0, 0, 1],
    }  # fmt: skip
    assert (found.count(), found.count(last=1), found.count(verdict="unknown")) == (3, 2, 1)
    assert found.checked_s == pytest.approx([0, 0, 12.0])


def test_a_day_begins_at_midnight_in_utc(database: Database) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=AT.tzinfo)
    with database.transaction() as session:
        pipeline = factories.actor(session)
        asked(session, pipeline, at=midnight - timedelta(microseconds=1))
        asked(session, pipeline, at=midnight)
        both = usage.usage_of(session, pipeline, days=2, at=midnight)
        today = usage.usage_of(session, pipeline, days=1, at=midnight)
    assert both.checks["unknown"] == [1, 1]
    assert today.checks["unknown"] == [1]


def test_latency_is_by_nearest_rank_and_none_where_nothing_was_answered(database: Database) -> None:
    with database.transaction() as session:
        pipeline = factories.actor(session)
        for took_ms in range(1, 101):
            asked(session, pipeline, at=AT, took_ms=float(took_ms))
        asked(session, pipeline, at=AT - DAY, took_ms=7.5)
        asked(session, pipeline, at=AT - 2 * DAY, took_ms=None)
        found = usage.usage_of(session, pipeline, days=3, at=AT)
        nothing = usage.usage_of(session, factories.actor(session), days=3, at=AT)
    assert found.latency == [None, Latency(p50_ms=7.5, p95_ms=7.5), Latency(p50_ms=50.0, p95_ms=95.0)]
    assert found.over_all == Latency(p50_ms=50.0, p95_ms=95.0)
    assert (nothing.count(), nothing.over_all) == (0, None)


def test_releases_and_webhooks_are_counted(database: Database, index: IndexEngine) -> None:
    with database.transaction() as session:
        scopes = (*factories.MOST_SCOPES, Scope.WEBHOOKS_WRITE)
        pipeline = factories.actor(session, *scopes)
        endpoints.put(session, pipeline, "https://hooks.example/", at=AT)
        check = factories.check(session, pipeline, index, factories.fingerprint(1))
        prepared = releases.prepare(session, pipeline, NewRelease(check_id=check.id), ledger_origin="log", at=AT)
        releases.publish(session, pipeline, prepared, factories.signed_file(), blob_key="release_1", at=AT)
        found = usage.usage_of(session, pipeline, days=2, at=AT)
    assert (found.releases, found.messages) == ([0, 1], [0, 2])


def test_usage_is_for_who_asks_or_releases(database: Database) -> None:
    with database.transaction() as session, pytest.raises(Forbidden):
        usage.usage_of(session, factories.actor(session, Scope.WORKS_WRITE), days=7, at=AT)


def test_the_newest_come_first_and_page_by_page(database: Database) -> None:
    with database.transaction() as session:
        pipeline, other = factories.actor(session), factories.actor(session)
        ids = [asked(session, pipeline, at=AT + timedelta(seconds=number)).id for number in range(5)]
        waiting = asked(session, pipeline, at=AT + DAY, took_ms=None).id
        asked(session, other, at=AT)
        first = recent.checks(session, pipeline, limit=4)
        rest = recent.checks(session, pipeline, limit=4, before=first.next)
        pending = recent.checks(session, pipeline, verdict="pending")
        unknown = recent.checks(session, pipeline, verdict="unknown")
    assert [check.id for check in (*first.rows, *rest.rows)] == [waiting, *reversed(ids)]
    assert rest.next is None
    assert [check.id for check in pending.rows] == [waiting]
    assert len(unknown.rows) == 5


def test_keys_that_work_are_apart_from_those_that_ended(database: Database) -> None:
    with database.transaction() as session:
        row = factories.holder(session)
        owner = factories.actor_of(row, Scope.HOLDER_WRITE)
        working = factories.key(session, row, Scope.CHECKS_WRITE, expires_at=AT + DAY).id
        endless = factories.key(session, row, Scope.CHECKS_WRITE).id
        revoked = factories.key(session, row, Scope.CHECKS_WRITE).id
        access.revoke_key(session, revoked, at=AT)
        factories.key(session, factories.holder(session), Scope.CHECKS_WRITE)
        now = recent.keys(session, owner, ended=False, at=AT)
        later = recent.keys(session, owner, ended=True, at=AT + DAY)
    assert {key.id for key in now.rows} == {endless, working}
    assert {key.id for key in later.rows} == {revoked, working}


def test_a_message_that_waits_says_when_it_is_tried_next(database: Database) -> None:
    with database.transaction() as session:
        listener = factories.actor(session, Scope.WEBHOOKS_WRITE)
        endpoints.put(session, listener, "https://hooks.example/", at=AT)
        sent = outbox.send_test(session, listener, at=AT)
        pending = recent.messages(session, listener, status=MessageStatus.PENDING).rows
        assert recent.next_tries(session, pending) == {sent.id: AT}
        outbox.settle(session, sent.id, problem=None, is_over=True, at=AT)
        assert recent.next_tries(session, recent.messages(session, listener).rows) == {}
        assert recent.messages(session, listener, status=MessageStatus.FAILED).rows == []


def test_what_became_of_a_check_is_found(database: Database) -> None:
    index = IndexEngine(make_index=embedded_index)
    with database.transaction() as session:
        pipeline = factories.actor(session)
        check = factories.check(session, pipeline, index, factories.fingerprint(1))
        assert recent.release_of(session, check.id) is None
        prepared = releases.prepare(session, pipeline, NewRelease(check_id=check.id), ledger_origin="log", at=AT)
        made = releases.publish(session, pipeline, prepared, factories.signed_file(), blob_key="release_1", at=AT)
        assert recent.release_of(session, check.id) is made
