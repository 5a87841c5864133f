"""Runs the migrations on the URL that the caller put in the configuration's attributes.

Decides nothing about the tables themselves: `versions/` does. A lock lets several processes start at once.
"""

import sqlalchemy as sa
from alembic import context

from registry.database import Database
from registry.models import Base

_LOCK = 0x636C6561726D6B  # "clearmk": PostgreSQL's advisory lock for this


def _run() -> None:
    database = Database(context.config.attributes["url"])
    try:
        with database.engine.execution_options(write=True).connect() as connection, connection.begin():
            if not database.is_sqlite:  # on SQLite the write transaction itself is the lock
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
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
