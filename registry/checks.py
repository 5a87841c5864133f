"""Checks: one clip, one question, one verdict with its evidence.

`ask` accepts the question, `answer` gives the verdict. What could not be looked at is `unknown`, never
`clear`. A verdict is final; a person may approve or reject what is `review`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from fingerprinting.looks import Glance
from fingerprinting.model import Fingerprint, Segment
from registry import drafts, exclusions, ledger, negatives, quarantine, thresholds
from registry.access import READS, Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import (
    Assurance,
    Decision,
    Doubt,
    MatchedWork,
    NoWeight,
    Policy,
    Verdict,
    decide,
    unknown,
)
from registry.domain.preferences import Use
from registry.domain.weight import Weighed, seconds_of, weigh
from registry.drafts import Heard
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, NotFound
from registry.exclusions import BankStretch
from registry.index import Answer, IndexEngine, remove_item, store_item
from registry.jobs import JobKind, enqueue
from registry.models import Asset, AssetStatus, Check, CheckStatus, Corpus, ExplanationStatus, Item, Match
from registry.outbox import tell
from registry.preferences import effective, rivals_of
from registry.quarantine import FloodLimits

VALIDITY = timedelta(hours=24)
# As long as a verification is kept: time enough to look into a complaint.
EXPLANATION_AGE = timedelta(days=30)
_MAX_CONTEXT_CHARS = 16_384


class DecisionValue(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"


class FindingDecision(StrEnum):
    """What a person says of a finding that came after a check: see `registry.lookback`."""

    UPHOLD = "uphold"
    DISMISS = "dismiss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswerable:
    """Why a clip could not be looked at."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a clip shows.

    Attributes:
        works: segments of registered works.
        bank: segments of the negative bank.
        shared: stretches of the works found that turned out to be material of the bank.
    """

    works: Answer
    bank: Answer
    shared: Sequence[BankStretch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the operator decides for all checks.

    Attributes:
        flood: when an asset matches too much.
        block_from: how well a holder must be known for their word to block.
    """

    flood: FloodLimits = field(default_factory=FloodLimits)
    block_from: Assurance = Assurance.EMAIL


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
    keys: Mapping[str, Any] | None = None,
) -> Check:
    """Accept a question; a job answers it if its own request does not.

    Args:
        context: may name `persons`, with the `consents` presented for them; see `registry.domain.consent`.
        keys: those that consents are signed with, as a JWK set; without them no consent is believed.
    """
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
    drafts.note(session, check, keys or {"keys": []}, at=at)
    return check


def enqueue_answer(session: Session, check: Check, *, at: datetime) -> str:
    """Promise an answer; returns the job's id."""
    return enqueue(session, JobKind.CHECK, check.id, at=at).id


def search(
    session: Session, engine: IndexEngine, query: Fingerprint, *, timeout_s: float, glance: Glance | None = None
) -> Found:
    """Find what a clip shows of works and of the negative bank, and what of the works is the bank's.

    Args:
        glance: can look closer at the clip, see `fingerprinting.match.find_copies`.

    Raises:
        IndexBehind: the indexes could not be brought up to date.
    """
    works = engine.search(session, Corpus.WORKS, query, timeout_s=timeout_s, glance=glance)
    bank = engine.search(session, Corpus.NEGATIVES, query, timeout_s=timeout_s, glance=glance)
    shared = negatives.material_shared(session, engine, works, bank, timeout_s=timeout_s)
    return Found(works=works, bank=bank, shared=shared)


