"""Codes: what a letter carries so that who reads it can do one thing, once, and shows that the address is theirs.

A code is kept only as a hash. What it opens is said by its purpose; who may ask for one, and what follows from having
it, is decided in `registry.accounts`.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Role
from registry.domain.identifiers import Prefix, new_id
from registry.errors import Invalid, TooSoon
from registry.models import Account, Holder, Letter

_LASTS, _LONG = timedelta(hours=24), timedelta(days=14)


class Purpose(StrEnum):
    """What the code of a letter opens."""

    CONFIRM = "confirm"
    PASSWORD = "password"  # noqa: S105 - a purpose
    INVITATION = "invitation"
    NOTICE = "notice"


def issue(
    session: Session, purpose: Purpose, email: str, *, at: datetime, account: Account | None = None,
    holder: Holder | None = None, role: Role | None = None, said: dict[str, str] | None = None,
) -> str:  # fmt: skip
    """A new code; those of earlier letters for the same no longer open anything.

    Of signing up each stays open: they may be of different people, and the latest need not be the address's reader.
    So does each of a notice: an address may file several.
    """
    if purpose not in (Purpose.CONFIRM, Purpose.NOTICE):
        void(session, purpose, email, holder_id=holder.id if holder else None, at=at)
    code = secrets.token_urlsafe(24)
    letter = Letter(
        id=new_id(Prefix.LETTER, at=at),
        code_sha256=_digest(code),
        purpose=purpose.value,
        email=email,
        account_id=account.id if account else None,
        holder_id=holder.id if holder else None,
        role=role.value if role else None,
        said=said,
        created_at=at,
        expires_at=at + (_LONG if purpose in (Purpose.INVITATION, Purpose.NOTICE) else _LASTS),
    )
    session.add(letter)
    session.flush()
    return code


def require_room(session: Session, purpose: Purpose, email: str, *, most: int, at: datetime) -> None:
    """Refuse a further letter to an address that was written to so often within a day. Raises: TooSoon."""
    day = timedelta(days=1)
    recent = sa.select(Letter.created_at).where(
        Letter.purpose == purpose, Letter.email == email, Letter.created_at > at - day
    )
    written = session.scalars(recent.order_by(Letter.created_at.desc()).limit(most)).all()
    if len(written) >= most:
        problem = f"{most} letters went to this address within a day, which is the most."
        raise TooSoon(problem=problem, wait_s=(written[-1] + day - at).total_seconds())


def void(session: Session, purpose: Purpose, email: str, *, at: datetime, holder_id: str | None = None) -> None:
    """No letter for that, to that address, opens anything any more."""
    same = Letter.purpose == purpose, Letter.email == email, Letter.holder_id == holder_id
    session.execute(sa.update(Letter).where(*same, Letter.used_at.is_(None)).values(used_at=at))


def redeem(session: Session, code: str, *purposes: Purpose, at: datetime) -> Letter:
    """The letter of a code, which opens nothing from now on. Raises: Invalid: it opens none of these."""
    letter = session.get(Letter, _digest(code.strip()))
    if letter is None or letter.purpose not in purposes or letter.used_at is not None or letter.expires_at <= at:
        raise Invalid(field="code", problem="This code is not one, was used, or has expired. Ask for a new one.")
    letter.used_at = at
    return letter


def forget_expired(session: Session, *, at: datetime) -> None:
    """Delete the codes that open nothing any more, and what was said with them."""
    session.execute(sa.delete(Letter).where(Letter.expires_at <= at))


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
