"""How a check is answered, whether its request waits for that or a job: what is searched, by what, and what it took.

What may go out is decided elsewhere (`registry.checks`), and so is what a file shows.
"""

import logging
from collections.abc import Mapping

from api import metrics, telemetry
from api.service import Service
from fingerprinting.errors import MediaFault
from fingerprinting.looks import Glance
from fingerprinting.model import Fingerprint
from registry import checks
from registry.database import fault_of
from registry.index import IndexBehind
from registry.models import Check

_log = logging.getLogger(__name__)
_NO_CONTENT = "There is no picture and no sound in it that could be compared. It was not looked at."


def search_works(
    service: Service, fingerprint: Fingerprint, glance: Glance | None = None
) -> checks.Found | checks.Unanswerable:
    """Search works and the negative bank; what stands in the way of an answer is named, never passed over.

    Raises:
        DBAPIError: the database cannot be asked now.
    """
    if not any(len(d) for d in fingerprint.descriptors):
        return checks.Unanswerable(code=MediaFault.NO_CONTENT, message=_NO_CONTENT)
    try:
        with telemetry.span("search"), service.database.reading() as session:
            timeout_s = service.settings.catch_up_s
            return checks.search(session, service.index, fingerprint, timeout_s=timeout_s, glance=glance)
    except IndexBehind as error:
        return checks.Unanswerable(code="index_behind", message=f"The index is behind: {error}. Ask again soon.")
    except Exception as error:
        if fault_of(error) is not None:
            raise  # the database will be back: asked again then, it is answered
        _log.exception("the index could not be searched")
        return checks.Unanswerable(code="engine_error", message="The index could not be searched. Ask again soon.")


def evidence_of(service: Service, timings_s: dict[str, float]) -> checks.Evidence:
    """By what an answer was reached."""
    return checks.Evidence(
        engine={
            "engine": service.settings.index_engine,
            "algorithms": [algorithm.value for algorithm in service.algorithms],
            "rows": service.index.sizes,
        },
        timings_ms={name: round(value * 1000, 1) for name, value in timings_s.items()},
    )


def count_check(check: Check, evidence: checks.Evidence, spent_s: Mapping[str, float]) -> None:
    """Count an answer once it is stored.

    Args:
        spent_s: what its stages took, besides those that the answer tells.
    """
    more = {name: seconds * 1000 for name, seconds in spent_s.items()}
    metrics.checked(str(check.verdict), {**evidence.timings_ms, **more})
