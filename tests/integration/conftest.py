"""Databases for tests: each test runs on SQLite and on PostgreSQL, on what the migrations built, and finds it empty."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from api.blobs import FolderBlobs
from api.limits import RateLimiter
from api.mail import make_post
from api.pages.visit import Seals
from api.service import Service, upgrade_database
from api.settings import Settings
from api.signers import Signers
from fingerprinting.index.embedded import embedded_index
from provenance.trust import TrustLists
from registry.database import Database
from registry.domain import tokens
from registry.domain.checkpoint import generate_key
from registry.index import IndexEngine
from registry.ledger import LedgerIdentity
from registry.models import Base, Heads
from takedown.domain.deadlines import BusinessCalendar
from takedown.service import Desk
from tests.factories import AT
from tests.fakes import Clock, FakeProbe, FakeProvenance
from tests.servers.postgres import create_database

_numbers = itertools.count(1)
_TABLES = [table for table in Base.metadata.sorted_tables if table is not Heads.__table__]
# The names of the tables with something in them, asked for at once: most tests write to a few of many.
_WRITTEN = sa.union_all(
    *(sa.select(sa.literal(table.name)).where(sa.exists(sa.select(1).select_from(table))) for table in _TABLES)
)


@pytest.fixture(scope="session")
def sqlite_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    yield from _migrated(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'clearmark.db'}")


@pytest.fixture(scope="session")
def postgresql_database(postgres_url: str) -> Iterator[Database]:
    yield from _migrated(create_database(postgres_url, "clearmark"))


def _migrated(url: str) -> Iterator[Database]:
    upgrade_database(url)
    opened = Database(url)
    yield opened
    opened.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on: both, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def database(backend: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """All tables and nothing in them."""
    opened: Database = request.getfixturevalue(f"{backend}_database")
    yield opened
    with opened.transaction() as session:  # as it came from the migrations; making a new one would take far longer
        written = set(session.scalars(_WRITTEN))
        for table in reversed(_TABLES):
            if table.name in written:
                session.execute(sa.delete(table))
        session.execute(sa.update(Heads).values(index_sequence=0, ledger_size=0, feed_sequence=0))


@pytest.fixture
def database_url(database: Database) -> str:
    return database.url.render_as_string()


@pytest.fixture
def empty_database_url(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a single table."""
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return create_database(request.getfixturevalue("postgres_url"), f"empty_{next(_numbers)}")


@pytest.fixture
def index() -> IndexEngine:
    """The indexes of a process that has just started."""
    return IndexEngine(make_index=embedded_index)


@pytest.fixture(scope="session")
def desk() -> Desk:
    return Desk(calendar=BusinessCalendar(country="US", subdivision=None, time_zone="America/New_York"))


@pytest.fixture(scope="session")
def identity() -> LedgerIdentity:
    return LedgerIdentity(origin="log.example/ledger", key=generate_key())


@pytest.fixture
def clock() -> Clock:
    return Clock(AT)


@pytest.fixture
def provenance() -> FakeProvenance:
    return FakeProvenance()


@pytest.fixture
def probe() -> FakeProbe:
    return FakeProbe()


@pytest.fixture
def service(
    database: Database,
    index: IndexEngine,
    desk: Desk,
    identity: LedgerIdentity,
    clock: Clock,
    provenance: FakeProvenance,
    probe: FakeProbe,
    tmp_path: Path,
) -> Iterator[Service]:
    """The whole service on a clock of its own, with nothing running; signing is faked."""
    settings = Settings(data_dir=tmp_path, database_url=database.url.render_as_string())
    made = Service(
        settings=settings,
        database=database,
        blobs=FolderBlobs(settings.blob_folder),
        index=index,
        provenance=provenance,
        signers=Signers(settings),
        trust=TrustLists(settings.trust_folder),
        ledger=identity,
        tokens=tokens.TokenKeys([tokens.generate_pem()]),
        desk=desk,
        limiter=RateLimiter(settings),
        post=make_post(settings),
        seals=Seals(settings.keys_folder / "pages"),
        probe=probe,
        now=clock,
    )
    yield made
    made.executor.shutdown()
