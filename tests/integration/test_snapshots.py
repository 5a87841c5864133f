"""Snapshots in the blob store: a new machine is soon as far as the others, and a bad one costs time alone."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from api import housekeeping, snapshots
from api.blobs import FolderBlobs
from api.service import Service
from api.settings import Settings
from fingerprinting.index.embedded import embedded_index
from registry import works
from registry.blobs import SNAPSHOTS, BlobsAway
from registry.index import IndexEngine
from registry.models import Heads
from tests import factories
from tests.factories import AT
from tests.fakes import Clock

type Machine = Callable[[str], Service]


@pytest.fixture
def clock() -> Clock:
    """Files bear the machine's time."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def machine(service: Service, tmp_path: Path) -> Machine:
    """Processes of one service, each on a machine of its own; all use one blob store."""

    def start(name: str) -> Service:
        settings = Settings(
            data_dir=tmp_path / name, database_url=service.settings.database_url, blob_url=f"file://{tmp_path}/shared"
        )
        settings.data_dir.mkdir()
        index = IndexEngine(make_index=embedded_index)
        blobs = FolderBlobs(settings.blob_folder)
        return replace(service, settings=settings, blobs=blobs, index=index, index_ready=Event())

    return start


def register(service: Service, seed: int) -> None:
    with service.database.transaction() as session:
        owner = factories.actor(session)
        works.add_fingerprint(session, owner, factories.work(session, owner).id, factories.fingerprint(seed), at=AT)


def stored(service: Service) -> list[int]:
    """At which ends of the log."""
    found = service.blobs.keys(older_than=datetime(2999, 1, 1, tzinfo=UTC), prefix=SNAPSHOTS)
    return sorted(int(key.split("_")[1]) for key in found)


def saved(service: Service) -> None:
    with service.database.reading() as session:
        service.index.catch_up(session, timeout_s=10)
    housekeeping.keep_index(service)


def test_a_new_machine_starts_from_what_another_one_saved(machine: Machine) -> None:
    first = machine("first")
    register(first, 1)
    first.load_index()
    housekeeping.keep_index(first)
    second = machine("second")
    assert snapshots.restore(second) is None
    assert second.index.sequence == first.index.sequence == 1
    assert second.index.sizes == first.index.sizes
    register(first, 2)
    second.load_index()
    assert second.index.sequence == 2, "what came since is in the database"
    assert second.index_problem is None
    housekeeping.keep_index(second)
    assert stored(second) == [1], "there is a recent one"


def test_the_newer_one_is_used_whether_it_is_here_or_there(machine: Machine, clock: Clock) -> None:
    first, second = machine("first"), machine("second")
    register(first, 1)
    for each in (first, second):
        each.load_index()
        housekeeping.keep_index(each)
    register(first, 2)
    clock.pass_by(timedelta(hours=2))
    saved(first)
    assert stored(first) == [1, 2]
    again = replace(second, index=IndexEngine(make_index=embedded_index))
    assert snapshots.restore(again) is None
    assert again.index.sequence == 2, "what lies there is newer than its own"
    register(first, 3)
    with first.database.reading() as session:
        first.index.catch_up(session, timeout_s=10)
    housekeeping.save_index(first)
    again = replace(first, index=IndexEngine(make_index=embedded_index))
    assert snapshots.restore(again) is None
    assert again.index.sequence == 3, "its own is newer than what lies there"


def test_the_last_two_are_kept_and_no_sweep_takes_them(machine: Machine, clock: Clock) -> None:
    service = machine("first")
    service.load_index()
    for seed in range(1, 5):
        register(service, seed)
        saved(service)
        clock.pass_by(timedelta(hours=2))
    saved(service)
    assert stored(service) == [3, 4], "and none is made where nothing is new"
    clock.pass_by(timedelta(days=30))
    housekeeping.run_long(service)
    assert stored(service) == [3, 4]


def test_damaged_ones_are_passed_over_and_said(machine: Machine, clock: Clock) -> None:
    service = machine("first")
    service.load_index()
    for seed in (1, 2):
        register(service, seed)
        saved(service)
        clock.pass_by(timedelta(hours=2))
    shared = sorted(service.settings.blob_folder.glob("??/snapshot_*"), key=lambda path: path.name)
    shared[-1].unlink()
    shared[-1].write_bytes(b"clearmark-index-2 and nothing else\n")
    second = machine("second")
    second.load_index()
    assert "rebuilt, because the snapshot was bad" in str(second.index_problem)
    assert (second.index.sequence, second.index.sizes) == (2, service.index.sizes)
    shared[0].unlink()
    shared[0].write_bytes(b"")
    third = machine("third")
    third.load_index()
    assert str(third.index_problem).count("snapshot_") == 2
    assert third.index.sizes == service.index.sizes


def test_one_of_another_history_is_not_used(machine: Machine) -> None:
    """A backup of the database was restored: what was saved since knows works that are not on record."""
    service = machine("first")
    for seed in (1, 2):
        register(service, seed)
    service.load_index()
    housekeeping.keep_index(service)
    with service.database.transaction() as session:
        session.get_one(Heads, 1).index_sequence = 1
    second = machine("second")
    assert snapshots.restore(second) is None
    assert second.index.sequence == 0
    assert stored(second) == [], "it would be taken for a new one once the log is as long again"


def test_a_store_that_is_away_holds_up_no_start(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    service = machine("first")
    register(service, 1)

    def away(*_: object, **__: object) -> list[str]:
        raise BlobsAway(reason="it does not answer")

    monkeypatch.setattr(FolderBlobs, "keys", away)
    service.load_index()
    assert service.index.sequence == 1
    assert "does not answer" in str(service.index_problem)


def test_in_the_data_folder_there_is_one_already(service: Service) -> None:
    register(service, 1)
    service.load_index()
    housekeeping.keep_index(service)
    assert service.settings.snapshot_path.exists()
    assert stored(service) == []
