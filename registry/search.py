"""Search: works for anybody, holders and people for the operator, found by what they are called.

Works are found by any words of their titles and their holder's name, by their standard numbers, and by their id. Never
by what a holder alone knows of them: their own reference, their credits, their files.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.access import Actor, Scope
from registry.domain.identifiers import validate_identifiers
from registry.domain.searching import words_of
from registry.errors import Invalid
from registry.models import Account, Holder, Work, WorkIdentifier

# Numbers that standards give; any other identifier is its holder's own.
STANDARD_NUMBERS: Final = ("isrc", "iswc", "isan", "eidr", "isni", "iscc")


def works(session: Session, asked: str, *, before: str | None = None, limit: int) -> list[Work]:
    """Public works in force that have all words asked for, the newest first; all, where nothing is asked.

    Args:
        before: the last one of the page before.
    """
    query = sa.select(Work).where(Work.withdrawn_at.is_(None), Work.confidential.is_(False))
    if asked.strip():
        query = query.where(_is_called(asked))
    return list(session.scalars(_newest_first(query, Work.id, before).limit(limit)))


def _is_called(asked: str) -> sa.ColumnElement[bool]:
    words = [
        sa.or_(Work.search_text.contains(word), Work.holder_id.in_(_holders_with([word]))) for word in words_of(asked)
    ]
    pairs = [
        sa.and_(WorkIdentifier.scheme == scheme, WorkIdentifier.value == value) for scheme, value in numbers(asked)
    ]
    numbered = sa.select(WorkIdentifier.work_id).where(sa.or_(sa.false(), *pairs))
    return sa.or_(
        sa.and_(*words) if words else sa.false(), Work.id.in_(numbered), Work.id == asked.strip().lower()
    )  # fmt: skip


def numbers(asked: str) -> list[tuple[str, str]]:
    """The standard numbers that a text may be, each in its normal form."""
    found = []
    for scheme in STANDARD_NUMBERS:
        try:
            found.append((scheme, validate_identifiers({scheme: asked})[scheme]))
        except Invalid:
            continue
    return found


def _holders_with(words: Sequence[str]) -> sa.Select[str]:
    return sa.select(Holder.id).where(*(Holder.search_text.contains(word) for word in words))


def holders(
    session: Session, actor: Actor, asked: str = "", *, before: str | None = None, limit: int
) -> list[Holder]:  # fmt: skip
    """Holders for the operator, the newest first: those with all words asked for in their name, or with that id."""
    actor.require(Scope.ADMIN)
    query = sa.select(Holder)
    if asked := asked.strip():
        named = Holder.id.in_(_holders_with(words_of(asked))) if words_of(asked) else sa.false()
        query = query.where(sa.or_(named, Holder.id == asked.lower()))
    return list(session.scalars(_newest_first(query, Holder.id, before).limit(limit)))


def accounts(
    session: Session, actor: Actor, asked: str = "", *, before: str | None = None, limit: int
) -> list[Account]:  # fmt: skip
    """People for the operator, the newest first: those with what is asked for in their address or name."""
    actor.require(Scope.ADMIN)
    query = sa.select(Account)
    if asked := asked.strip().lower():
        columns = Account.email, sa.func.lower(Account.name)
        query = query.where(sa.or_(*(column.contains(asked, autoescape=True) for column in columns)))
    return list(session.scalars(_newest_first(query, Account.id, before).limit(limit)))


def _newest_first[Row](
    query: sa.Select[Row], by: InstrumentedAttribute[str], before: str | None
) -> sa.Select[Row]:  # fmt: skip
    return (query.where(by < before) if before is not None else query).order_by(by.desc())
