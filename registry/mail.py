"""Mail: written with the change that gave rise to it, sent by a job, and forgotten once it is sent."""

from datetime import datetime

from sqlalchemy.orm import Session

from registry.domain.identifiers import Prefix, new_id
from registry.jobs import JobKind, enqueue
from registry.models import Mail


def post(session: Session, recipient: str, subject: str, text: str, *, at: datetime) -> Mail:
    """Queue a message; nobody hints at its job, the next sweep finds it."""
    mail = Mail(
        id=new_id(Prefix.MAIL, at=at), recipient=recipient, subject=subject, text=text.strip() + "\n", created_at=at
    )
    session.add(mail)
    session.flush()
    enqueue(session, JobKind.MAIL, mail.id, at=at, run_at=at)
    return mail


def sent(mail: Mail, *, at: datetime) -> None:
    """It is out: what it said is no longer needed."""
    mail.sent_at, mail.text = at, None
