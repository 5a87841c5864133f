"""What operators and their machines ask: alive, ready, how much of what."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy.orm import Session

from api.access import TheService
from api.service import Service
from fingerprinting.decode import ffmpeg_has_chromaprint
from provenance.authority import SigningIdentity
from provenance.trust import BadTrustList, TrustLists
from registry.index import head_sequence
from registry.jobs import JobKind
from registry.models import Job, JobState, MessageStatus, OutboxMessage

router = APIRouter(tags=["operations"])


@router.get("/healthz")
def alive() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/readyz", responses={503: {"description": "Not ready, and why."}})
def ready(service: TheService, response: Response) -> dict[str, Any]:
    with service.database.reading() as session:
        head = head_sequence(session)
        waiting = session.scalar(sa.select(sa.func.count()).where(Job.state == JobState.QUEUED)) or 0
        # A webhook that was given up is its receiver's failure: a dead letter, not a job to look at.
        broken = Job.state == JobState.FAILED, Job.kind != JobKind.DELIVER
        failed = session.scalar(sa.select(sa.func.count()).where(*broken)) or 0
        messages = _messages(session)
    signer = service.signers.current(at=service.now()).identity
    is_ready = service.index_ready.is_set()
    if not is_ready:
        response.status_code = 503
    return {
        "status": "ready" if is_ready else "index loading",
        "degraded": degraded(service, signer, failed),
        "index": {"sequence": service.index.sequence, "head": head, "rows": service.index.sizes},
        "algorithms": [algorithm.value for algorithm in service.algorithms],
        "jobs": {"waiting": waiting, "failed": failed},
        "webhooks": {status.value: messages[status] for status in (MessageStatus.PENDING, MessageStatus.FAILED)},
        "signer": {
            "name": signer.name,
            "development": signer.development,
            "not_after": signer.not_after.isoformat(),
            "days_left": max(0, (signer.not_after - service.now()).days),
        },
    }


def degraded(service: Service, signer: SigningIdentity, failed: int) -> list[str]:
    """What works less well than it should, and what that means."""
    left = signer.not_after - service.now()
    expired = left <= timedelta(0)
    soon = not expired and not signer.development and left <= timedelta(days=service.settings.signer_warn_days)
    problems = {
        "A trust list is damaged, and nothing can be verified or signed: see `clearmark trust lists`.": _is_damaged(
            service.trust
        ),
        "The signer is a development certificate: others will call our releases untrusted.": signer.development,
        "The signer's certificate has expired: nothing can be released.": expired,
        f"The signer's certificate ends in {left.days} days: renew it with `clearmark signer csr` and"
        " `clearmark signer rotate`.": soon,
        "Frame hashes on this machine differ from imagehash: matches may be missed.": service.hash_disagreement > 0,
        "This ffmpeg lacks Chromaprint: sound is fingerprinted by libchromaprint.": not ffmpeg_has_chromaprint(),
        "Pictures are compared by hashes alone: crops and pictures in pictures are missed"
        " (install the extra `neural`).": service.embedder is None,
        f"{failed} jobs failed for good: see the jobs table.": failed > 0,
        f"The index was {service.index_problem}.": service.index_problem is not None,
    }
    return [problem for problem, applies in problems.items() if applies]


def _is_damaged(lists: TrustLists) -> bool:
    try:
        lists.all()
    except BadTrustList:
        return True
    return False


@router.get("/metrics", response_class=Response)
def metrics(service: TheService) -> Response:
    registry = CollectorRegistry()
    rows = Gauge("clearmark_index_rows", "Vectors in the index", ["index"], registry=registry)
    for name, size in service.index.sizes.items():
        rows.labels(name).set(size)
    jobs = Gauge("clearmark_jobs", "Jobs by kind and state", ["kind", "state"], registry=registry)
    webhooks = Gauge("clearmark_webhook_messages", "Webhooks by what became of them", ["status"], registry=registry)
    lag = Gauge("clearmark_index_lag", "Log rows that this process has not applied", registry=registry)
    with service.database.reading() as session:
        for kind, state, count in session.execute(
            sa.select(Job.kind, Job.state, sa.func.count()).group_by(Job.kind, Job.state)
        ):
            jobs.labels(kind, state).set(count)
        for status, count in _messages(session).items():
            webhooks.labels(status).set(count)
        lag.set(head_sequence(session) - service.index.sequence)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _messages(session: Session) -> dict[MessageStatus, int]:
    """How many webhooks are in which state."""
    counted = sa.select(OutboxMessage.status, sa.func.count().label("messages")).group_by(OutboxMessage.status)
    found = {row.status: row.messages for row in session.execute(counted)}
    return {status: found.get(status, 0) for status in MessageStatus}
