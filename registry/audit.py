"""Audit: who decided what and when, for reviewers: one list of every decision of a person and act of an operator.

It is read from the records themselves; where the ledger has an entry of the decision, its number is with it. It decides
nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.access import Actor, Scope
from registry.database import among
from registry.errors import Invalid
from registry.facts import written
from registry.models import (
    Account,
    AdminAction,
    ApiKey,
    AssuranceChange,
    Check,
    Conflict,
    Finding,
    Holder,
    LedgerEntry,
    MisuseDecision,
    Negative,
    NoticeEvent,
    Quarantine,
)

_MOST_PEOPLE: Final = 200
_MOST_DIGITS: Final = 9  # of a step's number within its notice
_REVIEWER: Final = "reviewer"  # as steps of notices have it


class Kind(StrEnum):
    """What a decision was about."""

    CHECK = "check"
    CONFLICT = "conflict"
    FINDING = "finding"
    QUARANTINE = "quarantine"
    NOTICE = "notice"
    MISUSE = "misuse"
    HOLDER = "holder"
    NEGATIVE = "negative"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision.

    Attributes:
        record: its record; `about` is what that is about: itself, or the asset, holder or notice.
        by: the holder, account or key behind it; None where that was not noted.
        who: their name.
        entry: the number of the ledger's entry.
    """

    kind: Kind
    record: str
    position: int
    about: str
    decision: str
    reason: str | None
    by: str | None
    who: str | None
    at: datetime
    entry: int | None

    @property
    def place(self) -> str:
        """Where it stands, to go on from."""
        return f"{self.at.isoformat()}~{self.record}~{self.position}"


def decisions(
    session: Session, actor: Actor, *,
    kind: Kind | None = None, by: str | None = None, before: str | None = None, limit: int = 50,
) -> list[Decided]:  # fmt: skip
    """Decisions, newest first.

    Args:
        by: the holder, account or key.
        before: the place of the last one before.
    """
    actor.require(Scope.REVIEW)
    made = _made()
    query = sa.select(made).order_by(made.c.at.desc(), made.c.record.desc(), made.c.position.desc())
    if kind is not None:
        query = query.where(made.c.kind == kind.value)
    if by is not None:
        query = query.where(made.c.by == by)
    if before is not None:
        place = _Place.read(before)
        same = sa.and_(made.c.record == place.record, made.c.position < place.position)
        query = query.where(
            sa.or_(made.c.at < place.at, sa.and_(made.c.at == place.at, sa.or_(made.c.record < place.record, same)))
        )
    rows = session.execute(query.limit(limit)).all()
    names = _names(session, {row.by for row in rows if row.by})
    numbers = _numbers(session, {row.record for row in rows})
    return [
        Decided(
            kind=Kind(row.kind), record=row.record, position=row.position, about=row.about, decision=row.decision,
            reason=row.reason, by=row.by, who=names.get(row.by), at=row.at,
            entry=numbers.get((row.record, row.entry_kind, str(written(row.at)))),
        )
        for row in rows
    ]  # fmt: skip


def people(session: Session, actor: Actor) -> dict[str, str]:
    """Who ever decided something: their names by their ids."""
    actor.require(Scope.REVIEW)
    made = _made()
    ids = session.scalars(sa.select(made.c.by).where(made.c.by.is_not(None)).distinct().limit(_MOST_PEOPLE)).all()
    names = _names(session, set(ids))
    return dict(sorted(((of, names.get(of, of)) for of in ids), key=lambda one: one[1].casefold()))


def named(session: Session, by: str | None) -> str | None:
    """The name of who decided something."""
    return _names(session, [by]).get(by) if by else None


