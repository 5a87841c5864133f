"""A snapshot is either the one that was written or it is refused."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.errors import BadSnapshot
from fingerprinting.index.snapshot import Snapshot, read_snapshot, write_snapshot

SNAPSHOT = Snapshot(sequence=41_207, dumps={"video-phash-v1": bytes(range(256)) * 3, "audio-chromaprint-v1": b""})


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "index.snapshot"
    write_snapshot(path, SNAPSHOT)
    return path


@given(
    st.builds(
        lambda sequence, dumps: Snapshot(sequence=sequence, dumps=dumps),
        st.integers(0, 2**63),
        st.dictionaries(st.text(max_size=20), st.binary(max_size=200), max_size=4),
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot) -> None:
    path = tmp_path_factory.mktemp("round") / "index.snapshot"
    write_snapshot(path, snapshot)
    assert read_snapshot(path) == snapshot


@settings(max_examples=400)
@given(st.data())
def test_any_changed_byte_is_noticed(written: Path, data: st.DataObject) -> None:
    whole = bytearray(written.read_bytes())
    # The seal and the header are short beside the dumps: look there as often.
    at = data.draw(st.one_of(st.integers(0, 200), st.integers(0, len(whole) - 1)))
    whole[at] ^= data.draw(st.integers(1, 255))
    broken = written.with_name("changed")
    broken.write_bytes(whole)
    with pytest.raises(BadSnapshot):
        read_snapshot(broken)


def test_a_changed_sequence_is_noticed(written: Path) -> None:
    """An index that believes it is further than it is would miss works for ever."""
    broken = written.with_name("sequence")
    broken.write_bytes(written.read_bytes().replace(b"41207", b"91207"))
    with pytest.raises(BadSnapshot):
        read_snapshot(broken)


def test_any_cut_is_noticed(written: Path) -> None:
    whole = written.read_bytes()
    broken = written.with_name("cut")
    for length in [*range(0, 250, 7), *range(250, len(whole), 61), len(whole) - 1]:
        broken.write_bytes(whole[:length])
        with pytest.raises(BadSnapshot):
            read_snapshot(broken)


def sealed(body: bytes, *, form: str = "clearmark-index-1") -> bytes:
    """A file with a right checksum over any body."""
    return f"{form} {hashlib.sha256(body).hexdigest()}\n".encode() + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xff\xfe\x00",
        b"{" * 70_000,
        b"[" * 70_000 + b"\n",
        sealed(b'{"sequence": 1, "parts": {}}\n', form="clearmark-index-2"),
        sealed(b"not json\n"),
        sealed(b"[]\n"),
        sealed(b'{"sequence": 1}\n'),
        sealed(b'{"sequence": 1, "parts": {"a": "b"}}\n'),
        sealed(b'{"sequence": 1, "parts": 5}\n'),
        json.dumps({"format": "clearmark-index-1", "sequence": 1, "parts": {}}).encode() + b"\n",
    ],
)
def test_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.snapshot"
    path.write_bytes(content)
    with pytest.raises(BadSnapshot):
        read_snapshot(path)


def test_no_snapshot_is_refused_as_a_bad_one_is(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(BadSnapshot):
            read_snapshot(path)


def test_trailing_bytes_are_noticed(written: Path) -> None:
    broken = written.with_name("trailing")
    broken.write_bytes(written.read_bytes() + b"\0")
    with pytest.raises(BadSnapshot):
        read_snapshot(broken)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "index.snapshot"
    write_snapshot(path, SNAPSHOT)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_snapshot(path, Snapshot(sequence=2, dumps={}))
    monkeypatch.undo()
    assert read_snapshot(path) == SNAPSHOT
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_snapshot_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "index.snapshot"
    write_snapshot(path, SNAPSHOT)
    newer = Snapshot(sequence=41_208, dumps={"video-phash-v1": b"new"})
    write_snapshot(path, newer)
    assert read_snapshot(path) == newer
    assert list(tmp_path.iterdir()) == [path]
