"""Consents on record: a person grants a pipeline the use of their likeness or voice, and takes it back at once.

What a grant says is never changed: who wants other terms revokes it and grants another. Its token is handed to
person and pipeline alike, and a token alone is never enough: what holds is the record. What consents come to for a
check is `registry.drafts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from provenance.model import AssertedConsent
from registry import ledger, revocation
from registry.access import READS, Actor, Scope
from registry.domain import consent as domain
from registry.domain.consent import TOKEN_TYPE, Gap, Grant, State, Uses, claims_of
from registry.domain.identifiers import Prefix, new_id
from registry.domain.tokens import BadToken, TokenKeys, open_token
from registry.errors import Forbidden, Invalid, NotFound
from registry.models import Consent, Holder, Work
from registry.outbox import tell
from registry.works import PERSONS, own_work

# Ours have some 600 characters; nothing longer is looked into.
_MAX_TOKEN_CHARS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConsent:
    """What a person grants; without `not_before` it begins at once."""

    grantee_id: str
    uses: Uses
    scope: domain.Scope
    clip_sha256: str | None = None
    project: str | None = None
    conditions: str | None = None
    not_before: datetime | None = None
    expires: datetime | None = None


def grant(session: Session, actor: Actor, work_id: str, said: NewConsent, keys: TokenKeys, *, at: datetime) -> Consent:
    """Put a consent on record, for a person whom the actor speaks for."""
    person = own_person(session, actor, work_id)
    if session.get(Holder, said.grantee_id) is None:
        raise Invalid(field="grantee_id", problem="There is no such holder. Name the pipeline by its id, hld_…")
    if said.grantee_id == person.holder_id:
        raise Invalid(field="grantee_id", problem="Who speaks for the person needs no consent of theirs.")
    granted = Grant(
        id=new_id(Prefix.CONSENT, at=at),
        person=person.id,
        grantee=said.grantee_id,
        uses=said.uses,
        scope=said.scope,
        granted_at=at,
        # A token tells whole seconds; the record says the same.
        not_before=max(said.not_before or at, at).replace(microsecond=0),
        clip_sha256=said.clip_sha256,
        project=said.project,
        conditions=(said.conditions or "").strip() or None,
        expires=said.expires.replace(microsecond=0) if said.expires else None,
    )
    row = Consent(
        id=granted.id,
        work_id=granted.person,
        granted_by=actor.agent_id or actor.holder_id,
        grantee_id=granted.grantee,
        uses=granted.uses.value,
        scope=granted.scope.value,
        clip_sha256=granted.clip_sha256,
        project=granted.project,
        conditions=granted.conditions,
        not_before=granted.not_before,
        expires=granted.expires,
        granted_at=at,
        token=keys.sign(claims_of(granted), type=TOKEN_TYPE),
        work=person,
    )
    session.add(row)
    ledger.record(session, "consent.granted", row, at=at)
    for holder_id in (person.holder_id, row.grantee_id):
        tell(session, holder_id, "consent.granted", {"id": row.id, "work_id": row.work_id}, at=at)
    return row


def revoke(session: Session, actor: Actor, consent_id: str, *, at: datetime) -> None:
    """Take a consent back, from this moment on; again changes nothing.

    Raises:
        NotFound, Forbidden: it is not the actor's to see, or to revoke.
    """
    actor.require(Scope.WORKS_WRITE)
    row = visible(session, actor, consent_id)
    if not _speaks_for(actor, row.work):
        raise Forbidden(action="only the person, or who speaks for them, revokes a consent")
    revocation.revoke(session, row, at=at)


def visible(session: Session, actor: Actor, consent_id: str) -> Consent:
    """A consent of a person whom the actor speaks for, or one given to the actor."""
    actor.require(*READS[Prefix.CONSENT])
    row = session.get(Consent, consent_id)
    if row is None or not (_speaks_for(actor, row.work) or row.grantee_id == actor.holder_id):
        raise NotFound(kind="consent", id=consent_id)
    return row


def of_person(session: Session, actor: Actor, work_id: str) -> sa.Select[Consent]:
    """All consents that a person ever gave, for one who speaks for them."""
    return sa.select(Consent).where(Consent.work_id == own_person(session, actor, work_id).id)


def given_to(actor: Actor) -> sa.Select[Consent]:
    """All consents that were ever given to the actor."""
    actor.require(Scope.CHECKS_WRITE)
    return sa.select(Consent).where(Consent.grantee_id == actor.holder_id)


def own_person(session: Session, actor: Actor, work_id: str) -> Work:
    """A person whom the actor speaks for.

    Raises:
        NotFound, Invalid: there is none, or the work is of another kind.
    """
    work = own_work(session, actor, work_id)
    if work.kind not in PERSONS:
        raise Invalid(field="work_id", problem="Only a work of the kind likeness or voice stands for a person.")
    return work


def _speaks_for(actor: Actor, person: Work) -> bool:
    return person.holder_id == actor.holder_id


def grant_of(row: Consent) -> Grant:
    """The terms of a consent on record."""
    return Grant(
        id=row.id,
        person=row.work_id,
        grantee=row.grantee_id,
        uses=Uses(row.uses),
        scope=domain.Scope(row.scope),
        granted_at=row.granted_at,
        not_before=row.not_before,
        clip_sha256=row.clip_sha256,
        project=row.project,
        conditions=row.conditions,
        expires=row.expires,
        revoked_at=row.revoked_at,
    )


def opened(session: Session, token: str, keys: Mapping[str, Any]) -> Consent | Gap:
    """The consent that a token is of, or why it is of none; whether it is in force is not looked at.

    Args:
        keys: this service's own, as a JWK set.
    """
    if len(token) > _MAX_TOKEN_CHARS:
        return Gap.BAD_TOKEN
    try:
        claims = open_token(token, type=TOKEN_TYPE, keys=keys)
    except BadToken:
        return Gap.BAD_TOKEN
    row = session.get(Consent, str(claims.get("jti")))
    # The record is what holds; a token that says anything else is of no consent on record.
    return row if row is not None and claims_of(grant_of(row)) == claims else Gap.UNKNOWN


def shown(session: Session, stated: AssertedConsent, keys: Mapping[str, Any], *, at: datetime) -> dict[str, Any]:
    """What anyone may know of a consent that a manifest states: what its token says, and what became of it."""
    found = opened(session, stated.token, keys)
    if isinstance(found, Consent) and found.id == stated.consent_id:
        return described(found, at=at)
    state = State.BAD_SIGNATURE if found is Gap.BAD_TOKEN else State.UNKNOWN
    return {"id": stated.consent_id, "state": state.value, "state_at": at.isoformat()}


def described(row: Consent, *, at: datetime) -> dict[str, Any]:
    """A consent as its token says it, with its state."""
    return {
        "id": row.id,
        "state": grant_of(row).state(at=at).value,
        "state_at": at.isoformat(),
        "work_id": row.work_id,
        "grantee_id": row.grantee_id,
        "uses": row.uses,
        "scope": row.scope,
        "not_before": row.not_before.isoformat(),
        "expires": row.expires.isoformat() if row.expires else None,
    }
