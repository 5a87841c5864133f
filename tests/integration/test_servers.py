"""The servers that other tests stand on are real, separate and do not outlive their users."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests.servers.postgres import create_database

REPOSITORY = Path(__file__).parents[2]


def _answer(url: str, query: str) -> object:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return connection.execute(text(query)).scalar_one()
    finally:
        engine.dispose()


def test_postgres_is_a_real_server(postgres_url: str) -> None:
    assert _answer(postgres_url, "SELECT 1") == 1
    assert str(_answer(postgres_url, "SELECT version()")).startswith("PostgreSQL ")


def test_postgres_databases_share_nothing(postgres_url: str) -> None:
    ours, theirs = create_database(postgres_url, "ours"), create_database(postgres_url, "Theirs")
    engine = create_engine(ours)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE seen (id integer)"))
    engine.dispose()
    query = "SELECT count(*) FROM pg_tables WHERE tablename = 'seen'"
    assert (_answer(ours, query), _answer(theirs, query)) == (1, 0)


def test_postgres_is_never_on_the_network(postgres_url: str) -> None:
    assert _answer(postgres_url, "SHOW listen_addresses") == ""


def test_postgres_ends_with_tests_that_are_killed() -> None:
    program = (
        "import os, time\n"
        "from tests.servers.postgres import postgres_server\n"
        "with postgres_server() as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        assert _answer(url, "SELECT 1") == 1
        os.kill(tests.pid, signal.SIGKILL)
    home = Path(str(make_url(url).query["host"]))
    give_up = time.monotonic() + 30
    while home.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not home.exists()
    with pytest.raises(OperationalError):
        _answer(url, "SELECT 1")
