"""Mail: written with the change that gave rise to it, sent by a job, and forgotten once it is sent.

No message is sent twice. A server that took one cannot be asked about it later, so that a message is about to be handed
over is noted first; where nobody came back to say that it was taken, a person decides whether it goes out once more.

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
from registry.errors import Conflict, Invalid, NotFound
from registry.jobs import JobKind, enqueue
from registry.models import Mail

# The part of RFC 5321, section 4.1.2, that every mail server takes as it stands: no quotes, comments, lists or encoded
# words (RFC 2047), which could name other recipients.
_ATOM: Final = r"[a-z0-9!#$%&'*+/^_{|}~-]+"
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = rf"({_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]"
_ADDRESS: Final = re.compile(rf"(?=.{{1,64}}@.{{4,253}}$){_ATOM}(\.{_ATOM})*@{_DOMAIN}")
_MAX_SUBJECT_CHARS: Final = 300
UNSURE: Final = "The process ended while the mail server took it: it may be out, and is not sent twice by itself."
REASON_CHARS: Final = 5000  # the longest reason that a decision may have


def address(email: str, *, field: str = "email") -> str:
    """An address as it is kept: one recipient, in lower case. Raises: Invalid."""
    email = email.strip().lower()
    if not _ADDRESS.fullmatch(email):
        raise Invalid(field=field, problem="Give an e-mail address, such as ada@example.org.")
    return email


def filled(letter: str, max_chars: int = 200, /, **said: Any) -> str:
    """The text of a letter, in which whatever somebody wrote is one plain line of at most so many characters."""
    plain = {
        name: one_line(value, max_chars=max_chars) if isinstance(value, str) else value for name, value in said.items()
    }
    return letter.format(**plain)


def post(
    session: Session, recipient: str, subject: str, text: str, *, at: datetime, html: str | None = None
) -> Mail:  # fmt: skip
    """Queue a message; nobody hints at its job, the next sweep finds it."""
    mail = Mail(
        id=new_id(Prefix.MAIL, at=at),
        recipient=recipient,
        subject=one_line(subject, max_chars=_MAX_SUBJECT_CHARS),
        text=text.strip() + "\n",
        html=html,
        created_at=at,
    )
    session.add(mail)
    session.flush()
    enqueue(session, JobKind.MAIL, mail.id, at=at, run_at=at)
    return mail


def hand_over(session: Session, mail_id: str, *, at: datetime) -> bool:
    """Note that a message is about to be handed to a server that cannot be asked later whether it took it.

    Returns:
        False where that was noted before and nobody came back to say what became of it: the message may be out, so it
        is not sent again by itself. `Mail.problem` says so, and the operator may send it again (`again`).
    """
    mail = session.get_one(Mail, mail_id)
    if mail.handed_over_at is not None:
        mail.problem = mail.problem or UNSURE
        return False
    mail.handed_over_at = at
    return True


def sent(mail: Mail, *, at: datetime) -> None:
    """It is out: what it said is no longer needed."""
    mail.sent_at, mail.text, mail.html, mail.problem = at, None, None, None


def not_taken(session: Session, mail_id: str, problem: str, *, is_over: bool, at: datetime) -> None:
    """The server did not take it: it may be tried again, unless `is_over`."""
    mail = session.get_one(Mail, mail_id)
    mail.handed_over_at, mail.problem = None, problem
    if is_over:
        mail.bounced_at = at


def bounced(session: Session, mail_id: str, problem: str, *, at: datetime) -> Mail:
    """A message came back. Raises: NotFound: it is none of ours."""
    mail = session.get(Mail, mail_id)
    if mail is None:
        raise NotFound(kind="mail", id=mail_id)
    mail.bounced_at, mail.problem = mail.bounced_at or at, one_line(problem, max_chars=_MAX_SUBJECT_CHARS)
    return mail


def again(
    session: Session, mail_id: str, *, at: datetime, text: str | None = None, html: str | None = None
) -> Mail:  # fmt: skip
    """Send a message whose fate is not known, or that failed, once more.

    Args:
        text, html: what it said, where that was kept elsewhere; a mail forgets its own once it is out.
    Raises:
        NotFound: there is none.
        Conflict: it is on its way, or arrived as far as is known, or what it said is not kept.
    """
    mail = session.get(Mail, mail_id)
    if mail is None:
        raise NotFound(kind="mail", id=mail_id)
    if mail.problem is None:
        raise Conflict(kind="mail", id=mail_id, problem="It is on its way, or arrived as far as is known.")
    if mail.text is None and text is None:
        raise Conflict(kind="mail", id=mail_id, problem="It was sent, and its text is not kept.")
    if mail.text is None:
        mail.text, mail.html = text, html
    mail.handed_over_at = mail.sent_at = mail.bounced_at = mail.problem = None
    enqueue(session, JobKind.MAIL, mail.id, at=at, run_at=at)
    return mail


def forget(session: Session, recipient: str, *, at: datetime) -> list[str]:
    """Forget to whom letters went, and send no more of them; returns the ids of all."""
    mails = session.scalars(sa.select(Mail).where(Mail.recipient == recipient)).all()
    for mail in mails:
        mail.recipient, mail.subject, mail.text, mail.html, mail.problem = "forgotten", "forgotten", None, None, None
        mail.sent_at = mail.sent_at or at
    return [mail.id for mail in mails]
