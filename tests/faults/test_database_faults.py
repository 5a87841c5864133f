"""The database is away, locked, full, read-only, or dies as it commits: people are told so, and nothing is lost."""

import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from api.service import Service, upgrade_database
from registry import database as database_module
from registry.database import Database, DatabaseFault, InDoubt, fault_of
from registry.models import Asset, Holder, Work
from tests.api.service import environment_of, ok, problem, run_cli_forked
from tests.faults.conftest import Served, mounted, serving
from tests.servers.postgres import Server, create_database, postgres

WORK = {"title": "The Film", "kind": "film"}


def refused(answer: httpx.Response, status: int, name: str) -> None:
    """A problem that says when to come back, on no account an error of ours."""
    problem(answer, status, name)
    assert int(answer.headers["retry-after"]) > 0


@pytest.fixture(scope="module")
def mortal() -> Iterator[Server]:
    with postgres(survives_kill=True) as server:
        yield server


@contextmanager
def on(service: Service, url: str) -> Iterator[Served]:
    """The same service on another database."""
    upgrade_database(url)
    opened = Database(url)
    try:
        with serving(replace(service, database=opened)) as served:
            yield served
    finally:
        opened.dispose()


def test_a_database_that_is_away_is_said_and_comes_back_by_itself(service: Service, mortal: Server) -> None:
    with on(service, create_database(mortal.url, f"away_{uuid.uuid4().hex}")) as served:
        client = served.client
        key = {"Idempotency-Key": "1"}
        first = ok(client.post("/v1/works", json=WORK, headers=key), 201)["id"]
        mortal.kill()
        try:
            refused(client.get(f"/v1/works/{first}"), 503, "database-away")
            refused(client.post("/v1/works", json=WORK, headers=key), 503, "database-away")
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200, "the process itself is well"
            assert client.get("/", headers={"Accept": "text/html"}).status_code in (200, 503)
        finally:
            mortal.start()
        assert ok(client.get(f"/v1/works/{first}"))["id"] == first
        assert ok(client.post("/v1/works", json=WORK, headers=key), 201)["id"] == first
        assert len(ok(client.get("/v1/works"))["items"]) == 1


