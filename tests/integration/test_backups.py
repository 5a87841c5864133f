"""A backup holds everything at one moment, is believed only where it is whole, and overwrites nothing."""

import errno
import json
import os
import stat
import tarfile
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from api import database_copies, housekeeping
from api.backup import BadBackup, Manifest, back_up, restore, summary, verify
from api.database_copies import copy_sqlite, put_back
from api.fsck import examine
from api.service import Service, build_service
from api.settings import Settings
from registry.consistency import Code
from registry.domain.checkpoint import key_to_pem
from registry.domain.policy import Verdict
from registry.errors import RegistryError
from registry.models import Asset, Check, Release
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
def test_what_cannot_be_moved_aside_is_said_before_anything_is_moved(
    service: Service, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del registry
    made(service, tmp_path / "backup")
    mounted, data_dir = tmp_path / "mounted", tmp_path / "elsewhere"
    elsewhere = Settings(data_dir=data_dir, blob_url=f"file://{mounted}", log_origin=service.ledger.origin)
    for place in (mounted, data_dir):
        place.mkdir()
        (place / "there").touch()

    def refused(match: str) -> None:
        with pytest.raises(BadBackup, match=match):
            restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now())
        assert (mounted / "there").exists()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_mount", lambda place: place == mounted)
        refused(f"{mounted} is not empty and cannot be moved aside: it is mounted")
        assert (data_dir / "there").exists()
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda place, _mode: place != tmp_path)
        refused(f"{tmp_path} cannot be written to")
        assert (data_dir / "there").exists()
    with monkeypatch.context() as patch:

        def fail(_place: Path, _target: Path) -> Path:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(mounted))

        patch.setattr(Path, "rename", fail)
        refused(f"cannot be put back: .*{mounted}")
    (mounted / "there").unlink()
    assert restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now()).blobs


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_disk_that_refuses_is_told_and_is_no_trace(
    service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del registry
    made(service, tmp_path / "backup.tar")
    with monkeypatch.context() as patch:

        def fail(**_said: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", "/.restore-1")

        patch.setattr(tempfile, "TemporaryDirectory", fail)
        with pytest.raises(BadBackup, match=r"unpacked: .*Permission denied.*a folder that you unpacked it into"):
            restore(tmp_path / "backup.tar", elsewhere, moves_aside=False, at=service.now())
    (tmp_path / "file").touch()
    with pytest.raises(BadBackup, match="The backup cannot be made: "):
        made(service, tmp_path / "file" / "backup")
    nowhere = service.database.url.set(database=str(tmp_path / "none.db"))
    with pytest.raises(RegistryError, match="The database cannot be copied: "):
        copy_sqlite(nowhere, tmp_path / "copy")


@pytest.mark.parametrize("backend", ["postgresql"])
def test_without_pg_restore_nothing_is_touched(
    service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del registry
    made(service, tmp_path / "backup")
    elsewhere.data_dir.mkdir()
    (elsewhere.data_dir / "there").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryError, match="There is no pg_restore here"):
        restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now())
    assert (elsewhere.data_dir / "there").exists()
    (tmp_path / "pg_restore").write_text("#!/bin/sh\necho it is full >&2\nexit 1\n")
    (tmp_path / "pg_restore").chmod(0o700)
    with pytest.raises(RegistryError, match="pg_restore failed: it is full"):
        restore(tmp_path / "backup", elsewhere, moves_aside=True, at=service.now())


@pytest.mark.parametrize("backend", ["sqlite"])
def test_files_of_a_database_that_was_backed_up_a_while_before_are_kept_for_a_round(
    service: Service, registry: Registry, elsewhere: Settings, tmp_path: Path
) -> None:
    write_keys(service)
    first = made(service, tmp_path / "backup", with_database=False)
    assert (first.database, first.kept) == (None, ())
    assert not list((tmp_path / "backup").glob("database-*"))
    with service.database.transaction() as session:  # asked since, and answered so that nobody needs its file
        asker = factories.actor(session)
        blocked = factories.check(session, asker, service.index, factories.fingerprint(5), at=service.now())
        blocked.blob_key, blocked.verdict = "check_2", Verdict.BLOCK.value
        blocked_id = blocked.id
    keep(service, "check_2", b"a copy")
    copy_sqlite(service.database.url, tmp_path / "dump")
    with service.database.transaction() as session:
        session.get_one(Check, registry.check).decision = "reject"
        session.get_one(Asset, registry.second).blob_key = None
    housekeeping.forget_media(service)
    service.blobs.delete("asset_1b")
    second = made(service, tmp_path / "backup", with_database=False)
    assert second.kept == ("asset_1b", "check_1")
    assert verify(tmp_path / "backup") == Manifest.read(tmp_path / "backup") == second
    restore(tmp_path / "backup", elsewhere, moves_aside=False, at=service.now())
    put_back(tmp_path / "dump", elsewhere.database)
    restored = build_service(elsewhere, compares_pictures=False)
    try:
        found = examine(restored, is_quick=True)
    finally:
        restored.close()
    assert [(flaw.code, flaw.subject) for flaw in found] == [(Code.BLOB_FORGOTTEN, blocked_id)]
    third = made(service, tmp_path / "backup", with_database=False)
    assert third.kept == ()
    assert {path.name for path in (tmp_path / "backup").glob("blobs/??/*")} == third.blobs.keys()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_the_database_is_copied_again_only_where_files_were_let_go_of_meanwhile(
    service: Service, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.blobs.delete("release_1")
    copies: list[Path] = []

    def counted(url: sa.URL, path: Path) -> None:
        copy_sqlite(url, path)
        copies.append(path)
        if path.parent.name == "busy" and len(copies) == 1:
            with service.database.transaction() as session:
                session.get_one(Asset, registry.second).blob_key = None
            service.blobs.delete("asset_1b")

    monkeypatch.setattr(database_copies, "copy_sqlite", counted)
    assert made(service, tmp_path / "idle").lost == ("release_1",)
    assert len(copies) == 1
    copies.clear()
    assert made(service, tmp_path / "busy").lost == ("release_1",)
    assert len(copies) == 2


@pytest.mark.parametrize("backend", ["sqlite"])
def test_files_that_are_lost_are_named_in_the_backup(service: Service, registry: Registry, tmp_path: Path) -> None:
    del registry
    service.blobs.delete("release_1")
    assert made(service, tmp_path / "backup").lost == ("release_1",)
    service.blobs.delete("check_1")
    next((tmp_path / "backup").glob("blobs/??/check_1")).unlink()
    assert made(service, tmp_path / "backup").lost == ("check_1", "release_1")
    assert verify(tmp_path / "backup").blobs.keys() == {"asset_1a", "asset_1b", "asset_1c", "asset_2"}
