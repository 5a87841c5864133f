"""Everything that is held about one person: gathered for them, and erased.

Decides which rows are about a person, by their account and their address, and what of them goes. A holder belongs to a
person where they alone own it and it is a person, not an organisation; what others registered, decided or wrote is
theirs. Which columns hold what is in `registry.personal_data`; claims are held and forgotten by `takedown`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry import accounts, forgetting, ledger, mail
from registry.access import HolderKind, Role
from registry.database import among
from registry.errors import Conflict, NotFound, RegistryError
from registry.mail import address
from registry.models import (
    Account,
    AdminAction,
    Agency,
    ApiKey,
    Asset,
    AssuranceChange,
    Base,
    Check,
    ConflictStatement,
    Consent,
    Domain,
    Finding,
    Holder,
    Identity,
    Import,
    LedgerEntry,
    Letter,
    Mail,
    Membership,
    MisuseDecision,
    Notice,
    NoticeEvent,
    NoticeLetter,
    NoticeStatement,
    Quarantine,
    Release,
    Reservation,
    SignIn,
    Strike,
    WebhookEndpoint,
    Work,
)
from registry.models import Conflict as ClaimConflict
from registry.personal_data import PERSONAL

_ERASED: Final = "forgotten "


class StillHeld(RegistryError):
    """A person cannot be erased yet; `reasons` say what holds them, and what to do about each."""

    def __init__(self, *, reasons: Sequence[str]) -> None:
        super().__init__("This person cannot be erased yet:\n" + "\n".join(f"- {reason}" for reason in reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is meant.

    Attributes:
        email: None where their account was erased.
        account: None where they have none, as somebody who only filed a notice.
        holder_ids: the holders that are this person.
        notice_ids: claims that name their address, or are their holders'.
    """

    email: str | None
    account: Account | None
    holder_ids: tuple[str, ...]
    notice_ids: tuple[str, ...]

    @property
    def id(self) -> str:
        """What they are called in the audit, which names nobody."""
        return self.account.id if self.account is not None else "without an account"


def find(session: Session, who: str) -> Person:
    """The person of an address, or of an account's id. Raises: Invalid, NotFound."""
    if who.startswith("acc_"):
        account = session.get(Account, who)
        if account is None:
            raise NotFound(kind="account", id=who)
    else:
        account = session.scalar(sa.select(Account).where(Account.email == address(who)))
    email = account.email if account is not None else address(who)
    if email.startswith(_ERASED):
        return Person(email=None, account=account, holder_ids=(), notice_ids=())
    holders = _own_holders(session, account) if account is not None else []
    return Person(
        email=email, account=account, holder_ids=tuple(holders), notice_ids=tuple(_notices(session, email, holders))
    )  # fmt: skip


def _own_holders(session: Session, account: Account) -> list[str]:
    own = []
    for member in accounts.memberships(session, account):
        owners = sa.select(Membership.account_id).where(
            Membership.holder_id == member.holder_id, Membership.role == Role.OWNER
        )
        if member.holder.kind == HolderKind.PERSON and session.scalars(owners).all() == [account.id]:
            own.append(member.holder_id)
    return own


def _notices(session: Session, email: str, holder_ids: Sequence[str]) -> list[str]:
    """Claims in which the address stands as a value, wherever somebody wrote it."""
    said = (sa.cast(column, sa.Text) for column in (Notice.content, Notice.counter, Notice.uploader))
    may_name = sa.or_(*(sa.func.lower(column).contains(email, autoescape=True) for column in said))
    query = sa.select(Notice).where(sa.or_(may_name, Notice.holder_id.in_(holder_ids))).order_by(Notice.id)
    return [
        notice.id
        for notice in session.scalars(query)
        if notice.holder_id in holder_ids or _names(email, (notice.content, notice.counter, notice.uploader))
    ]


def _names(email: str, said: object) -> bool:
    if isinstance(said, str):
        return said.strip().lower() == email
    if isinstance(said, Mapping):
        return any(_names(email, value) for value in said.values())
    return isinstance(said, Iterable) and any(_names(email, value) for value in said)


# -- what is held --------------------------------------------------------------------------------


def export(session: Session, person: Person) -> dict[str, Any]:
    """All rows about a person, by table, and what opens the ledger's entries about them; no secrets."""
    found = {
        model.__tablename__: [_told(row) for row in session.scalars(sa.select(model).where(where))]
        for model, where in _about(session, person)
    }
    found = {table: rows for table, rows in found.items() if rows}
    ids = [row["id"] for rows in found.values() for row in rows if isinstance(row.get("id"), str)]
    return {
        "person": {"email": person.email, "account": person.account.id if person.account else None},
        "records": found,
        "ledger": _entries(session, ids),
        "why_and_how_long": {
            name: {"purpose": what.purpose, "kept": what.kept, "erased": what.erased}
            for name, what in PERSONAL.items()
            if what.is_exported and name.partition(".")[0] in found
        },
    }


