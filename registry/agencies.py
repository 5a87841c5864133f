"""Agencies: which holder acts for which other, on whose word, and how far.

A principal names their agent; or an agent makes a holder whom they represent, an estate say, that has nobody of its
own: then it is the agent's word, and the holder stays unverified until somebody shows more. Whatever an agent
declares carries both names. What an agency allows is decided in `registry.access`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import access
from registry.access import USE_SCOPES, Actor, Basis, HolderKind, Role, Scope
from registry.domain import names
from registry.domain.identifiers import Prefix, new_id
from registry.domain.policy import Assurance
from registry.errors import Conflict, Invalid, NotFound
from registry.models import Agency, Holder, Membership

# Whom a holder may represent on their own word; whom the operator vetted does not count.
_MOST_REPRESENTED: Final = 100


def appoint(
    session: Session,
    actor: Actor,
    agent_id: str,
    scopes: Iterable[Scope],
    *,
    at: datetime,
    valid_until: datetime | None = None,
) -> Agency:
    """Let another holder act for the actor's own from now on; what was agreed with them before ends."""
    actor.require(Scope.HOLDER_WRITE)
    if agent_id == actor.holder_id:
        raise Invalid(field="agent_id", problem="Nobody is their own agent.")
    if session.get(Holder, agent_id) is None:
        raise NotFound(kind="holder", id=agent_id)
    if valid_until is not None and valid_until <= at:
        raise Invalid(field="valid_until", problem="Give a time that is still to come.")
    earlier = _in_force(at).where(Agency.agent_id == agent_id, Agency.principal_id == actor.holder_id)
    for old in session.scalars(earlier):
        old.revoked_at = at
    return _add(session, agent_id, actor.holder_id, scopes, Basis.PRINCIPAL, at=at, valid_until=valid_until)


def represent(session: Session, actor: Actor, name: str, kind: HolderKind, *, at: datetime) -> tuple[Holder, Agency]:
    """Make a holder whom the actor says to act for; it is as unknown as anybody new.

    Raises:
        Conflict: the name is taken, or the actor represents very many whom nobody vetted.
    """
    actor.require(Scope.HOLDER_WRITE)
    said = sa.select(sa.func.count()).select_from(Agency).join(Holder, Holder.id == Agency.principal_id)
    said = said.where(Agency.agent_id == actor.holder_id, Agency.basis == Basis.AGENT)
    if session.scalars(said.where(Holder.granted_assurance == Assurance.UNVERIFIED)).one() >= _MOST_REPRESENTED:
        problem = f"You represent {_MOST_REPRESENTED} holders on your own word. Ask the operator to vet some of them."
        raise Conflict(kind="holder", id=actor.holder_id, problem=problem)
    holder = access.add_holder(session, name=name, kind=kind, assurance=Assurance.UNVERIFIED, at=at)
    return holder, _add(session, actor.holder_id, holder.id, USE_SCOPES, Basis.AGENT, at=at)


def end(session: Session, actor: Actor, agency_id: str, *, at: datetime) -> None:
    """End an agency at once; either side may, and the operator."""
    actor.require(Scope.HOLDER_WRITE)
    agency = session.get(Agency, agency_id)
    sides = (agency.agent_id, agency.principal_id) if agency is not None else ()
    if agency is None or not (actor.holder_id in sides or actor.may(Scope.ADMIN)):
        raise NotFound(kind="agency", id=agency_id)
    if agency.revoked_at is not None:
        raise Conflict(kind="agency", id=agency_id, problem="It has ended.")
    agency.revoked_at = at


def end_all(session: Session, holder_id: str, *, at: datetime) -> None:
    """End every agency of a holder, as agent and as principal."""
    for agency in session.scalars(_in_force(at).where(_either(holder_id))):
        agency.revoked_at = at


def known_to(session: Session, actor: Actor, *, at: datetime) -> list[Agency]:
    """Agencies in force of the actor's holder, as agent and as principal."""
    actor.require(Scope.HOLDER_WRITE)
    return list(session.scalars(_in_force(at).where(_either(actor.holder_id)).order_by(Agency.id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ActsFor:
    """A holder for whom somebody may act: by their role there, by a key of the holder's, or as agent of another."""

    holder: Holder
    role: Role | None = None
    agent: Holder | None = None


def acts_for(session: Session, presented: str, *, at: datetime) -> list[ActsFor]:
    """For whom whoever presents this sign-in or key may act: their own holders first, then the principals of those."""
    own = _own(session, presented, at=at)
    mine = {one.holder.id: one.holder for one in own}
    query = _in_force(at).where(Agency.agent_id.in_(mine), Agency.principal_id.not_in(mine))
    found: dict[str, ActsFor] = {}
    for agency in session.scalars(query.order_by(Agency.id)):
        principal = session.get_one(Holder, agency.principal_id)
        found.setdefault(principal.id, ActsFor(holder=principal, agent=mine[agency.agent_id]))
    return [*own, *sorted(found.values(), key=lambda one: one.holder.name)]


def _own(session: Session, presented: str, *, at: datetime) -> list[ActsFor]:
    account = access.account_of(session, presented, at=at)
    if account is None:
        actor = access.authenticate(session, presented, at=at)
        holder = session.get(Holder, actor.holder_id) if actor is not None else None
        return [ActsFor(holder=holder)] if holder is not None else []
    query = sa.select(Membership).where(Membership.account_id == account.id)
    members = session.scalars(query.order_by(Membership.added_at, Membership.holder_id))
    return [ActsFor(holder=member.holder, role=Role(member.role)) for member in members]


def called(session: Session, said: str) -> Holder:
    """The holder of an id, or of a name however it is written. Raises: Invalid: there is none."""
    known = session.get(Holder, said.strip())
    known = known or session.scalar(sa.select(Holder).where(Holder.name_key == names.key_of(said)))
    if known is None:
        raise Invalid(field="agent_id", problem="Nobody here has this name or id. Ask them how they are called here.")
    return known


def named(session: Session, ids: Collection[str]) -> dict[str, Holder]:
    """Holders by id."""
    return {holder.id: holder for holder in session.scalars(sa.select(Holder).where(Holder.id.in_(ids)))}


def _add(
    session: Session, agent_id: str, principal_id: str, scopes: Iterable[Scope], basis: Basis, *,
    at: datetime, valid_until: datetime | None = None,
) -> Agency:  # fmt: skip
    lent = list(dict.fromkeys(scopes))
    if not lent or not set(lent) <= set(USE_SCOPES):
        raise Invalid(field="scopes", problem=f"An agent can be given: {', '.join(USE_SCOPES)}.")
    agency = Agency(
        id=new_id(Prefix.AGENCY, at=at),
        agent_id=agent_id,
        principal_id=principal_id,
        scopes=[scope.value for scope in lent],
        basis=basis.value,
        granted_at=at,
        valid_until=valid_until,
    )
    session.add(agency)
    session.flush()
    return agency


def _either(holder_id: str) -> sa.ColumnElement[bool]:
    return sa.or_(Agency.agent_id == holder_id, Agency.principal_id == holder_id)


def _in_force(at: datetime) -> sa.Select[Agency]:
    still = sa.or_(Agency.valid_until.is_(None), Agency.valid_until > at)
    return sa.select(Agency).where(Agency.revoked_at.is_(None), still)
