"""Celery: tells workers which jobs to look at. The only file that imports celery.

No message is trusted to arrive: the `jobs` table is the truth, a message is a hint, and the sweep finds
every job that no message told of. In the embedded mode broker, worker and beat are threads of the
service itself; in production they are processes of their own, with the same tasks.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from celery import Celery, signals
from celery.beat import EmbeddedService
from celery.beat import Scheduler as InMemoryScheduler
from celery.worker import WorkController
from kombu.exceptions import OperationalError

from api import housekeeping, metrics
from api.allocator import hold_little
from api.runner import Runner, asked_now
from api.service import Service
from api.settings import Settings
from registry import jobs
from registry.jobs import JobKind

_log = logging.getLogger(__name__)

SWEEP_EVERY_S = 2.0
_STOP_S = 5.0
# A worker that is told to stop ends what it has in hand within this, or others do it: less than the 30 s after which
# whoever started it may kill it.
_DRAIN_S = 20.0
_HOUSEKEEPING_EVERY_S = 300.0
_LONG_EVERY_S = 3600.0
_ROUNDS_WAIT_S = 60.0
_MOST_HINTS = 1000
# The in-memory transport looks for messages once a second by itself: two short clips a second at most.
_MEMORY_OPTIONS = {"polling_interval": 0.05}
# Redis gives a message of a dead worker to another only after this time; the sweep is faster.
_BROKER_OPTIONS = {"visibility_timeout": 600, "unacked_restore_interval": 10}
# What a worker may be told to take, and the lanes at the broker that this means: it takes from each in turn, so that
# what nobody waits for does not hold up what somebody does. Only who takes `fingerprint` holds the index.
QUEUES = {
    "fingerprint": ("fingerprint", "explain", "look_back"),
    "sign": ("sign",),
    "deliver": ("deliver",),
    "deadlines": ("deadlines",),
}
# Releases are signed while their caller waits; what is left to sign is the log's.
LANES = {
    JobKind.FINGERPRINT: "fingerprint",
    JobKind.CHECK: "fingerprint",
    JobKind.NEGATIVE: "fingerprint",
    JobKind.IMPORT: "fingerprint",
    JobKind.EXPLAIN: "explain",
    JobKind.LOOK_BACK: "look_back",
    JobKind.IDENTICAL_COPIES: "look_back",
    JobKind.BACKFILL: "look_back",
    JobKind.STAMP: "sign",
    JobKind.COSIGN: "sign",
    JobKind.DELIVER: "deliver",
    JobKind.MAIL: "deliver",
    JobKind.DOMAIN: "deliver",
    JobKind.NOTICE_DEADLINE: "deadlines",
    JobKind.CONFLICT_DEADLINE: "deadlines",
}
_RUN, _SWEEP, _HOUSEKEEPING = "clearmark.run", "clearmark.sweep", "clearmark.housekeeping"
_LONG, _INDEX = "clearmark.housekeeping_long", "clearmark.index"


def queues_named(said: str) -> tuple[str, ...]:
    """The queues that somebody lists, comma-separated; all when nothing is said. Raises: ValueError."""
    named = tuple(dict.fromkeys(filter(None, map(str.strip, said.split(","))))) or tuple(QUEUES)
    if unknown := [name for name in named if name not in QUEUES]:
        raise ValueError(f"{', '.join(unknown)}: there is no such queue; the queues are {', '.join(QUEUES)}")
    return named


def kinds_of(queues: Iterable[str]) -> list[JobKind]:
    """What jobs these queues bring."""
    lanes = {lane for named in queues for lane in QUEUES[named]}
    return [kind for kind, lane in LANES.items() if lane in lanes]


def _lanes(queues: Iterable[str]) -> str:
    return ",".join(lane for named in queues for lane in QUEUES[named])


@signals.setup_logging.connect
def _log_as_the_rest(**_said: object) -> None:
    """Celery sets up no logging of its own where somebody says that they do: `api.logs` has."""


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
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options=_MEMORY_OPTIONS if settings.is_embedded else _BROKER_OPTIONS,
        beat_schedule={
            "sweep": _every(SWEEP_EVERY_S, _SWEEP),
            "housekeeping": _every(_HOUSEKEEPING_EVERY_S, _HOUSEKEEPING),
            "long": _every(_LONG_EVERY_S, _LONG),
            "index": _every(_HOUSEKEEPING_EVERY_S, _INDEX, queue="fingerprint"),
        },
    )
    return celery


def _every(seconds: float, task: str, *, queue: str = "deadlines") -> dict[str, Any]:
    """A round; where no worker is, or all are busy for long, a new one takes the place of those that waited."""
    options = {"queue": queue, "expires": max(seconds, _ROUNDS_WAIT_S)}
    return {"task": task, "schedule": timedelta(seconds=seconds), "options": options}


def register_tasks(celery: Celery, service: Service) -> None:
    """The tasks, bound to this process's service; no other application of the process has them."""
    runner = Runner(service)

    @celery.task(name=_RUN, shared=False)
    def run(job_id: str, asked_by: dict[str, str] | None = None) -> None:
        runner.run(job_id, asked_by)

    @celery.task(name=_SWEEP, shared=False)
    def sweep() -> None:
        with service.database.transaction() as session:
            due = jobs.to_hint(session, at=service.now())
        for job_id, kind in due:
            _send(celery, service, job_id, kind)

    @celery.task(name=_HOUSEKEEPING, shared=False)
    def housekeep() -> None:
        housekeeping.run(service)

    @celery.task(name=_LONG, shared=False)
    def housekeep_long() -> None:
        housekeeping.run_long(service)

    @celery.task(name=_INDEX, shared=False)
    def keep_index() -> None:
        housekeeping.keep_index(service)

    # Without these two, tasks that a thread of this process sends are received and silently never run.
    celery.finalize()
    celery.set_default()
    service.hint = _Hints(celery, service).tell


