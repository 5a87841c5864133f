"""What a service asks of its database, and how SQLite goes about it: what is bad shows in its time alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session


@contextmanager
def statements(on: sa.Engine | sa.Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are run while the block lasts, each with its parameters."""
    run: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        run.append((statement, parameters))

    sa.event.listen(on, "before_cursor_execute", note)
    try:
        yield run
    finally:
        sa.event.remove(on, "before_cursor_execute", note)


def plans_of(session: Session, act: Callable[[], object]) -> list[str]:
    """The steps of the plan of each statement that `act` runs, such as "SEARCH works USING INDEX …"."""
    connection = session.connection()
    with statements(connection) as run:
        act()
    plans = (connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters) for statement, parameters in run)
    return [row.detail for plan in plans for row in plan]


def index_of(detail: str) -> str:
    """The index that a step searches by."""
    return detail.split(" INDEX ")[1].split(" ")[0]
