"""Errors as RFC 9457 problem documents; `type` is stable and says what kind of thing went wrong."""

import errno
import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api import logs, metrics
from api.headers import add_headers
from api.wording import worded
from fingerprinting.errors import BadDocument, MediaError, MediaFault
from provenance.errors import IdentityInvalid, KeyUnavailable, ProvenanceError, TimeStampFailed, UnsupportedContainer
from provenance.trust import BadTrustList
from registry.blobs import BlobDamaged, BlobsAway
from registry.database import DatabaseFault, fault_of
from registry.errors import Conflict, Forbidden, Invalid, NotFound, RegistryError, TooSoon
from registry.index import IndexBehind
from takedown.errors import IllegalTransition, TakedownError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)
_TYPE = "urn:clearmark:problem:"
MEDIA_TYPE = "application/problem+json"
# Routes whose specification knows 400 for whatever cannot be understood.
_C2PA = "/sbr/"
_AGAIN = "What was acknowledged is not lost; what makes something may be sent again with its Idempotency-Key."
_NO_SPACE = f"The disk is full, and nothing new is taken; what is there can be read. {_AGAIN}"
_READ_ONLY = "The disk takes no changes now; what is there can be read. The operator must make it writable again."
_OF_DATABASE = {
    DatabaseFault.AWAY: ("database-away", f"The database cannot be reached now. Ask again in a moment. {_AGAIN}", 5),
    DatabaseFault.BUSY: ("busy", "Others are writing. Ask again in a moment.", 2),
    DatabaseFault.FULL: ("no-space", _NO_SPACE, 60),
    DatabaseFault.READ_ONLY: ("read-only", _READ_ONLY, 60),
    DatabaseFault.DAMAGED: ("database-damaged", "The database is damaged. The operator must restore a backup.", 300),
}
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ProblemDocument(BaseModel):
    """An RFC 9457 problem document; kinds of problem add members of their own."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str = Field(default="", description="Of this request, as its `X-Request-ID` and the service's log say.")
    model_config = {"extra": "allow"}


class Problem(Exception):
    """An answer that is a problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        name: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers, self.members = headers, members


def response(problem: Problem) -> JSONResponse:
    body = {
        "type": _TYPE + problem.name,
        "title": problem.name.replace("-", " ").capitalize(),
        "status": problem.status.value,
        "detail": problem.detail,
        **problem.members,
    }
    if (request_id := logs.in_hand("request_id")) is not None:
        body["request_id"] = request_id
    return JSONResponse(body, problem.status.value, headers=problem.headers, media_type=MEDIA_TYPE)


def answer(request: Request, problem: Problem) -> Response:
    """The document; for people who look at pages, where there are any, a page that says the same."""
    as_page: Callable[[Request, Problem], Response | None] | None = getattr(request.app.state, "problem_page", None)
    return (as_page(request, problem) if as_page else None) or response(problem)


def media_problem(fault: str, detail: str, **members: Any) -> Problem:
    """A file that cannot be used, by its fault."""
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if fault in (MediaFault.TOO_LARGE, MediaFault.TOO_LONG):
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return Problem(status, "media-" + fault.replace("_", "-"), detail, fault=fault, **members)


