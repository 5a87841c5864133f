"""Runs the migrations on the URL that the caller put in the configuration's attributes.

Decides nothing about the tables themselves: `versions/` does. Several processes may start at once: whoever
migrates is a writer, and writers take turns.
"""

import sqlalchemy as sa
from alembic import context

from registry.database import Database
from registry.models import Base


def _run() -> None:
    database = Database(context.config.attributes["url"])
    try:
        with database.engine.execution_options(write=True).connect() as connection:
            _let_tables_be_replaced(connection)
            with connection.begin():
                _migrate(connection)
    finally:
        database.dispose()


def _let_tables_be_replaced(connection: sa.Connection) -> None:
    """On SQLite a column is changed by putting another table in its place, which keys of other tables point to.

    It must be said before a transaction begins; `_migrate` looks afterwards whether all keys lead somewhere.
    """
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")


def _migrate(connection: sa.Connection) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=is_sqlite,
        user_module_prefix="models.",
    )
    context.run_migrations()
    if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()) is not None:
        raise RuntimeError(f"a migration left a row that points nowhere: {tuple(broken)}")


_run()