def test_a_file_is_kept_whose_row_may_have_been_committed(
    served: Served, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit arrives, and the answer to it does not: the row names the file, and the same request finds both."""
    service, key = served.service, {"Idempotency-Key": "1"}
    work = ok(served.client.post("/v1/works", json=WORK), 201)["id"]
    dialect = service.database.engine.dialect
    commit = dialect.do_commit

    def commit_and_die(connection: Any) -> None:
        commit(connection)
        with sa.orm.Session(service.database.engine.execution_options(write=False)) as session:
            is_there = session.scalar(sa.select(sa.func.count()).select_from(Asset))
        if is_there:
            monkeypatch.setattr(dialect, "do_commit", commit)
            monkeypatch.setattr(dialect, "is_disconnect", lambda *_: True)
            raise (sqlite3 if service.database.is_sqlite else psycopg).OperationalError("the connection was lost")

    monkeypatch.setattr(dialect, "do_commit", commit_and_die)
    path = f"/v1/works/{work}/assets"
    refused(served.client.post(path, files={"file": clip}, headers=key), 503, "database-away")
    monkeypatch.undo()
    asset = ok(served.client.post(path, files={"file": clip}, headers=key), 202)["id"]
    served.run_jobs()
    assert ok(served.client.get(f"/v1/assets/{asset}"))["status"] == "indexed"
    assert len(ok(served.client.get(f"/v1/works/{work}"))["assets"]) == 1


def test_who_waits_too_long_for_a_writer_is_told_to_come_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another process, which holds the turn and was stopped, for all that anybody knows."""
    monkeypatch.setattr(database_module, "_TAKE_TURN", database_module._TAKE_TURN.replace("'30s'", "'200ms'"))
    monkeypatch.setattr(database_module, "_WAIT_S", 0.2)
    url = service.database.url.render_as_string()
    another = Database(url)
    try:
        with on(service, url) as served:
            with another.transaction() as session:
                session.execute(sa.text("SELECT 1"))
                refused(served.client.post("/v1/works", json=WORK), 503, "busy")
                assert ok(served.client.get("/v1/works"))["items"] == [], "who reads waits for nobody"
            ok(served.client.post("/v1/works", json=WORK), 201)
    finally:
        another.dispose()


@pytest.fixture
def small(service: Service, tmp_path: Path) -> Iterator[Served]:
    """On a database of its own in a file."""
    with on(service, f"sqlite:///{tmp_path / 'small.db'}") as served:
        yield served


def every_connection(opened: Database, pragma: str) -> None:
    """Have it said on all connections, also on those to come."""
    opened.engine.dispose()

    @sa.event.listens_for(opened.engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.execute(pragma)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_full_disk_is_said_and_the_database_is_whole(small: Served) -> None:
    opened = small.service.database
    with opened.reading() as session:
        pages = session.execute(sa.text("PRAGMA page_count")).scalar_one()
    every_connection(opened, f"PRAGMA max_page_count={pages + 4}")
    answers = [small.client.post("/v1/works", json={**WORK, "title": "x" * 300}) for _ in range(60)]
    made = [answer for answer in answers if answer.status_code == 201]
    full = [answer for answer in answers if answer.status_code != 201]
    assert full
    for answer in full:
        refused(answer, 507, "no-space")
    listed = ok(small.client.get("/v1/works", params={"limit": 200}))["items"]
    assert {one["id"] for one in listed} == {answer.json()["id"] for answer in made}, "reads answer, with what was kept"
    every_connection(opened, "PRAGMA max_page_count=1000000")
    ok(small.client.post("/v1/works", json=WORK), 201)
    with opened.reading() as session:
        assert session.execute(sa.text("PRAGMA integrity_check")).scalar_one() == "ok"


@pytest.fixture
def crowded(service: Service, mortal: Server) -> Iterator[tuple[Served, Path]]:
    """On a PostgreSQL database whose disk a test can fill, and a folder of that disk."""
    name = f"crowded_{uuid.uuid4().hex}"
    with tempfile.TemporaryDirectory() as reached, mounted(Path(reached, "disk"), 128) as disk:
        Path(reached).chmod(0o755)  # the server is somebody else
        tables = disk / "tables"
        tables.mkdir()
        shutil.chown(tables, "nobody")
        run_alone(mortal, f"CREATE TABLESPACE {name} LOCATION '{tables}'")
        url = create_database(mortal.url, name)
        run_alone(mortal, f"ALTER DATABASE {name} SET TABLESPACE {name}")
        try:
            with on(service, url) as served:
                yield served, disk
        finally:
            run_alone(mortal, f"DROP DATABASE {name} WITH (FORCE)", f"DROP TABLESPACE {name}")


def run_alone(server: Server, *statements: str) -> None:
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_full_disk_of_a_server_is_said_and_the_database_is_whole(crowded: tuple[Served, Path]) -> None:
    served, disk = crowded
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    made: list[httpx.Response] = []
    answers: list[httpx.Response] = []
    while not answers and len(made) < 2000:
        answer = served.client.post("/v1/works", json={**WORK, "title": "x" * 400})
        (made if answer.status_code == 201 else answers).append(answer)
    assert answers, "it never was full"
    refused(answers[0], 507, "no-space")
    for one in made[:: len(made) // 5 or 1]:
        assert ok(served.client.get(f"/v1/works/{one.json()['id']}"))["title"] == "x" * 400
    filler.unlink()
    last = ok(served.client.post("/v1/works", json=WORK), 201)["id"]
    with served.service.database.reading() as session:
        kept = set(session.scalars(sa.select(Work.id)))
    assert kept == {last, *(one.json()["id"] for one in made)}


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_database_that_takes_no_changes_is_still_read(small: Served) -> None:
    work = ok(small.client.post("/v1/works", json=WORK), 201)["id"]
    every_connection(small.service.database, "PRAGMA query_only=ON")
    refused(small.client.post("/v1/works", json=WORK), 503, "read-only")
    assert ok(small.client.get(f"/v1/works/{work}"))["id"] == work
    every_connection(small.service.database, "PRAGMA query_only=OFF")
    ok(small.client.post("/v1/works", json=WORK), 201)


def test_a_damaged_database_file_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(sa.exc.DatabaseError) as raised:
        Database(f"sqlite:///{path}").engine.connect()
    assert fault_of(raised.value) is DatabaseFault.DAMAGED


def _start(tmp_path: Path, command: str, url: str) -> str:
    """What it says of its database as it starts, in one line."""
    environment = {
        **environment_of(tmp_path / "var", {"sscd_model": "none", "broker_url": "redis://127.0.0.1:9/0"}),
        "CLEARMARK_DATABASE_URL": url,
    }
    ran = run_cli_forked(*command.split(), environment=environment)
    assert (ran.returncode, ran.stdout) == (1, "")
    [line] = ran.stderr.splitlines()
    assert line.startswith("clearmark: CLEARMARK_DATABASE_URL: ")
    return line


@pytest.mark.parametrize("command", ["serve --port 0", "worker", "keys create --holder One --scopes review"])
def test_without_its_database_a_command_ends_with_one_line(tmp_path: Path, command: str) -> None:
    line = _start(tmp_path, command, "postgresql+psycopg://clearmark:hunter2@127.0.0.1:1/clearmark")
    assert "cannot be reached" in line
    assert "Connection refused" in line
    assert "hunter2" not in line


def test_a_database_that_does_not_let_us_in_says_why(tmp_path: Path, postgres_url: str) -> None:
    missing = sa.make_url(postgres_url).set(database="nowhere").render_as_string(hide_password=False)
    assert 'database "nowhere" does not exist' in _start(tmp_path, "worker", missing)


def test_a_damaged_database_is_named_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database" * 1000)
    assert "clearmark restore" in _start(tmp_path, "keys create --holder One --scopes review", f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (InDoubt("it may have been committed"), DatabaseFault.AWAY),
        (sa.exc.TimeoutError("no connection in 30 s"), DatabaseFault.BUSY),
        (OperationalError("", {}, psycopg.errors.AdminShutdown()), DatabaseFault.AWAY),
        (OperationalError("", {}, psycopg.errors.CannotConnectNow()), DatabaseFault.AWAY),
        (OperationalError("", {}, psycopg.errors.IdleInTransactionSessionTimeout()), DatabaseFault.AWAY),
        (OperationalError("", {}, psycopg.errors.DiskFull()), DatabaseFault.FULL),
        (OperationalError("", {}, psycopg.errors.TooManyConnections()), DatabaseFault.BUSY),
        (OperationalError("", {}, psycopg.errors.LockNotAvailable()), DatabaseFault.BUSY),
        (OperationalError("", {}, psycopg.errors.DeadlockDetected()), DatabaseFault.BUSY),
        (sa.exc.InternalError("", {}, psycopg.errors.ReadOnlySqlTransaction()), DatabaseFault.READ_ONLY),
        (sa.exc.InternalError("", {}, psycopg.errors.DataCorrupted()), DatabaseFault.DAMAGED),
        (IntegrityError("", {}, psycopg.errors.UniqueViolation()), None),
        (ProgrammingError("", {}, psycopg.errors.UndefinedTable()), None),
        (ValueError("a bug"), None),
    ],
)
def test_what_passes_is_told_from_what_is_a_bug(error: Exception, fault: DatabaseFault | None) -> None:
    assert fault_of(error) is fault


def test_a_bug_is_still_an_error_of_ours(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_: object, **__: object) -> None:
        raise ProgrammingError("SELECT nothing", {}, Exception("no such table"))

    monkeypatch.setattr("registry.works.register", buggy)
    problem(served.client.post("/v1/works", json=WORK), 500, "internal-error")
    with served.service.database.reading() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Holder)) == 1
