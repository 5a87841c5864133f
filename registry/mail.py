"""Mail: written with the change that gave rise to it, sent by a job, and forgotten once it is sent.

What people wrote, names and titles, stands in a letter to others as one plain line (`filled`), so that nobody writes
letters of their own to strangers in our name.
"""

import re
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.domain.identifiers import Prefix, new_id
from registry.domain.names import one_line
from registry.errors import Invalid
from registry.jobs import JobKind, enqueue
from registry.models import Mail

# The part of RFC 5321, section 4.1.2, that every mail server takes as it stands: no quotes, comments, lists or encoded
# words (RFC 2047), which could name other recipients.
_ATOM: Final = r"[a-z0-9!#$%&'*+/^_{|}~-]+"
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = rf"({_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]"
_ADDRESS: Final = re.compile(rf"(?=.{{1,64}}@.{{4,253}}$){_ATOM}(\.{_ATOM})*@{_DOMAIN}")
_MAX_SUBJECT_CHARS: Final = 300
REASON_CHARS: Final = 5000  # the longest reason that a decision may have


def address(email: str) -> str:
    """An address as it is kept: one recipient, in lower case. Raises: Invalid."""
    email = email.strip().lower()
    if not _ADDRESS.fullmatch(email):
        raise Invalid(field="email", problem="Give an e-mail address, such as ada@example.org.")
    return email


def filled(letter: str, max_chars: int = 200, /, **said: Any) -> str:
    """The text of a letter, in which whatever somebody wrote is one plain line of at most so many characters."""
    plain = {
        name: one_line(value, max_chars=max_chars) if isinstance(value, str) else value for name, value in said.items()
    }
    return letter.format(**plain)


def post(session: Session, recipient: str, subject: str, text: str, *, at: datetime) -> Mail:
    """Queue a message; nobody hints at its job, the next sweep finds it."""
    mail = Mail(
        id=new_id(Prefix.MAIL, at=at),
        recipient=recipient,
        subject=one_line(subject, max_chars=_MAX_SUBJECT_CHARS),
        text=text.strip() + "\n",
        created_at=at,
    )
    session.add(mail)
    session.flush()
    enqueue(session, JobKind.MAIL, mail.id, at=at, run_at=at)
    return mail


def sent(mail: Mail, *, at: datetime) -> None:
    """It is out: what it said is no longer needed."""
    mail.sent_at, mail.text = at, None


def forget(session: Session, recipient: str, *, at: datetime) -> list[str]:
    """Forget to whom letters went, and send no more of them; returns the ids of all."""
    mails = session.scalars(sa.select(Mail).where(Mail.recipient == recipient)).all()
    for mail in mails:
        mail.recipient, mail.subject, mail.text, mail.sent_at = "forgotten", "forgotten", None, mail.sent_at or at
    return [mail.id for mail in mails]