def _about(session: Session, person: Person) -> list[tuple[type[Base], sa.ColumnElement[bool]]]:
    """Each table with what of it is about the person."""
    me, email, mine = person.account.id if person.account else "", person.email or "", person.holder_ids
    letters = sa.select(Mail.id).where(Mail.recipient == email)
    works = sa.select(Work.id).where(Work.holder_id.in_(mine))
    made: list[tuple[Any, sa.ColumnElement[bool]]] = [
        (Account, Account.id == me),
        (Identity, Identity.account_id == me),
        (Membership, Membership.account_id == me),
        (SignIn, SignIn.account_id == me),
        (ApiKey, sa.or_(ApiKey.made_by == me, ApiKey.holder_id.in_(mine))),
        (Letter, sa.or_(Letter.account_id == me, Letter.email == email)),
        (Mail, Mail.recipient == email),
        (NoticeLetter, NoticeLetter.mail_id.in_(letters)),
        (Holder, Holder.id.in_(mine)),
        (AssuranceChange, AssuranceChange.holder_id.in_(mine)),
        (Agency, sa.or_(Agency.agent_id.in_(mine), Agency.principal_id.in_(mine))),
        (Domain, Domain.holder_id.in_(mine)),
        (WebhookEndpoint, WebhookEndpoint.holder_id.in_(mine)),
        (Work, Work.holder_id.in_(mine)),
        (Asset, Asset.work_id.in_(works)),
        (Reservation, Reservation.holder_id.in_(mine)),
        (Consent, sa.or_(Consent.granted_by.in_(mine), Consent.grantee_id.in_(mine))),
        (ConflictStatement, ConflictStatement.holder_id.in_(mine)),
        (Check, sa.or_(Check.holder_id.in_(mine), Check.decided_by == me)),
        (Release, Release.holder_id.in_(mine)),
        (Import, Import.holder_id.in_(mine)),
        (Notice, among(session, Notice.id, person.notice_ids)),
        (NoticeEvent, sa.or_(among(session, NoticeEvent.notice_id, person.notice_ids), NoticeEvent.by == me)),
        (NoticeStatement, among(session, NoticeStatement.notice_id, person.notice_ids)),
        (Strike, Strike.holder_id.in_(mine)),
        (MisuseDecision, sa.or_(MisuseDecision.holder_id.in_(mine), MisuseDecision.decided_by == me)),
        (Finding, Finding.decided_by == me),
        (ClaimConflict, ClaimConflict.decided_by == me),
        (Quarantine, Quarantine.decided_by == me),
        (AdminAction, AdminAction.by == me),
    ]
    return [*made]


def _told(row: Base) -> dict[str, Any]:
    """A row without what only opens something."""
    table = row.__tablename__
    secret = {name for name, what in PERSONAL.items() if not what.is_exported}
    columns = sa.inspect(type(row)).column_attrs
    return {
        column.key: _plain(getattr(row, column.key)) for column in columns if f"{table}.{column.key}" not in secret
    }  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value


def _entries(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the ledger says of these records, with the salts that open what it commits to."""
    query = sa.select(LedgerEntry).where(among(session, LedgerEntry.subject_id, ids)).order_by(LedgerEntry.number)
    return [
        {"number": entry.number, "subject": entry.subject_id, "entry": json.loads(entry.data), "salt": entry.salt.hex()}
        for entry in session.scalars(query)
    ]


# -- erasing -------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Erased:
    """What erasing a person did.

    Attributes:
        records: that were forgotten, with how many of the ledger's entries can no longer be opened.
        mail_ids: letters of which copies are to be deleted.
        stays: what is left, and why.
    """

    records: dict[str, int] = field(default_factory=dict)
    mail_ids: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)


def erase(session: Session, person: Person, *, at: datetime) -> Erased:
    """Erase a person: their account, their letters, and what the holders that they are said of works that are over.

    Erasing them again changes nothing. Claims are `takedown`'s to forget.

    Raises:
        StillHeld: something of theirs is in force. Nothing is to be committed then.
    """
    done = Erased()
    if person.email is None:
        done.stays.append("This person was erased before.")
        return done
    if person.account is not None:
        try:
            done.mail_ids += accounts.forget(session, person.account, at=at)
        except Conflict as held:
            raise StillHeld(reasons=[held.problem]) from None
        done.stays.append(f"Decisions that they made are by {person.account.id}, which names nobody now.")
    else:
        done.mail_ids += mail.forget(session, person.email, at=at)
        session.execute(sa.delete(Letter).where(Letter.email == person.email))
    for subject_id in _over(session, person):
        try:
            done.records[subject_id] = forgetting.forget(session, subject_id, at=at)
        except Conflict as held:
            done.stays.append(f"{subject_id}: {held.problem}")
    done.stays.append("Backups hold all of it until they are deleted.")
    return done


def _over(session: Session, person: Person) -> list[str]:
    """Works and checks of the holders that are this person, of which something can still be proved."""
    mine = person.holder_ids
    works = session.scalars(sa.select(Work.id).where(Work.holder_id.in_(mine), Work.withdrawn_at.is_not(None)))
    asked = session.scalars(sa.select(Check.id).where(Check.holder_id.in_(mine)))
    return [subject_id for subject_id in (*works, *asked) if ledger.can_be_forgotten(session, subject_id)]
