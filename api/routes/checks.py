"""Checks: the pre-publish question, and a reviewer's decision."""

import contextlib
import json
import time
from concurrent.futures import TimeoutError as Waited
from http import HTTPStatus
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from api import explanations, logs, metrics, requests
from api.access import IdempotencyHeader, TheActor, TheService
from api.answers import count_check, evidence_of, search_works
from api.backlog import require_room
from api.page import POLICY
from api.paging import Cursor, Limit, page
from api.problems import media_problem
from api.runner import Runner
from api.schemas.base import Page
from api.schemas.checks import CheckOut, DecisionIn, DecisionOut, IndexOut, MatchOut, ReasonOut
from api.service import Service
from api.uploads import Received, Submission, Upload, form_body
from fingerprinting import stages
from fingerprinting.decode import probe
from fingerprinting.errors import MediaFault
from provenance.media_types import media_type_of
from registry import checks, idempotency
from registry.access import Actor, Scope
from registry.errors import Invalid, NotFound
from registry.jobs import JobKind
from registry.models import Check, ExplanationStatus, Match

router = APIRouter(prefix="/v1", tags=["checks"])

_PAGE: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_MAX_WAIT_S = 120.0
_FIELDS: dict[str, dict[str, Any]] = {
    "wait": {"type": "number", "minimum": 0, "maximum": _MAX_WAIT_S},
    "context": {
        "type": "string",
        "description": "A JSON object: generator, model, prompt id, …; the `persons` whom the clip shows or lets "
        "speak, the `consents` (tokens) presented for them, and the `project` that a consent may be for.",
    },
}
Wait = Annotated[float | None, Query(ge=0, le=_MAX_WAIT_S, description="Seconds to wait for the verdict.")]


@router.post(
    "/checks",
    openapi_extra=form_body(document=True, **_FIELDS),
    responses={202: {"model": CheckOut, "description": "Accepted; ask again at Location."}},
)
def create_check(
    actor: TheActor,
    received: Received,
    service: TheService,
    response: Response,
    wait: Wait = None,
    idempotency_key: IdempotencyHeader = None,
) -> CheckOut:
    metrics.check_received(requests.age_s())
    wait_s = _wait(received, wait)
    context = received.json_field("context")
    # Other persons or consents make it another question.
    digest = idempotency.digest(received.sha256 + json.dumps(context)) if context else received.sha256
    with service.database.reading() as session:
        known = idempotency.recall(session, actor, "check", idempotency_key, digest)
    if known is not None:
        check_id = known
    elif received.upload is not None:
        check_id = _check_file(service, actor, received, context, idempotency_key, digest, wait_s)
    else:
        check_id = _check_document(service, actor, received, context, idempotency_key)
    logs.note(check_id)
    with service.database.reading() as session:
        answer = _check(checks.visible(session, actor, check_id))
    if answer.status != "done":
        response.status_code = 202
        response.headers["Retry-After"] = "1"
    response.headers["Location"] = f"/v1/checks/{check_id}"
    _refuse_broken_media(answer)
    return answer


def _wait(received: Submission, wait: float | None) -> float:
    text = received.fields.get("wait")
    if text is None:
        return _MAX_WAIT_S if wait is None else wait
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MAX_WAIT_S:
        raise Invalid(field="wait", problem=f"Give seconds from 0 to {_MAX_WAIT_S:.0f}.")
    return value


def _check_file(
    service: Service,
    actor: Actor,
    received: Submission,
    context: dict[str, Any],
    key: str | None,
    digest: str,
    wait_s: float,
) -> str:
    """Raises: Problem: so many are in hand or wait that another would wait too long."""
    actor.require(Scope.CHECKS_WRITE)
    upload = received.require_upload()
    require_room(service, JobKind.CHECK)
    with service.check_slots.taken():
        return _check_upload(service, actor, upload, context, key, digest, wait_s)


def _check_upload(
    service: Service, actor: Actor, upload: Upload, context: dict[str, Any], key: str | None, digest: str, wait_s: float
) -> str:
    media = probe(upload.path, limits=service.decode_limits)
    media_type = media_type_of(upload.path)
    blob = f"check_{upload.path.name}"
    at = service.now()
    with service.blobs.adopted(upload.path, blob), service.database.transaction() as session:
        check = checks.ask(
            session, actor, context=context, at=at, blob_key=blob, sha256=upload.sha256, media_type=media_type,
            keys=service.tokens.public(),
        )  # fmt: skip
        job_id = checks.enqueue_answer(session, check, at=at)
        idempotency.remember(session, actor, "check", key, digest, check.id, at=at)
    length_s = 0.0 if media.is_still else media.duration_s
    if wait_s > 0 and length_s is not None and length_s <= service.settings.sync_check_s:
        with contextlib.suppress(Waited):  # it goes on, and the client asks again
            service.executor.submit(Runner(service, {blob: media}).run, job_id).result(timeout=wait_s)
    else:
        service.hint(job_id, JobKind.CHECK)
    return check.id


