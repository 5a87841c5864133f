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
    if cursor is not None:
        query = query.where(by > cursor)
    rows: Sequence[Any] = session.scalars(query.order_by(by).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(items=[render(row) for row in rows[:limit]], next=getattr(rows[limit - 1], by.key) if more else None)