def answer(
    session: Session, check: Check, found: Found | Unanswerable, evidence: Evidence, *,
    fingerprint: Fingerprint | None, at: datetime, rules: Rules,
) -> None:  # fmt: skip
    """Give the verdict on what was found, once; a job explains it where there is something to explain."""
    if check.status == CheckStatus.DONE:
        return
    if isinstance(found, Unanswerable):
        decision = unknown(found.code, found.message)
    else:
        exclusions.exclude_bank_material(session, found.shared, at=at)
        is_still = fingerprint is not None and fingerprint.is_still
        decision, check.matches = judge(session, check, found, rules, is_still=is_still, at=at)
        check.index_sequence = found.works.sequence
    if fingerprint is not None:
        check.duration_s = round(fingerprint.duration_s, 3)
        store_item(session, Corpus.CHECKS, check.id, fingerprint, at=at)
    check.verdict = decision.verdict.value
    check.reasons = [{"code": r.code, "message": r.message, "work_id": r.work_id} for r in decision.reasons]
    check.engine, check.timings_ms = evidence.engine, evidence.timings_ms
    check.status, check.progress, check.finished_at = CheckStatus.DONE.value, 1.0, at
    check.expires_at = at + VALIDITY
    if check.matches:
        check.explanation = ExplanationStatus.WAITING.value
        enqueue(session, JobKind.EXPLAIN, check.id, at=at)
    ledger.record(session, "verdict.given", check, at=at)
    tell(session, check.holder_id, "check.done", {"id": check.id, "verdict": check.verdict}, at=at)
    for asset_id in {m.asset_id for m in check.matches if m.no_weight is None and not m.own}:
        quarantine.look(session, session.get_one(Asset, asset_id), rules.flood, at=at)


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
    actor.require(*READS[Prefix.CHECK])
    check = session.get(Check, check_id)
    if check is None or (check.holder_id != actor.holder_id and not actor.may(Scope.REVIEW)):
        raise NotFound(kind="check", id=check_id)
    return check


def explained(check: Check, key: str | None) -> None:
    """Say where the pictures of an explanation are kept; None when none could be made."""
    check.explanation_key = key
    check.explanation = (ExplanationStatus.READY if key else ExplanationStatus.FAILED).value


def forget_explanations(session: Session, *, at: datetime) -> list[str]:
    """Let go of the pictures of old checks; returns the blobs to delete. What matched where stays."""
    old = sa.select(Check).where(Check.explanation_key.is_not(None), is_explanation_old(at))
    freed = []
    for check in session.scalars(old.limit(500)):
        freed.append(str(check.explanation_key))
        check.explanation, check.explanation_key = ExplanationStatus.FORGOTTEN.value, None
    return freed


def is_explanation_old(at: datetime) -> sa.ColumnElement[bool]:
    """Whether a check was answered so long ago that the pictures of its matches are kept no more."""
    return Check.finished_at < at - EXPLANATION_AGE


def forget_fingerprints(session: Session, *, older_than: datetime) -> int:
    """Let go of the fingerprints of old checks: nothing that is registered later is looked for in them."""
    old = sa.select(Check.id).where(Check.finished_at < older_than, Check.id.in_(_with_fingerprints())).limit(500)
    forgotten = session.scalars(old).all()
    for check_id in forgotten:
        remove_item(session, check_id, at=older_than)
    return len(forgotten)


def _with_fingerprints() -> sa.Select[str]:
    return sa.select(Item.subject_id).where(Item.corpus == Corpus.CHECKS)


def forget_media(session: Session, *, at: datetime) -> list[str]:
    """Let go of the media of checks that can no longer lead to a release; returns the blobs to delete."""
    kept = sa.select(Check).where(Check.blob_key.is_not(None), is_media_useless(at))
    freed = []
    for check in session.scalars(kept.limit(500)):
        freed.append(str(check.blob_key))
        check.blob_key = None
    return freed


def is_media_useless(at: datetime) -> sa.ColumnElement[bool]:
    """Whether a check's media can lead to no release any more, and is not to be looked at either."""
    useless = sa.or_(
        Check.expires_at <= at,
        Check.verdict.in_((Verdict.BLOCK, Verdict.UNKNOWN)),
        Check.decision == DecisionValue.REJECT,
    )
    still_needed = Check.explanation.is_not_distinct_from(ExplanationStatus.WAITING.value)
    return sa.and_(Check.status == CheckStatus.DONE, useless, ~still_needed)


type _Piece = tuple[Asset, Weighed]


