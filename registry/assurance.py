"""How well a holder's identity is known, and everything that changes it.

Three things show it: the operator's word, a domain that answers for the holder, and a confirmed address of one of
its people; the highest counts. Each change is a row and a ledger entry, so that any past day can be asked.
Domains are looked at in `registry.domains`, addresses in `registry.accounts`.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.access import Actor, Scope
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Invalid, NotFound
from registry.models import Account, AssuranceChange, Domain, Holder, Membership

SHOWN_BY: Mapping[Assurance, str] = {
    Assurance.UNVERIFIED: "nothing yet",
    Assurance.EMAIL: "a confirmed e-mail address of one of its people",
    Assurance.DOMAIN: "a domain that answers for it, looked at every day",
    Assurance.VETTED: "the operator, who looked at who they are",
}


class Cause(StrEnum):
    """Why it changed; stored, so never renamed."""

    OPERATOR = "operator"
    EMAIL_CONFIRMED = "email_confirmed"
    MEMBERS_CHANGED = "members_changed"
    DOMAIN_SHOWN = "domain_shown"
    DOMAIN_LAPSED = "domain_lapsed"


def settle(
    session: Session,
    holder: Holder,
    cause: Cause,
    *,
    at: datetime,
    note: str | None = None,
    decided_by: str | None = None,
) -> None:
    """Bring a holder's assurance to what is shown now; the operator's word is always put on record."""
    session.flush()
    assurance = max(Assurance(holder.granted_assurance), _shown(session, holder), key=lambda level: level.rank)
    if assurance == Assurance(holder.assurance) and cause is not Cause.OPERATOR:
        return
    holder.assurance = assurance.value
    change = AssuranceChange(
        id=new_id(Prefix.ASSURANCE, at=at),
        holder_id=holder.id,
        assurance=assurance.value,
        granted_assurance=holder.granted_assurance,
        cause=cause.value,
        note=note,
        decided_by=decided_by,
        at=at,
    )
    session.add(change)
    ledger.record(session, "holder.assurance", change, at=at)


def grant(session: Session, actor: Actor, holder_id: str, assurance: Assurance, note: str, *, at: datetime) -> Holder:
    """Say as the operator how well a holder is known, and why.

    Lowering it takes the operator's word back; what the holder showed by themselves stays.
    """
    actor.require(Scope.ADMIN)
    holder = session.get(Holder, holder_id)
    if holder is None:
        raise NotFound(kind="holder", id=holder_id)
    if not note.strip():
        raise Invalid(field="note", problem="Say in a sentence how you know who they are.")
    holder.granted_assurance = assurance.value
    settle(session, holder, Cause.OPERATOR, note=note.strip(), decided_by=actor.holder_id, at=at)
    return holder


def history(session: Session, holder_id: str) -> list[AssuranceChange]:
    """Every change of a holder's assurance, oldest first."""
    query = sa.select(AssuranceChange).where(AssuranceChange.holder_id == holder_id)
    return list(session.scalars(query.order_by(AssuranceChange.id)))


def _shown(session: Session, holder: Holder) -> Assurance:
    """What the holder has shown without the operator."""
    domain = sa.select(Domain.id).where(
        Domain.holder_id == holder.id, Domain.verified_at.is_not(None), Domain.lapsed_at.is_(None)
    )
    if session.scalar(domain.limit(1)) is not None:
        return Assurance.DOMAIN
    confirmed = (
        sa.select(Account.id)
        .join(Membership, Membership.account_id == Account.id)
        .where(
            Membership.holder_id == holder.id, Account.email_confirmed_at.is_not(None), Account.disabled_at.is_(None)
        )
    )
    return Assurance.UNVERIFIED if session.scalar(confirmed.limit(1)) is None else Assurance.EMAIL
