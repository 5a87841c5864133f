"""Webhooks as holders and operators keep them, over HTTP and on the command line, beside a running service."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from clearmark.client import Client, Problem
from clearmark.client.results import WebhookMessage
from tests.api.service import RunningService, ok, problem, until
from tests.fakes import Receiver, webhook_receiver


@pytest.fixture(scope="module")
def listener(service: RunningService) -> Iterator[Client]:
    with Client(service.url, service.key("Webhook listener", "webhooks:write")) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as started:
        yield started


def cli(service: RunningService, *arguments: str, code: int = 0) -> Any:
    ran = service.cli("webhooks", *arguments, "--json")
    assert ran.returncode == code, ran.stderr
    return json.loads(ran.stdout)


def settled(listener: Client, message_id: str, status: str) -> WebhookMessage:
    def ask() -> WebhookMessage | None:
        found = listener.get_webhook_message(message_id)
        return found if found["status"] == status else None

    found = until(ask)
    assert found is not None
    return found


def test_a_holder_keeps_an_endpoint_and_sees_its_secret_once(service: RunningService) -> None:
    with Client(service.url, service.key("Keeper", "webhooks:write")) as keeper:
        with pytest.raises(Problem) as none:
            keeper.get_webhook()
        assert none.value.status == 404
        first = keeper.set_webhook("https://hooks.example/a")
        assert str(first["secret"]).startswith("whsec_")
        again = keeper.set_webhook("https://hooks.example/b")
        assert (again["secret"], again["url"], again["set_by"]) == (None, "https://hooks.example/b", "holder")
        assert keeper.get_webhook() == again
        rotated = keeper.rotate_webhook_secret()
        assert rotated["secret"] not in (None, first["secret"])
        assert rotated["previous_secret_until"] is not None
        keeper.remove_webhook()
        with pytest.raises(Problem):
            keeper.get_webhook()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/", "https://a:b@hooks.example", "ftp://a", "x"],
)
def test_an_address_that_leads_inside_is_refused_at_once(service: RunningService, url: str) -> None:
    with service.client(service.key("Prying", "webhooks:write")) as prying:
        document = problem(prying.put("/v1/webhooks/endpoint", json={"url": url}), 422, "invalid")
        assert document["field"] == "url"


def test_a_name_that_leads_inside_is_refused_when_it_is_asked(service: RunningService, receiver: Receiver) -> None:
    with Client(service.url, service.key("Rebinding", "webhooks:write")) as prying:
        prying.set_webhook(receiver.url.replace("127.0.0.1", "localhost"))
        sent = prying.test_webhook()
        tried = until(lambda: (found := prying.get_webhook_message(sent["id"]))["attempts"] and found)
        assert isinstance(tried, dict)
        assert (tried["status"], "public network" in str(tried["last_error"])) == ("pending", True)
    assert receiver.deliveries == []


def test_without_its_scope_webhooks_are_neither_read_nor_written(service: RunningService) -> None:
    with service.client(service.key("Looker", "checks:write")) as looker:
        for call in (
            looker.put("/v1/webhooks/endpoint", json={"url": "https://hooks.example/"}),
            looker.delete("/v1/webhooks/endpoint"),
            looker.post("/v1/webhooks/endpoint/rotate"),
            looker.post("/v1/webhooks/endpoint/test"),
            looker.post("/v1/webhooks/messages/wbh_0/replay"),
            looker.get("/v1/webhooks/endpoint"),
            looker.get("/v1/webhooks/messages"),
            looker.get("/v1/webhooks/messages/wbh_0"),
        ):
            problem(call, 403, "forbidden")


def test_a_message_is_tested_given_up_and_replayed(
    service: RunningService, listener: Client, receiver: Receiver, anyone: httpx.Client
) -> None:
    receiver.statuses = [204, 410]
    secret = cli(service, "set", "--holder", "Webhook listener", "--target", receiver.url)["secret"]
    first = settled(listener, listener.test_webhook()["id"], "delivered")
    assert (first["type"], first["attempts"], first["data"]) == ("webhook.test", 1, {"url": receiver.url})
    Webhook(secret).verify(receiver.deliveries[0].body, receiver.deliveries[0].headers)

    gone = settled(listener, listener.test_webhook()["id"], "failed")
    assert "410 Gone" in str(gone["last_error"])
    endpoint = listener.get_webhook()
    assert (endpoint["status"], "410 Gone" in str(endpoint["problem"])) == ("disabled", True)
    with pytest.raises(Problem) as told:
        listener.replay_webhook_message(gone["id"])
    assert told.value.status == 409
    assert [message["id"] for message in listener.webhook_messages(status="failed")] == [gone["id"]]

    dead = cli(service, "list", "--status", "failed", "--holder", "Webhook listener")
    assert [(row["id"], row["attempts"]) for row in dead] == [(gone["id"], 1)]
    assert ok(anyone.get("/readyz"))["webhooks"]["failed"] >= 1
    assert 'clearmark_webhook_messages{status="failed"}' in anyone.get("/metrics").text
    left = cli(service, "replay", gone["id"], code=1)["left"]
    assert "endpoint is disabled" in left[gone["id"]]
    cli(service, "set", "--holder", "Webhook listener", "--target", receiver.url)
    replayed = cli(service, "replay", "--failed", "--holder", "Webhook listener")
    assert replayed == {"replayed": [gone["id"]], "left": {}}
    assert settled(listener, gone["id"], "delivered")["attempts"] == 2
    assert [delivery.headers["webhook-id"] for delivery in receiver.deliveries] == [first["id"], gone["id"], gone["id"]]
    listener.replay_webhook_message(first["id"])  # also what was delivered
    assert settled(listener, first["id"], "delivered")["attempts"] == 2


def test_what_waits_for_hours_is_sent_now_that_its_receiver_is_repaired(
    service: RunningService, receiver: Receiver
) -> None:
    receiver.statuses = [503, 503, 503, 204, 503, 204]
    with Client(service.url, service.key("Repaired", "webhooks:write")) as repaired:
        cli(service, "set", "--holder", "Repaired", "--target", receiver.url)
        sent = repaired.test_webhook()["id"]

        def tried(times: int) -> object:
            return until(lambda: (found := repaired.get_webhook_message(sent))["attempts"] >= times and found)

        tried(2)  # at once, and after five seconds; the next would be after five minutes
        repaired.replay_webhook_message(sent)
        tried(3)
        assert cli(service, "replay", sent) == {"replayed": [sent], "left": {}}
        assert settled(repaired, sent, "delivered")["attempts"] == 4
        cli(service, "replay", sent)
        tried(5)
        assert cli(service, "replay", "--pending", "--holder", "Repaired")["replayed"] == [sent]
        assert settled(repaired, sent, "delivered")["attempts"] == 6
        repaired.remove_webhook()
        with pytest.raises(Problem, match="endpoint is gone") as told:
            repaired.replay_webhook_message(sent)
        assert told.value.status == 409
        assert "endpoint is gone" in cli(service, "replay", sent, code=1)["left"][sent]


def test_the_operators_commands_say_what_is_wrong(service: RunningService) -> None:
    assert service.cli("webhooks", "replay").returncode == 2
    assert service.cli("webhooks", "replay", "wbh_0", "--failed").returncode == 2
    assert service.cli("webhooks", "replay", "--pending", "--failed").returncode == 2
    assert service.cli("webhooks", "list", "--status", "lost").returncode == 2
    missing = service.cli("webhooks", "replay", "wbh_0")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "wbh_0" in missing.stderr


def test_a_holder_sees_no_messages_of_another(service: RunningService, stranger: httpx.Client) -> None:
    with Client(service.url, service.key("Private", "webhooks:write")) as private:
        private.set_webhook("https://hooks.example/")
        sent = private.test_webhook()["id"]
        assert [message["id"] for message in private.webhook_messages()] == [sent]
    problem(stranger.get(f"/v1/webhooks/messages/{sent}"), 404, "not-found")
    assert ok(stranger.get("/v1/webhooks/messages"))["items"] == []
