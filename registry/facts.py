"""What the ledger holds each record to: everything that must not change without an entry.

A fact that came later is there only where it was said, so that what older entries committed to stays as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, selectinload

from registry.models import (
    AdminAction,
    AssuranceChange,
    Check,
    CheckStatus,
    Conflict,
    Consent,
    Exclusion,
    Finding,
    LedgerEntry,
    LedgerKey,
    Match,
    MisuseDecision,
    Negative,
    Notice,
    Quarantine,
    Release,
    Reservation,
    Work,
)

type Record = (
    Work
    | Reservation
    | Check
    | Release
    | Notice
    | Exclusion
    | Negative
    | Quarantine
    | AssuranceChange
    | Conflict
    | Finding
    | Consent
    | LedgerKey
    | MisuseDecision
    | AdminAction
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """That the entries with these numbers, about the record `id`, can no longer be opened."""

    id: str
    numbers: tuple[int, ...]


@singledispatch
def facts_of(record: object) -> dict[str, Any]:
    """What the ledger holds a record to: everything that must not change without an entry."""
    raise TypeError(f"{type(record).__name__} has no ledger facts")


@facts_of.register
def _(work: Work) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "holder": work.holder_id, "title": work.title, "kind": work.kind, "identifiers": work.identifiers,
        "creators": work.creators, "year": work.year, "policy": work.policy, "withdrawn": written(work.withdrawn_at),
    }  # fmt: skip
    # What came later is there only where it was said: what older entries committed to stays as it was.
    if work.review_matched_s is not None and work.block_matched_s is not None:
        facts["thresholds"] = _thousandths(work.review_matched_s, work.block_matched_s)
    if work.shows_frames:
        facts["shows_frames"] = True
    if work.confidential:
        facts["confidential"] = True
    for name in ("contributors", "shares", "alternative_titles"):
        if said := getattr(work, name):
            facts[name] = said
    return facts


@facts_of.register
def _(said: Reservation) -> dict[str, Any]:
    facts = {
        "holder": said.holder_id, "scope": said.scope, "work": said.work_id, "location": said.location,
        "use": said.use, "value": said.value, "territory": said.territory, "terms": said.terms_url,
        "declared": written(said.declared_at), "from": written(said.valid_from), "until": written(said.valid_until),
        "withdrawn": written(said.withdrawn_at), "superseded": written(said.superseded_at),
    }  # fmt: skip
    return facts | {name: value for name, value in _later(said) if value}


def _later(said: Reservation) -> tuple[tuple[str, str | None], ...]:
    return ("asset", said.asset_id), ("contact", said.contact), ("agent", said.agent_id)


@facts_of.register
def _(change: AssuranceChange) -> dict[str, Any]:
    return {
        "holder": change.holder_id, "assurance": change.assurance, "granted": change.granted_assurance,
        "cause": change.cause, "note": change.note, "decided_by": change.decided_by, "at": written(change.at),
    }  # fmt: skip


@facts_of.register
def _(conflict: Conflict) -> dict[str, Any]:
    return {
        "assets": [conflict.rival_asset_id, conflict.asset_id], "appeal_of": conflict.appeal_of,
        "state": conflict.state, "seconds": _thousandths(conflict.seconds), "outcome": conflict.outcome,
        "statements": [[s.holder_id, s.position, s.text, s.links, written(s.at)] for s in conflict.statements],
        "cause": conflict.cause, "reason": conflict.reason, "decided_by": conflict.decided_by,
        "opened": written(conflict.opened_at), "closed": written(conflict.closed_at),
    }  # fmt: skip


@facts_of.register
def _(finding: Finding) -> dict[str, Any]:
    return {
        "work": finding.work_id, "asset": finding.asset_id, "check": finding.check_id, "release": finding.release_id,
        "verdict": finding.verdict, "found": written(finding.found_at), "decision": finding.decision,
        "reason": finding.decision_reason, "decided_by": finding.decided_by, "decided": written(finding.decided_at),
        "disabled": finding.disabled_release,
    }  # fmt: skip


@facts_of.register
def _(check: Check) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "holder": check.holder_id, "sha256": check.sha256, "verdict": check.verdict,
        "reasons": [reason["code"] for reason in check.reasons],
        "matches": [_match(m) for m in check.matches], "index": check.index_sequence,
        "finished": written(check.finished_at), "expires": written(check.expires_at),
        "decision": check.decision, "decided_by": check.decided_by, "decided": written(check.decided_at),
    }  # fmt: skip
    if check.drafts:
        facts["persons"] = [[draft.work_id, draft.uses] for draft in check.drafts]
        facts["consents"] = [one.consent_id for one in check.presented if one.counts]
    return facts


def _match(m: Match) -> list[object]:
    facts: list[object] = [
        m.work_id, m.asset_id, m.algorithm, *_thousandths(m.query_start_s, m.query_end_s),
        *_thousandths(m.reference_start_s, m.reference_end_s, m.score), m.policy, m.own,
    ]  # fmt: skip
    if m.doubts or m.no_weight:
        facts += [m.doubts, m.no_weight]
    return facts


@facts_of.register
def _(said: Exclusion) -> dict[str, Any]:
    facts = {
        "asset": said.asset_id, "source": said.source, "negative": said.negative_id, "modality": said.modality,
        "interval": _thousandths(said.start_s, said.end_s), "reason": said.reason,
        "declared": written(said.declared_at), "withdrawn": written(said.withdrawn_at),
    }  # fmt: skip
    return facts | ({"conflict": said.conflict_id} if said.conflict_id else {})


@facts_of.register
def _(entry: Negative) -> dict[str, Any]:
    return {
        "title": entry.title, "added_by": entry.added_by, "sha256": entry.sha256,
        "added": written(entry.created_at), "removed": written(entry.removed_at),
    }  # fmt: skip


@facts_of.register
def _(held: Quarantine) -> dict[str, Any]:
    return {
        "asset": held.asset_id, "matched_checks": held.matched_checks, "askers": held.askers,
        "opened": written(held.opened_at), "decision": held.decision, "reason": held.decision_reason,
        "decided_by": held.decided_by, "decided": written(held.decided_at),
    }  # fmt: skip


@facts_of.register
def _(said: Consent) -> dict[str, Any]:
    return {
        "person": said.work_id, "granted_by": said.granted_by, "grantee": said.grantee_id, "uses": said.uses,
        "scope": said.scope, "clip": said.clip_sha256, "project": said.project, "conditions": said.conditions,
        "granted": written(said.granted_at), "from": written(said.not_before), "until": written(said.expires),
        "revoked": written(said.revoked_at),
    }  # fmt: skip


@facts_of.register
def _(release: Release) -> dict[str, Any]:
    return {
        "holder": release.holder_id, "check": release.check_id, "state": release.state,
        "source": release.source_sha256, "sha256": release.sha256, "manifest": release.manifest_id,
        **({"revocation": release.revocation} if release.revocation else {}),
    }  # fmt: skip


@facts_of.register
def _(notice: Notice) -> dict[str, Any]:
    events = [[e.event, e.state, e.actor, e.reason, written(e.at)] for e in notice.events]
    facts = {
        "holder": notice.holder_id, "track": notice.track, "state": notice.state, "release": notice.release_id,
        "content": notice.content, "counter": notice.counter, "events": events,
    }  # fmt: skip
    decided = [
        [e.position, e.reason_code, e.by, e.details] for e in notice.events if e.reason_code or e.by or e.details
    ]
    sworn = [[s.party, s.name, s.version, written(s.accepted_at)] for s in notice.statements]
    later = (
        ("check", notice.check_id),
        ("decided", decided),
        ("statements", sworn),
        ("set_aside", notice.is_set_aside),
    )
    return facts | {name: value for name, value in later if value}


@facts_of.register
def _(said: MisuseDecision) -> dict[str, Any]:
    return {
        "holder": said.holder_id, "side": said.side, "decision": said.decision, "until": written(said.until),
        "reason": said.reason, "factors": said.factors, "decided_by": said.decided_by, "at": written(said.at),
    }  # fmt: skip


@facts_of.register
def _(act: AdminAction) -> dict[str, Any]:
    return {
        "action": act.action, "subject": act.subject, "reason": act.reason, "details": act.details, "by": act.by,
        "at": written(act.at),
    }  # fmt: skip


@facts_of.register
def _(key: LedgerKey) -> dict[str, Any]:
    return {"number": key.number, "key": key.verifier_key, "handover": key.handover}


@facts_of.register
def _(said: Forgetting) -> dict[str, Any]:
    return {"forgotten": list(said.numbers)}


def written(at: datetime | None) -> str | None:
    """A time as facts and entries have it."""
    return at.isoformat(timespec="microseconds") if at else None


def _thousandths(*values: float) -> list[int]:
    return [round(value * 1000) for value in values]  # whole numbers: a float's last digit must not break a proof


def all_records(session: Session) -> Iterator[Record]:
    """Every row that the log answers for."""
    batches = {"yield_per": 500}
    yield from session.scalars(sa.select(Work), execution_options=batches)
    yield from session.scalars(sa.select(Reservation), execution_options=batches)
    done = sa.select(Check).where(Check.status == CheckStatus.DONE)
    of_persons = selectinload(Check.drafts), selectinload(Check.presented)
    yield from session.scalars(done.options(*of_persons), execution_options=batches)
    yield from session.scalars(sa.select(Release), execution_options=batches)
    yield from session.scalars(sa.select(Notice), execution_options=batches)
    yield from session.scalars(sa.select(Exclusion), execution_options=batches)
    yield from session.scalars(sa.select(Negative), execution_options=batches)
    yield from session.scalars(sa.select(Quarantine), execution_options=batches)
    yield from session.scalars(sa.select(AssuranceChange), execution_options=batches)
    yield from session.scalars(sa.select(Finding), execution_options=batches)
    # The log did not always answer for conflicts: those of before, which have no day for evidence, only once it did.
    logged = Conflict.id.in_(sa.select(LedgerEntry.subject_id))
    yield from session.scalars(sa.select(Conflict).where(sa.or_(Conflict.evidence_until.is_not(None), logged)))
    yield from session.scalars(sa.select(Consent), execution_options=batches)
    yield from session.scalars(sa.select(MisuseDecision), execution_options=batches)
    yield from session.scalars(sa.select(AdminAction), execution_options=batches)
    yield from session.scalars(sa.select(LedgerKey).where(LedgerKey.handover.is_not(None)), execution_options=batches)
