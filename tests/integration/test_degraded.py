"""What `/readyz` says when a part fails, and what `/metrics` says: numbers, and nothing of anybody."""

import json
import re
import shutil
import socket
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client import generate_latest

from api import degraded, logs, metrics
from api.app import create_app
from api.gauges import Gauges, serve_beside
from api.readiness import MOST_A_SECOND, Readiness, Told
from api.runner import Runner
from api.service import Service
from api.settings import Environment, SettingsError
from api.slots import Slots
from fingerprinting import sandbox
from registry import checks, jobs
from registry.access import Scope
from registry.domain.identifiers import Prefix, new_id
from registry.jobs import JobKind
from registry.models import Job, Notice, NoticeEvent
from takedown.domain.states import Event, State
from takedown.domain.track import TrackName
from takedown.slack import slack
from tests import factories
from tests.factories import AT
from tests.fakes import Clock
from tests.integration.at_once import at_once
from tests.integration.inside import Inside
from tests.integration.test_takedown_service import DAY, Parties

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"


@pytest.fixture(autouse=True)
def ready(service: Service) -> None:
    service.index_ready.set()


@pytest.fixture
def anyone(service: Service) -> Inside:
    return Inside(create_app(service))


def readyz(anyone: Inside, status: int = 200) -> dict[str, Any]:
    answer = anyone.get("/readyz")
    assert answer.status_code == status
    told: dict[str, Any] = answer.json()
    return told


def states(anyone: Inside, status: int = 200) -> set[tuple[str, str]]:
    """The parts that are degraded; each says what that means, in whole sentences."""
    parts = readyz(anyone, status)["degraded"]
    assert all(
        one["meaning"].endswith((".", ")")) and set(one) <= {"part", "state", "meaning", "since"} for one in parts
    )
    return {(one["part"], one["state"]) for one in parts}


def test_jobs_that_nobody_does_are_told_by_what_waits_for_them(service: Service, anyone: Inside, clock: Clock) -> None:
    with service.database.transaction() as session:
        for kind in (JobKind.CHECK, JobKind.DELIVER, JobKind.MAIL):
            jobs.enqueue(session, kind, "x", at=AT)
    late = {("jobs", "check-late"), ("webhooks", "backlog"), ("letters", "backlog")}
    assert not late & states(anyone)
    clock.pass_by(degraded.LATE + timedelta(seconds=1))
    assert late <= states(anyone)
    assert {one["since"] for one in readyz(anyone)["degraded"] if one["part"] == "letters"} == {
        AT.isoformat().replace("+00:00", "Z")
    }


def test_stamps_that_fail_and_jobs_that_failed_for_good_are_told(service: Service, anyone: Inside) -> None:
    with service.database.transaction() as session:
        stamp, dead = (jobs.enqueue(session, kind, "1", at=AT) for kind in (JobKind.STAMP, JobKind.EXPLAIN))
        session.execute(sa.update(Job).where(Job.id == stamp.id).values(error="nobody answered"))
        session.execute(sa.update(Job).where(Job.id == dead.id).values(state="failed"))
    assert {("time-stamps", "failing"), ("jobs", "failed")} <= states(anyone)


def test_a_stamp_that_was_given_up_is_over_once_a_newer_one_is_done(service: Service, anyone: Inside) -> None:
    with service.database.transaction() as session:
        given_up = jobs.enqueue(session, JobKind.STAMP, "1", at=AT)
        done = jobs.enqueue(session, JobKind.STAMP, "2", at=AT + timedelta(hours=1))
        over = sa.update(Job).where(Job.id == given_up.id)
        session.execute(over.values(state="failed", error="nobody answered", created_at=AT))
        newer = sa.update(Job).where(Job.id == done.id)
        session.execute(newer.values(created_at=AT + timedelta(hours=1)))
    assert ("time-stamps", "failing") in states(anyone)
    with service.database.transaction() as session:
        session.execute(newer.values(state="done"))
    assert ("time-stamps", "failing") not in states(anyone)


def test_duties_past_their_date_are_told_and_counted(service: Service, clock: Clock) -> None:
    parties = Parties(service.database, service.index, service.desk)
    notice_id = parties.file()
    with service.database.reading() as session:
        due = min(one.at for one in service.desk.deadlines(session.get_one(Notice, notice_id)) if one.warn_at)
        assert slack(session, service.desk, at=AT).overdue_own == 0
    clock.at = due + timedelta(seconds=1)
    assert ("deadlines", "overdue") in states(Inside(create_app(service)))
    scraped = generate_latest(Gauges(service).registry).decode()
    assert 'clearmark_deadlines_overdue{by="operator"} 1.0' in scraped
    parties.act(parties.reviewer, notice_id, Event.DISABLE, at=AT + DAY)
    assert ("deadlines", "overdue") not in states(Inside(create_app(service)))


