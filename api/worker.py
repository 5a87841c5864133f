"""Celery: tells workers which jobs to look at. The only file that imports celery.

No message is trusted to arrive: the `jobs` table is the truth, a message is a hint, and the sweep finds
every job that no message told of. In the embedded mode broker, worker and beat are threads of the
service itself; in production they are processes of their own, with the same tasks.
"""

import logging
import threading
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.beat import EmbeddedService
from celery.beat import Scheduler as InMemoryScheduler
from celery.worker import WorkController
from kombu.exceptions import OperationalError

from api import housekeeping
from api.runner import Runner
from api.service import Service
from api.settings import Settings
from registry import jobs
from registry.jobs import JobKind

_log = logging.getLogger(__name__)

SWEEP_EVERY_S = 2.0
_STOP_S = 5.0
_HOUSEKEEPING_EVERY_S = 300.0
# The in-memory transport looks for messages once a second by itself: two short clips a second at most.
_MEMORY_OPTIONS = {"polling_interval": 0.05}
# Redis gives a message of a dead worker to another only after this time; the sweep is faster.
_BROKER_OPTIONS = {"visibility_timeout": 600, "unacked_restore_interval": 10}
# Slow work has a queue of its own, so that a film does not hold up a webhook.
QUEUES = {
    JobKind.FINGERPRINT: "fingerprint",
    JobKind.CHECK: "fingerprint",
    JobKind.NEGATIVE: "fingerprint",
    JobKind.EXPLAIN: "explain",
    JobKind.DELIVER: "deliver",
    JobKind.NOTICE_DEADLINE: "deadlines",
    JobKind.IMPORT: "fingerprint",
    JobKind.MAIL: "deliver",
    JobKind.DOMAIN: "deliver",
    JobKind.CONFLICT_DEADLINE: "deadlines",
    JobKind.LOOK_BACK: "look_back",
    JobKind.STAMP: "deliver",
    JobKind.COSIGN: "deliver",
    JobKind.IDENTICAL_COPIES: "look_back",
}
_RUN, _SWEEP, _HOUSEKEEPING = "clearmark.run", "clearmark.sweep", "clearmark.housekeeping"


def make_celery(settings: Settings) -> Celery:
    """A Celery application on the broker of the settings; it has no tasks yet."""
    # A host name spares the in-memory transport a warning; it has no use for one.
    broker = "memory://localhost" if settings.is_embedded else settings.broker_url
    celery = Celery("clearmark", broker=broker, set_as_current=False)
    celery.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_default_queue="deadlines",
        task_queues=None,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options=_MEMORY_OPTIONS if settings.is_embedded else _BROKER_OPTIONS,
        beat_schedule={
            "sweep": {"task": _SWEEP, "schedule": timedelta(seconds=SWEEP_EVERY_S)},
            "housekeeping": {"task": _HOUSEKEEPING, "schedule": timedelta(seconds=_HOUSEKEEPING_EVERY_S)},
        },
    )
    return celery


def register_tasks(celery: Celery, service: Service) -> None:
    """The tasks, bound to this process's service."""
    runner = Runner(service)

    @celery.task(name=_RUN)
    def run(job_id: str) -> None:
        runner.run(job_id)

    @celery.task(name=_SWEEP)
    def sweep() -> None:
        with service.database.transaction() as session:
            due = jobs.to_hint(session, at=service.now())
        for job_id, kind in due:
            _send(celery, job_id, kind)

    @celery.task(name=_HOUSEKEEPING)
    def housekeep() -> None:
        housekeeping.run(service)

    # Without these two, tasks that a thread of this process sends are received and silently never run.
    celery.finalize()
    celery.set_default()
    service.hint = lambda job_id, kind: _send(celery, job_id, JobKind(kind))


def _send(celery: Celery, job_id: str, kind: JobKind) -> None:
    try:
        celery.send_task(_RUN, args=(job_id,), queue=QUEUES[kind], retry=False)
    except (OperationalError, OSError) as error:
        # Accepted is accepted: the sweep sends it again when the broker is back.
        _log.warning("the broker could not be told of %s: %s", job_id, error)


class EmbeddedWorker:
    """Worker and beat as threads of this process, on Celery's in-memory transport."""

    def __init__(self, celery: Celery, settings: Settings) -> None:
        self._worker: Any = WorkController(
            app=celery,
            pool_cls="threads",
            concurrency=settings.worker_threads,
            queues=",".join(sorted(set(QUEUES.values()))),
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            loglevel="WARNING",
        )
        self._beat: Any = EmbeddedService(celery, thread=True, scheduler_cls=InMemoryScheduler)
        self._thread = threading.Thread(target=self._worker.start, name="celery-worker", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._beat.daemon = True
        self._beat.start()

    def stop(self) -> None:
        """Take no more jobs; those in hand are finished or, when the process ends first, done again."""
        self._beat.stop()
        threading.Thread(target=self._worker.stop, name="celery-stop", daemon=True).start()
        self._thread.join(timeout=_STOP_S)


def run_worker(celery: Celery, settings: Settings, *, beat: bool) -> None:
    """A worker process in the foreground, for production; one of them runs beat."""
    arguments = [
        "worker", "--pool=threads", f"--concurrency={settings.worker_threads}", "--loglevel=WARNING",
        "--queues=" + ",".join(sorted(set(QUEUES.values()))), "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    service: Any = EmbeddedService(celery, thread=True, scheduler_cls=InMemoryScheduler) if beat else None
    if service is not None:
        service.daemon = True
        service.start()
    celery.worker_main(arguments)
