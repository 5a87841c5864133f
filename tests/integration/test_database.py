"""A transaction means the same on both databases."""

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from registry.database import Database
from registry.models import Heads, Holder
from tests import factories
from tests.factories import AT
from tests.integration.at_once import at_once, overlapping

pytestmark = pytest.mark.both_databases


def test_what_raises_changes_nothing(database: Database) -> None:
    def crash(session: Session) -> None:
        factories.holder(session, name="Studio")
        raise RuntimeError

    with pytest.raises(RuntimeError), database.transaction() as session:
        crash(session)
    with database.reading() as session:
        assert session.scalars(sa.select(Holder)).all() == []


def test_reading_sees_only_what_was_committed(database: Database) -> None:
    with database.transaction() as session:
        factories.holder(session, name="Studio")
        with database.reading() as other:
            assert other.scalars(sa.select(Holder.name)).all() == []
    with database.reading() as other:
        assert other.scalars(sa.select(Holder.name)).all() == ["Studio"]


def test_a_writer_begins_when_the_one_before_it_has_ended(database: Database) -> None:
    """So it never decides by what another is about to change."""

    def claim(session: Session) -> None:
        taken = session.scalars(sa.select(Holder.name)).all()
        factories.holder(session, name=f"Studio {len(taken)}")

    overlapping(database, claim, claim)
    with database.reading() as session:
        assert sorted(session.scalars(sa.select(Holder.name))) == ["Studio 0", "Studio 1"]


def test_who_writes_again_and_again_leaves_others_their_turn(database: Database) -> None:
    enough, turns = threading.Event(), 0

    def busy() -> None:
        nonlocal turns
        while not enough.is_set():
            with database.transaction() as session:
                session.get_one(Heads, 1).ledger_size += 1
                turns += 1
                time.sleep(0.03)  # as long as storing some rows takes

    def patient() -> None:
        try:
            for _ in range(10):
                before = turns
                with database.transaction() as session:
                    session.get_one(Heads, 1).index_sequence += 1
                assert turns <= before + 2, "it waited for more than the turn in hand"
        finally:
            enough.set()

    assert at_once(busy, patient) == [None, None]


def test_many_writers_lose_no_update(database: Database) -> None:
    def count_up() -> None:
        for _ in range(5):
            with database.transaction() as session:
                heads = session.get_one(Heads, 1)
                heads.ledger_size += 1

    assert at_once(*[count_up] * 4) == [None] * 4
    with database.reading() as session:
        assert session.scalar(sa.select(Heads.ledger_size)) == 20


def test_reading_shows_one_moment_to_its_end(database: Database) -> None:
    with database.reading() as session:
        assert session.scalars(sa.select(Holder.name)).all() == []
        with database.transaction() as writing:
            factories.holder(writing, name="Studio")
        assert session.scalars(sa.select(Holder.name)).all() == []


def test_reading_waits_for_no_writer(database: Database) -> None:
    with database.transaction() as writing:
        writing.execute(sa.update(Heads).values(ledger_size=1))
        with database.reading() as session:
            assert session.scalar(sa.select(Heads.ledger_size)) == 0


def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database) -> None:
    tokyo = datetime(2026, 3, 2, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=9)))
    with database.transaction() as session:
        session.add(Holder(id="hld_1", name="Studio", assurance="email", created_at=tokyo))
    with database.reading() as session:
        stored = session.get_one(Holder, "hld_1").created_at
    assert stored == tokyo
    assert stored.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"), database.transaction() as session:
        session.add(Holder(id="hld_1", name="Studio", assurance="email", created_at=AT.replace(tzinfo=None)))


def test_a_new_file_that_another_process_is_setting_up_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "new.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    ends = threading.Timer(0.3, other.execute, ["COMMIT"])
    ends.start()
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    try:
        with database.reading() as session:
            assert session.execute(sa.text("PRAGMA journal_mode")).scalar_one() == "wal"
    finally:
        ends.join()
        other.close()
        database.dispose()
