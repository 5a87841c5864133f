"""Soft bindings: which manifests are found by a value, and which are not given out."""

import numpy as np
import pytest
import sqlalchemy as sa

from fingerprinting import iscc
from fingerprinting.extract import Extracted
from fingerprinting.iscc import Iscc, MainType, Unit
from fingerprinting.model import Algorithm, Fingerprint
from registry import releases, soft_bindings
from registry.access import Actor
from registry.database import Database
from registry.errors import Invalid, NotFound
from registry.index import IndexEngine
from registry.models import Release, ReleaseManifest, Revocation
from registry.soft_bindings import Binding
from tests import factories
from tests.factories import AT

PHASH = "org.clearmark.video-phash-v1"
BODY = bytes(range(32))
PICTURE, VIDEO, HEADER = 1, 3, bytes.fromhex("2307")


@pytest.fixture
def known(database: Database, index: IndexEngine) -> tuple[Actor, str]:
    """A maker and a release that is clip 2, with an ISCC."""
    with database.transaction() as session:
        maker = factories.actor(session)
        release = factories.release(session, maker, factories.check(session, maker, index, factories.fingerprint(2)))
        release.iscc_kind, release.iscc_body = VIDEO, BODY
    return maker, release.id


def coded(body: bytes, kind: int = VIDEO) -> bytes:
    """The value of a Content-Code, of a video unless said otherwise."""
    header = bytes([HEADER[0] - VIDEO + kind, HEADER[1]])
    unit = Unit(main_type=MainType.CONTENT, sub_type=kind, version=0, header=header, body=body)
    value = Iscc(units=(unit,)).value
    assert iscc.parse(value).units == (unit,)
    return value


def turned(bits: int) -> bytes:
    """The body with so many of its bits turned."""
    number = int.from_bytes(BODY, "big") ^ ((1 << bits) - 1)
    return number.to_bytes(32, "big")


def found(database: Database, index: IndexEngine, alg: str, value: bytes) -> list[Binding]:
    with database.reading() as session:
        return soft_bindings.by_value(session, index, alg, value, most=10)


@pytest.mark.parametrize(("bits", "similarity"), [(0, 100), (8, 97), (32, 88), (33, None), (128, None)])
def test_a_code_finds_what_is_near_enough(
    database: Database, index: IndexEngine, known: object, bits: int, similarity: int | None
) -> None:
    assert known
    expected = [] if similarity is None else [Binding(manifest_id="urn:c2pa:1", similarity=similarity)]
    assert found(database, index, "io.iscc.v0", coded(turned(bits))) == expected


@pytest.mark.parametrize(("bits", "is_found"), [(0, True), (12, True), (13, False)])
def test_pictures_must_be_nearer_than_films(
    database: Database, index: IndexEngine, known: tuple[Actor, str], bits: int, is_found: bool
) -> None:
    with database.transaction() as session:
        session.get_one(Release, known[1]).iscc_kind = PICTURE
    assert bool(found(database, index, "io.iscc.v0", coded(turned(bits), PICTURE))) is is_found
    assert found(database, index, "io.iscc.v0", coded(BODY)) == []  # a film's, of the same body


@pytest.mark.parametrize(("rows", "bits", "is_found"), [(8, 24, True), (8, 25, False), (1, 4, True), (1, 5, False)])
def test_rows_are_near_within_so_many_bits(
    database: Database, index: IndexEngine, known: object, rows: int, bits: int, is_found: bool
) -> None:
    assert known
    [held] = factories.fingerprint(2).descriptors
    asked = held.vectors[::5][:rows].copy()
    asked[:, :4] ^= np.frombuffer(((1 << bits) - 1).to_bytes(4, "big"), np.uint8)
    assert bool(found(database, index, PHASH, asked.tobytes())) is is_found


def test_no_more_are_given_than_were_asked_for(
    database: Database, index: IndexEngine, known: tuple[Actor, str]
) -> None:
    with database.transaction() as session:
        maker = known[0]
        again = factories.check(session, maker, index, factories.fingerprint(2), blob_key="check_2")
        factories.release(session, maker, again).manifest_id = "urn:c2pa:2"
    shown = extracted(factories.fingerprint(2))
    with database.reading() as session:
        for most in (1, 2):
            assert len(soft_bindings.by_content(session, "00" * 32, shown, index, most=most)) == most


