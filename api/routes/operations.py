"""What operators and their machines ask: alive, ready, how much of what."""

import hmac
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.access import TheService
from api.gauges import Gauges
from api.problems import Problem
from api.readiness import Readiness
from api.settings import Environment

router = APIRouter(tags=["operations"])


def gauges_of(request: Request) -> Gauges:
    gauges: Gauges = request.app.state.gauges
    return gauges


def readiness_of(request: Request) -> Readiness:
    readiness: Readiness = request.app.state.readiness
    return readiness


TheGauges = Annotated[Gauges, Depends(gauges_of)]
TheReadiness = Annotated[Readiness, Depends(readiness_of)]


@router.get("/healthz")
def alive() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Not ready, and why."}})
def ready(readiness: TheReadiness, response: Response) -> dict[str, Any]:
    """Whether requests can be served here; what is `degraded` goes on with less, and says what that means."""
    told = readiness.told()
    if not told.is_ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return told.said


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
