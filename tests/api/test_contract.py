"""The specification is kept: whatever is sent, the answer is one that `/openapi.json` tells of.

Schemathesis makes the requests, right and wrong ones. What they mean is not looked at here.
"""

import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.specs.openapi.schemas import OpenApiSchema

from api.app import specification
from tests.api.service import PROBLEM_TYPE, RunningService, ok
from tests.effort import SHORT, examples


@schemathesis.serializer("audio/*", "video/*", "message/rfc822", "application/offset+octet-stream")
def _as_bytes(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """Media as they are sent: schemathesis knows how for pictures only."""
    return value if isinstance(value, bytes) else str(value).encode()


SCOPES = ("works:write", "checks:write", "releases:write", "notices:write", "webhooks:write", "review")
# Every `type` that an error may carry. Clients rely on them: one may be added, none renamed.
PROBLEM_TYPES = {
    f"urn:clearmark:problem:{name}"
    for name in (
        "unauthorized", "forbidden", "not-found", "method-not-allowed", "invalid", "conflict", "illegal-transition",
        "disabled", "refused", "too-many-requests", "bad-request", "bad-form", "bad-json", "bad-fingerprint",
        "unsupported-media-type", "statement-changed", "tus-version", "wrong-offset", "upload-unfinished", "locked",
        "timeout",
        "unsupported-container", "too-large", "no-space", "index-behind", "busy", "not-media", "media-empty",
        "database-away", "database-damaged", "read-only", "file-damaged", "blobs-away",
        "media-unreadable", "media-no-media", "media-too-long", "media-too-large", "media-too-short", "media-corrupt",
        "media-limit-exceeded", "media-black", "media-static", "media-silent", "media-no-content", "media-repetitive",
        "media-counting", "media-noise", "media-unjudged",
    )
}  # fmt: skip


@pytest.fixture(scope="module")
def session(service: RunningService) -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.headers["Authorization"] = f"Bearer {service.key('Prober', *SCOPES)}"
        yield opened


def _is_covered(context: Any) -> bool:
    """Whether each boundary of what an operation takes is tried: of a third of them, where little is tried."""
    return not SHORT or zlib.crc32(context.operation.label.encode()) % 3 == 0


def _schema() -> OpenApiSchema:
    made = schemathesis.openapi.from_dict(specification())
    # Another version of tus, too, is refused: its specification says with which status.
    made.config.checks.negative_data_rejection.expected_statuses.append("412")
    return made


covered, drawn = _schema().include(func=_is_covered), _schema()
drawn.config.phases.coverage.enabled = False


def errors_are_problems(_context: object, response: Response, _case: object) -> None:
    """A check of our own: an error is a problem document of a known type, and none is ours."""
    if response.status_code < 400:
        return
    document = response.json()
    assert response.headers["content-type"] == [PROBLEM_TYPE]
    assert document["type"] in PROBLEM_TYPES, document
    assert document["status"] == response.status_code
    assert isinstance(document["detail"], str)
    assert response.status_code < 500, document


_SETTINGS = settings(
    max_examples=examples(12), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@covered.parametrize()
@_SETTINGS
def test_every_answer_is_one_that_is_documented(
    case: schemathesis.Case[Any], service: RunningService, session: requests.Session
) -> None:
    _ask(case, service, session)


if SHORT:

    @drawn.exclude(func=_is_covered).parametrize()
    @_SETTINGS
    def test_every_answer_to_what_is_drawn_is_one_that_is_documented(
        case: schemathesis.Case[Any], service: RunningService, session: requests.Session
    ) -> None:
        _ask(case, service, session)


def _ask(case: schemathesis.Case[Any], service: RunningService, session: requests.Session) -> None:
    case.call_and_validate(
        base_url=service.url,
        session=session,
        checks=[
            errors_are_problems,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
            negative_data_rejection,
            unsupported_method,
        ],
        timeout=30,
    )


def test_the_specification_served_is_the_one_printed(anyone: httpx.Client) -> None:
    assert ok(anyone.get("/openapi.json")) == specification()


def test_every_operation_tells_of_its_problems() -> None:
    for path, methods in specification()["paths"].items():
        for method, operation in methods.items():
            for answers in ("4XX", "5XX"):
                content = operation["responses"][answers]["content"]
                assert list(content) == [PROBLEM_TYPE], f"{method} {path}"
