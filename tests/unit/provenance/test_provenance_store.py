"""The manifest store comes out of a file as it went in; hostile files give up none, and soon."""

import json
import os
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from c2pa import (  # type: ignore[import-untyped]  # it ships no types
    Builder,
    C2paBuilderIntent,
    C2paSignerInfo,
    Context,
    Reader,
    Signer,
)

from provenance import store as store_module
from provenance.authority import ensure_development_signer
from provenance.media_types import SIGNABLE, media_type_of
from provenance.store import MAX_STORE_BYTES, manifest_store_of

type MediaMaker = Callable[[str], Path]
type Sign = Callable[..., bytes]
type Signed = Callable[[str], tuple[Path, bytes]]
type Write = Callable[[bytes], Path]

SUFFIXES = ["mp4", "mov", "avi", "wav", "mp3", "flac", "m4a", "jpg", "png", "gif", "webp", "tiff", "avif"]
LARGE = "many segments and blocks " * 6_000  # more than two JPEG segments hold
CREATED = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
}
MANIFEST: dict[str, Any] = {
    "claim_generator_info": [{"name": "example", "version": "1"}],
    "assertions": [
        {"label": "c2pa.actions.v2", "data": {"actions": [CREATED]}},
        {"label": "org.example.large", "data": {"text": LARGE}},
    ],
}
DESCRIPTION = b"jumd" + bytes.fromhex("6332706100110010800000AA00389B71") + b"\x03c2pa\0"
TINY = (46).to_bytes(4) + b"jumb" + (30).to_bytes(4) + DESCRIPTION + (8).to_bytes(4) + b"free"
LIES = [bytes(4), b"\xff" * 4, bytes.fromhex("00000001"), (1 << 63).to_bytes(8), (1 << 63).to_bytes(8, "little")]
BMFF_STORE = b"uuid" + bytes.fromhex("D8FEC3D61B0E483C92975828877EC481") + bytes(4)


@pytest.fixture(scope="module")
def signer_folder(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Path:
    ensure_development_signer(folder := tmp_path_factory.mktemp("signer"), at=now)
    return folder


@pytest.fixture(scope="module")
def settings(signer_folder: Path) -> dict[str, Any]:
    anchor = {"trust_anchors": (signer_folder / "ca" / "certificate.pem").read_text(), "trust_kind": "manifest"}
    return {
        "builder": {"thumbnail": {"enabled": False}},
        "core": {"allowed_network_hosts": []},
        "trust": {"anchors": [{**anchor, "trust_uri": "urn:example:own"}]},
        "verify": {"remote_manifest_fetch": False},
    }


@pytest.fixture(scope="module")
def sign(signer_folder: Path, settings: dict[str, Any]) -> Sign:
    """Signs a file into another; the store, as the library returns it."""

    def sign(source: Path, target: Path, media_type: str, *, update: bool = False) -> bytes:
        chain, key = ((signer_folder / "signer-0001" / name).read_bytes() for name in ("chain.pem", "key.pem"))
        manifest = {**MANIFEST, "assertions": []} if update else MANIFEST
        with (
            Context.from_dict(settings) as context,
            Builder(manifest, context) as builder,
            Signer.from_info(C2paSignerInfo("es256", chain, key, None)) as signer,
            source.open("rb") as media,
            target.open("w+b") as signed,
        ):
            if update:
                builder.set_intent(C2paBuilderIntent.UPDATE)
            return bytes(builder.sign(signer, media_type, media, signed))

    return sign


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, media: MediaMaker, sign: Sign) -> Signed:
    """A signed file of a given suffix and its store, made once; tests must not write to it."""
    folder, made = tmp_path_factory.mktemp("signed"), dict[str, tuple[Path, bytes]]()

    def get(suffix: str) -> tuple[Path, bytes]:
        if suffix not in made:
            source, target = media(suffix), folder / f"clip.{suffix}"
            made[suffix] = (target, sign(source, target, media_type_of(source)))
        return made[suffix]

    return get


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes) -> Path:
        (path := tmp_path / "file").write_bytes(content)
        return path

    return write


def extract(path: Path) -> bytes | None:
    return manifest_store_of(path, media_type_of(path) or "")


def box(content: bytes) -> bytes:
    return (4 + len(content)).to_bytes(4) + content


def bmff(*purposes: str, store: bytes = TINY) -> bytes:
    boxes = [box(BMFF_STORE + purpose.encode() + bytes(9) + store) for purpose in purposes]
    return box(b"ftypisom") + b"".join(boxes)


def segment(number: int, sequence: int, content: bytes) -> bytes:
    body = b"JP" + number.to_bytes(2) + sequence.to_bytes(4) + content
    return b"\xff\xeb" + (2 + len(body)).to_bytes(2) + body


def report(media_type: str, path: Path, settings: dict[str, Any], store: bytes | None = None) -> dict[str, Any]:
    with (
        path.open("rb") as stream,
        Context.from_dict(settings) as context,
        Reader(media_type, stream, manifest_data=store, context=context) as reader,
    ):
        read: dict[str, Any] = json.loads(reader.json())
    return read


