"""Forgetting: what a record says of a person is erased from its row, and the log can no longer be asked about it.

Decides which records can be forgotten, which are over alone, and what of their rows goes. That they were there, what
happened to them and when stays: in the rows, since others rely on it, and in the log, which still proves. Notices are
forgotten by `takedown`. Copies elsewhere, in backups and in receipts that were fetched, are beyond it.
"""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger, works
from registry.domain.identifiers import Prefix
from registry.errors import Conflict, Invalid, NotFound
from registry.models import Asset, Check, CheckStatus, Finding, ImportRow, Match, Reservation, Work
from registry.models import Conflict as ClaimConflict

FORGOTTEN: Final = "(forgotten)"


def forget(session: Session, subject_id: str, *, at: datetime) -> int:
    """Forget a work with all that was said about it, a reservation, or a check; returns how many entries it closed.

    Raises:
        NotFound: there is no such record, or it was forgotten before.
        Conflict: it is still in force.
        Invalid: records of its kind say nothing of a person.
    """
    match subject_id.partition("_")[0]:
        case Prefix.WORK:
            return _forget_work(session, _found(session, Work, subject_id), at=at)
        case Prefix.RESERVATION:
            return _forget_reservation(session, _found(session, Reservation, subject_id), at=at)
        case Prefix.CHECK:
            return _forget_check(session, _found(session, Check, subject_id), at=at)
    raise Invalid(field="record", problem="Name a work, a reservation, a check or a notice.")


def _found[Row: (Work, Reservation, Check)](session: Session, model: type[Row], subject_id: str) -> Row:
    row = session.get(model, subject_id)
    if row is None:
        raise NotFound(kind="record", id=subject_id)
    return row


def _forget_work(session: Session, work: Work, *, at: datetime) -> int:
    if work.withdrawn_at is None:
        raise Conflict(kind="work", id=work.id, problem="It is in force. Withdraw it first.")
    work.title, work.creators, work.identifiers, work.year = FORGOTTEN, [], {}, None
    work.contributors, work.shares, work.alternative_titles = [], [], []
    works.list_identifiers(session, work)
    _forget_title(session, work)
    session.execute(sa.update(ImportRow).where(ImportRow.work_id == work.id).values(title=FORGOTTEN, reference=None))
    closed = ledger.forget(session, work.id, at=at) + _forget_conflicts(session, work, at=at)
    for said in session.scalars(sa.select(Reservation).where(Reservation.work_id == work.id)).all():
        if ledger.can_be_forgotten(session, said.id):
            closed += _forget_reservation(session, said, at=at)
    return closed


def _forget_conflicts(session: Session, work: Work, *, at: datetime) -> int:
    """What both sides said about the work while another claimed it, and why it was decided as it was."""
    assets = sa.select(Asset.id).where(Asset.work_id == work.id)
    about = sa.or_(ClaimConflict.asset_id.in_(assets), ClaimConflict.rival_asset_id.in_(assets))
    closed = 0
    for conflict in session.scalars(sa.select(ClaimConflict).where(about, ClaimConflict.closed_at.is_not(None))).all():
        if not ledger.can_be_forgotten(session, conflict.id):
            continue
        for statement in conflict.statements:
            statement.text, statement.links = FORGOTTEN, []
        conflict.reason = None
        session.flush()
        closed += ledger.forget(session, conflict.id, at=at)
    return closed


def _forget_title(session: Session, work: Work) -> None:
    """Also where checks said which work they matched, by the title that it had then."""
    for match in session.scalars(sa.select(Match).where(Match.work_id == work.id)).all():
        check = session.get_one(Check, match.check_id)
        said, instead = f"“{match.title}”", f"“{FORGOTTEN}”"
        check.reasons = [{**told, "message": told["message"].replace(said, instead)} for told in check.reasons]
        match.title = FORGOTTEN
    for finding in session.scalars(sa.select(Finding).where(Finding.work_id == work.id)).all():
        finding.reasons = []


def _forget_reservation(session: Session, said: Reservation, *, at: datetime) -> int:
    ends = [end for end in (said.withdrawn_at, said.superseded_at, said.valid_until) if end is not None]
    if not ends or min(ends) > at:
        raise Conflict(kind="reservation", id=said.id, problem="It is in force. Withdraw it first.")
    said.contact = said.terms_url = None
    return ledger.forget(session, said.id, at=at)


def _forget_check(session: Session, check: Check, *, at: datetime) -> int:
    if check.status != CheckStatus.DONE or check.expires_at > at:
        raise Conflict(kind="check", id=check.id, problem="It may still lead to a release. Wait until it has expired.")
    check.context, check.decision_reason = {}, None
    return ledger.forget(session, check.id, at=at)