def judge(
    session: Session, check: Check, found: Found, rules: Rules, *, is_still: bool, at: datetime
) -> tuple[Decision, list[Match]]:
    """What a check's clip would be answered now, by what was found, and the matches behind it, longest first."""
    pieces = weighed(session, found)
    by_work: dict[str, list[_Piece]] = {}
    for asset, piece in pieces:
        by_work.setdefault(asset.work_id, []).append((asset, piece))
    heard = drafts.hear(session, check, at=at)
    matched = [_matched(session, check, mine, heard, is_still=is_still, at=at) for mine in by_work.values()]
    decision = decide(matched, heard.persons, heard.uncounted, block_from=rules.block_from)
    pieces.sort(key=lambda pair: -pair[1].segment.query_length_s)
    return decision, [_match(check, position, asset, piece) for position, (asset, piece) in enumerate(pieces)]


def weighed(session: Session, found: Found) -> list[_Piece]:
    """Everything found of works in force, cut where its weight changes."""
    by_asset: dict[str, list[Segment]] = {}
    for segment in found.works.segments:
        by_asset.setdefault(found.works.subjects[segment.item], []).append(segment)
    pieces: list[_Piece] = []
    for asset_id, segments in by_asset.items():
        asset = session.get(Asset, asset_id)
        if asset is None or asset.work.withdrawn_at is not None or asset.status == AssetStatus.WITHDRAWN:
            continue
        excluded = exclusions.stretches_of(session, asset.id)
        held = quarantine.is_held(session, asset.id)
        for segment in segments:
            weighed = weigh(segment, excluded=excluded, bank=found.bank.segments, quarantined=held)
            pieces += [(asset, piece) for piece in weighed]
    return pieces


def _matched(
    session: Session, check: Check, pieces: list[_Piece], heard: Heard, *, is_still: bool, at: datetime
) -> MatchedWork:
    work = pieces[0][0].work
    preference = effective(session, work, (Use.DEPICT_IN_OUTPUT,), at=at)[Use.DEPICT_IN_OUTPUT]
    counted = [piece for _, piece in pieces if piece.counts]
    stills = [piece for asset, piece in pieces if piece.counts and (is_still or asset.duration_s == 0)]
    causes = {piece.no_weight for _, piece in pieces if piece.no_weight is not None}
    return MatchedWork(
        work_id=work.id,
        title=work.title_for(check.holder_id),
        policy=Policy(work.policy),
        assurance=Assurance(work.holder.assurance),
        own=work.holder_id == check.holder_id,
        disputed=bool(rivals_of(session, work, at=at)),
        preference=preference.answer,
        matched_s=seconds_of(counted),
        certain_s=seconds_of([piece for piece in counted if piece.is_certain]),
        still=bool(stills),
        certain_still=any(piece.is_certain for piece in stills),
        doubts=frozenset[Doubt]().union(*(piece.doubts for piece in counted)),
        weightless_s={
            cause: seconds_of([piece for _, piece in pieces if piece.no_weight is cause])
            for cause in NoWeight
            if cause in causes
        },
        thresholds=thresholds.in_force(work),
        consents=heard.covers(work.id, {piece.segment.algorithm.modality for piece in counted}),
    )


def _match(check: Check, position: int, asset: Asset, piece: Weighed) -> Match:
    segment = piece.segment
    return Match(
        position=position,
        work_id=asset.work_id,
        asset_id=asset.id,
        title=asset.work.title_for(check.holder_id),
        modality=segment.algorithm.modality.value,
        algorithm=segment.algorithm.value,
        query_start_s=round(segment.query_start_s, 3),
        query_end_s=round(segment.query_end_s, 3),
        reference_start_s=round(segment.reference_start_s, 3),
        reference_end_s=round(segment.reference_end_s, 3),
        score=round(segment.score_0_1, 4),
        policy=asset.work.policy,
        own=asset.work.holder_id == check.holder_id,
        doubts=sorted(doubt.value for doubt in piece.doubts),
        no_weight=piece.no_weight.value if piece.no_weight else None,
    )