def test_every_signable_kind_is_tried(media: MediaMaker) -> None:
    assert {media_type_of(media(suffix)) for suffix in SUFFIXES} == SIGNABLE


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_store_comes_out_as_it_was_signed(
    media: MediaMaker, signed: Signed, settings: dict[str, Any], suffix: str
) -> None:
    path, returned = signed(suffix)
    media_type = media_type_of(path) or ""
    store = extract(path)

    assert store == returned
    apart, embedded = report(media_type, path, settings, store), report(media_type, path, settings)
    assert apart["active_manifest"] == embedded["active_manifest"]
    assert apart["validation_results"]["activeManifest"]["failure"] == []
    assert embedded["validation_state"] == apart["validation_state"] == "Trusted"
    assert extract(media(suffix)) is None
    (sidecar := path.with_name("store.c2pa")).write_bytes(store or b"")
    assert extract(sidecar) == store


def test_an_update_is_joined_to_what_it_updates(
    signed: Signed, sign: Sign, settings: dict[str, Any], tmp_path: Path
) -> None:
    path, original = signed("mp4")
    returned = sign(path, updated := tmp_path / "updated.mp4", "video/mp4", update=True)
    store = extract(updated)

    assert store == returned
    assert len(store) > len(original)
    read = report("video/mp4", updated, settings, store)
    assert read["active_manifest"] == report("video/mp4", updated, settings)["active_manifest"]
    assert len(read["manifests"]) == 2
    assert read["validation_state"] == "Trusted"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_anywhere_gives_the_whole_store_or_none(signed: Signed, write: Write, suffix: str) -> None:
    path, store = signed(suffix)
    content = path.read_bytes()
    media_type = media_type_of(path) or ""
    cut = write(content)
    places = {*range(80), *random.Random(suffix).sample(range(len(content)), 150)}
    for size in sorted(places, reverse=True):
        os.truncate(cut, size)
        assert manifest_store_of(cut, media_type) in (store, None)
    assert manifest_store_of(cut, media_type) is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_changed_bytes_and_lying_lengths_do_no_harm(signed: Signed, write: Write, suffix: str) -> None:
    path, store = signed(suffix)
    content = path.read_bytes()
    media_type = media_type_of(path) or ""
    start, chance = content.index(store[:60]), random.Random(suffix)
    changes = [(at, lie) for at in (*range(80), *range(max(0, start - 80), start + 46)) for lie in LIES]
    changes += [(chance.randrange(len(content)), chance.randbytes(1)) for _ in range(60)]
    with write(content).open("r+b", buffering=0) as stream:
        for at, lie in changes:
            os.pwrite(stream.fileno(), lie, at)
            found = manifest_store_of(Path(stream.name), media_type)
            assert found is None or found[4:8] == b"jumb"
            os.pwrite(stream.fileno(), content[at : at + len(lie)], at)
        os.truncate(stream.fileno(), len(content))
        assert manifest_store_of(Path(stream.name), media_type) == store


def test_jpeg_segments_are_put_in_order_and_told_from_other_boxes(write: Write) -> None:
    head, parts = TINY[:8], [TINY[:40], TINY[:8] + TINY[40:43], TINY[:8] + TINY[43:]]
    first, second, third = (segment(7, place, part) for place, part in enumerate(parts, start=1))
    other = segment(8, 1, head + b"another box")
    assert extract(write(b"\xff\xd8" + third + other + first + b"\xff" + second + b"\xff\xd9")) == TINY
    for broken in (first + third, first + second + second + third, second + third):
        assert extract(write(b"\xff\xd8" + broken + b"\xff\xd9")) is None
    longer = segment(7, 2, parts[1] + parts[2][8:] + bytes(9))
    assert extract(write(b"\xff\xd8" + longer + first)) == TINY
    assert extract(write(b"\xff\xd8" + longer + first[:-3])) is None


def test_a_riff_chunk_of_odd_length_is_padded(write: Write) -> None:
    odd, chunk = b"LIST\1\0\0\0xy", b"C2PA" + len(TINY).to_bytes(4, "little") + TINY
    assert extract(write(b"RIFF\0\0\0\0WEBP" + odd + chunk)) == TINY


@pytest.mark.parametrize(
    ("purposes", "found"),
    [
        (["manifest"], True),
        (["merkle", "manifest", "merkle"], True),
        (["original", "update"], True),
        (["manifest", "manifest"], False),
        (["manifest", "update"], False),
        (["update", "original"], False),
        (["original"], False),
        (["update"], False),
        (["merkle"], False),
    ],
)
def test_only_one_store_of_an_iso_file_counts(write: Write, purposes: list[str], *, found: bool) -> None:
    assert (extract(write(bmff(*purposes))) is not None) is found


