"""Copies of the database as it is at one moment, beside a running service.

Decides how each kind is copied and put back: SQLite by itself, PostgreSQL by its own pg_dump and pg_restore, which
must be at hand in a version that is no older than the server.
"""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.durable import put_in_place
from registry.errors import RegistryError

_TIMEOUT_S: Final = 6 * 3600


class CannotCopy(RegistryError):
    """A database cannot be copied or put back; says what to do instead."""


def suffix(url: sa.URL) -> str:
    """How a copy's file name ends."""
    return ".sqlite" if url.get_backend_name() == "sqlite" else ".pgdump"


def copy_sqlite(url: sa.URL, path: Path) -> None:
    """Write SQLite's database as one file, whole and compact; who writes to it meanwhile is not held up.

    Raises:
        CannotCopy: there is no room for it, or the database is damaged.
    """
    try:
        with closing(sqlite3.connect(f"file:{url.database}?mode=ro", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(path),))
    except sqlite3.Error as error:
        raise CannotCopy(f"The database cannot be copied: {error}.") from error


def dump_postgresql(session: Session, path: Path) -> None:
    """Dump PostgreSQL's database as `session`, which reads one moment, sees it.

    Raises:
        CannotCopy: pg_dump is missing, or failed.
    """
    bind = session.get_bind()
    url = bind.engine.url
    snapshot = str(session.scalar(sa.text("SELECT pg_export_snapshot()")))
    _run("pg_dump", url, "--format=custom", f"--snapshot={snapshot}", f"--file={path}", "--no-owner", "--no-acl")


def is_empty(url: str) -> bool:
    """Whether a database has no tables yet."""
    made = sa.make_url(url)
    if made.get_backend_name() == "sqlite" and (made.database is None or not Path(made.database).exists()):
        return True
    engine = sa.create_engine(made)
    try:
        return not sa.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def require_means(url: str) -> None:
    """See that what puts a copy back is at hand. Raises: CannotCopy."""
    if sa.make_url(url).get_backend_name() != "sqlite":
        _found("pg_restore")


def put_back(path: Path, url: str) -> None:
    """Fill a database that is empty; where that fails it stays so. Raises: CannotCopy."""
    made = sa.make_url(url)
    if made.get_backend_name() != "sqlite":
        _run("pg_restore", made, "--exit-on-error", "--single-transaction", "--no-owner", "--no-acl", str(path))
        return
    target = Path(str(made.database))
    target.parent.mkdir(parents=True, exist_ok=True)
    growing = target.with_name(f".{target.name}.restored")
    shutil.copyfile(path, growing)
    growing.chmod(0o600)
    put_in_place(growing, target)


def _found(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        instead = ", or copy the database by your own means and give --without-database" if program == "pg_dump" else ""
        raise CannotCopy(
            f"There is no {program} here. Install PostgreSQL's client programs, no older than the server{instead}."
        )
    return found


def _run(program: str, url: sa.URL, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs; the password is given where other users do not see it."""
    found = _found(program)
    said = {
        "PGHOST": url.query.get("host") or url.host, "PGPORT": url.port, "PGUSER": url.username,
        "PGPASSWORD": url.password, "PGDATABASE": url.database, "PGSSLMODE": url.query.get("sslmode"),
        "PGSSLROOTCERT": url.query.get("sslrootcert"),
    }  # fmt: skip
    environment = {name: str(value) for name, value in said.items() if value}
    named = ("--dbname", str(url.database)) if program == "pg_restore" else ()
    try:
        ran = subprocess.run(
            [found, "--no-password", *named, *arguments], env=environment, capture_output=True, text=True, check=False,
            timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CannotCopy(f"{program} did not end within {_TIMEOUT_S // 3600} hours.") from None
    if ran.returncode != 0:
        raise CannotCopy(f"{program} failed: {ran.stderr.strip()[-500:]}")
