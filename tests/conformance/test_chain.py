"""Whose chain a manifest is said to have, where its store holds boxes that could be taken for its signature."""

import copy
from collections.abc import Callable

import cbor2
import pytest

from provenance.authority import Credentials
from provenance.signature import chain_of
from tests.conformance.boxes import MANIFEST_UUID, SIGNATURE_UUID, STORE_UUID, Box, parse, store_of, superbox
from tests.conformance.workshop import SIGNATURE, Workshop

type Change = Callable[[Box, Box], object]


def decoy(theirs: Box, uuid: bytes = SIGNATURE_UUID) -> Box:
    """A box called the signature, with the certificates of another's."""
    protected, *_ = cbor2.loads(theirs.boxes[-1].named(SIGNATURE).boxes[1].content).value
    return superbox(uuid, SIGNATURE, Box(b"cbor", cbor2.dumps(cbor2.CBORTag(18, [protected, {}, None, b""]))))


def second_cbor(mine: Box, theirs: Box) -> None:
    mine.boxes[-1].named(SIGNATURE).boxes.append(decoy(theirs).boxes[1])


def too_large_first(mine: Box, theirs: Box) -> None:
    second_cbor(mine, theirs)
    content = mine.boxes[-1].named(SIGNATURE).boxes[1]
    protected, unprotected, payload, signed = cbor2.loads(content.content).value
    padded = {**unprotected, "pad": bytes((1 << 20) + 10)}
    content.content = cbor2.dumps(cbor2.CBORTag(18, [protected, padded, payload, signed]))


def whole_manifest(mine: Box, theirs: Box) -> None:
    manifest = copy.deepcopy(theirs.boxes[-1])
    manifest.boxes[0].content = mine.boxes[-1].boxes[0].content
    mine.boxes.insert(1, manifest)


def other_kind(mine: Box, theirs: Box) -> None:
    mine.boxes.insert(1, superbox(bytes(16), mine.boxes[-1].label, decoy(theirs)))


def signature_first(mine: Box, theirs: Box) -> None:
    mine.boxes[-1].boxes.insert(1, decoy(theirs))


def called_otherwise(mine: Box, theirs: Box) -> None:
    described = mine.boxes[-1].named(SIGNATURE).boxes[0]
    described.content = described.content.replace(SIGNATURE.encode(), b"c2pa.signatura")
    signature_first(mine, theirs)


def beyond_what_is_looked_through(mine: Box, theirs: Box) -> None:
    whole_manifest(mine, theirs)
    mine.boxes[2:2] = [Box(b"free") for _ in range(5000)]


def no_signature_of_its_own_kind(mine: Box, theirs: Box) -> None:  # noqa: ARG001 - a change like the others
    described = mine.boxes[-1].named(SIGNATURE).boxes[0]
    described.content = MANIFEST_UUID + described.content[16:]


CHANGES: list[Change] = [
    second_cbor, too_large_first, whole_manifest, other_kind, signature_first, called_otherwise,
    beyond_what_is_looked_through, no_signature_of_its_own_kind,
]  # fmt: skip


@pytest.fixture
def partner(workshop: Workshop, stranger: Credentials) -> Box:
    """The store of what somebody signed who is no part of this service, with our kind of check in it."""
    make = lambda path: workshop.sign(workshop.media("png"), path, by=stranger)  # noqa: E731
    return copy.deepcopy(parse(store_of(workshop.kept("signed-by-stranger", "png", make))))


def test_the_chain_is_that_of_the_one_signature(partner: Box, stranger: Credentials) -> None:
    [leaf, *_] = chain_of(partner.to_bytes(), partner.boxes[-1].label)
    assert leaf.sha256 == stranger.signer.identity.certificate_sha256


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_where_two_could_be_meant_there_is_no_chain(workshop: Workshop, partner: Box, change: Change) -> None:
    label, ours = partner.boxes[-1].label, parse(store_of(workshop.signed("png")))
    change(partner, ours)
    assert chain_of(partner.to_bytes(), label) == ()


def test_a_certificate_of_another_version_makes_no_file_unreadable(partner: Box) -> None:
    label, version_3, version_2 = partner.boxes[-1].label, b"\xa0\x03\2\1\2", b"\xa0\x03\2\1\1"
    signature = partner.boxes[-1].named(SIGNATURE).boxes[1]
    assert version_3 in signature.content
    signature.content = signature.content.replace(version_3, version_2)
    assert chain_of(partner.to_bytes(), label) == ()


def test_two_stores_have_no_chain(workshop: Workshop, partner: Box) -> None:
    label, ours = partner.boxes[-1].label, parse(store_of(workshop.signed("png")))
    whole_manifest(other := superbox(STORE_UUID, "c2pa", partner.boxes[-1]), ours)
    assert chain_of(other.to_bytes() + partner.to_bytes(), label) == ()
