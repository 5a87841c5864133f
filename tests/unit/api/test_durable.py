"""What was acknowledged is on the disk: content, name, and the folder that the name is in."""

import os
from pathlib import Path

import pytest

from api.blobs import FolderBlobs
from api.durable import make_folder


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What was asked of the disk, in order."""
    asked: list[tuple[str, Path]] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        asked.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        asked.append(("rename", target))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    return asked


def test_a_blob_is_on_the_disk_under_its_name_when_it_is_adopted(tmp_path: Path, done: list[tuple[str, Path]]) -> None:
    folder = tmp_path / "blobs"
    blobs = FolderBlobs(folder)
    for key, made in (("asset_19", [("sync", folder)]), ("asset_119", [])):  # the second finds its folder
        done.clear()
        path = blobs.staging / "upload"
        path.write_bytes(b"a film")
        blobs.adopt(path, key)
        kept = folder / key[-2:] / key
        assert done == [*made, ("sync", path), ("rename", kept), ("sync", kept.parent)]


def test_a_folder_is_there_with_all_that_are_above_it(tmp_path: Path, done: list[tuple[str, Path]]) -> None:
    make_folder(tmp_path / "a" / "b", mode=0o700)
    assert done == [("sync", tmp_path), ("sync", tmp_path / "a")]
    make_folder(tmp_path / "a" / "b")
    assert len(done) == 2
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")} == {0o700}
