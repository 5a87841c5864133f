"""Looking back: what was checked or released before a work came is searched for it.

The media of checks is not kept, their fingerprints are, for as long as the operator says. Each is put to the new asset
just as if it were asked about now, some at a time, from where the last job ended. What would not be clear now is a
finding: it is in the ledger, and a person decides whether anything follows. The pipeline is told at once, the work's
holder of what was released; of what never went out only once a person upheld it, or else whoever uploads a
fingerprint would learn what others are working on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from fingerprinting.model import Fingerprint
from registry import ledger, releases
from registry.access import READS, Actor, Scope
from registry.accounts import write_to
from registry.checks import FindingDecision, Found, Rules, judge
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Action
from registry.errors import Conflict as ConflictError
from registry.errors import Invalid, NotFound
from registry.index import Answer, fingerprint_of_item
from registry.jobs import JobKind, enqueue
from registry.mail import REASON_CHARS, filled
from registry.models import (
    Asset,
    Check,
    CheckStatus,
    Corpus,
    Finding,
    Item,
    LookBack,
    Match,
    Release,
    Work,
)
from registry.outbox import tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One output of before: its fingerprint, and the check that it came with."""

    item_number: int
    check_id: str
    fingerprint: Fingerprint


def arrange(session: Session, asset: Asset, *, at: datetime) -> LookBack:
    """Have an asset looked for in what came before it, once."""
    known = session.scalar(sa.select(LookBack).where(LookBack.asset_id == asset.id))
    if known is not None:
        return known
    row = LookBack(id=new_id(Prefix.LOOK_BACK, at=at), asset_id=asset.id, created_at=at)
    session.add(row)
    session.flush()
    enqueue(session, JobKind.LOOK_BACK, row.id, at=at, run_at=at)
    return row


def next_past(session: Session, look_back: LookBack, *, limit: int) -> list[Past]:
    """The next outputs of other holders to look at, oldest first; none when all were."""
    owner = sa.select(Work.holder_id).join(Asset, Asset.work_id == Work.id).where(Asset.id == look_back.asset_id)
    kept = aliased(Item)
    # A release speaks for its check only once that one's fingerprint is forgotten.
    still_kept = sa.exists().where(kept.subject_id == Release.check_id)
    is_a_checks = Item.corpus == Corpus.CHECKS
    query = (
        sa.select(Item, Check.id)
        .outerjoin(Release, Release.id == Item.subject_id)
        .join(Check, Check.id == sa.case((is_a_checks, Item.subject_id), else_=Release.check_id))
        .where(
            Item.number > look_back.item_number,
            sa.or_(is_a_checks, sa.and_(Item.corpus == Corpus.RELEASES, ~still_kept)),
            Check.status == CheckStatus.DONE,
            Check.finished_at <= look_back.created_at,  # later ones were asked about this asset
            Check.holder_id.not_in(owner),
        )
        .order_by(Item.number)
        .limit(limit)
    )
    return [
        Past(item_number=item.number, check_id=check_id, fingerprint=fingerprint_of_item(item))
        for item, check_id in session.execute(query)
    ]


def note(
    session: Session, look_back: LookBack, looked: Sequence[tuple[Past, Answer]], rules: Rules, *, at: datetime
) -> list[Finding]:
    """Put on record what some of them show, and how far it is."""
    found = []
    for past, answer in looked:
        finding = _finding(session, look_back, past, answer, rules, at=at) if answer.segments else None
        if finding is not None:
            found.append(finding)
    look_back.item_number = looked[-1][0].item_number
    look_back.looked_at += len(looked)
    look_back.found += len(found)
    return found


def finish(look_back: LookBack, *, at: datetime) -> None:
    look_back.finished_at = at


def decide(
    session: Session, actor: Actor, finding_id: str, decision: FindingDecision, reason: str, *,
    at: datetime, disables: bool = False,
) -> Finding:  # fmt: skip
    """Decide as a reviewer whether a finding holds, and whether its release may stay.

    Args:
        disables: the release is disabled, as a takedown would.
    """
    actor.require(Scope.REVIEW)
    finding = visible(session, actor, finding_id)
    if finding.decision is not None:
        raise ConflictError(kind="finding", id=finding.id, problem=f"It was decided already: {finding.decision}.")
    if not reason.strip():
        raise Invalid(field="reason", problem="Say why, in a sentence.")
    release = session.get(Release, finding.release_id) if finding.release_id else None
    if disables and (decision is not FindingDecision.UPHOLD or release is None):
        raise Invalid(field="disable_release", problem="Only the release of a finding that holds can be disabled.")
    finding.decision, finding.decision_reason = decision.value, reason.strip()
    finding.decided_by, finding.decided_at = actor.holder_id, at
    if disables and release is not None:
        releases.disable(session, release, at=at)
        finding.disabled_release = True  # also where a notice took it down before: that one may end
    ledger.record(session, "finding.decided", finding, at=at)
    _tell(session, finding, "finding.decided", at=at)
    return finding


_READERS = READS[Prefix.FINDING]


def visible(session: Session, actor: Actor, finding_id: str) -> Finding:
    """A finding that the actor's work or check is part of, or any for a reviewer. Raises: NotFound."""
    actor.require(*_READERS)
    finding = session.get(Finding, finding_id)
    if finding is None or not (actor.may(Scope.REVIEW) or actor.holder_id in _concerned(finding)):
        raise NotFound(kind="finding", id=finding_id)
    return finding