def test_a_duty_of_two_days_does_not_hide_behind_thousands_that_came_before(service: Service) -> None:
    with service.database.transaction() as session:
        flood = [new_id(Prefix.NOTICE, at=AT) for _ in range(5_050)]  # ids sort by when they were made
        urgent = new_id(Prefix.NOTICE, at=AT)
        notices = [
            {"id": one, "track": TrackName.DMCA_512.value, "state": State.TRIAGE.value, "content": {}, "created_at": AT}
            for one in flood
        ]
        notices.append({**notices[0], "id": urgent, "track": TrackName.TAKE_IT_DOWN.value, "state": State.VALID.value})
        passed = {State.TRIAGE.value: ["submitted", "triage"], State.VALID.value: ["submitted", "triage", "valid"]}
        steps = [
            {"notice_id": one["id"], "position": position, "event": "-", "state": state, "actor": "-", "at": AT}
            for one in notices
            for position, state in enumerate(passed[str(one["state"])])
        ]
        session.execute(sa.insert(Notice), notices)
        session.execute(sa.insert(NoticeEvent), steps)
    with service.database.reading() as session:
        left = slack(session, service.desk, at=AT + timedelta(hours=1))
        assert left.next_statutory == AT + timedelta(hours=48)
        late = slack(session, service.desk, at=AT + timedelta(days=30))
    assert (late.overdue_statutory, late.overdue_own) == (1, len(flood))


def test_a_clock_that_went_back_is_told(service: Service, anyone: Inside, clock: Clock) -> None:
    with service.database.transaction() as session:
        jobs.enqueue(session, JobKind.MAIL, "x", at=AT)
    clock.pass_by(timedelta(days=-3))
    assert ("clock", "went-back") in states(anyone)


def test_what_the_machine_lacks_is_told(service: Service, anyone: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 10**9, 10**9))
    monkeypatch.setattr(sandbox, "offers", lambda: dict.fromkeys(sandbox.BOUNDS, False))
    service.broker_away_since = AT
    service.index.is_away = True
    told = {("disk", "nearly-full"), ("sandbox", "partial"), ("broker", "away"), ("index", "engine-away")}
    assert told <= states(anyone)


