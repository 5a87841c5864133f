"""A backup holds everything at one moment, is believed only where it is whole, and overwrites nothing."""

import json
import os
import stat
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.backup import BadBackup, Manifest, back_up, restore, summary, verify
from api.fsck import examine
from api.service import Service, build_service
from api.settings import Settings
from registry.consistency import Code
from registry.domain.checkpoint import key_to_pem
from registry.models import Asset, Release
from tests import factories
from tests.fakes import Clock
from tests.integration.small_registry import Registry, fill, keep
from tests.servers.postgres import create_database, find_binaries


@pytest.fixture
def clock() -> Clock:
    """Files bear the machine's time."""
    return Clock(datetime.now(UTC))


@pytest.fixture
def registry(service: Service) -> Registry:
    return fill(service)


@pytest.fixture
def elsewhere(service: Service, request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Another machine: its own folder, and its own empty database."""
    url = ""
    if not service.database.is_sqlite:
        patch = request.getfixturevalue("monkeypatch")
        patch.setenv("PATH", f"{find_binaries()}{os.pathsep}{os.environ['PATH']}")
        url = create_database(request.getfixturevalue("postgres_url"), f"restored_{tmp_path.name.lower()}"[-60:])
    origin = service.ledger.origin
    return Settings(data_dir=tmp_path / "elsewhere", database_url=url, log_origin=origin)


def made(service: Service, target: Path, **said: bool) -> Manifest:
    return back_up(service, target, at=service.now(), **{"with_keys": True, "with_database": True} | said)


def write_keys(service: Service) -> None:
    """Keys and a trust list, so that there are some: the log's own, and another."""
    folder = service.settings.keys_folder
    (folder / "ledger").mkdir(parents=True, exist_ok=True)
    (folder / "ledger" / "0001.pem").write_bytes(key_to_pem(service.ledger.key))
    (folder / "other").write_bytes(b"a secret")
    service.settings.trust_folder.mkdir(parents=True, exist_ok=True)
    (service.settings.trust_folder / "kept").write_text("beside the lists")


@pytest.mark.parametrize("backend", ["sqlite"])
def test_only_its_owner_reads_a_backup_and_what_is_there_already_is_not_copied_again(
    service: Service, registry: Registry, tmp_path: Path
) -> None:
    write_keys(service)
    target = tmp_path / "backup"
    first = made(service, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*") if path.is_file()} == {0o600}
    copied = {path.name: path.stat().st_ino for path in target.glob("blobs/??/*")}
    with service.database.transaction() as session:
        session.get_one(Asset, registry.upload).blob_key = None
        session.get_one(Asset, registry.second).blob_key = "asset_7"
    keep(service, "asset_7", b"a film")
    second = made(service, target)
    assert first.blobs.keys() - second.blobs.keys() == {"asset_2", "asset_1b"}
    now = {path.name: path.stat().st_ino for path in target.glob("blobs/??/*")}
    assert now.keys() == second.blobs.keys()
    assert all(now[key] == copied[key] for key in now.keys() & copied.keys())
    assert len(list(target.glob("database-*"))) == 1
    assert verify(target) == Manifest.read(target)
    without = made(service, tmp_path / "public", with_keys=False)
    assert not any(name.startswith("keys-") for name in without.parts)
    assert not list((tmp_path / "public").rglob("other"))


def test_what_was_backed_up_is_put_back_and_fits(
    service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path
) -> None:
    write_keys(service)
    told = made(service, tmp_path / "backup.tar" if service.database.is_sqlite else tmp_path / "backup")
    if service.database.is_sqlite:
        assert stat.S_IMODE((tmp_path / "backup.tar").stat().st_mode) == 0o600
    with service.database.transaction() as session:  # comes after the backup, and is lost with the machine
        late = factories.work(session, factories.actor(session), at=service.now()).id
    source = tmp_path / "backup.tar" if service.database.is_sqlite else tmp_path / "backup"
    put = restore(source, elsewhere, moves_aside=False, at=service.now())
    assert summary(put) == summary(told)
    assert (elsewhere.keys_folder / "other").read_bytes() == b"a secret"
    assert (elsewhere.trust_folder / "kept").read_text() == "beside the lists"
    restored = build_service(elsewhere, compares_pictures=False)
    try:
        assert [flaw for flaw in examine(restored, is_quick=False) if flaw.counts] == []
        with restored.database.reading() as session:
            assert session.get(Release, registry.release) is not None
            assert session.get(Asset, registry.asset) is not None
            assert session.get(type(session.get_one(Asset, registry.asset).work), late) is None
    finally:
        restored.close()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_files_that_came_after_a_backup_are_garbage_and_an_index_ahead_of_it_is_noticed(
    service: Service, registry: Registry, elsewhere: Settings, clock: Clock, tmp_path: Path
) -> None:
    del registry
    write_keys(service)
    made(service, tmp_path / "backup")
    restore(tmp_path / "backup", elsewhere, moves_aside=False, at=service.now())
    with service.database.transaction() as session:
        owner = factories.actor(session)
        work = factories.work(session, owner, at=service.now())
        factories.asset(session, owner, work, service.index, factories.fingerprint(9), at=service.now())
    with service.database.reading() as session:
        service.index.catch_up(session, timeout_s=30)
    service.index.save(elsewhere.snapshot_path)  # as if the old disk's had been left there
    late = elsewhere.blob_folder / "99" / "asset_99"
    late.parent.mkdir(parents=True, exist_ok=True)
    late.write_bytes(b"newer than the backup")
    restored = build_service(elsewhere, compares_pictures=False)
    restored.now = lambda: clock() + timedelta(hours=7)
    try:
        found = {flaw.code: flaw for flaw in examine(restored, is_quick=True)}
    finally:
        restored.close()
    assert found[Code.SNAPSHOT_AHEAD].counts
    assert (found[Code.BLOB_UNNAMED].subject, found[Code.BLOB_UNNAMED].counts) == ("asset_99", False)


def cut(folder: Path) -> None:
    path = next(folder.glob("blobs/??/*"))
    path.write_bytes(path.read_bytes()[:-1])


def change_database(folder: Path) -> None:
    path = next(folder.glob("database-*"))
    path.write_bytes(path.read_bytes() + b"x")


def lose(folder: Path) -> None:
    next(folder.glob("blobs/??/*")).unlink()


def link(folder: Path) -> None:
    path = next(folder.glob("blobs/??/*"))
    kept = folder / "kept"
    path.rename(kept)
    path.symlink_to(kept)


def _said(folder: Path, **said: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | said))


def lead_out(folder: Path) -> None:
    _said(folder, parts={"../../etc/passwd": {"size_bytes": 1, "sha256": "0"}})


def name_a_path(folder: Path) -> None:
    _said(folder, blobs={"../x": {"size_bytes": 1, "sha256": "0"}})


def be_another_format(folder: Path) -> None:
    _said(folder, format="clearmark-backup-9")


def be_newer(folder: Path) -> None:
    _said(folder, revision="9999")


def be_of_another_database(folder: Path) -> None:
    _said(folder, database_kind="oracle")


def be_no_json(folder: Path) -> None:
    (folder / "manifest.json").write_text("[")


def be_a_list(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


def be_none(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_backup_that_is_not_whole_or_not_ours_is_refused_before_anything_is_written(
    service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path
) -> None:
    del registry
    made(service, tmp_path / "good.tar")
    for number, spoil in enumerate(
        (cut, change_database, lose, link, lead_out, name_a_path, be_another_format, be_newer, be_of_another_database,
         be_no_json, be_a_list, be_none)
    ):  # fmt: skip
        bad = tmp_path / f"bad{number}"
        with tarfile.open(tmp_path / "good.tar") as tar:
            tar.extractall(bad, filter="data")
        spoil(bad)
        with pytest.raises(BadBackup):
            restore(bad, elsewhere, moves_aside=False, at=service.now())
        assert not elsewhere.data_dir.exists(), spoil
    (tmp_path / "bad.tar").write_bytes(b"no archive")
    with pytest.raises(BadBackup, match="unpacked"):
        restore(tmp_path / "bad.tar", elsewhere, moves_aside=False, at=service.now())


@pytest.mark.parametrize("backend", ["sqlite"])
def test_nothing_is_overwritten(service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path) -> None:
    del registry
    made(service, tmp_path / "backup")
    elsewhere.data_dir.mkdir()
    (elsewhere.data_dir / "clearmark.db").write_bytes(b"")
    with pytest.raises(BadBackup, match="not empty"):
        restore(tmp_path / "backup", elsewhere, moves_aside=False, at=service.now())
    restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now())
    [aside] = tmp_path.glob("elsewhere.before-*")
    assert (aside / "clearmark.db").read_bytes() == b""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("not a backup")
    with pytest.raises(BadBackup, match="no backup"):
        made(service, mine)
    (tmp_path / "there.tar").touch()
    with pytest.raises(BadBackup, match="already"):
        made(service, tmp_path / "there.tar")
    assert (mine / "letter.txt").read_text() == "not a backup"


@pytest.mark.parametrize("backend", ["sqlite"])
def test_files_that_are_lost_are_named_in_the_backup(service: Service, registry: Registry, tmp_path: Path) -> None:
    del registry
    service.blobs.delete("release_1")
    assert made(service, tmp_path / "backup").lost == ("release_1",)
