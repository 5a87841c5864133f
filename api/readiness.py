"""Readiness: whether requests can be served here, and what works less well than it should.

Anybody may ask and nobody is refused, so a flood must cost little: who comes while an answer is made has that one, and
more often than `MOST_A_SECOND` none is made. Who asks now and then is always told how it is now. What is degraded is
`api.degraded`'s to say.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Final

from api import degraded
from api.gauges import Gauges
from api.service import Service
from registry import health
from registry.index import head_sequence
from registry.models import MessageStatus

_log = logging.getLogger(__name__)
MOST_A_SECOND: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was answered."""

    is_ready: bool
    said: dict[str, Any]


class Readiness:
    """What `/readyz` says of one service."""

    def __init__(self, service: Service, gauges: Gauges) -> None:
        self._service, self._gauges = service, gauges
        self._lock = threading.Lock()
        self._began_s: deque[float] = deque(maxlen=MOST_A_SECOND)
        self._last: tuple[Told, float] | None = None

    def told(self) -> Told:
        """How it is now; of a flood, how it was less than a second ago, or when the one before was answered."""
        came_s = time.monotonic()
        with self._lock:
            now_s = time.monotonic()
            is_flood = len(self._began_s) == MOST_A_SECOND and now_s - self._began_s[0] < 1
            if self._last is not None and (is_flood or self._last[1] >= came_s):
                return self._last[0]
            self._last = None  # where this one fails, nobody is told an older one
            self._began_s.append(now_s)
            told = self._ask()
            self._last = told, time.monotonic()
            return told

    def _ask(self) -> Told:
        service = self._service
        signer = service.signers.current(at=service.now()).identity
        worse = list(degraded.of_process(service))
        is_ready = service.index_ready.is_set()
        status = "ready" if is_ready else "index loading"
        of_database: dict[str, Any] = {}
        try:
            of_database = self._of_database(worse)
        except Exception:
            _log.exception("the database does not answer")
            meaning = "The database does not answer: nothing can be served. See that it runs and can be reached."
            worse.append(degraded.Degraded(part="database", state="away", meaning=meaning))
            status, is_ready = "database away", False
        said = {
            "status": status,
            "degraded": [{name: value for name, value in asdict(one).items() if value is not None} for one in worse],
            "algorithms": [algorithm.value for algorithm in service.algorithms],
            "signer": {
                "name": signer.name,
                "development": signer.development,
                "not_after": signer.not_after.isoformat(),
                "days_left": max(0, (signer.not_after - service.now()).days),
            },
            **of_database,
        }
        return Told(is_ready=is_ready, said=said)

    def _of_database(self, worse: list[degraded.Degraded]) -> dict[str, Any]:
        """What the database says of how it goes; adds to `worse` what does not go well."""
        service = self._service
        began = time.perf_counter()
        with service.database.reading() as session:
            head = head_sequence(session)
            asked_s = time.perf_counter() - began
            queues = health.backlog(session, at=service.now())
            worse += degraded.of_service(service, session, queues, self._gauges.slack(session), asked_s=asked_s)
            messages = health.outgoing(session)
        return {
            "index": {"sequence": service.index.sequence, "head": head, "rows": service.index.sizes},
            "jobs": {
                "waiting": sum(queue.waiting for queue in queues), "failed": degraded.failed_for_good(queues),
            },
            "webhooks": {status.value: messages[status] for status in (MessageStatus.PENDING, MessageStatus.FAILED)},
        }  # fmt: skip
