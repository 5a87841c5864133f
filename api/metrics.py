"""Metrics of this process: what it did, how long that took, what it refused.

Decides which metrics there are and what may label them: names that we wrote ourselves, so that their number is
bounded, and never an id, an address or a title. Something is counted when its result is stored, so a job that is done
twice counts once. What is true of the service as a whole is read from the database when somebody asks (`api.gauges`).
"""

from collections.abc import Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from api import logs

disable_created_metrics()  # type: ignore[no-untyped-call]  # when each series began, which nobody asks
REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

# From an answer out of memory to a film that is decoded while its request waits.
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_STAGE_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)
_JOB_S: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)

_requests = Histogram(
    "clearmark_request_seconds", "Requests by route, method and class of status", ["route", "method", "status"],
    buckets=_REQUEST_S, registry=REGISTRY,
)  # fmt: skip
_stages = Histogram(
    "clearmark_check_stage_seconds", "What checks spent their time on", ["stage"], buckets=_STAGE_S, registry=REGISTRY
)
_checks = Counter("clearmark_checks", "Checks answered, by verdict", ["verdict"], registry=REGISTRY)
_media_failures = Counter("clearmark_media_failures", "Files that could not be used", ["fault"], registry=REGISTRY)
_jobs = Histogram("clearmark_job_seconds", "Jobs carried out, by kind", ["kind"], buckets=_JOB_S, registry=REGISTRY)
_job_failures = Counter("clearmark_job_failures", "Attempts at jobs that failed", ["kind"], registry=REGISTRY)
_refused = Counter("clearmark_slots_refused", "Requests told to come again: no slot", ["slots"], registry=REGISTRY)
_not_hinted = Counter("clearmark_hints_lost", "Jobs that the broker could not be told of", registry=REGISTRY)


def requested(*, route: str, method: str, status: int, seconds: float, told_to_come_again: bool = False) -> None:
    """A request was answered.

    Args:
        route: its template, never the path that was asked for.
        told_to_come_again: there was no slot for it: back-pressure that works, and no failure.
    """
    _requests.labels(route, method, "refused" if told_to_come_again else f"{status // 100}xx").observe(seconds)


def checked(verdict: str, timings_ms: Mapping[str, float]) -> None:
    """A check was answered and its answer is stored."""
    _checks.labels(verdict).inc()
    for stage, took_ms in timings_ms.items():
        _stages.labels(stage).observe(took_ms / 1000)


def check_received(seconds: float) -> None:
    """All of a check's file or document has come; from when its request began."""
    _stages.labels("receive").observe(seconds)


def media_failed(fault: str) -> None:
    """A file could not be used, and whoever sent it was told or will be."""
    _media_failures.labels(fault).inc()


def job_done(kind: str, seconds: float) -> None:
    """A job was carried out by this process, and nobody else did it meanwhile."""
    _jobs.labels(kind).observe(seconds)


def job_failed(kind: str) -> None:
    """An attempt at a job ended with an error."""
    _job_failures.labels(kind).inc()


def slot_refused(name: str) -> None:
    """Somebody was told to come again, because all slots of that name were taken; the request's line says which."""
    _refused.labels(name).inc()
    logs.note(slots=name)


def hint_lost() -> None:
    """The broker could not be told of a job; the sweep finds it."""
    _not_hinted.inc()
