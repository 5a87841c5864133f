"""Runs the migrations on the URL that the caller put in the configuration's attributes.

Decides nothing about the tables themselves: `versions/` does. Several processes may start at once: whoever
migrates is a writer, and writers take turns.
"""

from alembic import context

from registry.database import Database
from registry.models import Base


def _run() -> None:
    database = Database(context.config.attributes["url"])
    try:
        with database.engine.execution_options(write=True).connect() as connection, connection.begin():
            context.configure(
                connection=connection,
                target_metadata=Base.metadata,
                compare_type=True,
                render_as_batch=database.is_sqlite,
                user_module_prefix="models.",
            )
            context.run_migrations()
    finally:
        database.dispose()


_run()
