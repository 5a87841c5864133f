"""The end of a consent: at the person's word, or with their record. It holds from this moment on, everywhere."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.models import Consent, Work
from registry.outbox import tell


def revoke(session: Session, consent: Consent, *, at: datetime) -> None:
    """End a consent; one that was revoked stays as it was."""
    if consent.revoked_at is not None:
        return
    consent.revoked_at = at
    ledger.record(session, "consent.revoked", consent, at=at)
    for holder_id in (consent.work.holder_id, consent.grantee_id):
        tell(session, holder_id, "consent.revoked", {"id": consent.id, "work_id": consent.work_id}, at=at)


def revoke_all(session: Session, person: Work, *, at: datetime) -> None:
    """End all that a person granted: they are on record no more."""
    for consent in session.scalars(
        sa.select(Consent).where(Consent.work_id == person.id, Consent.revoked_at.is_(None))
    ):
        revoke(session, consent, at=at)