def test_an_index_that_loads_and_a_database_that_is_away_serve_nobody(
    service: Service, anyone: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.index_ready.clear()
    assert ("index", "loading") in states(anyone, 503)
    service.index_ready.set()

    def away() -> None:
        raise OSError("no route to postgresql://clearmark:hunter2@db")

    monkeypatch.setattr(service.database, "reading", away)
    told = readyz(anyone, 503)
    assert (told["status"], told["degraded"][-1]["state"]) == ("database away", "away")
    assert "hunter2" not in json.dumps(told)
    assert "clearmark_database_up 0.0" in generate_latest(Gauges(service).registry).decode()


def test_every_metric_of_the_alerts_and_the_dashboard_is_there(service: Service) -> None:
    metrics.checked("clear", {"decode": 1.0, "search": 1.0, "policy": 1.0, "total": 2.0})
    metrics.media_failed("corrupt")
    metrics.job_done("check", 1.0)
    metrics.job_failed("check")
    metrics.slot_refused("media")
    metrics.requested(route="/", method="GET", status=200, seconds=0.1)
    parties = Parties(service.database, service.index, service.desk)
    parties.forwarded()  # to be restored, not after a date by statute
    Path(service.settings.snapshot_path).touch()
    scraped = generate_latest(Gauges(service).registry).decode()
    there = set(re.findall(r"^([a-z_]+)(?:\{| )", scraped, re.MULTILINE))
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    for text in (*asked, (MONITORING / "alerts.yaml").read_text()):
        for name in re.findall(r"\b(?:clearmark|process)_[a-z_]+\b", text):
            assert name in there, name
    assert "The Film" not in scraped
    assert re.search(r"[a-z]{3}_[0-9a-f]{20}", scraped) is None, "no id is a label"


def test_what_holds_no_index_lags_behind_none(service: Service) -> None:
    with service.database.transaction() as session:
        factories.work(session, factories.actor(session))
    assert "\nclearmark_index_lag " in generate_latest(Gauges(service).registry).decode()
    service.index_ready.clear()  # a worker that looks at no media never loads one
    assert "\nclearmark_index_lag " not in generate_latest(Gauges(service).registry).decode()


def test_a_part_that_fails_hides_none_of_the_other_metrics(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError("gone")

    expected = {
        "clearmark_index_ready": True, "clearmark_disk_free_bytes": False, "clearmark_signer_left_seconds": False,
        "clearmark_database_up": True, "process_resident_memory_bytes": True,
    }  # fmt: skip
    monkeypatch.setattr(shutil, "disk_usage", fails)
    monkeypatch.setattr(service, "signers", SimpleNamespace(current=fails))
    scraped = generate_latest(Gauges(service).registry).decode()
    assert {name: f"\n{name} " in scraped for name in expected} == expected


def test_who_is_told_to_come_again_is_no_failure_of_ours(service: Service, anyone: Inside) -> None:
    def counted(status: str) -> float:
        labels = {"route": "/v1/verifications", "method": "POST", "status": status}
        return metrics.REGISTRY.get_sample_value("clearmark_request_seconds_count", labels) or 0.0

    before = {status: counted(status) for status in ("refused", "5xx")}
    service.media_slots = Slots(0, waiting=0, wait_s=0, name="media")
    answer = anyone.post("/v1/verifications", files={"file": b"no media"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:clearmark:problem:busy")
    assert {status: counted(status) - before[status] for status in before} == {"refused": 1, "5xx": 0}
    service.trust = SimpleNamespace()  # type: ignore[assignment]
    service.media_slots = Slots(1, waiting=0, wait_s=0, name="media")
    assert anyone.post("/v1/verifications", files={"file": b"no media"}).status_code >= 500
    assert {status: counted(status) - before[status] for status in before} == {"refused": 1, "5xx": 1}


def test_a_flood_of_looks_at_readiness_costs_a_few(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    readiness = Readiness(service, Gauges(service))
    asked: list[float] = []
    ask = readiness._ask

    def counted() -> Told:
        asked.append(time.monotonic())
        return ask()

    monkeypatch.setattr(readiness, "_ask", counted)
    began = time.monotonic()
    for _ in range(500):
        assert readiness.told().is_ready
    assert len(asked) <= MOST_A_SECOND * (1 + time.monotonic() - began)
    service.index_ready.clear()
    time.sleep(1.05)
    assert not readiness.told().is_ready, "who asks now and then is told how it is now"


def test_who_asks_while_readiness_is_reckoned_has_that_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = Readiness(service, Gauges(service))
    asked: list[Told] = []

    def slowly() -> Told:
        time.sleep(0.3)
        asked.append(Told(is_ready=True, said={"number": len(asked)}))
        return asked[-1]

    monkeypatch.setattr(readiness, "_ask", slowly)
    assert at_once(*[readiness.told] * 8) == [None] * 8
    assert len(asked) <= 2


def test_where_readiness_cannot_be_said_nobody_is_told_how_it_was(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = Readiness(service, Gauges(service))
    readiness.told()

    def fails(**_: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr(service, "signers", SimpleNamespace(current=fails))
    for _ in range(2 * MOST_A_SECOND):
        with pytest.raises(RuntimeError, match="of ours"):
            readiness.told()


def test_a_check_is_counted_once_however_often_its_job_ran(service: Service) -> None:
    def count() -> float:
        return metrics.REGISTRY.get_sample_value("clearmark_checks_total", {"verdict": "unknown"}) or 0.0

    before = count()
    with service.database.transaction() as session:
        asker = factories.actor(session, Scope.CHECKS_WRITE)
        check = checks.ask(session, asker, context={}, at=AT, blob_key="gone", sha256="ab" * 32)
        job_id = checks.enqueue_answer(session, check, at=AT)
    for _ in range(3):
        Runner(service).run(job_id)
    assert count() == before + 1
    faults = metrics.REGISTRY.get_sample_value("clearmark_media_failures_total", {"fault": "unreadable"})
    assert faults is not None


def test_metrics_are_for_who_may_read_them(service: Service, anyone: Inside) -> None:
    token, production = {"metrics_token": "0123456789abcdef"}, {"env": Environment.PRODUCTION}
    open_to_all = service.settings
    for said, header, status in (
        ({}, "", 200),
        (production, "", 403),
        (token, "", 401),
        (token, "Bearer 0123456789abcdeX", 401),
        (token, "Bearer \xff", 401),
        (token | production, "Bearer 0123456789abcdef", 200),
    ):
        service.settings = open_to_all.model_copy(update=said)
        answer = anyone.get("/metrics", headers={"Authorization": header.encode("latin-1")})
        assert answer.status_code == status, (said, header)


def test_an_error_of_ours_is_found_in_the_log_by_the_id_that_was_answered(
    service: Service, anyone: Inside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr(service, "signers", SimpleNamespace(current=fails))
    caplog.handler.setFormatter(logs.formatter(as_json=True))
    answer = anyone.get("/readyz?who=ada", headers={"X-Request-ID": "the-one"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "the-one")
    assert answer.headers["X-Request-ID"] == "the-one"
    [line] = [json.loads(one) for one in caplog.text.splitlines() if "of ours" in one]
    assert (line["level"], line["request_id"], line["route"]) == ("error", "the-one", "/readyz")
    assert "RuntimeError: of ours" in line["traceback"]
    assert "ada" not in caplog.text


def test_a_process_tells_its_metrics_on_a_port_of_its_own(service: Service) -> None:
    assert serve_beside(service) is None, "none where none is asked for"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service.settings = service.settings.model_copy(update={"metrics_port": port, "env": Environment.PRODUCTION})
        with pytest.raises(SettingsError, match=r"CLEARMARK_METRICS_PORT: 127\.0\.0\.1:\d+ cannot be had"):
            serve_beside(service)
    server = serve_beside(service)
    assert server is not None
    try:
        assert 'clearmark_jobs{kind="check",state="queued"} 0.0' in httpx.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        server.shutdown()
        server.server_close()
