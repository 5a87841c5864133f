"""Checks: one clip, one question, one verdict with its evidence.

`ask` accepts the question, `answer` gives the verdict. What could not be looked at is `unknown`, never
`clear`. A verdict is final; a person may approve or reject what is `review`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.match import covered_s
from fingerprinting.model import Fingerprint, Segment
from registry import ledger
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import (
    Assurance,
    Decision,
    MatchedWork,
    Policy,
    Thresholds,
    Verdict,
    decide,
    unknown,
)
from registry.domain.preferences import Use
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, NotFound
from registry.index import Answer, store_item
from registry.jobs import JobKind, enqueue
from registry.models import Asset, Check, CheckStatus, Corpus, Match, Work
from registry.outbox import tell
from registry.reservations import effective, rivals_of

# 2 s is the shortest stretch that the benchmarks found without a false one; from 3 s on a copy is
# long enough to be recognised as one by a person too.
THRESHOLDS = Thresholds(review_matched_s=2.0, block_matched_s=3.0)
VALIDITY = timedelta(hours=24)
_MAX_CONTEXT_CHARS = 16_384


class DecisionValue(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswerable:
    """Why a clip could not be looked at."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How an answer was reached."""

    engine: dict[str, Any]
    timings_ms: dict[str, float]


def ask(
    session: Session,
    actor: Actor,
    *,
    context: dict[str, Any],
    at: datetime,
    blob_key: str | None = None,
    sha256: str | None = None,
    media_type: str | None = None,
) -> Check:
    """Accept a question; a job answers it if its own request does not."""
    actor.require(Scope.CHECKS_WRITE)
    if len(repr(context)) > _MAX_CONTEXT_CHARS:
        raise Invalid(field="context", problem=f"At most {_MAX_CONTEXT_CHARS} characters.")
    check = Check(
        id=new_id(Prefix.CHECK, at=at),
        holder_id=actor.holder_id,
        status=CheckStatus.QUEUED.value,
        sha256=sha256,
        blob_key=blob_key,
        media_type=media_type,
        context=context,
        created_at=at,
        expires_at=at + VALIDITY,
    )
    session.add(check)
    session.flush()
    return check


def enqueue_answer(session: Session, check: Check, *, at: datetime) -> str:
    """Promise an answer; returns the job's id."""
    return enqueue(session, JobKind.CHECK, check.id, at=at).id


def answer(
    session: Session, check: Check, found: Answer | Unanswerable, evidence: Evidence, *,
    fingerprint: Fingerprint | None, at: datetime,
) -> None:  # fmt: skip
    """Give the verdict on what was found, once."""
    if check.status == CheckStatus.DONE:
        return
    if isinstance(found, Unanswerable):
        decision = unknown(found.code, found.message)
    else:
        decision = _decide(session, check, found, at=at)
        check.index_sequence = found.sequence
    if fingerprint is not None:
        check.duration_s = round(fingerprint.duration_s, 3)
        store_item(session, Corpus.CHECKS, check.id, fingerprint, at=at)
    check.verdict = decision.verdict.value
    check.reasons = [{"code": r.code, "message": r.message, "work_id": r.work_id} for r in decision.reasons]
    check.engine, check.timings_ms = evidence.engine, evidence.timings_ms
    check.status, check.progress, check.finished_at = CheckStatus.DONE.value, 1.0, at
    check.expires_at = at + VALIDITY
    ledger.record(session, "verdict.given", check, at=at)
    tell(session, check.holder_id, "check.done", {"id": check.id, "verdict": check.verdict}, at=at)


def review(
    session: Session, actor: Actor, check_id: str, decision: DecisionValue, reason: str, *, at: datetime
) -> Check:
    """Decide what the verdict left to a person."""
    actor.require(Scope.REVIEW)
    check = session.get(Check, check_id)
    if check is None:
        raise NotFound(kind="check", id=check_id)
    if check.verdict != Verdict.REVIEW:
        raise ConflictError(kind="check", id=check.id, problem="Only a check whose verdict is review can be decided.")
    if check.decision is not None:
        raise ConflictError(kind="check", id=check.id, problem=f"It was decided already: {check.decision}.")
    if not reason.strip():
        raise Invalid(field="reason", problem="Say why, in a sentence.")
    check.decision, check.decision_reason = decision.value, reason.strip()
    check.decided_by, check.decided_at = actor.holder_id, at
    ledger.record(session, "verdict.decided", check, at=at)
    tell(session, check.holder_id, "check.decided", {"id": check.id, "decision": check.decision}, at=at)
    return check


def visible(session: Session, actor: Actor, check_id: str) -> Check:
    """A check that the actor asked, or any check for a reviewer."""
    check = session.get(Check, check_id)
    if check is None or (check.holder_id != actor.holder_id and not actor.may(Scope.REVIEW)):
        raise NotFound(kind="check", id=check_id)
    return check


def forget_media(session: Session, *, at: datetime) -> list[str]:
    """Let go of the media of checks that can no longer lead to a release; returns the blobs to delete."""
    useless = sa.or_(
        Check.expires_at <= at,
        Check.verdict.in_((Verdict.BLOCK, Verdict.UNKNOWN)),
        Check.decision == DecisionValue.REJECT,
    )
    kept = sa.select(Check).where(Check.blob_key.is_not(None), Check.status == CheckStatus.DONE, useless).limit(500)
    freed = []
    for check in session.scalars(kept):
        freed.append(str(check.blob_key))
        check.blob_key = None
    return freed


def _decide(session: Session, check: Check, found: Answer, *, at: datetime) -> Decision:
    by_work: dict[str, list[tuple[Asset, Segment]]] = {}
    for segment in found.segments:
        asset = session.get(Asset, found.subjects[segment.item])
        if asset is not None and asset.work.withdrawn_at is None:
            by_work.setdefault(asset.work_id, []).append((asset, segment))
    matched = [_matched(session, check, pairs, at=at) for pairs in by_work.values()]
    decision = decide(matched, thresholds=THRESHOLDS)
    pairs = sorted(
        (pair for found_here in by_work.values() for pair in found_here),
        key=lambda pair: -pair[1].query_length_s,
    )
    check.matches = [
        Match(
            position=position,
            work_id=asset.work_id,
            asset_id=asset.id,
            title=asset.work.title,
            modality=segment.algorithm.modality.value,
            algorithm=segment.algorithm.value,
            query_start_s=round(segment.query_start_s, 3),
            query_end_s=round(segment.query_end_s, 3),
            reference_start_s=round(segment.reference_start_s, 3),
            reference_end_s=round(segment.reference_end_s, 3),
            score=round(segment.score_0_1, 4),
            policy=asset.work.policy,
            own=asset.work.holder_id == check.holder_id,
        )
        for position, (asset, segment) in enumerate(pairs)
    ]
    return decision


def _matched(session: Session, check: Check, pairs: list[tuple[Asset, Segment]], *, at: datetime) -> MatchedWork:
    work: Work = pairs[0][0].work
    preference = effective(session, work, (Use.DEPICT_IN_OUTPUT,), at=at)[Use.DEPICT_IN_OUTPUT]
    return MatchedWork(
        work_id=work.id,
        title=work.title,
        policy=Policy(work.policy),
        assurance=Assurance(work.holder.assurance),
        own=work.holder_id == check.holder_id,
        disputed=bool(rivals_of(session, work)),
        preference=preference.answer,
        matched_s=covered_s([segment for _, segment in pairs]),
    )
