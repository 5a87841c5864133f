"""The migrations and the models say the same, whichever way one goes."""

import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import migrations
from api.service import alembic_config, upgrade_database
from registry.database import Database
from registry.models import Base

_REPOSITORY = Path(__file__).parents[2]
# What `upgrade_database` does, without the seconds that importing the rest of the service takes.
_MIGRATE = """
import sys
from alembic import command
from alembic.config import Config
config = Config()
config.set_main_option("script_location", sys.argv[1])
config.attributes["url"] = sys.argv[2]
command.upgrade(config, "head")
"""


def _tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(sa.inspect(database.engine).get_table_names())
    finally:
        database.dispose()


def _differences(url: str) -> list[object]:
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            options = {"compare_type": True, "compare_server_default": True, "user_module_prefix": "models."}
            return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))
    finally:
        database.dispose()


def test_the_migrations_go_up_down_and_up_again(empty_database_url: str) -> None:
    every_table = set(Base.metadata.tables) | {"alembic_version"}
    upgrade_database(empty_database_url)
    assert _tables(empty_database_url) == every_table
    command.downgrade(alembic_config(empty_database_url), "base")
    assert _tables(empty_database_url) == {"alembic_version"}
    upgrade_database(empty_database_url)
    assert _tables(empty_database_url) == every_table


def test_the_migrations_build_what_the_models_say(database_url: str) -> None:
    assert _differences(database_url) == []


def test_a_migrated_database_has_the_ends_of_both_empty_logs(database: Database) -> None:
    with database.reading() as session:
        assert session.execute(sa.text("SELECT index_sequence, ledger_size FROM heads")).all() == [(0, 0)]


def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    with database.transaction() as session:
        session.execute(sa.text("UPDATE heads SET ledger_size = 7"))
    upgrade_database(database_url)
    with database.reading() as session:
        assert session.execute(sa.text("SELECT ledger_size FROM heads")).scalar_one() == 7


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    program = [sys.executable, "-c", _MIGRATE, str(Path(migrations.__file__).parent), empty_database_url]
    started = [subprocess.Popen(program, cwd=_REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert _differences(empty_database_url) == []