def problem_of(error: Exception) -> Problem:
    """The document for an error of ours; what is not ours is a bug and says nothing of itself."""
    match error:
        case NotFound():
            return Problem(HTTPStatus.NOT_FOUND, "not-found", str(error))
        case Forbidden():
            return Problem(HTTPStatus.FORBIDDEN, "forbidden", str(error))
        case Invalid():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", error.problem, field=error.field)
        case Conflict():
            return Problem(HTTPStatus.CONFLICT, "conflict", error.problem, id=error.id)
        case TooSoon():
            headers = {"Retry-After": str(max(1, math.ceil(error.wait_s)))}
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", error.problem, headers=headers)
        case IllegalTransition():
            allowed = [event.value for event in error.allowed]
            return Problem(HTTPStatus.CONFLICT, "illegal-transition", str(error), allowed=allowed)
        case MediaError():
            metrics.media_failed(error.fault)
            return media_problem(error.fault, error.problem)
        case BadDocument():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-fingerprint", error.problem, path=error.path)
        case UnsupportedContainer():
            detail = f"{error}. Signed are: {', '.join(error.supported)}."
            return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-container", detail)
        case IdentityInvalid():
            detail = f"Nothing can be signed now: {error.reason}. The operator must replace the certificate."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "signer-invalid", detail)
        case KeyUnavailable() | TimeStampFailed():
            _log.error("nothing was signed: %s", error)  # where keys lie is the operator's to know
            detail = "Nothing was signed: the key or the time-stamp authority cannot be reached. Ask again in a while."
            headers = {"Retry-After": "30"}
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "signing-unavailable", detail, headers=headers)
        case BadTrustList():
            _log.error("nothing can be verified or signed: %s", error)
            detail = "Nothing can be verified or signed now: a trust list is damaged. The operator must mend it."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "trust-list-damaged", detail)
        case IndexBehind():
            detail = "The index is still catching up. Ask again in a moment."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "index-behind", detail, headers={"Retry-After": "5"})
        case BlobsAway():
            _log.error("%s", error)
            detail = f"The store of the files cannot be reached now. Ask again in a moment. {_AGAIN}"
            return _cannot_now("blobs-away", detail, 10)
        case BlobDamaged():
            _log.error("%s", error)
            detail = "This file is damaged or lost here. The operator must restore it from a backup."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "file-damaged", detail)
        case _ if (fault := fault_of(error)) is not None:
            _log.error("the database is %s: %s", fault, str(error).partition("\n")[0])
            return _cannot_now(*_OF_DATABASE[fault])
        case OSError(errno=number) if number in _NO_ROOM:
            _log.error("the disk is full: %s", error)
            return _cannot_now("no-space", _NO_SPACE, 60)
        case OSError(errno=errno.EROFS):
            _log.error("the disk takes no changes: %s", error)
            return _cannot_now("read-only", _READ_ONLY, 60)
        case TimeoutError():
            detail = "Others are writing. Ask again in a moment."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail, headers={"Retry-After": "2"})
        case ClientDisconnect():
            return Problem(HTTPStatus.BAD_REQUEST, "bad-request", "The connection ended before the request did.")
        case ProvenanceError() | RegistryError() | TakedownError():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", str(error))
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong on our side.")


def _cannot_now(name: str, detail: str, wait_s: int) -> Problem:
    status = HTTPStatus.INSUFFICIENT_STORAGE if name == "no-space" else HTTPStatus.SERVICE_UNAVAILABLE
    return Problem(status, name, detail, headers={"Retry-After": str(wait_s)})


def _bad_request(request: Request) -> HTTPStatus:
    """How a request is refused that says what it may not: the C2PA's API has a status of its own for it."""
    return HTTPStatus.BAD_REQUEST if request.url.path.startswith(_C2PA) else HTTPStatus.UNPROCESSABLE_ENTITY


def install(app: FastAPI) -> None:
    """Make every error of the app a problem document."""

    def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    def on_ours(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:  # a bug after all
            return on_bug(request, error)
        if problem.status is HTTPStatus.UNPROCESSABLE_ENTITY:
            problem.status = _bad_request(request)
        return answer(request, problem)

    def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        if first["type"] == "json_invalid":  # then it says at which character
            field = str(first["loc"][0])
        detail = f"{field}: {worded(first)}"
        return answer(request, Problem(_bad_request(request), "invalid", detail, field=field))

    def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        name = status.phrase.lower().replace(" ", "-")
        headers = dict(error.headers) if error.headers else None
        return answer(request, Problem(status, name, str(error.detail), headers=headers))

    def on_bug(request: Request, error: Exception) -> Response:
        _log.error("unhandled error", exc_info=error)  # which request, its line and this one's ids say
        given = answer(request, problem_of(error))
        given.headers[logs.REQUEST_ID] = logs.in_hand("request_id") or ""  # this is outside all middleware
        add_headers(request, given)
        return given

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    for kind in (
        RegistryError, TakedownError, ProvenanceError, MediaError, BadDocument, ClientDisconnect, TimeoutError,
        DBAPIError, PoolTimeoutError, OSError,
    ):  # fmt: skip
        app.add_exception_handler(kind, on_ours)
    app.add_exception_handler(Exception, on_bug)