def _made() -> sa.Subquery:
    """All decisions of people, alike."""
    return sa.union_all(
        _of(Kind.CHECK, Check, Check.decision, Check.decision_reason, Check.decided_by, Check.decided_at,
            "verdict.decided", Check.decision.is_not(None)),
        _of(Kind.CONFLICT, Conflict, Conflict.outcome, Conflict.reason, Conflict.decided_by, Conflict.closed_at,
            "conflict.closed", Conflict.decided_by.is_not(None)),
        _of(Kind.FINDING, Finding, Finding.decision, Finding.decision_reason, Finding.decided_by, Finding.decided_at,
            "finding.decided", Finding.decision.is_not(None)),
        _of(Kind.QUARANTINE, Quarantine, Quarantine.decision, Quarantine.decision_reason, Quarantine.decided_by,
            Quarantine.decided_at, "quarantine.decided", Quarantine.decision.is_not(None), about=Quarantine.asset_id),
        _row(Kind.NOTICE, NoticeEvent.notice_id, NoticeEvent.notice_id, NoticeEvent.event, NoticeEvent.reason,
             NoticeEvent.by, NoticeEvent.at, "notice." + NoticeEvent.event, NoticeEvent.actor == _REVIEWER,
             position=NoticeEvent.position),
        _of(Kind.MISUSE, MisuseDecision, MisuseDecision.decision, MisuseDecision.reason, MisuseDecision.decided_by,
            MisuseDecision.at, "misuse." + MisuseDecision.decision, about=MisuseDecision.holder_id),
        _of(Kind.HOLDER, AssuranceChange, AssuranceChange.assurance, AssuranceChange.note, AssuranceChange.decided_by,
            AssuranceChange.at, "holder.assurance", AssuranceChange.decided_by.is_not(None),
            about=AssuranceChange.holder_id),
        _of(Kind.NEGATIVE, Negative, sa.literal("added"), Negative.title, Negative.added_by, Negative.created_at,
            "negative.added"),
        _of(Kind.NEGATIVE, Negative, sa.literal("removed"), Negative.title, sa.cast(sa.null(), sa.Text),
            Negative.removed_at, "negative.removed", Negative.removed_at.is_not(None),
            ~sa.exists().where(AdminAction.subject == Negative.id)),  # it was not always noted who removes one
        _of(Kind.OPERATOR, AdminAction, AdminAction.action, AdminAction.reason, AdminAction.by, AdminAction.at,
            "operator.acted", about=AdminAction.subject),
    ).subquery("made")  # fmt: skip


def _of(
    kind: Kind, table: Any, decision: Any, reason: Any, by: Any, at: Any, entry_kind: Any,
    *applies: sa.ColumnElement[bool], about: Any = None,
) -> sa.Select[Any]:  # fmt: skip
    return _row(kind, table.id, table.id if about is None else about, decision, reason, by, at, entry_kind, *applies)


def _row(
    kind: Kind, record: Any, about: Any, decision: Any, reason: Any, by: Any, at: Any, entry_kind: Any,
    *applies: sa.ColumnElement[bool], position: Any = 0,
) -> sa.Select[Any]:  # fmt: skip
    said = {
        "kind": sa.literal(kind.value), "record": record, "about": about, "decision": decision, "reason": reason,
        "by": by, "at": at, "entry_kind": sa.literal(entry_kind) if isinstance(entry_kind, str) else entry_kind,
        "position": sa.literal(position) if isinstance(position, int) else position,
    }  # fmt: skip
    return sa.select(*(value.label(name) for name, value in said.items())).where(*applies)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    at: datetime
    record: str
    position: int

    @classmethod
    def read(cls, text: str) -> Self:
        try:
            said, record, position = text.split("~")
            at = datetime.fromisoformat(said)
            if at.tzinfo is None or not position.isdecimal() or len(position) > _MOST_DIGITS:
                raise ValueError(text)
            return cls(at=at.astimezone(UTC), record=record, position=int(position))
        except (ValueError, OverflowError):
            raise Invalid(field="cursor", problem="It is the next of another list.") from None


def _names(session: Session, ids: Iterable[str]) -> dict[str | None, str]:
    """The names of holders, accounts and keys; a key's is its holder's, with what the key is called."""
    wanted: Sequence[str] = list(ids)
    names: dict[str | None, str] = {}
    for table in (Holder, Account):
        names |= {
            row.id: row.name for row in session.execute(sa.select(table.id, table.name).where(table.id.in_(wanted)))
        }
    keys = sa.select(ApiKey).where(ApiKey.id.in_(wanted))
    return names | {key.id: f"{key.holder.name}: {key.name or key.prefix}" for key in session.scalars(keys)}


def _numbers(session: Session, records: Iterable[str]) -> dict[tuple[str, str, str], int]:
    """The ledger's entries about records, by what they say happened and when."""
    query = sa.select(LedgerEntry.number, LedgerEntry.subject_id, LedgerEntry.data)
    numbers = {}
    for entry in session.execute(query.where(among(session, LedgerEntry.subject_id, list(records)))):
        said = json.loads(entry.data)
        numbers[entry.subject_id, said["kind"], said["at"]] = entry.number
    return numbers