def _check_document(
    service: Service, actor: Actor, received: Submission, context: dict[str, Any], key: str | None
) -> str:
    actor.require(Scope.CHECKS_WRITE)
    assert received.fingerprint is not None
    began = time.perf_counter()
    with stages.measured() as spent_s:
        found = search_works(service, received.fingerprint)
    took = time.perf_counter() - began
    at = service.now()
    evidence = evidence_of(service, {"search": took, "total": took})
    with service.database.transaction() as session:
        check = checks.ask(session, actor, context=context, at=at)
        checks.answer(session, check, found, evidence, fingerprint=received.fingerprint, at=at, rules=service.rules)
        idempotency.remember(session, actor, "check", key, received.sha256, check.id, at=at)
    count_check(check, evidence, {**spent_s, "policy": time.perf_counter() - began - took})
    return check.id


def _refuse_broken_media(answer: CheckOut) -> None:
    """A file that could not be read is a problem, with the check that says `unknown`."""
    faults = {reason.code for reason in answer.reasons} & set(MediaFault)
    if answer.verdict == "unknown" and faults:
        reason = answer.reasons[0]
        members = {"check_id": answer.id, "verdict": answer.verdict}
        raise media_problem(reason.code, reason.message, **members)


@router.get("/checks")
def list_checks(
    actor: TheActor,
    service: TheService,
    cursor: Cursor = None,
    limit: Limit = 50,
    awaiting_decision: Annotated[bool, Query(description="For reviewers: everybody's undecided reviews.")] = False,
) -> Page[CheckOut]:
    query = sa.select(Check)
    if awaiting_decision:
        actor.require(Scope.REVIEW)
        query = query.where(Check.verdict == "review", Check.decision.is_(None))
    else:
        actor.require(Scope.CHECKS_WRITE)
        query = query.where(Check.holder_id == actor.holder_id)
    with service.database.reading() as session:
        return page(session, query, Check.id, cursor, limit, _check)


@router.get("/checks/{check_id}")
def get_check(check_id: str, actor: TheActor, service: TheService) -> CheckOut:
    with service.database.reading() as session:
        return _check(checks.visible(session, actor, check_id))


@router.get(
    "/checks/{check_id}/explanation",
    response_class=HTMLResponse,
    responses={202: {"description": "The page without its pictures, which are being made.", "content": _PAGE}},
)
def get_explanation(check_id: str, actor: TheActor, service: TheService) -> HTMLResponse:
    """What a person needs to see of the matches: one page that stands on its own."""
    with service.database.reading() as session:
        check = checks.visible(session, actor, check_id)
        if check.explanation is None:
            raise NotFound(kind="explanation of check", id=check_id)
        content = explanations.kept(service, check)
        shown = explanations.page(session, actor, check, content)
    is_ready = check.explanation != ExplanationStatus.WAITING
    status = HTTPStatus.OK if is_ready else HTTPStatus.ACCEPTED
    headers = {"Content-Security-Policy": POLICY} | ({} if is_ready else {"Retry-After": "2"})
    return HTMLResponse(shown, status, headers=headers)


@router.post("/checks/{check_id}/decision")
def decide(check_id: str, body: DecisionIn, actor: TheActor, service: TheService) -> CheckOut:
    with service.database.transaction() as session:
        return _check(checks.review(session, actor, check_id, body.decision, body.reason, at=service.now()))


def _check(check: Check) -> CheckOut:
    decision = None
    if check.decision and check.decided_at:
        decision = DecisionOut(
            decision=checks.DecisionValue(check.decision),
            reason=check.decision_reason or "",
            decided_by=check.decided_by or "",
            decided_at=check.decided_at,
        )
    return CheckOut.model_validate(
        {
            "id": check.id,
            "status": check.status,
            "progress": check.progress,
            "verdict": check.verdict,
            "reasons": [ReasonOut(**reason) for reason in check.reasons],
            "matches": [_match(match) for match in check.matches],
            "index": IndexOut(sequence=check.index_sequence, engine=check.engine),
            "timings_ms": check.timings_ms,
            "sha256": check.sha256,
            "duration_s": check.duration_s,
            "context": check.context,
            "decision": decision,
            "explanation": check.explanation,
            "created_at": check.created_at,
            "expires_at": check.expires_at,
        }
    )


def _match(match: Match) -> MatchOut:
    return MatchOut.model_validate(match, from_attributes=True).model_copy(update={"score": match.told_score})