def test_a_release_whose_credentials_are_not_kept_is_not_given_out(
    database: Database, index: IndexEngine, known: object
) -> None:
    assert known
    with database.transaction() as session:
        session.execute(sa.delete(ReleaseManifest))
        with pytest.raises(NotFound):
            soft_bindings.manifest_store(session, "urn:c2pa:1")
        assert soft_bindings.by_content(session, "cd" * 32, extracted(factories.fingerprint(2)), index, most=9) == []


def test_rows_of_a_fingerprint_find_the_release_that_has_them(
    database: Database, index: IndexEngine, known: object
) -> None:
    assert known
    [rows] = factories.fingerprint(2).descriptors
    [others] = factories.fingerprint(9).descriptors
    spread = rows.vectors[::5].tobytes()
    assert found(database, index, PHASH, spread) == [Binding(manifest_id="urn:c2pa:1", similarity=100)]
    assert found(database, index, PHASH, others.vectors[:8].tobytes()) == []
    # Half of what is asked for must be there: one still that both have is no match.
    mixed = rows.vectors[:1].tobytes() + others.vectors[:7].tobytes()
    assert found(database, index, PHASH, mixed) == []


@pytest.mark.parametrize(
    ("alg", "value"),
    [
        ("com.example.unknown", b"1"),
        ("io.iscc.v0", b""),
        ("io.iscc.v0", b"\x00" * 36),
        ("io.iscc.v0", b"ISCC:KACT"),
        (PHASH, b""),
        (PHASH, b"1" * 33),
        (PHASH, b"1" * 32 * 65),
        ("org.clearmark.video-sscd-v1", b"1" * 512),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_words(
    database: Database, index: IndexEngine, alg: str, value: bytes
) -> None:
    with pytest.raises(Invalid) as refused:
        found(database, index, alg, value)
    assert refused.value.problem.endswith(".") or ":" in refused.value.problem


def extracted(shown: Fingerprint) -> Extracted:
    return Extracted(fingerprint=shown)


def test_content_finds_the_releases_that_it_came_from(database: Database, index: IndexEngine, known: object) -> None:
    assert known
    part = extracted(factories.fingerprint(2, seconds=6.0, start_s=3.0))
    with database.reading() as session:
        for only in (None, Algorithm.VIDEO_PHASH_V1):
            answer = soft_bindings.by_content(session, "00" * 32, part, index, only=only, most=10)
            assert [one.manifest_id for one in answer] == ["urn:c2pa:1"]
        by_sound = soft_bindings.by_content(
            session, "00" * 32, part, index, only=Algorithm.AUDIO_CHROMAPRINT_V1, most=10
        )
        same = soft_bindings.by_content(session, "cd" * 32, extracted(factories.fingerprint(9)), index, most=10)
    assert by_sound == []
    assert same == [Binding(manifest_id="urn:c2pa:1", similarity=100)]


@pytest.mark.parametrize("gone", ["revoked", "disabled"])
def test_a_release_that_is_not_stood_by_is_not_given_out(
    database: Database, index: IndexEngine, known: tuple[Actor, str], gone: str
) -> None:
    maker, release_id = known
    with database.reading() as session:
        assert soft_bindings.manifest_store(session, "urn:c2pa:1") == b"a store"
    with database.transaction() as session:
        if gone == "revoked":
            releases.revoke(session, maker, release_id, Revocation.MISTAKE, "Wrong.", at=AT)
        else:
            releases.disable(session, session.get_one(Release, release_id), at=AT)
    [rows] = factories.fingerprint(2).descriptors
    assert found(database, index, "io.iscc.v0", coded(BODY)) == []
    assert found(database, index, PHASH, rows.vectors[:8].tobytes()) == []
    with database.reading() as session:
        shown = extracted(factories.fingerprint(2))
        assert soft_bindings.by_content(session, "cd" * 32, shown, index, most=10) == []
        with pytest.raises(NotFound):
            soft_bindings.manifest_store(session, "urn:c2pa:1")
        with pytest.raises(NotFound):
            soft_bindings.manifest_store(session, "urn:c2pa:none")


def test_a_manifest_without_its_ingredients_is_given_where_it_has_none(
    database: Database, known: tuple[Actor, str]
) -> None:
    _, release_id = known
    with database.transaction() as session:
        release = session.get_one(Release, release_id)
        release.manifest = {"manifests": {"urn:c2pa:1": {}}}
        assert soft_bindings.manifest_store(session, "urn:c2pa:1", active_only=True) == b"a store"
        release.manifest = {"manifests": {"urn:c2pa:1": {}, "urn:c2pa:0": {}}}
        session.flush()
        with pytest.raises(NotFound, match="ingredients"):
            soft_bindings.manifest_store(session, "urn:c2pa:1", active_only=True)
