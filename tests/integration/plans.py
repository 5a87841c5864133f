"""How SQLite goes about what a service asks of it: a plan that is bad shows in no answer, only in its time."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session


def plans_of(session: Session, act: Callable[[], object]) -> list[str]:
    """The steps of the plan of each statement that `act` runs, such as "SEARCH works USING INDEX …"."""
    run: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        run.append((statement, parameters))

    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", note)
    act()
    sa.event.remove(connection, "before_cursor_execute", note)
    plans = (connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters) for statement, parameters in run)
    return [row.detail for plan in plans for row in plan]


def index_of(detail: str) -> str:
    """The index that a step searches by."""
    return detail.split(" INDEX ")[1].split(" ")[0]
