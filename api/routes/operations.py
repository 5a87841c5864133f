"""What operators and their machines ask: alive, ready, how much of what."""

import hmac
import logging
import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import degraded
from api.access import TheService
from api.gauges import Gauges
from api.problems import Problem
from api.settings import Environment
from registry import health
from registry.index import head_sequence
from registry.jobs import JobKind
from registry.models import MessageStatus

router = APIRouter(tags=["operations"])
_log = logging.getLogger(__name__)


def gauges_of(request: Request) -> Gauges:
    gauges: Gauges = request.app.state.gauges
    return gauges


TheGauges = Annotated[Gauges, Depends(gauges_of)]


@router.get("/healthz")
def alive() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Not ready, and why."}})
def ready(service: TheService, gauges: TheGauges, response: Response) -> dict[str, Any]:
    """Whether requests can be served here; what is `degraded` goes on with less, and says what that means."""
    signer = service.signers.current(at=service.now()).identity
    is_ready = service.index_ready.is_set()
    told: dict[str, Any] = {
        "status": "ready" if is_ready else "index loading",
        "degraded": list(degraded.of_process(service)),
        "algorithms": [algorithm.value for algorithm in service.algorithms],
        "signer": {
            "name": signer.name,
            "development": signer.development,
            "not_after": signer.not_after.isoformat(),
            "days_left": max(0, (signer.not_after - service.now()).days),
        },
    }
    try:
        told |= _of_database(service, gauges, told["degraded"])
    except Exception:
        _log.exception("the database does not answer")
        meaning = "The database does not answer: nothing can be served. See that it runs and can be reached."
        told["degraded"].append(degraded.Degraded(part="database", state="away", meaning=meaning))
        told["status"], is_ready = "database away", False
    if not is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    told["degraded"] = [
        {name: value for name, value in asdict(one).items() if value is not None} for one in told["degraded"]
    ]
    return told


def _of_database(service: TheService, gauges: Gauges, worse: list[degraded.Degraded]) -> dict[str, Any]:
    """What the database says of how it goes; adds to `worse` what does not go well."""
    began = time.perf_counter()
    with service.database.reading() as session:
        head = head_sequence(session)
        asked_s = time.perf_counter() - began
        worse += degraded.of_service(service, session, gauges.slack(session), asked_s=asked_s)
        queues, messages = health.backlog(session, at=service.now()), health.outgoing(session)
    return {
        "index": {"sequence": service.index.sequence, "head": head, "rows": service.index.sizes},
        "jobs": {
            "waiting": sum(queue.waiting for queue in queues),
            "failed": sum(queue.failed for queue in queues if queue.kind is not JobKind.DELIVER),
        },
        "webhooks": {status.value: messages[status] for status in (MessageStatus.PENDING, MessageStatus.FAILED)},
    }


@router.get("/metrics", response_class=Response)
def metrics(
    service: TheService, gauges: TheGauges, authorization: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """The metrics of this process and of the service, for Prometheus."""
    token = service.settings.metrics_token
    if token and not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        detail = "Send the token of CLEARMARK_METRICS_TOKEN: Authorization: Bearer …"
        raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
    if not token and service.settings.env is Environment.PRODUCTION:
        detail = "Set CLEARMARK_METRICS_TOKEN and send it, or ask the port of CLEARMARK_METRICS_PORT."
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", detail)
    return Response(generate_latest(gauges.registry), media_type=CONTENT_TYPE_LATEST)
