"""The backlog: how much accepted work may wait, and what whoever brings more is told.

Work is accepted as a row, which costs nothing; so without a bound a service that cannot keep up would accept for days,
and nobody would know. Beyond the bound new work of that kind is refused before it is received any further.
"""

from datetime import timedelta
from http import HTTPStatus

from api import metrics
from api.problems import Problem
from api.service import Service
from registry import jobs
from registry.jobs import JobKind

_SOONEST, _LATEST = timedelta(seconds=5), timedelta(minutes=10)


def require_room(service: Service, kind: JobKind) -> None:
    """Raises: Problem: so many jobs of that kind wait that another would wait too long."""
    most, at = service.settings.max_backlog, service.now()
    with service.database.reading() as session:
        waiting, oldest = jobs.backlog(session, kind, at=at, most=most)
    if waiting < most:
        return
    metrics.slot_refused(f"backlog_{kind.value}")
    # What waits longest has waited for as long as another would now.
    wait = min(max(at - oldest if oldest else _SOONEST, _SOONEST), _LATEST)
    detail = f"{waiting} files wait to be looked at already. Send this one again later: nothing of it was kept."
    headers = {"Retry-After": str(round(wait.total_seconds()))}
    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers=headers)
