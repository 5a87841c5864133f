"""Misuse on both sides: limits, strikes that expire, warnings and suspensions, and whom to trust first.

A strike says that a person rejected a notice as abuse, or that material was taken down and stayed down; it ends by
time, or when what it rests on is undone. Nothing follows from a number alone: the factors of DSA art. 23(3) are shown,
a reviewer warns first, and may then suspend for a time. What suspension does: notices of a claimant are kept and can be
read by people, but nothing happens by itself; an uploader makes no releases.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.access import Actor, Scope
from registry.admin_actions import Action, note
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Invalid, NotFound, TooSoon
from registry.models import Account, Holder, Membership, MisuseDecision, Notice, Release, Strike, TrustedFlagger
from registry.outbox import tell
from registry.suspensions import Measure, Side, last_measure, suspended_until
from takedown.decisions import Gravity, Judgement
from takedown.domain.states import PUTS_BACK, Event, State
from takedown.policy import Policy

_DAY = timedelta(days=1)


class Tier(StrEnum):
    """How well a claimant is known, or trusted. Stored: values are never renamed."""

    TRUSTED_FLAGGER = "trusted_flagger"
    VETTED = "vetted"
    DOMAIN = "domain"
    EMAIL = "email"
    UNVERIFIED = "unverified"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What DSA art. 23(3) asks to weigh, over the time that strikes count.

    Attributes:
        count: notices found abusive, or releases taken down, that still count.
        total: of how many notices, or releases.
        ratio_0_1: of the two.
        gravest: of the strikes that count.
        intents: what reviewers noted of intent.
        warned_at: the last warning.
        suspended_until: while a suspension lasts.
    """

    count: int
    total: int
    ratio_0_1: float
    gravest: Gravity | None
    intents: tuple[str, ...]
    warned_at: datetime | None
    suspended_until: datetime | None


# -- who files -----------------------------------------------------------------------------------


def tier_of(session: Session, holder_id: str | None) -> Tier:
    """How well a claimant is known; None is one without a key."""
    if holder_id is None:
        return Tier.ANONYMOUS
    if is_trusted_flagger(session, holder_id):
        return Tier.TRUSTED_FLAGGER
    return Tier(Assurance(session.get_one(Holder, holder_id).assurance).value)


def require_room(session: Session, holder_id: str | None, policy: Policy, *, at: datetime) -> None:
    """Refuse a notice beyond what a holder may file in a day; who has no key is held to letters. Raises: TooSoon."""
    if holder_id is None:
        return
    is_trusted = tier_of(session, holder_id) is Tier.TRUSTED_FLAGGER
    most = policy.notices_per_day_trusted if is_trusted else policy.notices_per_day
    recent = sa.select(Notice.created_at).where(Notice.holder_id == holder_id, Notice.created_at > at - _DAY)
    filed = session.scalars(recent.order_by(Notice.created_at.desc()).limit(most)).all()
    if len(filed) >= most:
        problem = f"You filed {most} notices within a day, which is the most. Ask the operator if you need more."
        raise TooSoon(problem=problem, wait_s=(filed[-1] + _DAY - at).total_seconds())


def is_suspended(session: Session, holder_id: str | None, address: str | None, *, at: datetime) -> bool:
    """Whether a claimant is suspended, or one of the people of a holder who is, without their key."""
    people = sa.select(Membership.holder_id).join(Account, Account.id == Membership.account_id)
    holders = [holder_id] if holder_id else session.scalars(people.where(Account.email == address)).all()
    return any(suspended_until(session, one, Side.CLAIMANT, at=at) is not None for one in holders)


def is_trusted_flagger(session: Session, holder_id: str) -> bool:
    return _in_force(session, holder_id) is not None


