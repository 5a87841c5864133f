"""How long notices are kept as they were written, and what is erased of them then.

What happened to which notice and when stays, and so does the public copy, which names nobody. The ledger still proves,
and can no longer be asked what was said.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import ledger
from registry.errors import Conflict, NotFound
from registry.models import Mail, Notice, NoticeEvent, NoticeLetter
from takedown.domain.completeness import CounterContent, NoticeContent
from takedown.domain.states import OVER, State
from takedown.policy import Policy

FORGOTTEN = "(forgotten)"
# Where somebody could still act and most never do: their time of keeping counts from the last step as well.
_LEFT = frozenset({State.SUBMITTED, State.UPLOADER_NOTIFIED, State.COUNTER_RECEIVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What forgetting a notice closed; copies of the letters with these ids are to be deleted."""

    entries: int
    mail_ids: tuple[str, ...]


def forget(session: Session, notice_id: str, *, at: datetime, is_left: bool = False) -> Forgotten:
    """Erase who claimed and who answered, and what they wrote and were written.

    Args:
        is_left: also where nobody did anything for so long that nobody will (`due`).
    Raises:
        NotFound: there is no such notice, or it was forgotten before.
        Conflict: something may still happen to it.
    """
    notice = session.get(Notice, notice_id)
    if notice is None:
        raise NotFound(kind="record", id=notice_id)
    if State(notice.state) not in (OVER | _LEFT if is_left else OVER):
        raise Conflict(kind="notice", id=notice_id, problem="It is not closed: something may still happen to it.")
    notice.content = asdict(NoticeContent())
    notice.counter = None if notice.counter is None else asdict(CounterContent())
    notice.uploader = notice.digest = None
    notice.signals, notice.tickets, notice.forgotten_at = [], [], at
    for event in notice.events:
        event.reason = event.details = None
    for statement in notice.statements:
        statement.address = None
    mail_ids = _forget_letters(session, notice_id, at=at)
    return Forgotten(entries=ledger.forget(session, notice_id, at=at), mail_ids=mail_ids)


def due(session: Session, policy: Policy, *, at: datetime, limit: int = 100) -> list[str]:
    """Notices whose time of keeping, after they were over, has passed."""
    last = sa.select(sa.func.max(NoticeEvent.at)).where(NoticeEvent.notice_id == Notice.id).scalar_subquery()
    old = Notice.state.in_(OVER | _LEFT), Notice.forgotten_at.is_(None), last < at - policy.retention
    return list(session.scalars(sa.select(Notice.id).where(*old).limit(limit)))


def _forget_letters(session: Session, notice_id: str, *, at: datetime) -> tuple[str, ...]:
    """Their texts and to whom they went; which letters were written, and when, stays."""
    query = sa.select(NoticeLetter, Mail).join(Mail, Mail.id == NoticeLetter.mail_id)
    rows = session.execute(query.where(NoticeLetter.notice_id == notice_id)).all()
    for letter, sent in rows:
        letter.subject = letter.text = letter.html = sent.recipient = sent.subject = FORGOTTEN
        sent.text = sent.html = sent.problem = None
        sent.sent_at = sent.sent_at or at
    return tuple(sent.id for _, sent in rows)
