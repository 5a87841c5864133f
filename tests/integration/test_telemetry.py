"""Traces: what goes to a collector, what never does, and that one that is away costs nobody an answer."""

import logging
import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from api import telemetry
from api.app import create_app
from api.runner import Runner, asked_now
from api.service import Service
from api.settings import SettingsError
from registry import jobs, mail
from registry.access import Scope
from registry.jobs import JobKind
from tests import factories
from tests.factories import AT
from tests.integration.inside import Inside
from tests.servers.collector import Collector, attributes_of, collector

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def taking() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture
def app(service: Service, taking: Collector) -> Iterator[FastAPI]:
    """The application, traced."""
    service.settings = service.settings.model_copy(update={"traces_url": taking.url})
    made = create_app(service)
    telemetry.start(service.settings, "service", engine=service.database.engine, app=made)
    yield made
    telemetry.stop()


def test_a_request_is_told_without_what_was_asked_or_by_whom(app: FastAPI, service: Service, taking: Collector) -> None:
    with service.database.transaction() as session:
        key = factories.key(session, factories.holder(session, name="Studio Unsaid"), Scope.WORKS_WRITE)
    client = Inside(app, key.key, address="203.0.113.77")
    title = {"title": "A Secret Title", "kind": "film", "policy": "block"}
    caller = {"traceparent": f"00-{TRACE}-{SPAN}-01", "user-agent": "Unsaid/1"}
    answer = client.post("/v1/works?who=unsaid", json=title, headers=caller)
    assert answer.status_code == 201
    client.get(f"/v1/works/{answer.json()['id']}")
    client.get("/healthz")
    telemetry.stop()
    made = taking.named("POST /v1/works")
    assert (made.trace_id.hex(), made.parent_span_id.hex()) == (TRACE, SPAN), "the caller's trace goes on here"
    assert attributes_of(made)["http.route"] == "/v1/works"
    inside = [span for span in taking.spans if span.trace_id == made.trace_id and span is not made]
    assert any("INSERT INTO works" in attributes_of(span).get("db.statement", "") for span in inside)
    assert taking.named("GET /v1/works/{work_id}")
    assert not any("healthz" in span.name for span in taking.spans)
    told = b"".join(taking.raw)
    for unsaid in ("unsaid", "Unsaid", "Secret Title", "203.0.113.77", key.key, answer.json()["id"]):
        assert unsaid.encode() not in told, unsaid


def test_a_job_goes_on_with_the_trace_of_the_request_that_asked_for_it(
    app: FastAPI, service: Service, taking: Collector
) -> None:
    assert app
    with service.database.transaction() as session:
        mail.post(session, "ada@studio.example", "Hello", "Hello", at=AT)
        letter = jobs.enqueue(session, JobKind.NOTICE_DEADLINE, "ntc_0", at=AT)
    with telemetry.span("request"):
        asked_by = asked_now()
    Runner(service).run(letter.id, asked_by)  # there is no such notice: it fails
    telemetry.stop()
    asked, job = taking.named("request"), taking.named("job notice_deadline")
    assert (job.trace_id, job.parent_span_id) == (asked.trace_id, asked.span_id)
    assert attributes_of(job) == {"clearmark.job_id": letter.id, "clearmark.subject_id": "ntc_0"}


def test_a_collector_that_is_away_costs_no_answer_and_one_line(
    app: FastAPI, taking: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    taking.status = 400
    for _ in range(3):
        assert Inside(app).get("/v1/assurance").status_code == 200
        telemetry._tracing.provider.force_flush()  # type: ignore[union-attr]
    told = [one for one in caplog.records if one.levelno >= logging.WARNING and one.name.startswith("api")]
    assert ["the collector takes no traces" in one.getMessage() for one in told] == [True]
    taking.status = 200
    Inside(app).get("/v1/assurance")
    telemetry.stop()
    assert taking.spans


def test_without_the_extra_the_start_stops_with_what_to_install(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = service.settings.model_copy(update={"traces_url": "http://127.0.0.1:1/v1/traces"})
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SettingsError, match=r"CLEARMARK_TRACES_URL: .*clearmark\[telemetry\]"):
        telemetry.start(settings, "service", engine=service.database.engine)
    telemetry.start(service.settings, "service", engine=service.database.engine)  # none is named: none is needed
    assert telemetry.carried() == {}
