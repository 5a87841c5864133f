"""A lookout: does what has been due for a while and nobody took, straight from the database.

Messages come through a broker, and the sweep that sends them again does too. Where the broker is away, or the one
worker that runs beat is, every other worker still finds what was accepted here, one job at a time. It never decides
what is due, nor does it tell others.
"""

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from api.runner import Runner
from api.service import Service
from registry import jobs
from registry.jobs import JobKind

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 5.0
# So long a message may take where all is well; a backlog is worked off a little faster.
_NOBODY_TOOK = timedelta(seconds=20)


@dataclass(slots=True, kw_only=True)
class Lookout:
    """Looks for jobs of some kinds, in a thread that ends with its process."""

    service: Service
    kinds: Collection[JobKind]

    def start(self) -> None:
        threading.Thread(target=self._watch, name="lookout", daemon=True).start()

    def look(self) -> int:
        """Do what nobody took; returns how many jobs that were."""
        service, runner = self.service, Runner(self.service)
        with service.database.reading() as session:
            found = jobs.left_lying(session, self.kinds, since=service.now() - _NOBODY_TOOK)
        for job_id in found:
            runner.run(job_id)
        return len(found)

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            try:
                self.look()
            except Exception as error:  # the database is away as well, perhaps
                _log.warning("the lookout could not look: %s", str(error).partition("\n")[0])
