"""People for tests: who signs up, reads their letters, signs in, and joins a holder."""

from datetime import timedelta
from functools import cache

import sqlalchemy as sa
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.pages.visit import Cookies, SignedIn
from api.service import Service
from registry import access, accounts
from registry.access import Actor, Role
from registry.accounts import NewAccount
from registry.models import Account, Holder, Mail
from tests.factories import AT

PASSWORD = "five plain words are fine"
ADA = "ada@studio.example"


@cache
def password_hash() -> str:
    """Of PASSWORD, made once: to make one takes its time by design."""
    return accounts.hash_password(PASSWORD)


def code_of(session: Session, email: str = ADA, *, subject: str = "Confirm") -> str:
    """The code of the newest letter to an address that is about something."""
    query = sa.select(Mail).where(Mail.recipient == email, Mail.subject.startswith(subject))
    text = session.scalars(query.order_by(Mail.created_at.desc()).limit(1)).one().text
    assert text is not None
    return next(line.strip() for line in text.splitlines() if line.startswith("    "))


def ask(session: Session, email: str = ADA, *, holder: str | None = None, name: str = "Ada Example") -> None:
    """Sign up, and leave the letter unread."""
    accounts.sign_up(session, NewAccount(email=email, name=name, holder=holder), at=AT)


def cookie_of(service: Service, key: str) -> str:
    """What a browser shows that signed in with a key."""
    answer = Response()
    cookies = Cookies(seals=service.seals, secure=False)
    cookies.sign_in(answer, SignedIn(credential=key), at=service.now())
    return answer.headers["set-cookie"].partition("=")[2].partition(";")[0].strip('"')


def codes_of(session: Session, email: str = ADA) -> list[str]:
    texts = session.scalars(sa.select(Mail.text).where(Mail.recipient == email)).all()
    return [line.strip() for text in texts for line in str(text).splitlines() if line.startswith("    ")]


def sign_up(session: Session, email: str = ADA, *, holder: str | None = None, name: str = "Ada Example") -> Account:
    ask(session, email, holder=holder, name=name)
    return accounts.confirm(session, code_of(session, email), password_hash(), at=AT)


def invited(session: Session, actor: Actor, account: Account, role: Role) -> None:
    """Invite somebody who has an account, and have them join."""
    accounts.invite(session, actor, account.email, role, at=AT)
    accounts.join(session, account, code_of(session, account.email, subject="Join"), at=AT)


def signed_in(session: Session, account: Account, *, as_holder: str | None = None) -> Actor:
    token = access.sign_in(session, account, lasts=timedelta(hours=1), at=AT)
    actor = access.authenticate(session, token, at=AT, as_holder=as_holder)
    assert actor is not None
    return actor


def holder_of(session: Session, account: Account) -> Holder:
    return accounts.memberships(session, account)[0].holder
