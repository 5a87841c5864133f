"""The pictures in a manifest store, and what hostile stores come to."""

import dataclasses
import itertools
import random
from pathlib import Path

import pytest

from provenance.authority import Credentials
from provenance.engine import LibraryEngine
from provenance.model import Ingredient, Relationship, ReleaseClaim
from provenance.store import manifest_store_of
from provenance.thumbnails import MAX_THUMBNAIL_BYTES, MAX_THUMBNAILS, thumbnails_of
from tests.unit.provenance.conftest import MediaMaker

JPEG, PNG = b"\xff\xd8\xff" + b"j" * 20, b"\x89PNG\r\n\x1a\n" + b"p" * 20


def box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return (8 + len(inside)).to_bytes(4) + kind + inside


def superbox(label: str, *boxes: bytes) -> bytes:
    return box(b"jumb", box(b"jumd", bytes(16), b"\x03", label.encode(), b"\0"), *boxes)


def manifest(picture: bytes, *, label: str = "urn:c2pa:1", assertion: str = "c2pa.thumbnail.claim") -> bytes:
    embedded = superbox(assertion, box(b"bfdb", b"\0text/html\0"), box(b"bidb", picture))
    return superbox(label, superbox("c2pa.assertions", superbox("c2pa.actions.v2", box(b"cbor")), embedded))


def store(*manifests: bytes) -> bytes:
    return superbox("c2pa", *manifests)


def test_each_manifest_of_a_signed_file_gives_its_own_picture(
    tmp_path: Path, media: MediaMaker, own: Credentials, claim: ReleaseClaim
) -> None:
    engine, small = LibraryEngine(own), media("jpg").read_bytes()
    with_picture = dataclasses.replace(claim, thumbnail_jpeg=small)
    engine.sign(media("jpg"), tmp_path / "part.jpg", with_picture)
    part = Ingredient(path=tmp_path / "part.jpg", title="A part", relationship=Relationship.COMPONENT_OF)
    signed = engine.sign(media("mp4"), tmp_path / "whole.mp4", with_picture, (part,))
    whole = manifest_store_of(tmp_path / "whole.mp4", "video/mp4")
    assert whole is not None
    found = thumbnails_of(whole)
    assert len(found) == 2
    assert found[-1].manifest_label == signed.manifest_label
    assert {(one.media_type, one.content) for one in found} == {("image/jpeg", small)}


@pytest.mark.parametrize(("content", "media_type"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
def test_a_picture_is_what_its_bytes_say_and_not_what_the_store_calls_it(content: bytes, media_type: str) -> None:
    [found] = thumbnails_of(store(manifest(content)))
    assert (found.manifest_label, found.media_type, found.content) == ("urn:c2pa:1", media_type, content)


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg onload=alert(1)>", b"<!doctype html>", b"GIF89a", JPEG + bytes(MAX_THUMBNAIL_BYTES)],
    ids=["empty", "svg", "page", "gif", "large"],
)
def test_what_is_no_small_jpeg_or_png_is_not_handed_on(content: bytes) -> None:
    assert thumbnails_of(store(manifest(content))) == []


def test_pictures_elsewhere_in_a_store_are_none_of_a_manifest() -> None:
    assert thumbnails_of(store(manifest(JPEG, assertion="c2pa.thumbnail.ingredient"))) == []
    assert thumbnails_of(manifest(JPEG)) == []
    assert thumbnails_of(store(superbox("x", superbox("databoxes", box(b"bidb", JPEG))))) == []


def test_a_store_with_very_many_boxes_is_read_to_a_bound() -> None:
    assert len(thumbnails_of(store(*(manifest(JPEG, label=f"urn:{n}") for n in range(500))))) <= MAX_THUMBNAILS
    assert thumbnails_of(store(*([superbox("x")] * 100_000), manifest(JPEG))) == []


def test_damaged_stores_raise_nothing() -> None:
    whole, rng = store(manifest(JPEG), manifest(PNG)), random.Random(7)
    assert thumbnails_of(b"") == []
    for cut in range(len(whole)):
        thumbnails_of(whole[:cut])
    for _ in range(300):
        damaged = bytearray(whole)
        for place, value in itertools.batched(rng.choices(range(256), k=12), 2):
            damaged[place % len(damaged)] = value
        thumbnails_of(bytes(damaged))