def test_a_box_of_wide_or_open_length_is_read(write: Write) -> None:
    content = BMFF_STORE + b"manifest" + bytes(9) + TINY
    wide = (1).to_bytes(4) + content[:4] + (12 + len(content)).to_bytes(8) + content[4:]
    assert extract(write(box(b"ftypisom") + wide + b"rest")) == TINY
    assert extract(write(box(b"ftypisom") + bytes(4) + content)) == TINY
    for length in (0, 15, 1 << 63, (1 << 64) - 1):
        lying = (1).to_bytes(4) + content[:4] + length.to_bytes(8) + content[4:]
        assert extract(write(box(b"ftypisom") + lying)) in (TINY, None)


def test_what_is_no_c2pa_store_is_not_taken_for_one(write: Write) -> None:
    renamed, unlabelled = TINY.replace(b"c2pa\0", b"cpba\0"), TINY.replace(b"\x03c2pa", b"\x01c2pa")
    for wrong in (renamed, unlabelled, TINY.replace(b"u", b"v"), (37).to_bytes(4) + TINY[4:]):
        assert extract(write(bmff("manifest", store=wrong))) is None
        assert extract(write(wrong)) is None


@pytest.mark.parametrize("order", ["little", "big"])
def test_a_big_tiff_keeps_its_store_behind_wider_fields(write: Write, order: Any) -> None:
    fields = ((43, 2), (8, 2), (0, 2), (16, 8), (1, 8), (0xCD41, 2), (7, 2), (len(TINY), 8), (52, 8), (0, 8))
    content = (b"II" if order == "little" else b"MM") + b"".join(value.to_bytes(size, order) for value, size in fields)
    assert manifest_store_of(write(content + TINY), "image/tiff") == TINY


@pytest.mark.parametrize("encoding", [0, 1])
def test_a_tag_of_the_older_kind_is_read(write: Write, encoding: int) -> None:
    name = "c2pa".encode("utf-16") + bytes(2) if encoding else b"c2pa\0"
    content = bytes([encoding]) + b"application/x-c2pa-manifest-store\0" + name + name + TINY
    frames = b"\0\0\0\x06" + bytes(6) + b"GEOB" + len(content).to_bytes(4) + bytes(2) + content  # an extended header
    tag = b"ID3\x03\0\x40" + bytes([0, 0, len(frames) >> 7, len(frames) & 127])
    assert extract(write(tag + frames)) == TINY
    assert extract(write(tag.replace(b"\x40", b"\xc0") + frames)) is None  # unsynchronised


def test_a_store_past_the_limit_is_not_read(write: Write) -> None:
    for length, found in ((MAX_STORE_BYTES, True), (MAX_STORE_BYTES + 1, False)):
        path = write(length.to_bytes(4) + TINY[4:])
        os.truncate(path, length)
        assert (extract(path) is not None) is found


def test_two_stores_within_the_limit_may_be_past_it_together(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(bmff("original", "update"))
    monkeypatch.setattr(store_module, "MAX_STORE_BYTES", len(TINY) + 8)
    assert extract(path) == (54).to_bytes(4) + TINY[4:] + TINY[-8:]
    monkeypatch.setattr(store_module, "MAX_STORE_BYTES", len(TINY) + 7)
    assert extract(path) is None


def test_a_store_behind_gigabytes_is_found_without_reading_them(write: Write) -> None:
    path = write(box(b"ftypisom") + (1).to_bytes(4) + b"mdat" + (1 << 33).to_bytes(8))
    with path.open("r+b") as stream:
        stream.seek(12 + (1 << 33))
        stream.write(bmff("manifest")[12:])
    assert extract(path) == TINY


@pytest.mark.parametrize("suffix", ["png", "gif", "riff", "mp4", "jpg"])
def test_endless_small_parts_are_given_up(write: Write, suffix: str) -> None:
    parts = {
        "png": (b"\x89PNG\r\n\x1a\n", bytes(12), len(TINY).to_bytes(4) + b"caBX" + TINY),
        "gif": (b"GIF89a" + bytes(7), b"!\xff\x01a\0", b"!\xff\x0bC2PA_GIF\1\0\0\x2e" + TINY + b"\0"),
        "riff": (b"RIFF\xff\xff\xff\xffWAVE", bytes(8), b"C2PA" + len(TINY).to_bytes(4, "little") + TINY),
        "mp4": (box(b"ftypisom"), box(b"free"), bmff("manifest")[12:]),
        "jpg": (b"\xff\xd8", b"\xff\xe0\0\x02", segment(1, 1, TINY)),
    }
    start, small, store = parts[suffix]
    assert extract(write(start + small * 1000 + store)) == TINY
    assert extract(write(start + small * 400_000 + store)) is None


@pytest.mark.parametrize("media_type", ["", *sorted(SIGNABLE)])
def test_nothing_and_noise_hold_no_store(write: Write, media_type: str) -> None:
    noise = random.Random(media_type).randbytes(5000)
    for content in (b"", b"\0", bytes(5000), b"\xff" * 5000, noise):
        assert manifest_store_of(write(content), media_type) is None


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        manifest_store_of(tmp_path / "none", "image/jpeg")
