"""Lists in pages. Ids sort by time, so the last id of a page is the cursor of the next."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.schemas.base import Page

Cursor = Annotated[str | None, Query(max_length=64, description="`next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=200)]


def page[Row, Out](
    session: Session,
    query: sa.Select[Row],
    by: InstrumentedAttribute[str],
    cursor: str | None,
    limit: int,
    render: Callable[[Row], Out],
) -> Page[Out]:
    """The rows after `cursor`, oldest first."""
    return page_together(session, query, by, cursor, limit, lambda rows: [render(row) for row in rows])


def page_together[Row, Out](
    session: Session,
    query: sa.Select[Row],
    by: InstrumentedAttribute[str],
    cursor: str | None,
    limit: int,
    render: Callable[[Sequence[Row]], list[Out]],
) -> Page[Out]:
    """The same, of rows that are told of together: what belongs to them is asked for once, not once for each."""
    if cursor is not None:
        query = query.where(by > cursor)
    rows: Sequence[Any] = session.scalars(query.order_by(by).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(items=render(rows[:limit]), next=getattr(rows[limit - 1], by.key) if more else None)