class _Hints:
    """Tells the broker in a thread of its own: that it is away takes seconds to see, and no request waits for it."""

    def __init__(self, celery: Celery, service: Service) -> None:
        self._celery, self._service = celery, service
        self._waiting: queue.Queue[tuple[str, JobKind, dict[str, str] | None]] = queue.Queue(_MOST_HINTS)
        threading.Thread(target=self._send_all, name="hints", daemon=True).start()

    def tell(self, job_id: str, kind: str) -> None:
        with suppress(queue.Full):  # the sweep finds it
            self._waiting.put_nowait((job_id, JobKind(kind), asked_now()))

    def _send_all(self) -> None:
        while True:
            job_id, kind, asked_by = self._waiting.get()
            try:
                _send(self._celery, self._service, job_id, kind, asked_by)
            except Exception:
                _log.exception("the broker could not be told of %s", job_id)


def _send(
    celery: Celery, service: Service, job_id: str, kind: JobKind, asked_by: dict[str, str] | None = None
) -> None:  # fmt: skip
    try:
        celery.send_task(_RUN, args=(job_id, asked_by), queue=LANES[kind], retry=False)
    except (OperationalError, OSError) as error:
        # Accepted is accepted: the sweep sends it again when the broker is back.
        service.broker_away_since = service.broker_away_since or service.now()
        metrics.hint_lost()
        _log.warning("the broker could not be told of %s: %s", job_id, error)
    else:
        service.broker_away_since = None


class EmbeddedWorker:
    """Worker and beat as threads of this process, on Celery's in-memory transport."""

    def __init__(self, celery: Celery, settings: Settings) -> None:
        self._worker: Any = WorkController(
            app=celery,
            pool_cls="threads",
            concurrency=settings.worker_threads,
            queues=_lanes(QUEUES),
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


def run_worker(
    celery: Celery, settings: Settings, queues: Iterable[str], *, beat: bool, give_back: Callable[[], None]
) -> None:  # fmt: skip
    """A worker process in the foreground, for production; one of them runs beat.

    Args:
        give_back: lets others have what is in hand when the process is told to stop and it is not done soon.
    """

    hold_little()

    def leave() -> None:
        try:
            give_back()
        finally:
            os._exit(0)

    @signals.worker_shutting_down.connect(weak=False)
    def _stopping(**_said: object) -> None:
        drained = threading.Timer(_DRAIN_S, leave)
        drained.daemon = True
        drained.start()

    arguments = [
        "worker", "--pool=threads", f"--concurrency={settings.worker_threads}", "--loglevel=WARNING",
        f"--queues={_lanes(queues)}", "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    service: Any = EmbeddedService(celery, thread=True, scheduler_cls=InMemoryScheduler) if beat else None
    if service is not None:
        service.daemon = True
        service.start()
    try:
        celery.worker_main(arguments)
    finally:
        give_back()  # what a thread beside Celery's (`Lookout`) has in hand