def _concerned(finding: Finding) -> tuple[str, ...]:
    asked = finding.check.holder_id
    return (asked, finding.work.holder_id) if _is_for_the_holder(finding) else (asked,)


def _is_for_the_holder(finding: Finding) -> bool:
    return finding.release_id is not None or finding.decision == FindingDecision.UPHOLD


def listed(actor: Actor, *, is_open: bool) -> sa.Select[Finding]:
    """Findings about the actor's works and checks, or everybody's for a reviewer."""
    actor.require(*_READERS)
    query = sa.select(Finding)
    if is_open:
        query = query.where(Finding.decision.is_(None))
    if actor.may(Scope.REVIEW):
        return query
    works = sa.select(Work.id).where(Work.holder_id == actor.holder_id)
    asked = sa.select(Check.id).where(Check.holder_id == actor.holder_id)
    told = sa.or_(Finding.release_id.is_not(None), Finding.decision == FindingDecision.UPHOLD)
    return query.where(sa.or_(sa.and_(Finding.work_id.in_(works), told), Finding.check_id.in_(asked)))


def _finding(
    session: Session, look_back: LookBack, past: Past, answer: Answer, rules: Rules, *, at: datetime
) -> Finding | None:
    check = session.get_one(Check, past.check_id)
    known = sa.select(Finding.id).where(Finding.asset_id == look_back.asset_id, Finding.check_id == check.id)
    if session.scalar(known) is not None:
        return None
    nothing = Answer(segments=[], subjects={}, sequence=0)  # what of the asset is the bank's was excluded from it
    found = Found(works=answer, bank=nothing, shared=())
    decision, matches = judge(session, check, found, rules, is_still=past.fingerprint.is_still, at=at)
    asset = session.get_one(Asset, look_back.asset_id)
    asks_for = decision.actions.get(asset.work_id)  # of the work alone: whom the check named, it was answered about
    if asks_for not in (Action.REVIEW, Action.BLOCK):
        return None
    released = session.scalar(sa.select(Release.id).where(Release.check_id == check.id))
    finding = Finding(
        id=new_id(Prefix.FINDING, at=at),
        look_back_id=look_back.id,
        work_id=asset.work_id,
        asset_id=asset.id,
        check_id=check.id,
        release_id=released,
        verdict=asks_for.value,
        reasons=[
            {"code": r.code, "message": r.message, "work_id": r.work_id}
            for r in decision.reasons
            if r.work_id == asset.work_id
        ],
        segments=[_segment(match) for match in matches],
        found_at=at,
        work=asset.work,
        check=check,
    )
    session.add(finding)
    session.flush()
    ledger.record(session, "finding.made", finding, at=at)
    _tell(session, finding, "finding.made", at=at)
    return finding


def _segment(match: Match) -> dict[str, object]:
    return {
        "modality": match.modality, "algorithm": match.algorithm, "query_start_s": match.query_start_s,
        "query_end_s": match.query_end_s, "reference_start_s": match.reference_start_s,
        "reference_end_s": match.reference_end_s, "score": match.score,
    }  # fmt: skip


def _tell(session: Session, finding: Finding, event: str, *, at: datetime) -> None:
    """Tell the pipeline, and the holder where it is for them, who do not learn of the check: programs and people."""
    told = {
        "id": finding.id,
        "work_id": finding.work_id,
        "release_id": finding.release_id,
        "decision": finding.decision,
    }
    words: dict[str, object] = {
        "work": finding.work.title, "check": finding.check_id, "id": finding.id, "decision": finding.decision,
        "reason": finding.decision_reason, "output": f"release {finding.release_id}" if finding.release_id else "clip",
    }  # fmt: skip
    if _is_for_the_holder(finding):
        tell(session, finding.work.holder_id, event, told, at=at)
        subject, said = _TO_HOLDER[event]
        write_to(
            session,
            finding.work.holder_id,
            filled(subject, **words),
            filled(said, REASON_CHARS, **words),
            at=at,
        )
    tell(session, finding.check.holder_id, event, {**told, "check_id": finding.check_id}, at=at)
    words["work"] = finding.work.title_for(finding.check.holder_id)
    subject, said = _TO_PIPELINE[event]
    write_to(session, finding.check.holder_id, filled(subject, **words), filled(said, REASON_CHARS, **words), at=at)


_TO_HOLDER = {
    "finding.made": (
        "“{work}”: an earlier output copies it",
        """
Before you registered “{work}”, a pipeline published a {output} that copies it. A person will look at it;
GET /v1/findings/{id} shows what is alike. You need not do anything.
""",
    ),
    "finding.decided": (
        "“{work}”: the copy was looked at",
        """
A person looked at the {output} that came before “{work}” and copies it, and decided: {decision}. {reason}
GET /v1/findings/{id} says what followed.
""",
    ),
}
_TO_PIPELINE = {
    "finding.made": (
        "An earlier output of yours copies “{work}”",
        """
“{work}” was registered after your check {check}, whose {output} copies it. A person will look at it;
GET /v1/findings/{id} shows what is alike. What was not released cannot be until that is decided.
""",
    ),
    "finding.decided": (
        "The likeness to “{work}” was looked at",
        """
A person looked at the {output} of your check {check} beside “{work}”, and decided: {decision}. {reason}
GET /v1/findings/{id} says what followed.
""",
    ),
}
