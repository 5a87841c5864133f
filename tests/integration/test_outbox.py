"""Webhooks: promised with the change that gave rise to them, signed, and sent until the receiver took them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from standardwebhooks import Webhook, WebhookVerificationError

from api.outbound import Outbound
from api.runner import Runner
from api.service import Service
from api.settings import Environment
from registry import endpoints, jobs, outbox
from registry.access import Actor, Scope
from registry.database import Database
from registry.errors import Conflict, Forbidden, Invalid, NotFound
from registry.jobs import LEASE, MAX_ATTEMPTS
from registry.models import Holder, Job, OutboxMessage, WebhookEndpoint
from registry.outbox import TEST_EVENT, tell
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


def endpoint(database: Database) -> WebhookEndpoint:
    with database.reading() as session:
        return session.scalars(sa.select(WebhookEndpoint)).one()


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
    _, job_id = told(service, receiver)
    for _ in range(2):
        Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    body = Webhook(endpoint(service.database).secret).verify(delivery.body, delivery.headers)
    assert body == {
        "type": "check.done", "timestamp": clock().isoformat(), "data": {"id": "chk_1", "verdict": "clear"},
    }  # fmt: skip
    stored = message(service.database)
    assert (delivery.headers["webhook-id"], stored.delivered_at, stored.last_error) == (stored.id, clock(), None)
    assert (stored.status, stored.attempts) == ("delivered", 1)
    assert job(service.database).state == "done"


def test_a_message_that_somebody_changed_does_not_verify(service: Service, receiver: Receiver) -> None:
    _, job_id = told(service, receiver)
    Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint(service.database).secret).verify(delivery.body.replace(b"clear", b"block"), delivery.headers)


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
    assert str(status) in str(message(service.database).last_error)
    clock.pass_by(timedelta(seconds=6))
    Runner(service).run(job_id)
    first, second = receiver.deliveries
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert message(service.database).delivered_at == clock()
    assert job(service.database).error is None


def test_a_receiver_that_never_takes_it_is_given_up_after_a_day_and_on_record(
    service: Service, receiver: Receiver, clock: Clock
) -> None:
    receiver.statuses = [503] * MAX_ATTEMPTS
    _, job_id = told(service, receiver)
    waits, began = [], clock()
    for attempt in range(1, MAX_ATTEMPTS + 1):
        Runner(service).run(job_id)
        stored = message(service.database)
        assert (stored.attempts, "503" in str(stored.last_error)) == (attempt, True)
        assert stored.status == ("pending" if attempt < MAX_ATTEMPTS else "failed")
        if attempt < MAX_ATTEMPTS:
            waits.append(job(service.database).run_at - clock())
            clock.pass_by(waits[-1])
    assert len(receiver.deliveries) == MAX_ATTEMPTS
    assert (job(service.database).state, message(service.database).delivered_at) == ("failed", None)
    assert timedelta(hours=23) < clock() - began < timedelta(hours=27)
    asked_for = [5, 300, 1800, 7200, 18000, 21600, 36000]
    assert all(s <= wait.total_seconds() <= 1.1 * s for s, wait in zip(asked_for, waits, strict=True))


def test_a_receiver_that_is_down_is_tried_again(service: Service, clock: Clock) -> None:
    with webhook_receiver() as gone:
        pass
    _, job_id = told(service, gone)
    Runner(service).run(job_id)
    assert "ConnectError" in str(job(service.database).error)
    assert timedelta(seconds=5) <= job(service.database).run_at - clock() <= timedelta(seconds=5.5)


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


# -- secrets -----------------------------------------------------------------------------------------


def test_for_a_day_a_message_is_signed_with_both_secrets(service: Service, receiver: Receiver, clock: Clock) -> None:
    holder, job_id = told(service, receiver)
    before = endpoint(service.database).secret
    with service.database.transaction() as session:
        endpoints.rotate(session, webhooks_of(holder), at=clock())
    after = endpoint(service.database).secret
    Runner(service).run(job_id)
    [delivery] = receiver.deliveries
    assert delivery.headers["webhook-signature"].count("v1,") == 2
    assert before != after
    for secret in (before, after):
        Webhook(secret).verify(delivery.body, delivery.headers)


@pytest.mark.parametrize(
    ("passed", "signs"), [(timedelta(hours=24) - timedelta(microseconds=1), 2), (timedelta(hours=24), 1)]
)
def test_the_secret_before_ends_after_a_day(database: Database, passed: timedelta, signs: int) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        rotated = endpoints.rotate(session, webhooks_of(holder), at=AT)
        assert len(endpoints.signing_secrets(rotated, at=AT + passed)) == signs


def test_a_secret_that_leaked_is_gone_after_two_rotations(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        leaked = endpoints.own(session, webhooks_of(holder)).secret
        for _ in range(2):
            rotated = endpoints.rotate(session, webhooks_of(holder), at=AT)
        assert leaked not in endpoints.signing_secrets(rotated, at=AT)


def test_an_address_set_anew_by_the_operator_has_a_new_secret(database: Database) -> None:
    with database.transaction() as session:
        name = factories.holder(session, webhook_url="https://hooks.example").name
        first = session.scalars(sa.select(WebhookEndpoint.secret)).one()
        second = endpoints.set_by_operator(session, holder=name, url="http://10.0.0.1/", at=AT)
        stored = session.scalars(sa.select(WebhookEndpoint)).one()
        assert (stored.secret, stored.previous_secret, stored.set_by) == (second, first, "operator")


# -- receivers that want to hear no more ---------------------------------------------------------------


def test_who_answers_gone_is_told_nothing_more(service: Service, receiver: Receiver, clock: Clock) -> None:
    receiver.statuses = [410]
    holder, job_id = told(service, receiver)
    Runner(service).run(job_id)
    assert (message(service.database).status, job(service.database).state) == ("failed", "done")
    stored = endpoint(service.database)
    assert stored.disabled_at == clock()
    for said in (stored.problem, message(service.database).last_error):
        assert "410 Gone" in str(said)
    with service.database.transaction() as session:
        assert not tell(session, holder.id, "check.done", {}, at=clock())
        with pytest.raises(Conflict, match="Set one"):
            outbox.replay(session, session.scalars(sa.select(OutboxMessage)).one(), at=clock())
        endpoints.put(session, webhooks_of(holder), "https://hooks.example", at=clock())
        assert tell(session, holder.id, "check.done", {}, at=clock())


def test_what_was_promised_before_the_endpoint_went_is_a_dead_letter(service: Service, receiver: Receiver) -> None:
    holder, job_id = told(service, receiver)
    with service.database.transaction() as session:
        endpoints.remove(session, webhooks_of(holder))
    Runner(service).run(job_id)
    assert receiver.deliveries == []
    assert (message(service.database).status, message(service.database).delivered_at) == ("failed", None)
    assert job(service.database).state == "done"


def test_an_endpoint_that_was_given_another_address_meanwhile_stays(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://new.example")
        endpoints.disable(session, holder.id, "https://old.example", problem="410", at=AT)
        assert endpoints.active(session, holder.id) is not None


# -- again ---------------------------------------------------------------------------------------------


def last_job(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(sa.select(Job.id).order_by(Job.id.desc()).limit(1)).one()


@pytest.mark.parametrize("status", [410, 204])
def test_a_message_is_replayed_with_its_id(service: Service, receiver: Receiver, clock: Clock, status: int) -> None:
    receiver.statuses = [status]
    holder, job_id = told(service, receiver)
    Runner(service).run(job_id)
    clock.pass_by(timedelta(seconds=1))
    with service.database.transaction() as session:
        endpoints.set_by_operator(session, holder=holder.name, url=receiver.url, at=clock())
        stored = session.scalars(sa.select(OutboxMessage)).one()
        outbox.replay(session, stored, at=clock())
        assert (stored.status, stored.delivered_at) == ("pending", None)
    Runner(service).run(last_job(service.database))
    first, second = receiver.deliveries
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    stored = message(service.database)
    assert (stored.status, stored.attempts, stored.delivered_at) == ("delivered", 2, clock())


def test_what_waits_for_its_next_try_is_sent_now(service: Service, receiver: Receiver, clock: Clock) -> None:
    receiver.statuses = [503, 503, 204]
    _, job_id = told(service, receiver)
    for _ in range(2):
        Runner(service).run(job_id)
        clock.pass_by(timedelta(seconds=6))
    with service.database.transaction() as session:
        outbox.replay(session, session.scalars(sa.select(OutboxMessage)).one(), at=clock())
    again = last_job(service.database)
    with service.database.transaction() as session:
        assert [due for due, _ in jobs.to_hint(session, at=clock())] == [again], "a sweep tells of it at once"
    Runner(service).run(again)
    assert (message(service.database).status, message(service.database).attempts) == ("delivered", 3)
    clock.pass_by(timedelta(days=1))
    Runner(service).run(job_id)
    assert len(receiver.deliveries) == 3, "the try that it waited for is not made as well"


def test_a_message_in_hand_is_not_sent_twice_at_a_time(service: Service, receiver: Receiver, clock: Clock) -> None:
    _, job_id = told(service, receiver)
    with service.database.transaction() as session:
        assert jobs.claim(session, job_id, owner="a runner", at=clock())
        with pytest.raises(Conflict, match="at this moment"):
            outbox.replay(session, session.scalars(sa.select(OutboxMessage)).one(), at=clock())
    clock.pass_by(LEASE + timedelta(seconds=1))  # the runner died
    with service.database.transaction() as session:
        outbox.replay(session, session.scalars(sa.select(OutboxMessage)).one(), at=clock())
    Runner(service).run(last_job(service.database))
    assert message(service.database).status == "delivered"


@pytest.mark.parametrize("status", ["pending", "failed", "delivered"])
def test_what_has_nowhere_to_go_is_not_replayed_and_why_is_said(database: Database, status: str) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        sent = outbox.send_test(session, webhooks_of(holder), at=AT)
        sent.status = status
        endpoints.disable(session, holder.id, "https://hooks.example", problem="410 Gone", at=AT)
        with pytest.raises(Conflict, match="disabled"):
            outbox.replay(session, sent, at=AT)
        endpoints.remove(session, webhooks_of(holder))
        session.flush()
        with pytest.raises(Conflict, match="The endpoint is gone"):
            outbox.replay(session, sent, at=AT)


def test_a_test_says_that_messages_arrive(service: Service, receiver: Receiver, clock: Clock) -> None:
    with service.database.transaction() as session:
        holder = factories.holder(session, webhook_url=receiver.url)
        sent = outbox.send_test(session, webhooks_of(holder), at=clock())
        with pytest.raises(Conflict, match="on its way"):
            outbox.send_test(session, webhooks_of(holder), at=clock())
    Runner(service).run(last_job(service.database))
    [delivery] = receiver.deliveries
    assert json.loads(delivery.body)["type"] == TEST_EVENT
    assert delivery.headers["webhook-id"] == sent.id
    with service.database.transaction() as session:
        outbox.send_test(session, webhooks_of(holder), at=clock())  # the one before arrived


# -- addresses that a holder chose -----------------------------------------------------------------------


def given_by_its_holder(service: Service, url: str) -> str:
    """A job that tells a holder of something at an address of their own."""
    with service.database.transaction() as session:
        holder = factories.holder(session)
        _, secret = endpoints.put(session, webhooks_of(holder), url, at=service.now())
        assert secret is not None
        outbox.send_test(session, webhooks_of(holder), at=service.now())
    return last_job(service.database)


def test_an_address_of_a_holders_own_may_not_lead_into_the_network(service: Service, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2]
    service.outbound = Outbound(resolve=lambda *_: ["127.0.0.1"])
    job_id = given_by_its_holder(service, f"http://hooks.example:{port}")
    Runner(service).run(job_id)
    assert receiver.deliveries == []
    stored = message(service.database)
    assert (stored.status, "public network" in str(stored.last_error)) == ("pending", True)
    assert "127.0.0.1" not in str(stored.last_error)


def test_an_address_of_a_holders_own_on_the_public_network_is_told(service: Service, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2]
    service.outbound = Outbound(resolve=lambda *_: ["127.0.0.1"], permits=lambda _: True)
    Runner(service).run(given_by_its_holder(service, f"http://hooks.example:{port}"))
    [delivery] = receiver.deliveries
    Webhook(endpoint(service.database).secret).verify(delivery.body, delivery.headers)
    assert delivery.headers["host"].startswith("hooks.example:")


def test_in_production_an_address_of_a_holders_own_is_never_asked_in_the_clear(
    service: Service, receiver: Receiver, clock: Clock
) -> None:
    port = receiver.url.split(":")[2]
    service.settings = service.settings.model_copy(update={"env": Environment.PRODUCTION})
    service.outbound = Outbound(resolve=lambda *_: ["127.0.0.1"], permits=lambda _: True)
    Runner(service).run(given_by_its_holder(service, f"http://hooks.example:{port}"))
    assert receiver.deliveries == []
    assert "https://" in str(message(service.database).last_error)
    clock.pass_by(timedelta(seconds=1))
    with service.database.transaction() as session:  # the operator knows what they do
        name = session.scalars(sa.select(Holder.name)).one()
        endpoints.set_by_operator(session, holder=name, url=receiver.url, at=service.now())
        stored = session.scalars(sa.select(OutboxMessage)).one()
        outbox.settle(session, stored.id, problem="given up", is_over=True, at=service.now())
        outbox.replay(session, stored, at=service.now())
    Runner(service).run(last_job(service.database))
    assert len(receiver.deliveries) == 1


# -- who may ---------------------------------------------------------------------------------------------


def webhooks_of(holder: Holder) -> Actor:
    return Actor(holder_id=holder.id, scopes=frozenset({Scope.WEBHOOKS_WRITE}))


def test_a_holder_without_the_scope_changes_nothing(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        actor = factories.actor_of(holder, Scope.WORKS_WRITE)
        for act in (
            lambda: endpoints.put(session, actor, "https://a.example", at=AT),
            lambda: endpoints.rotate(session, actor, at=AT),
            lambda: endpoints.remove(session, actor),
            lambda: outbox.send_test(session, actor, at=AT),
        ):
            with pytest.raises(Forbidden):
                act()


def test_one_holders_messages_and_endpoint_are_nothing_to_another(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        sent = outbox.send_test(session, webhooks_of(holder), at=AT)
        other = webhooks_of(factories.holder(session))
        with pytest.raises(NotFound):
            outbox.own(session, other, sent.id)
        for act in (endpoints.own, endpoints.remove):
            with pytest.raises(NotFound):
                act(session, other)
        with pytest.raises(NotFound):
            outbox.send_test(session, other, at=AT)


def test_an_address_that_a_holder_takes_over_is_the_holders(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="http://10.0.0.1/")
        stored, secret = endpoints.put(session, webhooks_of(holder), "http://10.0.0.1/", at=AT)
        assert (stored.set_by, secret) == ("holder", None)


def test_what_was_settled_long_ago_is_forgotten_and_what_waits_is_not(database: Database) -> None:
    with database.transaction() as session:
        holder = factories.holder(session, webhook_url="https://hooks.example")
        for number in range(3):
            tell(session, holder.id, f"event.{number}", {}, at=AT + number * timedelta(microseconds=1))
        delivered, failed, _ = session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)).all()
        outbox.settle(session, delivered.id, problem=None, is_over=True, at=AT)
        outbox.settle(session, failed.id, problem="503", is_over=True, at=AT)
        session.flush()
        outbox.forget(session, at=AT + timedelta(days=30, microseconds=-1))
        assert session.scalar(sa.select(sa.func.count()).select_from(OutboxMessage)) == 3
        outbox.forget(session, at=AT + timedelta(days=31))
        assert session.scalars(sa.select(OutboxMessage.event)).all() == ["event.2"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hooks.example", ""])
def test_the_operator_names_a_web_address_of_a_known_holder(database: Database, url: str) -> None:
    with database.transaction() as session:
        name = factories.holder(session).name
        with pytest.raises(Invalid):
            endpoints.set_by_operator(session, holder=name, url=url, at=AT)
        with pytest.raises(NotFound):
            endpoints.set_by_operator(session, holder="Nobody", url="https://hooks.example", at=AT)
        secret = endpoints.set_by_operator(session, holder=name, url="https://hooks.example", at=AT)
        assert secret.startswith("whsec_")