def trust(session: Session, actor: Actor, holder_id: str, basis: str, *, at: datetime) -> TrustedFlagger:
    """Make a holder a trusted flagger, whose notices come first; `basis` says who awarded that (DSA art. 22(2)).

    Saying the same again changes nothing.
    """
    actor.require(Scope.ADMIN)
    if session.get(Holder, holder_id) is None:
        raise NotFound(kind="holder", id=holder_id)
    known = _in_force(session, holder_id)
    if known is not None and known.basis == basis.strip():
        return known
    if known is not None:
        raise Conflict(kind="holder", id=holder_id, problem="It is a trusted flagger already, on another basis.")
    row = TrustedFlagger(
        id=new_id(Prefix.FLAGGER, at=at), holder_id=holder_id, basis=_said("basis", basis),
        granted_by=actor.person, granted_at=at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    note(session, Action.FLAGGER_TRUSTED, holder_id, by=actor, at=at, reason=row.basis)
    return row


def distrust(session: Session, actor: Actor, holder_id: str, reason: str, *, at: datetime) -> TrustedFlagger:
    """End a holder's status as a trusted flagger."""
    actor.require(Scope.ADMIN)
    row = _in_force(session, holder_id)
    if row is None:
        raise NotFound(kind="trusted flagger", id=holder_id)
    row.ended_at, row.ended_reason = at, _said("reason", reason)
    note(session, Action.FLAGGER_ENDED, holder_id, by=actor, at=at, reason=reason)
    return row


def _in_force(session: Session, holder_id: str) -> TrustedFlagger | None:
    lasts = TrustedFlagger.holder_id == holder_id, TrustedFlagger.ended_at.is_(None)
    return session.scalar(sa.select(TrustedFlagger).where(*lasts))


# -- strikes -------------------------------------------------------------------------------------


def strike(
    session: Session, notice: Notice, holder_id: str, side: Side, policy: Policy, *, at: datetime,
    gravity: Gravity = Gravity.MINOR, intent: str | None = None,
) -> Strike:  # fmt: skip
    """Hold something against a holder, for as long as strikes count."""
    row = Strike(
        id=new_id(Prefix.STRIKE, at=at), holder_id=holder_id, side=side.value, notice_id=notice.id,
        gravity=gravity.value, intent=intent, given_at=at, expires_at=at + policy.strike_lasts,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def count(
    session: Session, notice: Notice, event: Event, after: State, uploaders: Iterable[str], policy: Policy, *,
    at: datetime, judgement: Judgement | None = None,
) -> None:  # fmt: skip
    """Abuse counts against the claimant, what stays down against who made it; what is undone does not count."""
    judgement = judgement or Judgement()
    if event is Event.REJECT_ABUSE and notice.holder_id is not None:
        strike(
            session, notice, notice.holder_id, Side.CLAIMANT, policy, at=at, gravity=judgement.gravity,
            intent=judgement.intent,
        )  # fmt: skip
    elif event is Event.REINSTATE:
        lift_strikes(session, notice.id, Side.CLAIMANT, at=at)
    elif event is Event.NOTIFY_UPLOADER:
        counted = sa.select(Strike.holder_id).where(
            Strike.notice_id == notice.id, Strike.side == Side.UPLOADER, Strike.lifted_at.is_(None)
        )
        for holder_id in sorted(set(uploaders) - set(session.scalars(counted))):
            strike(session, notice, holder_id, Side.UPLOADER, policy, at=at)
    if after in PUTS_BACK:
        lift_strikes(session, notice.id, Side.UPLOADER, at=at)


def lift_strikes(session: Session, notice_id: str, side: Side, *, at: datetime) -> None:
    """What a strike rests on was undone: it no longer counts."""
    given = Strike.notice_id == notice_id, Strike.side == side, Strike.lifted_at.is_(None)
    session.execute(sa.update(Strike).where(*given).values(lifted_at=at))


def strikes_of(session: Session, holder_id: str, side: Side, *, at: datetime) -> list[Strike]:
    """Those that count, oldest first."""
    counts = Strike.lifted_at.is_(None), Strike.expires_at > at
    query = sa.select(Strike).where(Strike.holder_id == holder_id, Strike.side == side, *counts)
    return list(session.scalars(query.order_by(Strike.id)))


def to_consider(session: Session, policy: Policy, *, at: datetime) -> list[tuple[str, Side]]:
    """Who has so many strikes that a reviewer should think of a suspension, and is not suspended."""
    counts = Strike.lifted_at.is_(None), Strike.expires_at > at
    query = sa.select(Strike.holder_id, Strike.side).where(*counts).group_by(Strike.holder_id, Strike.side)
    many = query.having(sa.func.count() >= policy.strikes_to_suspend).order_by(Strike.holder_id, Strike.side)
    found = [(holder_id, Side(side)) for holder_id, side in session.execute(many)]
    return [one for one in found if suspended_until(session, *one, at=at) is None]


def of_concern(session: Session, *, at: datetime) -> list[str]:
    """Holders with strikes that count, and those who are suspended: who has most strikes first."""
    counts = Strike.lifted_at.is_(None), Strike.expires_at > at
    struck = sa.select(Strike.holder_id).where(*counts).group_by(Strike.holder_id)
    ids = list(session.scalars(struck.order_by(sa.func.count().desc(), Strike.holder_id)))
    suspended = sa.select(MisuseDecision.holder_id).where(
        MisuseDecision.decision == Measure.SUSPEND, MisuseDecision.until > at
    )
    lasting = [
        one
        for one in session.scalars(suspended.distinct().order_by(MisuseDecision.holder_id))
        if any(suspended_until(session, one, side, at=at) for side in Side)
    ]
    return list(dict.fromkeys([*ids, *lasting]))


def flaggers(session: Session) -> list[tuple[TrustedFlagger, str]]:
    """Trusted flaggers, and whom they are called by; those whose time has ended last."""
    query = sa.select(TrustedFlagger, Holder.name).join(Holder, Holder.id == TrustedFlagger.holder_id)
    ordered = query.order_by(TrustedFlagger.ended_at.is_not(None), TrustedFlagger.id.desc())
    return [(row, name) for row, name in session.execute(ordered)]


def factors(session: Session, holder_id: str, side: Side, policy: Policy, *, at: datetime) -> Factors:
    """What is to be weighed before somebody is suspended."""
    counted = strikes_of(session, holder_id, side, at=at)
    since = at - policy.strike_lasts
    of = Notice if side is Side.CLAIMANT else Release
    query = sa.select(sa.func.count()).select_from(of).where(of.holder_id == holder_id, of.created_at > since)
    total = max(session.scalars(query).one(), len(counted))
    warning = last_measure(session, holder_id, side, Measure.WARN)
    return Factors(
        count=len(counted),
        total=total,
        ratio_0_1=round(len(counted) / total, 4) if total else 0.0,
        gravest=max((Gravity(one.gravity) for one in counted), key=list(Gravity).index, default=None),
        intents=tuple(one.intent for one in counted if one.intent),
        warned_at=warning.at if warning else None,
        suspended_until=suspended_until(session, holder_id, side, at=at),
    )


# -- warnings and suspensions --------------------------------------------------------------------


def decide(
    session: Session, actor: Actor, holder_id: str, side: Side, measure: Measure, reason: str, policy: Policy, *,
    at: datetime, until: datetime | None = None,
) -> MisuseDecision:  # fmt: skip
    """Warn a holder, suspend them for a time, or lift that, as a reviewer.

    Raises:
        Conflict: nobody is suspended without a warning before (DSA art. 23(1), (2)), or nothing is to be lifted.
    """
    actor.require(Scope.REVIEW)
    if session.get(Holder, holder_id) is None:
        raise NotFound(kind="holder", id=holder_id)
    weighed = factors(session, holder_id, side, policy, at=at)
    if measure is Measure.SUSPEND:
        if weighed.warned_at is None or weighed.warned_at <= at - policy.strike_lasts:
            raise Conflict(
                kind="holder", id=holder_id, problem="Warn them first: DSA art. 23 asks for a prior warning."
            )
        if until is None or until <= at:
            raise Invalid(field="until", problem="Say until when: a suspension is for a reasonable time.")
    if measure is Measure.LIFT and weighed.suspended_until is None:
        raise Conflict(kind="holder", id=holder_id, problem="They are not suspended.")
    row = MisuseDecision(
        id=new_id(Prefix.MISUSE, at=at), holder_id=holder_id, side=side.value, decision=measure.value,
        until=until if measure is Measure.SUSPEND else None, reason=_said("reason", reason),
        factors=_plain(weighed), decided_by=actor.person, at=at,
    )  # fmt: skip
    session.add(row)
    session.flush()
    ledger.record(session, f"misuse.{measure.value}", row, at=at)
    tell(session, holder_id, f"misuse.{measure.value}", {"side": side.value, "until": _iso(row.until)}, at=at)
    return row


def decisions_about(session: Session, holder_id: str) -> list[MisuseDecision]:
    """All that was decided about somebody, oldest first."""
    query = sa.select(MisuseDecision).where(MisuseDecision.holder_id == holder_id)
    return list(session.scalars(query.order_by(MisuseDecision.id)))


def _plain(weighed: Factors) -> dict[str, Any]:
    said = asdict(weighed)
    return {
        **said,
        "intents": list(weighed.intents),
        "warned_at": _iso(weighed.warned_at),
        "suspended_until": _iso(weighed.suspended_until),
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _said(field: str, text: str) -> str:
    if not text.strip():
        raise Invalid(field=field, problem="Say it in a sentence.")
    return text.strip()
