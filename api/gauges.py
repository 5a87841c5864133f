"""Gauges: how the service is at the moment that somebody asks, for `/metrics`.

Read from the database, the disk and this process when they are asked for, and kept nowhere. What is the service's is
the same from each of its processes: take the maximum of them, not the sum. No id, no title and no address is a label.
"""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import HTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from api import metrics
from api.health import free_space, snapshot_of
from api.service import Service
from api.settings import SettingsError
from registry import health
from registry.index import head_sequence
from registry.jobs import JobKind
from registry.models import JobState
from takedown.slack import Slack, slack

_log = logging.getLogger(__name__)
# Dates of notices are reckoned from their histories: not at each scrape, and where there are very many (100,000 take
# some seconds), for no more than a twentieth of the time.
_SLACK_KEPT_S: Final = 60.0
_SLACK_KEPT_TIMES: Final = 20


class Gauges(Collector):
    """What one service tells of itself, beside what this process counted."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._slack: tuple[Slack, float] | None = None  # and until when it is told again
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        yield from metrics.REGISTRY.collect()
        for part in (self._of_index, self._of_disks, self._of_signer):
            try:
                yield from list(part())
            except Exception:  # one part that fails hides none of the others
                _log.exception("a part of this process did not say how it is")
        up = GaugeMetricFamily("clearmark_database_up", "Whether the database answers")
        shared: list[Metric] = []
        began = time.perf_counter()
        try:
            with self._service.database.reading() as session:
                shared = list(self._of_service(session))
        except Exception:
            _log.exception("the database did not say how the service is")
        up.add_metric([], float(bool(shared)))
        yield from (up, *shared)
        yield _one("clearmark_database_asked_seconds", "How long it took to say that", time.perf_counter() - began)

    def slack(self, session: Session) -> Slack:
        """What is left to deadlines, a minute old at most unless there are very many."""
        began_s = time.monotonic()
        if self._slack is None or began_s > self._slack[1]:
            left = slack(session, self._service.desk, at=self._service.now())
            ended_s = time.monotonic()
            self._slack = left, ended_s + max(_SLACK_KEPT_S, _SLACK_KEPT_TIMES * (ended_s - began_s))
        return self._slack[0]

    def _of_index(self) -> Iterator[Metric]:
        service = self._service
        rows = GaugeMetricFamily("clearmark_index_rows", "Vectors in the index", labels=["index"])
        for name, size in service.index.sizes.items():
            rows.add_metric([name], size)
        yield rows
        yield _one("clearmark_index_ready", "Whether the index is loaded", float(service.index_ready.is_set()))
        yield _one("clearmark_index_away", "Whether the index engine did not answer", float(service.index.is_away))
        saved = snapshot_of(service.settings.snapshot_path)
        if saved is not None:
            age_s = (datetime.now(UTC) - saved.saved_at).total_seconds()
            yield _one("clearmark_index_snapshot_age_seconds", "Since the index was written to disk", age_s)

    def _of_disks(self) -> Iterator[Metric]:
        space = free_space(self._service)
        yield _one("clearmark_disk_free_bytes", "Room on the fullest disk that is written to", space.free_bytes)
        yield _one("clearmark_disk_bytes", "Size of that disk", space.disk_bytes)

    def _of_signer(self) -> Iterator[Metric]:
        at = self._service.now()
        left_s = (self._service.signers.current(at=at).identity.not_after - at).total_seconds()
        yield _one("clearmark_signer_left_seconds", "Until the signer's certificate ends", left_s)

    def _of_service(self, session: Session) -> Iterator[Metric]:
        at = self._service.now()
        if self._service.index_ready.is_set():  # a worker that compares nothing holds none, and lags behind nothing
            lag = head_sequence(session) - self._service.index.sequence
            yield _one("clearmark_index_lag", "Log rows that this process has not applied", lag)
        jobs = GaugeMetricFamily("clearmark_jobs", "Jobs not done, by kind and state", labels=["kind", "state"])
        age = GaugeMetricFamily("clearmark_job_age_seconds", "How long the oldest due job has waited", labels=["kind"])
        queues = {queue.kind: queue for queue in health.backlog(session, at=at)}
        for kind in JobKind:  # all of them, so that none is missing where there is nothing to do
            queue = queues.get(kind)
            counts = (queue.waiting, queue.running, queue.failed) if queue else (0, 0, 0)
            for state, count in zip((JobState.QUEUED, JobState.RUNNING, JobState.FAILED), counts, strict=True):
                jobs.add_metric([kind.value, state.value], count)
            since = queue.due_since if queue else None
            age.add_metric([kind.value], (at - since).total_seconds() if since else 0)
        yield from (jobs, age)
        webhooks = GaugeMetricFamily("clearmark_webhook_messages", "Webhooks by what became of them", labels=["status"])
        for status, count in health.outgoing(session).items():
            webhooks.add_metric([status.value], count)
        yield webhooks
        left = self.slack(session)
        overdue = GaugeMetricFamily("clearmark_deadlines_overdue", "Duties about notices past due", labels=["by"])
        overdue.add_metric(["statute"], left.overdue_statutory)
        overdue.add_metric(["operator"], left.overdue_own)
        yield overdue
        next_due = GaugeMetricFamily("clearmark_deadline_slack_seconds", "Until the next duty falls due by statute")
        if left.next_statutory is not None:
            next_due.add_metric([], (left.next_statutory - at).total_seconds())
        yield next_due


def serve_beside(service: Service) -> HTTPServer | None:
    """Tell the metrics on a port of their own, where the settings name one; it ends with the process.

    Raises:
        SettingsError: the port cannot be had.
    """
    settings = service.settings
    if not settings.metrics_port:
        return None
    registry = Gauges(service).registry
    try:
        server, _thread = start_http_server(settings.metrics_port, addr=settings.metrics_host, registry=registry)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        fix = "each process on a machine needs a port of its own"
        raise SettingsError(f"CLEARMARK_METRICS_PORT: {where} cannot be had ({error.strerror}); {fix}") from error
    return server


def _one(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
