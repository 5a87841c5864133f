"""A snapshot is either the one that was written or it is refused."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fingerprinting.errors import BadSnapshot
from fingerprinting.index.faiss_index import FaissIndex, Growth
from fingerprinting.index.snapshot import Snapshot, read_snapshot, write_snapshot
from fingerprinting.model import Algorithm, Descriptors, ItemNumber

CODES = np.arange(256 * 3, dtype=np.uint8).reshape(-1, 32)
SNAPSHOT = Snapshot(
    sequence=41_207,
    dumps={
        "video-phash-v1": {"codes": CODES, "ids": np.arange(5), "dead": np.array([True, False, True])},
        "audio-chromaprint-v1": {"codes": CODES[:0]},
        "video-sscd-v1": {},
    },
)


def same(one: Snapshot, other: Snapshot) -> bool:
    return one.sequence == other.sequence and [*_listed(one)] == [*_listed(other)]


def _listed(snapshot: Snapshot) -> Iterator[tuple[object, ...]]:
    for name, dump in snapshot.dumps.items():
        yield (name,)
        for key, array in dump.items():
            yield key, array.dtype, array.shape, array.tobytes()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "index.snapshot"
    write_snapshot(path, SNAPSHOT)
    return path


any_array = arrays(
    st.sampled_from(["int64", "uint8", "bool", "float32", "uint32", ">i4"]),
    array_shapes(min_dims=0, max_dims=3, min_side=0),
)


@given(
    st.builds(
        lambda sequence, dumps: Snapshot(sequence=sequence, dumps=dumps),
        st.integers(0, 2**63),
        st.dictionaries(st.text(max_size=20), st.dictionaries(st.text(max_size=9), any_array, max_size=3), max_size=4),
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot) -> None:
    path = tmp_path_factory.mktemp("round") / "index.snapshot"
    write_snapshot(path, snapshot)
    assert same(read_snapshot(path), snapshot)


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


def sealed(body: bytes, *, form: str = "clearmark-index-2") -> bytes:
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
        sealed(b'{"sequence": 1, "dumps": {}}\n', form="clearmark-index-9"),
        sealed(b"not json\n"),
        sealed(b"[]\n"),
        sealed(b'{"sequence": 1}\n'),
        sealed(b'{"sequence": 1, "dumps": {"a": "b"}}\n'),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|u1", [4]]}}}\n'),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|u1", [-4]]}}}\n' + bytes(64)),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|u1", "4"]}}}\n' + bytes(64)),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|O", [8]]}}}\n' + bytes(128)),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|V8", [8]]}}}\n' + bytes(128)),
        sealed(b'{"sequence": 1, "dumps": {"a": {"b": ["|u1", [9223372036854775807, 4]]}}}\n' + bytes(64)),
        sealed(b'{"sequence": 1, "dumps": 5}\n'),
        json.dumps({"format": "clearmark-index-2", "sequence": 1, "dumps": {}}).encode() + b"\n",
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
    assert same(read_snapshot(path), SNAPSHOT)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_snapshot_takes_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "index.snapshot"
    write_snapshot(path, SNAPSHOT)
    newer = Snapshot(sequence=41_208, dumps={"video-phash-v1": {"codes": CODES[:1]}})
    write_snapshot(path, newer)
    assert same(read_snapshot(path), newer)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_read_is_mapped_and_cannot_be_written_to(written: Path) -> None:
    codes = read_snapshot(written).dumps["video-phash-v1"]["codes"]
    assert not codes.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        codes[0] = 0


def test_every_array_begins_where_the_processor_likes_it(written: Path) -> None:
    for dump in read_snapshot(written).dumps.values():
        assert all(array.ctypes.data % 64 == 0 for array in dump.values() if array.size)


def test_what_was_mapped_survives_a_newer_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "index.snapshot"
    write_snapshot(path, SNAPSHOT)
    mapped = read_snapshot(path)
    write_snapshot(path, Snapshot(sequence=41_208, dumps={}))
    assert same(mapped, SNAPSHOT)


def test_an_array_that_is_a_part_of_another_is_written_alone(tmp_path: Path) -> None:
    path = tmp_path / "index.snapshot"
    write_snapshot(path, Snapshot(sequence=1, dumps={"a": {"part": CODES[2:7, ::2]}}))
    assert read_snapshot(path).dumps["a"]["part"].tolist() == CODES[2:7, ::2].tolist()


def test_an_index_answers_from_a_mapped_snapshot(tmp_path: Path) -> None:
    path, vectors = tmp_path / "index.snapshot", np.random.default_rng(1).integers(0, 256, (90, 32), np.uint8)
    growth = Growth(settle_rows=80, cells_from_rows=1, cells=4, probed=4)
    index = FaissIndex(Algorithm.VIDEO_PHASH_V1, growth=growth, aside=lambda work: work())
    for item in range(3):
        times_s = np.arange(30, dtype=np.float64)
        described = Descriptors(
            algorithm=Algorithm.VIDEO_PHASH_V1, times_s=times_s, vectors=vectors[30 * item : 30 * item + 30]
        )
        index.add(ItemNumber(item), described)
    write_snapshot(path, Snapshot(sequence=1, dumps={"index": index.dump()}))
    other = FaissIndex(Algorithm.VIDEO_PHASH_V1, growth=growth)
    other.load(read_snapshot(path).dumps["index"])
    assert other.remove(ItemNumber(1)) == 30
    hits = other.search(vectors, radius_bits=0, limit=2)
    assert hits.items.tolist() == [0] * 30 + [2] * 30
