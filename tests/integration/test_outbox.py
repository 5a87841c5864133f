"""Webhooks: promised with the change that gave rise to them, signed, and sent until the receiver took them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from standardwebhooks import Webhook, WebhookVerificationError

from api.runner import Runner
from api.service import Service
from registry.database import Database
from registry.jobs import LEASE, MAX_ATTEMPTS
from registry.models import Holder, Job, OutboxMessage
from registry.outbox import tell
from tests import factories
from tests.factories import AT
from tests.fakes import Clock, Killed, Receiver, die_once, webhook_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    """The receiver's library compares signatures with the machine's clock."""
    return Clock(datetime.now(UTC).replace(microsecond=0))


def told(service: Service, receiver: Receiver) -> tuple[Holder, str]:
    """A holder who wants to hear, and the job that tells them of something."""
    with service.database.transaction() as session:
        holder = factories.holder(session, webhook_url=receiver.url)
        assert tell(session, holder.id, "check.done", {"id": "chk_1", "verdict": "clear"}, at=service.now())
    with service.database.reading() as session:
        return holder, session.scalars(sa.select(Job.id)).one()


def message(database: Database) -> OutboxMessage:
    with database.reading() as session:
        return session.scalars(sa.select(OutboxMessage)).one()


def job(database: Database) -> Job:
    with database.reading() as session:
        return session.scalars(sa.select(Job)).one()


def test_a_message_and_its_job_are_written_with_the_change(database: Database) -> None:
    def change(session: Session) -> None:
        holder = factories.holder(session, name="Studio", webhook_url="https://hooks.example")
        tell(session, holder.id, "check.done", {"id": "chk_1"}, at=AT)

    def crash(session: Session) -> None:
        change(session)
        raise RuntimeError

    with pytest.raises(RuntimeError), database.transaction() as session:
        crash(session)
    with database.reading() as session:
        assert [session.scalars(sa.select(model)).all() for model in (OutboxMessage, Job)] == [[], []]
    with database.transaction() as session:
        change(session)
    assert (message(database).event, message(database).delivered_at) == ("check.done", None)
    assert (job(database).kind, job(database).subject_id) == ("deliver", message(database).id)


def test_who_gave_no_address_is_told_nothing(database: Database) -> None:
    with database.transaction() as session:
        assert not tell(session, factories.holder(session).id, "check.done", {}, at=AT)
        assert not tell(session, "hld_0", "check.done", {}, at=AT)
        assert [session.scalars(sa.select(model)).all() for model in (OutboxMessage, Job)] == [[], []]


def test_a_message_arrives_signed_and_once(service: Service, receiver: Receiver, clock: Clock) -> None:
    holder, job_id = told(service, receiver)
    for _ in range(2):
        Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    assert holder.webhook_secret is not None
    body = Webhook(holder.webhook_secret).verify(delivery.body, delivery.headers)
    assert body == {
        "type": "check.done", "timestamp": clock().isoformat(), "data": {"id": "chk_1", "verdict": "clear"},
    }  # fmt: skip
    stored = message(service.database)
    assert (delivery.headers["webhook-id"], stored.delivered_at, stored.last_error) == (stored.id, clock(), None)
    assert job(service.database).state == "done"


def test_a_message_that_somebody_changed_does_not_verify(service: Service, receiver: Receiver) -> None:
    holder, job_id = told(service, receiver)
    Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    assert holder.webhook_secret is not None
    with pytest.raises(WebhookVerificationError):
        Webhook(holder.webhook_secret).verify(delivery.body.replace(b"clear", b"block"), delivery.headers)


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_message_that_was_not_taken_is_sent_again(
    service: Service, receiver: Receiver, clock: Clock, status: int
) -> None:
    receiver.statuses = [status]
    _, job_id = told(service, receiver)
    Runner(service).run(job_id)
    assert message(service.database).delivered_at is None
    assert str(status) in str(job(service.database).error)
    Runner(service).run(job_id)
    assert len(receiver.deliveries) == 1  # not before its time
    clock.pass_by(timedelta(seconds=5))
    Runner(service).run(job_id)
    first, second = receiver.deliveries
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert message(service.database).delivered_at == clock()
    assert job(service.database).error is None


def test_a_receiver_that_never_takes_it_is_given_up_and_on_record(
    service: Service, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [503] * MAX_ATTEMPTS
    _, job_id = told(service, receiver)
    for _ in range(MAX_ATTEMPTS + 1):
        Runner(service).run(job_id)
        clock.pass_by(timedelta(hours=4))
    assert len(receiver.deliveries) == MAX_ATTEMPTS
    stored = message(service.database)
    assert (job(service.database).state, stored.delivered_at) == ("failed", None)
    assert "503" in str(stored.last_error)


def test_a_receiver_that_is_down_is_tried_again(service: Service, clock: Clock) -> None:
    with webhook_receiver() as gone:
        pass
    _, job_id = told(service, gone)
    Runner(service).run(job_id)
    assert "ConnectError" in str(job(service.database).error)
    assert job(service.database).run_at == clock() + timedelta(seconds=5)


def test_a_death_after_sending_sends_the_same_message_again(
    service: Service, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the receiver knows it by its webhook-id."""
    _, job_id = told(service, receiver)
    die_once(monkeypatch, "registry.jobs.finish")
    with pytest.raises(Killed):
        Runner(service).run(job_id)
    clock.pass_by(LEASE + timedelta(seconds=1))
    Runner(service).run(job_id)
    assert len({delivery.headers["webhook-id"] for delivery in receiver.deliveries}) == 1
    assert [json.loads(delivery.body)["data"]["id"] for delivery in receiver.deliveries] == ["chk_1", "chk_1"]
    assert message(service.database).delivered_at == clock()


def test_a_new_secret_signs_what_is_sent_from_then_on(service: Service, receiver: Receiver) -> None:
    holder, job_id = told(service, receiver)
    with service.database.transaction() as session:
        renewed = factories.holder(session, name=holder.name, webhook_url=receiver.url).webhook_secret
    Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    assert renewed is not None
    assert renewed != holder.webhook_secret
    Webhook(renewed).verify(delivery.body, delivery.headers)
